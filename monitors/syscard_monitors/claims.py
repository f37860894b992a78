"""Claims: from tallies to a status, slice by slice. Pure.

holds: the whole 95 % interval satisfies the promise. broken: the whole interval violates it, in two windows running.
unknown: between, too few requests, or nothing measures it. stale: the newest evidence is older than `valid_for`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syscard.digest import digest
from syscard.edits import SliceStatus
from syscard.errors import MonitorError
from syscard.metric import Metric, parse_metric
from syscard.system import Claim
from syscard.units import Expectation, parse_expectation
from syscard_monitors.assemble import Request
from syscard_monitors.frames import evaluate
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.stats import Z95, Interval, rule_of_three
from syscard_monitors.tally import Tally, merged, read_tally, tally, too_small

ALL: Final = "all"
OTHER: Final = "other groups"
MOST_SLICES: Final = 20
"""Groups of a claim that are told apart: a segment can have any number of labels."""
MOST_KEPT: Final = 500
"""Groups of a claim that are kept apart in one stretch of time."""
BROKEN_AFTER: Final = 2
"""Windows running in which the whole interval must violate the promise."""
Slices = dict[str, Tally]
_Measured = tuple[Request, Any]
"""A request and its value, None where it has none."""


@dataclass(frozen=True)
class Assessment:
    """A claim's slices now, and which of them violate the promise (for how many windows running)."""

    slices: tuple[SliceStatus, ...]
    violating: dict[str, int]


def promise(claim: Claim) -> str:
    """What the sums of a claim belong to: another metric or other segments make another promise."""
    return f"{claim.id}@{digest([claim.metric, list(claim.by)])[:12]}"


def tallies(claim: Claim, requests: Sequence[Request]) -> Slices:
    """The sums of one window for a claim: all traffic, and each declared segment.

    Raises:
        MonitorError: the claim's expression cannot be computed.
    """
    metric = parse_metric(claim.metric)
    values = evaluate(requests, metric.expression)
    if values is None:
        return {}
    wanted = metric.quantile is not None
    slices = {ALL: _tally(list(zip(requests, values, strict=True)), quantiles=wanted)}
    if metric.aggregate in ("share", "disparity") and any(not 0 <= float(v) <= 1 for v in values if v is not None):
        raise MonitorError(f"{claim.metric}: a value outside 0..1 is no share")
    for dimension in claim.by:
        slices |= _by_segment(dimension, requests, values, quantiles=wanted)
    return slices


def _by_segment(dimension: str, requests: Sequence[Request], values: Sequence[Any], *, quantiles: bool) -> Slices:
    """Requests whose segment is unknown are in no slice."""
    groups: dict[str, list[_Measured]] = {}
    for request, value in zip(requests, values, strict=True):
        label = request.values.get(f"segment.{dimension}", [None])[0]
        if label is not None:
            groups.setdefault(f"{dimension}={label}", []).append((request, value))
    return {group: _tally(members, quantiles=quantiles) for group, members in sorted(groups.items())}


def _tally(measured: Iterable[_Measured], *, quantiles: bool) -> Tally:
    present = [(request, value) for request, value in measured if value is not None]
    sample = sample_sums(request for request, _ in present)
    try:
        return tally((float(value) for _, value in present), quantiles=quantiles, sample=sample)
    except (TypeError, ValueError, OverflowError) as error:
        raise MonitorError(f"a claim's metric must be a number or yes/no: {error}") from error


def body(slices: Slices) -> dict[str, Any]:
    """JSON form of one window's sums."""
    return {name: t.body() for name, t in slices.items()}


