"""Whose tokens count where several spans tell of one model call. Pure; indices are of the calls as given.

Used on one batch when spans come in, and on a whole request when it is assembled: its spans may have come in several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, NamedTuple

MOST_COMPARED: Final = 200
"""Calls of one model in one trace that are compared with each other."""


class Nested(NamedTuple):
    """A span in its tree."""

    key: Hashable
    parent: Hashable
    counts: bool


class Call(NamedTuple):
    """A model span whose tokens would count."""

    at: int
    """Its index."""
    alike: Hashable
    """What two tellings of one call have in common: trace, model and tokens."""
    scope: str | None
    """Who tells."""
    start: int
    end: int


def sums(spans: Sequence[Nested]) -> set[int]:
    """Spans that count though one below them does: what they say is the sum of what is below."""
    place = {span.key: i for i, span in enumerate(spans)}
    outer: set[int] = set()
    walked: set[int] = set()
    for i, span in enumerate(spans):
        if not span.counts:
            continue
        at = place.get(span.parent)
        while at is not None and at not in walked and at != i:
            walked.add(at)
            if spans[at].counts:
                outer.add(at)
            at = place.get(spans[at].parent)
    return outer


def told_again(calls: Iterable[Call]) -> set[int]:
    """Of calls that two instrumentors tell of beside each other, those that hold the other's in their time."""
    groups: defaultdict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        groups[call.alike].append(call)
    return {call.at for group in groups.values() for call in _outer(group[:MOST_COMPARED])}


def _outer(group: list[Call]) -> list[Call]:
    if len({call.scope for call in group}) < 2:
        return []
    return [call for call in group if any(_holds(call, other) for other in group)]


def _holds(call: Call, other: Call) -> bool:
    """Of two that take the same time, one has to be the inner one."""
    if call.scope == other.scope or not (call.start <= other.start and other.end <= call.end):
        return False
    return (other.start, other.end) != (call.start, call.end) or str(call.scope) > str(other.scope)
