"""Whether the pipeline makes the lot of a group worse (IR-19), from the sums of the days. Pure.

At each stage a group's ratio to all others together says how much worse off it is; above 1 it is. What is asked is the
change from the first stage to the last, L = log(last ratio) - log(first ratio), against L <= 0. It telescopes: the
changes from stage to stage add up to it.

Intervals are of requests as clusters. A ratio's is taken over logarithms from Wilson's intervals of both shares, by
variance estimates recovery (Zou & Donner 2008): with many requests that is the delta method, and unlike it it has a
width where a share is 1. Requests pass both stages, so the errors of the two ratios depend on each other, and sums do
not say how; L's interval takes the worst dependence there can be (its standard error is at most the sum of theirs, by
Cauchy and Schwarz), so it holds whatever that is. It holds for all groups of a family at once (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final, NamedTuple

from syscard.disparity import Amplification, GroupAmplification, StageRatio
from syscard_monitors.fairness import EVEN, MOST_GROUPS, ratio_interval
from syscard_monitors.groups import GroupMetric, Sums, named_groups
from syscard_monitors.stats import Z95, benjamini_hochberg
from syscard_monitors.tally import Tally, merged

LEAST: Final = 100
"""Requests that a group needs at a stage, and all others together."""
LEAST_HITS: Final = 5
"""Requests with the event that both need, for a logarithm that is nearly normal."""
_MOST_NEEDED: Final = 1_000_000
_Groups = Mapping[str, Tally]


def amplifications(
    metrics: Iterable[GroupMetric], sums: Sums, segments: Sequence[str] = ()
) -> tuple[Amplification, ...]:
    """Every family that is measured at two stages or more, by every segment.

    Args:
        metrics: in the order of the pipeline.
        sums: over all the days that are looked at.
        segments: those that are declared.
    """
    families: dict[str, dict[str, GroupMetric]] = {}
    for metric in metrics:
        if metric.family:  # of several on one part, the first
            families.setdefault(metric.family, {}).setdefault(metric.about, metric)
    found = (_family(name, list(of.values()), sums, s) for name, of in families.items() for s in segments)
    return tuple(told for told in found if told is not None)


def _family(name: str, metrics: Sequence[GroupMetric], sums: Sums, segment: str) -> Amplification | None:
    known = [(metric, named_groups(sums.get(metric.id, {}).get(segment, {}), MOST_GROUPS)) for metric in metrics]
    stages = [(metric, groups) for metric, groups in known if any(t.hits for t in groups.values())]
    if len(stages) < 2:
        return None
    labels = sorted({label for _, groups in (stages[0], stages[-1]) for label in groups})
    wider = NormalDist().inv_cdf(1 - 0.025 / max(1, len(labels))) / Z95
    found = [_group(label, [_stage(metric, groups, label) for metric, groups in stages], wider) for label in labels]
    return Amplification(family=name, segment=segment, groups=_ordered(found))


def _ordered(groups: Sequence[GroupAmplification]) -> tuple[GroupAmplification, ...]:
    """By how sure an amplification is; those without a figure last."""
    tested = [g for g in groups if g.p_value is not None]
    adjusted = dict(zip((g.group for g in tested), benjamini_hochberg([g.p_value or 0.0 for g in tested]), strict=True))
    named = [g.model_copy(update={"p_adjusted": adjusted.get(g.group)}) for g in groups]
    return tuple(sorted(named, key=lambda g: (g.p_value is None, g.p_adjusted, g.p_value, g.group)))


def _stage(metric: GroupMetric, groups: _Groups, label: str) -> StageRatio:
    own, others = groups.get(label, Tally()), merged(t for name, t in groups.items() if name != label)
    told: dict[str, Any] = {"key": metric.key, "about": metric.about, "label": metric.label, "n": own.n}
    if min(own.n, others.n) < LEAST:
        return StageRatio(**told)
    told |= {"value": own.mean, "others": others.mean}
    if min(own.hits, others.hits) < LEAST_HITS:
        return StageRatio(**told)
    of_own, of_others = (own.mean, own.share_interval()), (others.mean, others.share_interval())
    worse, better = (of_own, of_others) if metric.worse == "up" else (of_others, of_own)
    interval = ratio_interval(worse, better)  # five events leave a lower end above 0, so both ends are finite
    return StageRatio(**told, ratio=worse[0] / better[0], low=interval.low, high=interval.high)


class _Logs(NamedTuple):
    """Logarithm of a ratio, and how far its interval reaches below and above."""

    value: float
    below: float
    above: float


def _logs(stage: StageRatio) -> _Logs | None:
    if stage.ratio is None or stage.low is None or stage.high is None:
        return None
    value = math.log(stage.ratio)
    return _Logs(value, value - math.log(stage.low), math.log(stage.high) - value)


def _group(label: str, stages: Sequence[StageRatio], wider: float) -> GroupAmplification:
    shared: dict[str, Any] = {"group": label, "stages": tuple(stages)}
    first, last = _logs(stages[0]), _logs(stages[-1])
    if first is None or last is None:
        return GroupAmplification(**shared, state="unknown", **_missing(stages[0] if first is None else stages[-1]))
    change, below, above = last.value - first.value, last.below + first.above, last.above + first.below
    shared |= {"log_change": change, "low": change - wider * below, "high": change + wider * above}
    shared["p_value"] = NormalDist().cdf(-change * Z95 / below)
    n = min(stages[0].n, stages[-1].n)
    return GroupAmplification(**shared, **_verdict(change, wider * below, wider * above, last, n))


def _verdict(change: float, below: float, above: float, last: _Logs, n: int) -> dict[str, Any]:
    """What follows from a change and its interval. A group that is no worse off in the end has lost a lead at most."""
    if change - below > 0 and last.value > 0:
        return {"state": "amplified"}
    if change + above <= math.log(EVEN) or last.value + last.above <= 0:
        return {"state": "not amplified"}
    why = f"may be unchanged, and may be above {EVEN:g} times"
    gaps = ((below, change), (above, math.log(EVEN) - change))
    wanted = min(n * (reach / gap) ** 2 for reach, gap in gaps if gap > 0)
    return {"state": "unknown", "why": why, "needs": math.ceil(wanted) if wanted <= _MOST_NEEDED else None}


def _missing(stage: StageRatio) -> dict[str, Any]:
    """Why there is no ratio at a stage."""
    where = f"{stage.about} {stage.label}"
    if stage.value is not None:
        return {"why": f"fewer than {LEAST_HITS} events in {where}"}
    if stage.n < LEAST:
        return {"why": f"needs n {LEAST} in {where}, has {stage.n:,}", "needs": LEAST}
    return {"why": f"all others together have fewer than {LEAST} in {where}", "needs": LEAST}