def together(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The sums of two stretches, slice by slice; of very many groups the smallest are put together."""
    names = dict.fromkeys((*one, *other))
    found = {name: merged(read_tally(sums[name]) for sums in (one, other) if name in sums) for name in names}
    return body(_bounded(found, MOST_KEPT))


def over_windows(bodies: Iterable[Mapping[str, Any]]) -> Slices:
    """The sums of several windows, slice by slice; beyond `MOST_SLICES` the smallest groups are put together."""
    gathered: dict[str, list[Tally]] = {}
    for window in bodies:
        for name, sums in window.items():
            gathered.setdefault(name, []).append(read_tally(sums))
    return _bounded({name: merged(found) for name, found in gathered.items()})


def _bounded(slices: Slices, most: int = MOST_SLICES) -> Slices:
    groups = (name for name in slices if name not in (ALL, OTHER))
    largest = sorted(groups, key=lambda name: (-slices[name].n, name))
    kept, rest = sorted(largest[:most]), [*largest[most:], *({OTHER} & slices.keys())]
    named = {name: slices[name] for name in (ALL, *kept) if name in slices}
    return named | ({OTHER: merged(slices[name] for name in rest)} if rest else {})


def assess(claim: Claim, slices: Slices, violating: Mapping[str, int]) -> Assessment:
    """Where a claim stands.

    Args:
        claim: the promise.
        slices: sums over the claim's window; empty where nothing measures it.
        violating: windows running in which a slice violated the promise before this one.
    """
    metric, expected = parse_metric(claim.metric), parse_expectation(claim.expect)
    if ALL not in slices:
        why = f"nothing measures it: no span carries {metric.expression}"
        return Assessment((SliceStatus(status="unknown", why=why, needs=claim.window.min_n),), {})
    if metric.aggregate == "disparity":
        return _marked(_disparity(claim, slices, expected, violating), slices)
    found = [
        _slice(name, t, metric, expected, claim.window.min_n, violating.get(name, 0)) for name, t in slices.items()
    ]
    return _marked(Assessment(tuple(s for s, _ in found), {s.slice: runs for s, runs in found if runs}), slices)


def _marked(assessed: Assessment, slices: Slices) -> Assessment:
    """Each slice with how its own requests were sampled."""
    found = {name: sampling_of(sums.sample, sums.n) for name, sums in slices.items()}
    marked = (s.model_copy(update={"sampled": found[s.slice]}) if found.get(s.slice) else s for s in assessed.slices)
    return Assessment(tuple(marked), assessed.violating)


def _slice(
    name: str, sums: Tally, metric: Metric, expected: Expectation, min_n: int, runs: int
) -> tuple[SliceStatus, int]:
    if expected.is_never and metric.aggregate == "count":
        return _never(name, sums, min_n), 0
    if sums.n < min_n:
        return _too_few(name, sums.n, min_n), 0
    value, interval = _estimate(sums, metric)
    return _decided(name, value, interval, sums.n, expected, runs)


def _decided(
    name: str, value: float, interval: Interval, n: int, expected: Expectation, runs: int
) -> tuple[SliceStatus, int]:
    ends = (expected.holds_for(interval.low), expected.holds_for(interval.high))
    # `== 5` fails at both ends of 4..6 and is not violated there.
    spans_limit = expected.op == "==" and interval.low <= expected.limit <= interval.high
    runs = runs + 1 if not any(ends) and not spans_limit else 0
    shared = {"slice": name, "value": value, "low": interval.low, "high": interval.high, "n": n}
    if all(ends):
        return SliceStatus(status="holds", **shared), 0
    if runs >= BROKEN_AFTER:
        return SliceStatus(status="broken", **shared), runs
    why = f"violated in {runs} of {BROKEN_AFTER} windows" if runs else "the interval contains the limit"
    return SliceStatus(status="unknown", why=why, **shared), runs


def _too_few(name: str, n: int, min_n: int) -> SliceStatus:
    return SliceStatus(slice=name, status="unknown", n=n, needs=min_n, why=f"needs n {min_n}, has {n}")


def _never(name: str, sums: Tally, min_n: int) -> SliceStatus:
    """`== 0`: one event breaks it; without one, the rule of three bounds the rate."""
    count = sums.total / 1_000_000
    if sums.hits:
        return SliceStatus(slice=name, status="broken", value=count, n=sums.n)
    if sums.n < min_n:
        return _too_few(name, sums.n, min_n)
    bound = f"at most {100 * rule_of_three(sums.n):.2g} % of requests (95 %)"
    return SliceStatus(slice=name, status="holds", value=0.0, n=sums.n, why=bound)


def _estimate(sums: Tally, metric: Metric) -> tuple[float, Interval]:
    if metric.quantile is not None:
        return sums.quantile(metric.quantile), sums.quantile_interval(metric.quantile)
    if metric.aggregate == "share":
        return sums.mean, sums.share_interval()
    if metric.aggregate == "count":
        count = sums.total / 1_000_000
        half = Z95 * math.sqrt(max(count, 1.0))
        return count, Interval(max(0.0, count - half), count + half)
    return sums.mean, sums.mean_interval()


def _disparity(claim: Claim, slices: Slices, expected: Expectation, violating: Mapping[str, int]) -> Assessment:
    """Largest ratio of two groups' shares; Katz's (1978) log interval of the two extreme groups."""
    groups = {name: t for name, t in slices.items() if name != ALL}
    enough = {name: t for name, t in groups.items() if t.n >= claim.window.min_n and t.hits}
    if len(enough) < 2:
        never = any(t.n >= claim.window.min_n and not t.hits for t in groups.values())
        why = too_small(groups, claim.window.min_n) + (
            "; of one where it never happens there is no ratio" if never else ""
        )
        overall = SliceStatus(status="unknown", why=why, n=slices[ALL].n, needs=claim.window.min_n)
        return Assessment((overall,), {})
    best = max(enough.values(), key=lambda t: t.mean)
    worst = min(enough.values(), key=lambda t: t.mean)
    ratio = best.mean / worst.mean
    half = Z95 * math.sqrt(sum((1 - t.mean) / (t.n * t.mean) for t in (best, worst)))
    interval = Interval(ratio * math.exp(-half), ratio * math.exp(half))
    overall, runs = _decided(ALL, ratio, interval, slices[ALL].n, expected, violating.get(ALL, 0))
    shown = [_group(name, t) for name, t in groups.items()]
    return Assessment((overall, *shown), {ALL: runs} if runs else {})


def _group(name: str, sums: Tally) -> SliceStatus:
    """A group's own share: shown, never judged alone."""
    interval = sums.share_interval()
    return SliceStatus(
        slice=name,
        status="unknown",
        value=sums.mean,
        low=interval.low,
        high=interval.high,
        n=sums.n,
        why="a group's share",
    )


def stale(status: SliceStatus) -> SliceStatus:
    """The slice, with its evidence grown too old to stand on."""
    if status.status not in ("holds", "broken"):
        return status
    return status.model_copy(update={"status": "stale", "why": f"was {status.status}; its evidence has expired"})
