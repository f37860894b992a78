"""Reports: what Evidently says of a stretch of requests, signal by signal, against the baseline. Made when asked for.

A report is one look, outside the false-alarm budget: what raises incidents is in `syscard_monitors.window`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from syscard.card import Card
from syscard.digest import canonical
from syscard.edits import SetBaseline
from syscard.errors import MonitorError, NoRequests, UsageError
from syscard.evidence_files import Kept, keep
from syscard.system import System
from syscard.words import one_line
from syscard_monitors import detecting, stats
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import signal_values
from syscard_monitors.drift import Comparison, Drifted, DriftWorker, Figure, Method, ReportAsked
from syscard_monitors.drift.ordering import in_order, standing_out
from syscard_monitors.edetector import counts
from syscard_monitors.judge import Missing, comparable_values
from syscard_monitors.look import Scan, Stretch, between, newest
from syscard_monitors.look import sampled as sampled_from
from syscard_monitors.packs import Signal
from syscard_monitors.plan import Plan
from syscard_monitors.rankings import ACCURACY, OTHERS, Ranked, Training, rankings
from syscard_monitors.reference import Reference
from syscard_monitors.stats import evenly
from syscard_monitors.traces import moment
from syscard_monitors.window import not_comparable

FORMAT: Final = 1
NOTHING: Final = Stretch((), ())
GONE: Final = "no list of the baseline's requests is in the lake"
MOST_VALUES: Final = 10_000
"""Of one signal, on either side: beyond, Evidently takes long and says nothing new."""
LEAST_DISTANCE: Final = {"syscard_psi": 0.1, "syscard_js": 0.1}
"""Below this a distance is no drift, however many requests there are."""
By = Literal["test", "psi", "js"]
"""How signals are compared: by a test of each, or all by one distance."""
_FIGURES: Final[dict[str, Figure]] = {
    "share": "mean",
    "rate": "share",
    "number": "mean",
    "ratio": "mean",
    "latency": "p95",
    "volume": "per_minute",
    "category": "shifted_share",
}


@dataclass(frozen=True)
class Report:
    """One report as it is stored: a page for people and a document for machines."""

    html: bytes
    document: dict[str, Any]

    @property
    def json(self) -> bytes:
        """The document as it is stored (RFC 8785), so that its digest is that of the file."""
        return canonical(self.document)

    def keep(self, folder: Path) -> tuple[Kept, Kept]:
        """Page and document as evidence in a folder."""
        return keep(folder, self.html, ".html"), keep(folder, self.json, ".json")


@dataclass(frozen=True)
class Asked:
    """What a report is asked for."""

    since: datetime | None = None
    until: datetime | None = None
    last: int | None = None
    """So many of the newest requests, instead of a stretch of time."""
    sample: bool = False
    """Whether a sample of them will do, where they do not fit into memory; `since` and `until` are then needed."""
    only: frozenset[str] = frozenset()
    """Keys of the signals; empty is all, and the rankings."""
    by: By = "test"
    training: Training = field(default_factory=Training)


def stretch_of(
    scan: Scan, system: System, asked: Asked, before_us: int, now_us: int, rotated: Sequence[int]
) -> tuple[Stretch, bool]:
    """The requests that a report is asked for, and whether they are a sample.

    Args:
        scan: the lake.
        system: whose requests.
        asked: which of them.
        before_us: where the newest ones end.
        now_us: up to when there may be spans.
        rotated: when the key was changed (`syscard.rotations`).
    """
    if asked.sample and asked.since and asked.until:
        return sampled_from(scan, system, asked.since, asked.until, now_us, rotated)
    if asked.last is None:
        return between(scan, system, asked.since, asked.until, now_us, rotated), False
    return newest(scan, system, asked.last, before_us, now_us, rotated), False


def usual_of(scan: Scan, card: Card, system: System, asked: Asked, now_us: int, rotated: Sequence[int]) -> Stretch:
    """The requests of the baseline that are still in the lake, where a report compares lists with theirs."""
    if card.baseline is None or asked.only:
        return NOTHING
    return sampled_from(scan, system, card.baseline.start, card.baseline.end, now_us, rotated)[0]


def make(
    plan: Plan,
    card: Card,
    found: Stretch,
    asked: Asked,
    worker: DriftWorker,
    usual: Stretch = NOTHING,
    *,
    sampled: bool = False,
) -> Report:
    """Every signal that has a baseline, compared by Evidently over these requests (`sampled`: of many more).

    `usual` are the baseline's own requests, as far as they are still there: with their lists those of now are compared.

    Raises:
        UsageError: there is no baseline.
        NoRequests: there is no request.
        MissingExtra: Evidently is not installed.
        MonitorError: Evidently could not make it.
    """
    if plan.references is None or card.baseline is None:
        raise UsageError("no baseline to compare with: set one with: syscard baseline set")
    if not found.requests:
        raise NoRequests("no complete request in that time: nothing to report")
    signals = {s.key: s for s in plan.signals if not asked.only or s.key in asked.only}
    compared = {key: _comparison(plan, signal, found.requests, asked.by) for key, signal in signals.items()}
    comparisons = {key: c for key, c in compared.items() if isinstance(c, Comparison)}
    ranked = {} if asked.only else rankings(plan.system, found.requests, found.feedback, asked.training)
    before = _usual(ranked, rankings(plan.system, usual.requests, usual.feedback, asked.training))
    lists, known = (tuple(r for one in by.values() if (r := one.ranking) is not None) for by in (ranked, before))
    made = worker.report(
        ReportAsked(_title(plan, card.baseline, found.requests), tuple(comparisons.values()), lists, known)
    )
    html = made.html.encode()
    document = {
        "format": FORMAT,
        "system": card.system,
        "page_sha256": hashlib.sha256(html).hexdigest(),
        "engine": made.engine,
        "window": _window(found.requests) | ({"sampled": True} if sampled else {}),
        "baseline": _baseline(card.baseline, found.requests),
        "signals": _rows(signals, tuple(comparisons.values()), made.signals),
        "rankings": [
            _ranking(ref, one, made.rankings.get(ref, {})) | _before(before[ref], made.usual.get(ref, {}))
            for ref, one in ranked.items()
        ],
        "missing": {key: missing.why for key, missing in compared.items() if isinstance(missing, Missing)},
        "evidently": list(made.metrics),
    }
    return Report(html, document)


def _title(plan: Plan, baseline: SetBaseline, requests: Sequence[Request]) -> str:
    start, end = _times(requests)
    when = f"{len(requests):,} requests, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    return f"{plan.system.system.ref}: {when}, against baseline {one_line(baseline.name)}"


def _times(requests: Sequence[Request]) -> tuple[datetime, datetime]:
    return moment(min(r.start_us for r in requests)), moment(requests[-1].end_us)


def _window(requests: Sequence[Request]) -> dict[str, Any]:
    start, end = _times(requests)
    return {"start": start, "end": end, "requests": len(requests)}


def _baseline(baseline: SetBaseline, requests: Sequence[Request]) -> dict[str, Any]:
    """Which one, and how many of the requests are its own: they cannot differ from it."""
    shared = sum(baseline.start <= moment(r.start_us) and moment(r.end_us) <= baseline.end for r in requests)
    return {"name": baseline.name, "data_digest": baseline.data_digest, "shared_requests": shared}


def _comparison(plan: Plan, signal: Signal, requests: Sequence[Request], by: By) -> Comparison | Missing | None:
    """What Evidently is asked of a signal, or why it is not; None where an optional signal is not there."""
    if signal.key in plan.aside:
        return Missing(plan.aside[signal.key])
    reference = (plan.references or {}).get(signal.key, Reference(()))
    if signal.kind == "embedding":
        return Missing("compared by a domain classifier of our own") if reference.n else None
    strata = plan.strata.of(signal.about, requests)
    try:
        values = signal_values(signal, requests, None)
    except MonitorError as error:
        return Missing(str(error))
    keys = frozenset[int]().union(*(r.keys for r in requests))
    known = not_comparable(signal, values, keys, reference) or comparable_values(signal, values, reference, strata)
    if isinstance(known, Missing):
        return None if signal.optional and values is None else known
    expected = evenly(reference.with_mix_of(known[1]).sample(), MOST_VALUES)
    return _compared(signal, reference, _sampled(*known), list(expected), by)


def _sampled(values: list[Any], strata: Sequence[str]) -> list[Any]:
    """At most `MOST_VALUES` in their order: of each stratum as many as its share, evenly spaced by size."""
    if len(values) <= MOST_VALUES:
        return values
    by_size = sorted(range(len(values)), key=lambda i: (strata[i], values[i]))
    return [values[i] for i in sorted(evenly(tuple(by_size), MOST_VALUES))]


def _compared(signal: Signal, reference: Reference, now: list[Any], before: list[Any], by: By) -> Comparison:
    figure = _FIGURES[signal.kind]
    typed: Callable[[Any], Any] = str if signal.kind == "category" else float
    before = [typed(v) for v in before]
    if by != "test":
        return _by_distance(signal, reference, now, before, "syscard_psi" if by == "psi" else "syscard_js", figure)
    method: Method = "syscard_chi2" if signal.kind == "category" else "syscard_ks"
    if signal.kind == "rate":
        now, before = ([float(v > 0) for v in values] for values in (now, before))
    if signal.kind in ("share", "rate") and {*now, *before} <= {0.0, 1.0}:
        method = "syscard_fisher"
    return Comparison(signal.key, method, signal.alpha, tuple(before), tuple(now), figure=figure)


def _by_distance(
    signal: Signal, reference: Reference, now: list[Any], before: list[Any], method: Method, figure: Figure
) -> Comparison:
    """On the cells that the monitors rank in; drift is what is large, and larger than chance makes it at this size."""
    grid = detecting.grid_of(signal, reference)
    chance = {"syscard_psi": stats.psi_by_chance, "syscard_js": stats.jensen_shannon_by_chance}[method]
    threshold = max(LEAST_DISTANCE[method], chance(len(now), counts(grid, before), signal.alpha))
    return Comparison(signal.key, method, threshold, tuple(before), tuple(now), grid, figure)


def _rows(
    signals: Mapping[str, Signal], comparisons: Sequence[Comparison], found: Mapping[str, Drifted]
) -> list[dict[str, Any]]:
    """A row a signal, what is to be read first before the others."""
    first = standing_out(comparisons, found)
    return [
        _row(signals[c.key], c, found[c.key]) | {"stands_out": c.key in first} for c in in_order(comparisons, found)
    ]


def _row(signal: Signal, asked: Comparison, found: Drifted) -> dict[str, Any]:
    return {
        "signal": signal.key,
        "label": signal.label,
        "kind": signal.kind,
        "unit": signal.unit,
        "method": asked.method,
        "value": found.score,
        "threshold": asked.threshold,
        "drifted": asked.is_drift(found.score),
        "figure": asked.figure,
        "now": found.now,
        "before": found.before,
        "n": len(asked.current),
        "n_before": len(asked.reference),
    }


def _usual(now: Mapping[str, Ranked], before: Mapping[str, Ranked]) -> dict[str, Ranked]:
    """The baseline's lists of the components that make lists now; those of another length cannot be compared."""
    found = {ref: before.get(ref, Ranked(None, 0, 0, _all(GONE))) for ref in now}
    for ref, one in found.items():
        other = now[ref].ranking
        if one.ranking and other and one.ranking.k != other.k:
            why = f"lists of the baseline are judged to {one.ranking.k} places, these to {other.k}"
            found[ref] = Ranked(None, one.lists, one.answered, _all(why))
    return found


def _all(why: str) -> dict[str, str]:
    return dict.fromkeys((*ACCURACY, *OTHERS), why)


def _before(usual: Ranked, metrics: Mapping[str, float]) -> dict[str, Any]:
    """What stands beside a component's figures: those of the baseline."""
    return {
        "before": dict(metrics),
        "lists_before": usual.lists,
        "answered_before": usual.answered,
        "missing_before": usual.missing,
    }


def _ranking(ref: str, found: Ranked, metrics: Mapping[str, float]) -> dict[str, Any]:
    """A component's lists; a metric that Evidently gave no figure for is missing, too."""
    none = {name: "Evidently gives no figure" for name in (*ACCURACY, *OTHERS) if name not in metrics}
    return {
        "component": ref,
        "k": found.ranking.k if found.ranking else None,
        "lists": found.lists,
        "answered": found.answered,
        "metrics": dict(metrics),
        "missing": none | found.missing,
    }
