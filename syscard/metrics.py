"""What syscard knows, as metrics: from the JSON of views to names, labels and values.

Labels come from spans, which anybody may have written: each value is one line and short, and of parts only so many
have series of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from syscard.card import SEVERITIES
from syscard.signing import gate_reasons
from syscard.slices import claim_status
from syscard.words import moment, one_line

MOST_PARTS: Final = 200
"""Components and edges of one system that have series of their own; the declared ones first."""
_LONGEST_LABEL: Final = 100


class Described(NamedTuple):
    """One metric."""

    kind: Literal["gauge", "counter"]
    says: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One series and its value."""

    metric: str
    labels: tuple[str, ...]
    """Values, in the order of the metric's labels."""
    value: float


OF_SYSTEMS: Final[dict[str, Described]] = {
    "syscard_incidents": Described("gauge", "Incidents on the card.", ("system", "state", "severity")),
    "syscard_claims": Described("gauge", "Claims by how they stand.", ("system", "status")),
    "syscard_gate_blocked": Described("gauge", "1 where the gate is blocked.", ("system", "stage")),
    "syscard_watcher_last_run_age_seconds": Described(
        "gauge", "Seconds since the monitors looked last; no series before they ever did.", ("system",)
    ),
    "syscard_last_span_age_seconds": Described(
        "gauge", "Seconds since the newest span; no series before the first.", ("system",)
    ),
    "syscard_monitor_errors": Described("gauge", "Monitors that failed in the last look.", ("system",)),
    "syscard_monitor_restarts": Described("gauge", "Restarts of the monitors within about an hour.", ("system",)),
    "syscard_signals": Described("gauge", "Signals by their state in the newest window.", ("system", "state")),
    "syscard_requests_total": Described("counter", "Requests in closed windows.", ("system",)),
    "syscard_orphans_total": Described("counter", "Traces that never showed a root.", ("system",)),
    "syscard_late_requests_total": Described("counter", "Requests that came after their window.", ("system",)),
    "syscard_edits_total": Described("counter", "Edits in the chain.", ("system",)),
    "syscard_card_version": Described("gauge", "Newest version of the card.", ("system",)),
    "syscard_notifications_total": Described(
        "counter", "Messages to people, one a target: sent, failed (given up), perhaps.", ("system", "state")
    ),
    "syscard_notifications_undelivered": Described(
        "gauge", "Messages of the last day that have not arrived, or perhaps not.", ("system",)
    ),
    "syscard_notifications_held": Described(
        "gauge", "Incidents that wait for the digest, as the budget of messages is used up.", ("system",)
    ),
    "syscard_part_requests_per_minute": Described(
        "gauge", "Requests a minute that reach a component or edge, newest window.", ("system", "part")
    ),
    "syscard_part_latency_p95_seconds": Described(
        "gauge", "95th percentile of its latency, newest window.", ("system", "part")
    ),
    "syscard_part_error_ratio": Described(
        "gauge", "Share of its requests with an error, newest window.", ("system", "part")
    ),
    "syscard_parts_left_out": Described(
        "gauge", "Components and edges without series of their own, as there are too many.", ("system",)
    ),
}
OF_PROCESS: Final[dict[str, Described]] = {
    "syscard_spans_received_total": Described("counter", "Spans stored since this process began.", ("signal",)),
    "syscard_spans_refused_total": Described("counter", "Spans refused since this process began.", ("signal",)),
    "syscard_inbox_pending": Described("gauge", "Accepted requests that are not in the lake yet."),
    "syscard_taking_spans": Described("gauge", "1 while spans are taken and rolled into the lake."),
    "syscard_records_readable": Described("gauge", "1 where the records can be read."),
}
METRICS: Final[Mapping[str, Described]] = {**OF_SYSTEMS, **OF_PROCESS}
"""By name."""


