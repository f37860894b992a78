"""Version signals: which versions, models and prompts the spans of a component carried, from when to when, how often.

Counted as requests are taken into windows, so a look costs as much as its new spans. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from syscard.card import Card
from syscard.live import OTHER_VALUES, VersionNow
from syscard_monitors.traces import Row, moment

OF_COLUMN: Final = {
    "component_version": "version",
    "model": "model",
    "model_response": "model",
    "prompt_hash": "prompt",
}
"""Column of an observation -> the version signal that it holds."""
Name = tuple[str, str, str]
"""(component, signal, value)."""


class Sighting(NamedTuple):
    """Calls that carried one value, and the starts of the first and the last of them (microseconds)."""

    first_us: int
    last_us: int
    calls: int

    def __add__(self, other: Sighting) -> Sighting:  # type: ignore[override]
        """Both together, in whichever order they came."""
        first, last = min(self.first_us, other.first_us), max(self.last_us, other.last_us)
        return Sighting(first, last, self.calls + other.calls)


Remembered = dict[str, dict[str, dict[str, Sighting]]]
"""Component -> signal -> value."""


def sightings(spans: Sequence[Row], inner: Mapping[tuple[str, int], Sequence[Row]]) -> dict[Name, Sighting]:
    """What the spans of one request carried.

    Args:
        spans: its observations.
        inner: spans (id, start) that hold others which tell of the same call: what these say counts once, at them.
    """
    found: dict[Name, Sighting] = {}
    for span in spans:
        again = {name for told in inner.get((span["span_id"], span["start_us"]), ()) for name in _names(told)}
        for name in _names(span) - again:
            new = Sighting(span["start_us"], span["start_us"], 1)
            found[name] = found[name] + new if name in found else new
    return found


def _names(span: Row) -> set[Name]:
    """A model that was asked for and answered is one value."""
    component = span["component"]
    said = ((what, span[column]) for column, what in OF_COLUMN.items())
    return {(component, what, value) for what, value in said if value is not None} if component is not None else set()


def remembered(before: Remembered, card: Card, requests: Iterable[Mapping[Name, Sighting]]) -> Remembered:
    """What is known with the requests of a window, of components on the card.

    Values that the card does not name are counted together: spans can hold any number of them.
    """
    known = {(ref, o.what, o.value) for ref, c in card.components.items() for o in c.observed}
    after: defaultdict[Name, list[Sighting]] = defaultdict(list)
    for (ref, what, value), sighting in (*_flat(before), *(pair for seen in requests for pair in seen.items())):
        if ref in card.components:
            after[(ref, what, value if (ref, what, value) in known else OTHER_VALUES)].append(sighting)
    found: Remembered = {}
    for (ref, what, value), several in sorted(after.items()):
        total = several[0]
        for one in several[1:]:
            total = total + one
        found.setdefault(ref, {}).setdefault(what, {})[value] = total
    return found


def _flat(kept: Remembered) -> Iterator[tuple[Name, Sighting]]:
    for ref, signals in kept.items():
        for what, values in signals.items():
            yield from (((ref, what, value), sighting) for value, sighting in values.items())


def versions_now(card: Card, kept: Remembered) -> dict[str, tuple[VersionNow, ...]]:
    """Every version signal by component, oldest first; what the card has known for longer was first seen then."""
    since = {(ref, o.what, o.value): o.since for ref, c in card.components.items() for o in c.observed}
    found: defaultdict[str, list[VersionNow]] = defaultdict(list)
    for (ref, what, value), seen in _flat(kept):
        first = min(moment(seen.first_us), since.get((ref, what, value), moment(seen.first_us)))
        found[ref].append(
            VersionNow(what=what, value=value, first_seen=first, last_seen=moment(seen.last_us), calls=seen.calls)
        )
    return {ref: tuple(sorted(many, key=lambda v: (v.first_seen, v.what, v.value))) for ref, many in found.items()}
