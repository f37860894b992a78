"""The adapter to Fairlearn: the only module that imports it. Group figures, ratio and difference are `MetricFrame`'s.

`MetricFrame` wants a row a request. The sums that are kept of requests give it the same frame in fewer rows, each of
which stands for `sample_weight` requests: for a mean one row a group (its mean, its n), since a mean of equal parts is
the mean; for a quantile one row a bucket of the group's histogram. So the frame says what it would say of the requests
themselves: means to a millionth, quantiles within 1 %.

Intervals are ours, as Fairlearn's are by bootstrap and need the requests: each group's own 95 % interval (Wilson's, of
order statistics, or of a mean), put together for ratio and difference by the method of variance estimates recovery
(Zou & Donner 2008; for the difference of two shares that is Newcombe's 1998 method 10). The ratio's is taken over
logarithms, where an estimate is nearly normal: with many requests it is Katz's (1978) interval, and unlike that it has
a width where a share is 1. The two groups that are furthest apart are picked by their figures, so the intervals are
widened as if all pairs had been looked at (Bonferroni).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

from syscard.disparity import Disparity, GroupFigure
from syscard.errors import MissingExtra
from syscard_monitors.groups import GroupMetric, Sums, named_groups
from syscard_monitors.samples import sampling_of
from syscard_monitors.stats import Z95, Interval
from syscard_monitors.tally import Tally, too_small

EVEN: Final = 1.25
"""Ratio up to which groups count as treated alike: the other way round, the four-fifths rule (29 CFR 1607.4 D)."""
MOST_GROUPS: Final = 20
"""Groups of one segment that are told apart, the largest."""
_MOST_NEEDED: Final = 1_000_000


@dataclass(frozen=True)
class Frame:
    """What `MetricFrame` says of some groups."""

    values: dict[str, float]
    ratio: float
    """Largest over smallest; Fairlearn gives the smallest over the largest."""
    difference: float


def disparities(metrics: Iterable[GroupMetric], sums: Sums, segments: Sequence[str] = ()) -> tuple[Disparity, ...]:
    """Every metric by every segment.

    Args:
        metrics: in the order in which they are to be told.
        sums: over all the days that are looked at.
        segments: those that are declared.

    Raises:
        MissingExtra: Fairlearn is not installed.
    """
    return tuple(_disparity(m, segment, sums.get(m.id, {}).get(segment, {})) for m in metrics for segment in segments)


def _disparity(metric: GroupMetric, segment: str, known: Mapping[str, Tally]) -> Disparity:
    if metric.only_events and not any(t.hits for t in known.values()):
        known = {}  # a component that never says so may not be able to
    groups = named_groups(known, MOST_GROUPS)
    enough = {name: t for name, t in groups.items() if t.n >= metric.min_n}
    frame = frame_of(metric, enough) if enough else None
    shown = tuple(_group(name, t, metric, frame) for name, t in groups.items())
    without = sum(t.n for t in known.values()) - sum(t.n for t in groups.values())
    shared: dict[str, Any] = {
        "key": metric.key, "about": metric.about, "label": metric.label, "statistic": metric.statistic,
        "unit": metric.unit, "segment": segment, "groups": shown, "without": without,
    }  # fmt: skip
    if frame is None or len(enough) < 2:
        return Disparity(state="unknown", why=too_small(groups, metric.min_n), needs=metric.min_n, **shared)
    return Disparity(**shared, **_compared(metric, enough, frame))


def _group(name: str, sums: Tally, metric: GroupMetric, frame: Frame | None) -> GroupFigure:
    sampled = sampling_of(sums.sample, sums.n)
    if frame is None or name not in frame.values:
        return GroupFigure(group=name, n=sums.n, needs=metric.min_n, sampled=sampled)
    interval = _interval(metric, sums)
    value = frame.values[name]
    return GroupFigure(group=name, n=sums.n, value=value, low=interval.low, high=interval.high, sampled=sampled)


def _interval(metric: GroupMetric, sums: Tally) -> Interval:
    if metric.quantile is not None:
        return sums.quantile_interval(metric.quantile)
    return sums.mean_interval() if metric.statistic == "mean" else sums.share_interval()


def _compared(metric: GroupMetric, groups: Mapping[str, Tally], frame: Frame) -> dict[str, Any]:
    """Ratio and difference of the two groups that are furthest apart, and what follows from them."""
    highest, lowest = (pick(frame.values, key=lambda g: (frame.values[g], g)) for pick in (max, min))
    high, low = ((frame.values[g], _interval(metric, groups[g])) for g in (highest, lowest))
    wider = widened(len(groups))
    apart = difference_interval(high, low, wider)
    found = {"highest": highest, "lowest": lowest, "difference": frame.difference,
             "difference_low": apart.low, "difference_high": apart.high}  # fmt: skip
    if low[0] <= 0:
        why = f"no ratio: {lowest} has none" if high[0] > 0 else "no ratio: no group has any"
        return {**found, "state": "unknown", "why": why}
    ratio = ratio_interval(high, low, wider)
    found |= {"ratio": frame.ratio, "ratio_low": ratio.low, "ratio_high": _finite(ratio.high)}
    if not math.isfinite(ratio.high) and ratio.low <= EVEN:
        return {**found, "state": "unknown", "why": f"the interval of {lowest} reaches 0"}
    if ratio.high <= EVEN:
        return {**found, "state": "even"}
    if ratio.low > EVEN:
        return {**found, "state": "uneven"}
    needs = needed(frame.ratio, ratio, min(groups[highest].n, groups[lowest].n))
    return {**found, "state": "unknown", "why": f"the interval contains {EVEN:g}", "needs": needs}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def widened(groups: int) -> float:
    """How much wider an interval must be that holds for whichever two of so many groups are picked."""
    pairs = groups * (groups - 1) / 2
    return NormalDist().inv_cdf(1 - 0.025 / pairs) / Z95


_End = tuple[float, Interval]
"""An estimate above 0 and its 95 % interval."""


def ratio_interval(highest: _End, lowest: _End, wider: float = 1.0) -> Interval:
    """95 % interval of the ratio of two estimates, from theirs over logarithms; infinite where the lower reaches 0."""
    over, under = ((math.log(value), Interval(_log(i.low), _log(i.high))) for value, i in (highest, lowest))
    apart = difference_interval(over, under, wider)
    return Interval(math.exp(apart.low), math.exp(apart.high))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def difference_interval(highest: _End, lowest: _End, wider: float = 1.0) -> Interval:
    """95 % interval of the difference of two estimates, from theirs; `wider` for more than one pair."""
    (high, of_high), (low, of_low) = highest, lowest
    below = math.hypot(high - of_high.low, of_low.high - low)
    above = math.hypot(of_high.high - high, low - of_low.low)
    return Interval(high - low - wider * below, high - low + wider * above)


def needed(ratio: float, interval: Interval, n: int) -> int | None:
    """About how many requests the smaller group needs until the interval leaves `EVEN` out, if the ratio stays.

    An interval over logarithms shrinks with the root of n. None where so many will never come.
    """
    end = interval.low if ratio > EVEN else interval.high
    far, gap = abs(_log(end) - math.log(ratio)), abs(math.log(ratio / EVEN))
    if not gap or not math.isfinite(far):
        return None
    wanted = n * (far / gap) ** 2
    return math.ceil(wanted) if wanted <= _MOST_NEEDED else None


def frame_of(metric: GroupMetric, groups: Mapping[str, Tally]) -> Frame:
    """Fairlearn's figures of some groups, from rows that stand for many requests each.

    Raises:
        MissingExtra: Fairlearn is not installed.
    """
    rows = [(name, value, n) for name, sums in groups.items() for value, n in _rows(metric, sums)]
    names, values, weights = zip(*rows, strict=True)
    fairlearn = _fairlearn()
    quantile = metric.quantile
    of_group = fairlearn.mean_prediction if quantile is None else weighted_quantile(quantile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = fairlearn.MetricFrame(
            metrics={"value": of_group},
            y_true=values,  # what is predicted plays no part: a group's figure is one of the values alone
            y_pred=values,
            sensitive_features=list(names),
            sample_params={"value": {"sample_weight": weights}},
        )
        least = float(frame.ratio(method="between_groups")["value"])
        difference = float(frame.difference(method="between_groups")["value"])
    found = {str(name): float(value) for name, value in frame.by_group["value"].items()}
    return Frame(found, 1 / least if least > 0 else math.inf, difference)


def _rows(metric: GroupMetric, sums: Tally) -> Iterable[tuple[float, int]]:
    return ((sums.mean, sums.n),) if metric.quantile is None else sums.histogram


def weighted_quantile(q: float) -> Callable[..., float]:
    """A metric for `MetricFrame`: the smallest value that a share `q` of the weight does not exceed."""

    def quantile(_true: Any, values: Any, *, sample_weight: Any) -> float:
        pairs = sorted(zip(values, sample_weight, strict=True))
        wanted, seen = math.ceil(q * sum(weight for _, weight in pairs)), 0
        for value, weight in pairs:
            seen += weight
            if seen >= wanted:
                return float(value)
        return math.nan

    return quantile


def _fairlearn() -> Any:
    try:
        import fairlearn.metrics
    except ImportError as error:
        raise MissingExtra("server", "fairness") from error
    return fairlearn.metrics