def of_view(view: dict[str, Any], now: datetime) -> Iterator[Sample]:
    """The metrics of one system.

    Args:
        view: as `syscard.views` reads it.
        now: what ages are counted to.
    """
    card, live = view["card"], view["live"] or {}
    system, watcher = label(card["system"]), live.get("watcher", {})
    yield from _counted("syscard_incidents", system, _incidents(card))
    claims = Counter[tuple[str, ...]]((claim_status(c),) for c in card["claims"].values())
    yield from _counted("syscard_claims", system, claims)
    gate = view["gate"]
    yield Sample("syscard_gate_blocked", (system, label(gate["stage"])), float(bool(gate_reasons(view, now))))
    yield Sample("syscard_edits_total", (system,), view["edits"])
    yield Sample("syscard_card_version", (system,), card["version"])
    yield from _of_watcher(system, watcher, now)
    states = Counter[tuple[str, ...]]((signal["state"],) for signal in live.get("signals", {}).values())
    yield from _counted("syscard_signals", system, states)
    yield from _of_notices(system, watcher.get("notices") or {})
    yield from _of_parts(system, card, live.get("parts", {}))


def label(text: object) -> str:
    """A value of a label: one line, and not a long one."""
    return one_line(text)[:_LONGEST_LABEL]


def _incidents(card: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """By state and severity; `open` of each severity from the beginning, so that one that opens is a rise."""
    found = Counter[tuple[str, ...]]({("open", severity): 0 for severity in SEVERITIES})
    found.update((i["state"], i["severity"]) for i in card["incidents"].values())
    return found


def _counted(metric: str, system: str, found: Mapping[tuple[str, ...], int]) -> Iterator[Sample]:
    for labels, count in sorted(found.items()):
        yield Sample(metric, (system, *map(label, labels)), count)


def _of_watcher(system: str, watcher: dict[str, Any], now: datetime) -> Iterator[Sample]:
    ages = {"syscard_watcher_last_run_age_seconds": "last_run", "syscard_last_span_age_seconds": "last_span"}
    for metric, key in ages.items():
        if (at := moment(watcher.get(key))) is not None:
            yield Sample(metric, (system,), max(0.0, (now - at).total_seconds()))
    yield Sample("syscard_monitor_errors", (system,), len(watcher.get("errors", ())))
    yield Sample("syscard_monitor_restarts", (system,), len(watcher.get("restarts", ())))
    yield Sample("syscard_requests_total", (system,), watcher.get("requests", 0))
    yield Sample("syscard_orphans_total", (system,), watcher.get("orphans", 0))
    yield Sample("syscard_late_requests_total", (system,), watcher.get("late", 0))


def _of_notices(system: str, told: dict[str, Any]) -> Iterator[Sample]:
    for state in ("sent", "failed", "perhaps"):
        yield Sample("syscard_notifications_total", (system, state), told.get(state, 0))
    yield Sample("syscard_notifications_undelivered", (system,), told.get("undelivered", 0))
    yield Sample("syscard_notifications_held", (system,), told.get("held", 0))


def _of_parts(system: str, card: dict[str, Any], live: dict[str, Any]) -> Iterator[Sample]:
    """A value that is not known has no series: it is not 0."""
    declared = {ref for ref, part in (*card["components"].items(), *card["interactions"].items()) if part["declared"]}
    refs = sorted(live, key=lambda ref: (ref not in declared, ref))
    yield Sample("syscard_parts_left_out", (system,), max(0, len(refs) - MOST_PARTS))
    seen: set[str] = set()
    for ref in refs[:MOST_PARTS]:
        if (part := label(ref)) in seen:
            continue  # two that look alike once they are short would be one series twice
        seen.add(part)
        yield from _of_part((system, part), live[ref])


def _of_part(labels: tuple[str, str], now: dict[str, Any]) -> Iterator[Sample]:
    p95 = now.get("p95_ms")
    values = {
        "syscard_part_requests_per_minute": now.get("per_minute"),
        "syscard_part_latency_p95_seconds": None if p95 is None else p95 / 1000,
        "syscard_part_error_ratio": now.get("error_share"),
    }
    for metric, value in values.items():
        if value is not None:
            yield Sample(metric, labels, value)


def by_metric(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Samples of each metric, in the order in which metrics are described; every metric is there."""
    found: dict[str, list[Sample]] = {name: [] for name in METRICS}
    for sample in samples:
        found[sample.metric].append(sample)
    return found
