"""What each declared group of requests gets, at each stage of the pipeline: sums of a day that merge exactly. Pure.

A metric is what the packs watch as a share, a rate or a latency, and what the claims are about. Requests go to the day
on which they ended, so neither windows nor looks change a sum.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from syscard.digest import digest
from syscard.errors import MonitorError
from syscard.metric import parse_metric
from syscard.slices import claim_unit
from syscard.system import SYSTEM, Claim, System
from syscard_monitors.assemble import Request
from syscard_monitors.frames import evaluate, events, is_event
from syscard_monitors.graph import Graph
from syscard_monitors.packs import Signal
from syscard_monitors.samples import sample_sums
from syscard_monitors.stats import Z95
from syscard_monitors.tally import Tally, merged, read_tally, tally

DAYS: Final = 28
"""Days of sums that are kept."""
LEAST: Final = 30
"""Requests that a group needs before anything is said of it, where no claim asks for more."""
MOST_A_DAY: Final = 100
"""Groups of one segment that are told apart on one day, first come, first served: spans can hold any label."""
WITHOUT: Final = ""
"""Stands for requests whose segment is unknown: they are no group."""
OTHER: Final = "*"
"""Stands for groups beyond `MOST_A_DAY`."""
_NAMED: Final = "="
"""Before the label of a group, so that none can be taken for the two above."""
_DAY_US: Final = 86_400_000_000
_STATISTICS: Final = {"share": "share", "rate": "rate", "latency": "p95"}
QUALITY: Final = "quality"
"""The family of shares of requests in which a part did well."""
_FAMILIES: Final = ("share", "rate")
_OF_CLAIMS: Final = {"disparity": "share", "count": "rate"}

Sums = dict[str, dict[str, dict[str, Tally]]]
"""By metric, segment and group."""
_Measured = tuple[Request, float]


@dataclass(frozen=True)
class GroupMetric:
    """One figure that groups are compared by."""

    key: str
    about: str
    label: str
    expression: str
    statistic: str
    """`share` and `mean` of the values, `rate` of requests whose value is not 0, or a quantile such as `p95`."""
    unit: str = ""
    min_n: int = LEAST
    """Requests that a group needs."""
    family: str = ""
    """What other stages are measured by likewise; empty where nothing is comparable, or neither way is worse."""
    worse: Literal["down", "up"] = "down"
    """For members of a family: which way is worse."""

    @property
    def id(self) -> str:
        """What its sums belong to: with another expression it is another metric."""
        return f"{self.key}@{digest([self.expression, self.statistic])[:12]}"

    @property
    def only_events(self) -> bool:
        """Whether calls say so only where it happened: of a fallback, silence means that there was none."""
        return is_event(self.expression, self.about)

    @property
    def quantile(self) -> float | None:
        """0.95 for `p95`, None for the others."""
        return int(self.statistic[1:]) / 100 if self.statistic[0] == "p" else None


def metrics_of(system: System, signals: Iterable[Signal]) -> tuple[GroupMetric, ...]:
    """The metrics of a system in the order of the declared graph: what lies upstream comes first, the system last."""
    found: dict[tuple[str, str], GroupMetric] = {}
    for metric in (*_of_signals(tuple(signals)), *map(_of_claim, system.claims)):
        known = found.get((metric.expression, metric.statistic))
        found[metric.expression, metric.statistic] = _both(known, metric) if known else metric
    graph = Graph(frozenset(system.components), frozenset(system.edges))
    return tuple(sorted(found.values(), key=lambda metric: _stage(metric.about, graph)))


def _both(known: GroupMetric, claimed: GroupMetric) -> GroupMetric:
    """One metric that a signal or a claim has, and another claim as well."""
    way = known if known.family else claimed
    return replace(known, min_n=claimed.min_n, family=way.family, worse=way.worse)


def _of_signals(signals: Sequence[Signal]) -> Iterator[GroupMetric]:
    parts = Counter(s.name for s in signals if s.kind in _FAMILIES)
    for s in signals:
        if s.kind in _STATISTICS:
            metric = _metric(s.key, s.about, s.label, s.expr, _STATISTICS[s.kind], s.unit, LEAST)
            yield replace(metric, **_way(s, parts[s.name]))


def _way(signal: Signal, parts: int) -> dict[str, Any]:
    """Its family: signals of the same name on several parts, else all quality where less is worse."""
    if signal.kind not in _FAMILIES or signal.direction == "both":
        return {}
    if parts > 1:
        return {"family": signal.label, "worse": signal.direction}
    quality = signal.topic == QUALITY and signal.kind == "share" and signal.direction == "down"
    return {"family": QUALITY} if quality else {}


def _of_claim(claim: Claim) -> GroupMetric:
    metric = parse_metric(claim.metric)
    statistic = _OF_CLAIMS.get(metric.aggregate, metric.aggregate)
    unit = claim_unit({"metric": claim.metric, "expect": claim.expect}) if metric.quantile else ""
    found = _metric(claim.id, claim.about, claim.id, metric.expression, statistic, unit, claim.window.min_n)
    good = statistic == "share" and metric.aggregate != "disparity" and claim.expect.startswith(">")
    return replace(found, family=QUALITY) if good else found


def _metric(key: str, about: str, label: str, expression: str, statistic: str, unit: str, min_n: int) -> GroupMetric:
    """With as many requests as its interval needs: that of a quantile must end within the values."""
    metric = GroupMetric(key, about, label, expression, statistic, unit, min_n)
    q = metric.quantile
    return metric if q is None else replace(metric, min_n=max(min_n, least_for(q)))


def least_for(q: float) -> int:
    """Requests from which on the interval of a q-quantile lies within the values, by its order statistics."""
    tail = min(q, 1 - q)
    n = 1
    while n * tail < Z95 * math.sqrt(n * q * (1 - q)) + 1:
        n += 1
    return n


def _stage(about: str, graph: Graph) -> tuple[float, str, bool]:
    """An edge comes behind the component that it ends in: what that makes of it shows there."""
    if about == SYSTEM:
        return math.inf, about, False
    end = graph.end_of(about)
    return graph.depth(end), end, end != about


def days_of(requests: Iterable[Request]) -> frozenset[int]:
    """Days on which requests ended, counted from 1970 in UTC."""
    return frozenset(r.end_us // _DAY_US for r in requests)


def day_start_us(day: int) -> int:
    """When a day began."""
    return day * _DAY_US


def with_requests(
    known: Mapping[int, Sums],
    metrics: Iterable[GroupMetric],
    segments: Iterable[str],
    requests: Sequence[Request],
    feedback: Sequence[Request] = (),
) -> dict[int, Sums]:
    """The sums of the days with these requests taken in, in their order; a metric that none has is asked of feedback.

    A metric that cannot be computed has no sums: its signal or claim says why.
    """
    found = {day: {m: dict(by) for m, by in sums.items()} for day, sums in known.items()}
    named = tuple(segments)
    for metric in metrics:
        measured = _measured(metric, requests) or _measured(metric, feedback)
        for day in days_of(request for request, _ in measured):
            today = [one for one in measured if one[0].end_us // _DAY_US == day]
            sums = found.setdefault(day, {}).setdefault(metric.id, {})
            for segment in named:
                sums[segment] = _added(sums.get(segment, {}), segment, today, quantiles=metric.quantile is not None)
    return found


def _measured(metric: GroupMetric, requests: Sequence[Request]) -> list[_Measured]:
    """Requests that have a value, with it."""
    if metric.only_events:
        told = zip(requests, events(requests, metric.expression, metric.about), strict=True)
        return [(r, value) for r, value in told if value is not None]
    try:
        values = evaluate(requests, metric.expression) or ()
        found = [(r, float(v)) for r, v in zip(requests, values, strict=bool(values)) if v is not None]
    except (MonitorError, TypeError, ValueError, OverflowError):
        return []
    if not all(math.isfinite(v) and (metric.statistic != "share" or 0 <= v <= 1) for _, v in found):
        return []
    return [(r, float(v != 0)) for r, v in found] if metric.statistic == "rate" else found


def _added(
    known: Mapping[str, Tally], segment: str, measured: Iterable[_Measured], *, quantiles: bool
) -> dict[str, Tally]:
    members: dict[str, list[_Measured]] = {}
    named = sum(name.startswith(_NAMED) for name in known)
    for request, value in measured:
        label = request.values.get(f"segment.{segment}", [None])[0]
        name = WITHOUT if label is None else f"{_NAMED}{label}"
        if label is not None and name not in known and name not in members:
            name = name if named < MOST_A_DAY else OTHER
            named += name != OTHER
        members.setdefault(name, []).append((request, value))
    new = {name: _tally(found, quantiles=quantiles) for name, found in members.items()}
    return {**known, **{name: known[name] + t if name in known else t for name, t in new.items()}}


def _tally(measured: Sequence[_Measured], *, quantiles: bool) -> Tally:
    sample = sample_sums(request for request, _ in measured)
    return tally((value for _, value in measured), quantiles=quantiles, sample=sample)


def over_days(days: Iterable[Sums]) -> Sums:
    """The sums of several days."""
    gathered: dict[str, dict[str, dict[str, list[Tally]]]] = {}
    for sums in days:
        for metric, segments in sums.items():
            for segment, groups in segments.items():
                known = gathered.setdefault(metric, {}).setdefault(segment, {})
                for name, found in groups.items():
                    known.setdefault(name, []).append(found)
    return {
        metric: {segment: {name: merged(found) for name, found in groups.items()} for segment, groups in by.items()}
        for metric, by in gathered.items()
    }


def named_groups(groups: Mapping[str, Tally], most: int) -> dict[str, Tally]:
    """The largest groups by their labels, in the order of these: neither requests without a label nor the rest."""
    named = {name.removeprefix(_NAMED): t for name, t in groups.items() if name.startswith(_NAMED)}
    largest = sorted(named, key=lambda name: (-named[name].n, name))[:most]
    return {name: named[name] for name in sorted(largest)}


def body(sums: Sums) -> dict[str, Any]:
    """JSON form of a day."""
    return {m: {s: {g: t.body() for g, t in groups.items()} for s, groups in by.items()} for m, by in sums.items()}


def read_sums(found: Mapping[str, Any]) -> Sums:
    """A day from its JSON form."""
    return {m: {s: {g: read_tally(t) for g, t in gs.items()} for s, gs in by.items()} for m, by in found.items()}
