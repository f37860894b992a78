"""When what groups get is worth an edit, and that edit. Pure.

One comparison writes one edit at most, and an unasked one comes once an hour: so never more than 24 a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from syscard.disparity import Disparity, GroupFigure
from syscard.edits import CompareGroups, Draft
from syscard.live import GroupsNow
from syscard_monitors.window import AUTHOR

VALID_FOR: Final = timedelta(days=7)
"""Evidence of what groups get is renewed at half of this; of a claim about it, as the claim says."""
METHODS: Final = {
    "share": "mean by group (Fairlearn MetricFrame); 95 % Wilson interval, requests as clusters",
    "rate": "share of requests by group (Fairlearn MetricFrame); 95 % Wilson interval",
    "mean": "mean by group (Fairlearn MetricFrame); 95 % normal interval",
}
_QUANTILE: Final = "quantile by group within 1 % (Fairlearn MetricFrame); 95 % interval of order statistics"
_APART: Final = "; largest and smallest apart by variance estimates recovery (Zou & Donner 2008), all pairs"


def updated(known: GroupsNow | None, found: GroupsNow, *, renew: bool) -> tuple[GroupsNow, tuple[Draft, ...]]:
    """What the faces show from now on, each figure with its evidence, and the edit that this takes.

    Args:
        known: what they showed until now.
        found: what was measured, without evidence.
        renew: whether every figure that differs is worth an edit, because somebody asked; else what is material.
    """
    before = {d.name: d for d in known.disparities if d.evidence} if known else {}
    new = {d.name: d for d in found.disparities if _is_new(before.get(d.name), d, found.as_of, renew=renew)}
    names = tuple(d.name for d in found.disparities)
    if not new and set(names) == set(before):
        return _shown(found, before), ()
    draft = Draft(body=_body(found, tuple(new.values()), names), author=AUTHOR, observed=found.as_of)
    named = {"evidence": draft.digest, "measured": found.as_of}
    return _shown(found, before | {name: d.model_copy(update=named) for name, d in new.items()}), (draft,)


def _shown(found: GroupsNow, by_name: Mapping[str, Disparity]) -> GroupsNow:
    return found.model_copy(update={"disparities": tuple(by_name[d.name] for d in found.disparities)})


def _body(found: GroupsNow, new: tuple[Disparity, ...], names: tuple[str, ...]) -> CompareGroups:
    return CompareGroups(
        window_start=found.since,
        window_end=found.as_of,
        tolerated=found.tolerated,
        methods={s: METHODS.get(s, _QUANTILE) + _APART for s in sorted({d.statistic for d in new})},
        disparities=new,
        compared=names,
    )


def _is_new(known: Disparity | None, now: Disparity, at: datetime, *, renew: bool) -> bool:
    if known is None:
        return True
    return known.told != now if renew else is_material(known, now, at)


def is_material(known: Disparity, now: Disparity, at: datetime) -> bool:
    """A verdict changed (of all, or whether one group has one), the evidence is half expired, or a figure has moved."""
    if known.state != now.state or _judged(known.groups) != _judged(now.groups):
        return True
    aged = known.measured is None or at - known.measured > VALID_FOR / 2
    return aged or _moved(known.groups, now.groups)


def _judged(groups: Sequence[GroupFigure]) -> set[str]:
    """Groups with a figure: those that come and go without one are worth no edit."""
    return {g.group for g in groups if g.value is not None}


def _moved(known: Sequence[GroupFigure], now: Sequence[GroupFigure]) -> bool:
    """A figure is further from the stored one than its interval is wide, or there are twice the requests."""
    if sum(g.n for g in now) >= 2 * sum(g.n for g in known) > 0:
        return True
    before = {g.group: g for g in known}
    return any(_has_moved(before[g.group], g) for g in now if g.group in before)


def _has_moved(known: GroupFigure, now: GroupFigure) -> bool:
    if known.value is None or now.value is None or known.low is None or known.high is None:
        return False
    return abs(now.value - known.value) > known.high - known.low
