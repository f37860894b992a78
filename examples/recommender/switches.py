"""Which faults are on: for a range of requests as the command line says, or switched while the agent runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recommender.errors import Unavailable
from recommender.faults import NORMAL, Fault, fault
from recommender.traffic import Mix
from recommender.whole import made_whole

_SPEC: Final = re.compile(r"([a-z-]+)(?:@(\d+)-(\d+))?")
FULLY_AFTER: Final = 300
"""Requests after which a gradual fault is at its worst, where nobody says how long it lasts."""


@dataclass(frozen=True)
class Window:
    """A fault, and the requests during which it is on: from one on, and before another."""

    fault: Fault
    begin: int = 0
    end: int | None = None

    def progress(self, request: int) -> float | None:
        """How far the fault has come at a request, 0 to 1; None while it is off."""
        if request < self.begin or (self.end is not None and request >= self.end):
            return None
        length = (self.end - self.begin if self.end is not None else FULLY_AFTER) - 1
        return min(1.0, (request - self.begin) / max(1, length))


def window(spec: str) -> Window:
    """Read `blurred-pictures`, or `blurred-pictures@20-40` (on for requests 20 to 39).

    Raises:
        Unavailable: it is neither, or there is no such fault.
    """
    found = _SPEC.fullmatch(spec)
    if not found or (found[2] and int(found[2]) >= int(found[3])):
        raise Unavailable(f"'{spec}' is no fault to switch on: write blurred-pictures, or blurred-pictures@20-40")
    return Window(fault(found[1]), int(found[2] or 0), int(found[3]) if found[3] else None)


class Switchboard:
    """Faults of the command line, and those that a file names at the moment."""

    def __init__(self, windows: Sequence[Window], file: Path) -> None:
        self._windows = tuple(windows)
        self._file = file
        self._since: dict[str, int] = {}

    def on(self, request: int) -> list[tuple[Fault, float]]:
        """Faults that are on at a request, each with how far it has come. A switch that is set again begins anew."""
        names = switched_on(self._file)
        self._since = {name: self._since.get(name, request) for name in names}
        switched = [Window(fault(name), begin) for name, begin in self._since.items()]
        progress = ((w.fault, w.progress(request)) for w in (*self._windows, *switched))
        return [(found, share) for found, share in progress if share is not None]


def mix_of(on: Sequence[tuple[Fault, float]]) -> Mix:
    """Who comes: as the first fault that is on and says so."""
    return next((fault.mix for fault, _ in on if fault.mix != NORMAL), NORMAL)


def switched_on(file: Path) -> tuple[str, ...]:
    """The faults that are switched on now."""
    return tuple(file.read_text("utf-8").split()) if file.is_file() else ()


def switch(file: Path, name: str, *, on: bool) -> tuple[str, ...]:
    """Switch one fault; which are on afterwards.

    Raises:
        Unavailable: there is no such fault.
    """
    wanted = fault(name).name
    others = [other for other in switched_on(file) if other != wanted]
    now = (*others, name) if on else tuple(others)
    with made_whole(file) as draft:
        draft.write_text("\n".join(now), encoding="utf-8")
    return now
