"""Clock skew by pair of services: how far calls lie outside their caller's time, in sums that merge exactly. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from syscard.live import SkewNow
from syscard_monitors.tally import merged, read_tally, tally

MOST_PAIRS: Final = 20
"""Pairs of services that are told apart in one window: a sender can make up any number of them."""
_UNKNOWN: Final = "unknown"
Skews = dict[str, dict[str, Any]]
"""`caller->called` -> calls, the largest skew (microseconds), and the tally of skews beyond the tolerance (ms)."""


class Crossing(NamedTuple):
    """A call from one service to another."""

    caller: str
    called: str
    outside_us: int
    """How far it begins before its caller or ends after it, whichever is more; 0 where it lies within."""


def crossing(caller: str | None, called: str | None, span: tuple[int, int], parent: tuple[int, int]) -> Crossing:
    """A call by the services and the times (start, end) of its two spans."""
    outside = max(0, parent[0] - span[0], span[1] - parent[1])
    return Crossing(caller or _UNKNOWN, called or _UNKNOWN, outside)


def skews(calls: Iterable[Crossing], tolerance_us: int) -> Skews:
    """What the calls of one window show, by pair: those with most skew, and then most calls."""
    pairs: defaultdict[str, list[int]] = defaultdict(list)
    for call in calls:
        pairs[f"{call.caller}->{call.called}"].append(call.outside_us)
    found = {pair: _skew(outside, tolerance_us) for pair, outside in pairs.items()}
    worst = sorted(found, key=lambda pair: (-found[pair]["skew"]["n"], -found[pair]["calls"], pair))
    return {pair: found[pair] for pair in worst[:MOST_PAIRS]}


def _skew(outside: list[int], tolerance_us: int) -> dict[str, Any]:
    beyond = [us for us in outside if us > tolerance_us]
    sums = tally((us / 1000 for us in beyond), quantiles=True)
    return {"calls": len(outside), "largest_us": max(beyond, default=0), "skew": sums.body()}


def skews_now(windows: Iterable[Mapping[str, Mapping[str, Any]]]) -> tuple[SkewNow, ...]:
    """Every pair over some windows, the most skewed calls first."""
    gathered: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for window in windows:
        for pair, one in window.items():
            gathered[pair].append(one)
    found = [_now(pair, several) for pair, several in gathered.items()]
    return tuple(sorted(found, key=lambda s: (-s.skewed, -s.calls, s.caller, s.called)))


def _now(pair: str, several: list[Mapping[str, Any]]) -> SkewNow:
    caller, _, called = pair.partition("->")
    sums = merged(read_tally(one["skew"]) for one in several)
    largest = max(one["largest_us"] for one in several)
    return SkewNow(
        caller=caller,
        called=called,
        calls=sum(one["calls"] for one in several),
        skewed=sums.n,
        # A bucket's middle may lie 1 % above the largest value in it.
        median_ms=min(sums.quantile(0.5), largest / 1000) if sums.n else None,
        largest_ms=largest / 1000 if sums.n else None,
    )
