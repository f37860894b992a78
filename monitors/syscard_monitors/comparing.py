"""When what groups get is worth an edit, and that edit. Pure.

One comparison writes one edit at most, and an unasked one comes once an hour: so never more than 24 a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from syscard.disparity import Amplification, CompareGroups, Disparity, GroupFigure
from syscard.edits import Draft
from syscard.live import GroupsNow
from syscard_monitors.window import AUTHOR

_Told = Disparity | Amplification
VALID_FOR: Final = timedelta(days=7)
"""Evidence of what groups get is renewed at half of this; of a claim about it, as the claim says."""
METHODS: Final = {
    "share": "mean by group (Fairlearn MetricFrame); 95 % Wilson interval, requests as clusters",
    "rate": "share of requests by group (Fairlearn MetricFrame); 95 % Wilson interval",
    "mean": "mean by group (Fairlearn MetricFrame); 95 % normal interval",
}
_QUANTILE: Final = "quantile by group within 1 % (Fairlearn MetricFrame); 95 % interval of order statistics"
_AMPLIFIED: Final = (
    "log of (worse off than all others at the last stage / at the first); interval of ratios by variance estimates "
    "recovery over logarithms, both stages as if their errors always went against each other; all groups of a family"
)
_APART: Final = "; largest and smallest apart by variance estimates recovery (Zou & Donner 2008), all pairs"


def updated(known: GroupsNow | None, found: GroupsNow, *, renew: bool) -> tuple[GroupsNow, tuple[Draft, ...]]:
    """What the faces show from now on, each figure with its evidence, and the edit that this takes.

    Args:
        known: what they showed until now.
        found: what was measured, without evidence.
        renew: whether every figure that differs is worth an edit, because somebody asked; else what is material.
    """
    found = found.rounded()
    before = {told.name: told for told in known.told if told.evidence} if known else {}
    new = {told.name: told for told in found.told if _is_new(before.get(told.name), told, found.as_of, renew=renew)}
    names = tuple(told.name for told in found.told)
    if not new and set(names) == set(before):
        return _shown(found, before), ()
    draft = Draft(body=_body(found, tuple(new.values()), names), author=AUTHOR, observed=found.as_of)
    named = {"evidence": draft.digest, "measured": found.as_of}
    return _shown(found, before | {name: told.model_copy(update=named) for name, told in new.items()}), (draft,)


def _shown(found: GroupsNow, by_name: Mapping[str, _Told]) -> GroupsNow:
    told = [by_name[now.name] for now in found.told]
    return found.model_copy(update={"disparities": _disparities(told), "amplifications": _amplifications(told)})


def _disparities(told: Iterable[_Told]) -> tuple[Disparity, ...]:
    return tuple(one for one in told if isinstance(one, Disparity))


def _amplifications(told: Iterable[_Told]) -> tuple[Amplification, ...]:
    return tuple(one for one in told if isinstance(one, Amplification))


def _body(found: GroupsNow, new: Sequence[_Told], names: tuple[str, ...]) -> CompareGroups:
    statistics = sorted({told.statistic for told in _disparities(new)})
    methods = {name: METHODS.get(name, _QUANTILE) + _APART for name in statistics}
    return CompareGroups(
        window_start=found.since,
        window_end=found.as_of,
        tolerated=found.tolerated,
        methods=methods | ({"amplification": _AMPLIFIED} if _amplifications(new) else {}),
        disparities=_disparities(new),
        amplifications=_amplifications(new),
        compared=names,
    )


def _is_new(known: _Told | None, now: _Told, at: datetime, *, renew: bool) -> bool:
    if known is None:
        return True
    return not known.told.same_as(now) if renew else is_material(known, now, at)


def is_material(known: _Told, now: _Told, at: datetime) -> bool:
    """A verdict changed (of all, or of one group), the evidence is half expired, or a figure has moved."""
    if known.state != now.state or _judged(known) != _judged(now):
        return True
    if known.measured is None or at - known.measured > VALID_FOR / 2:
        return True
    if isinstance(known, Disparity) and isinstance(now, Disparity):
        return _moved(known.groups, now.groups)
    return False


def _judged(told: _Told) -> set[tuple[str, str]]:
    """Groups with a verdict: those that come and go without one are worth no edit."""
    if isinstance(told, Disparity):
        return {(g.group, "") for g in told.groups if g.value is not None}
    return {(g.group, g.state) for g in told.groups if g.state != "unknown"}


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
