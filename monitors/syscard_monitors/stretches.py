"""What claims look back over: sums by stretches of time, a sixtieth of a claim's window each.

A claim over thirty days looks at as many stretches as one over two hours, so a look costs the same however much has
been seen. The stretch at the far end counts whole: a claim looks back up to a sixtieth longer than it says. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from syscard.system import Claim, System
from syscard_monitors import claims

STEPS: Final = 60
"""Stretches in a claim's window."""
Place = tuple[str, int]
"""(promise, end of the stretch in microseconds)."""
Body = dict[str, Any]
"""Sums by slice, as JSON."""


class Stretches:
    """The sums of one system's claims."""

    def __init__(self, rows: Iterable[tuple[str, int, Body]] = ()) -> None:
        """Take what was kept: (promise, end of the stretch, sums)."""
        self._bodies: dict[Place, Body] = {(promise, end): body for promise, end, body in rows}

    def add(self, system: System, end_us: int, sums: Mapping[str, Body]) -> list[Place]:
        """Add the sums of a window that ended at a moment, by promise; the stretches that changed."""
        changed = []
        for claim in system.claims:
            own = sums.get(claims.promise(claim))
            if own:
                place = (claims.promise(claim), stretch_end(claim, end_us))
                self._bodies[place] = claims.together(self._bodies.get(place, {}), own)
                changed.append(place)
        return changed

    def forget(self, system: System, end_us: int) -> list[Place]:
        """Let go of stretches that no claim looks back to any more; those that went."""
        windows = {claims.promise(claim): length(claim) for claim in system.claims}
        longest = max(windows.values(), default=0)
        gone = [place for place in self._bodies if place[1] <= end_us - windows.get(place[0], longest)]
        for place in gone:
            del self._bodies[place]
        return gone

    def __getitem__(self, place: Place) -> Body:
        """The sums of one stretch."""
        return self._bodies[place]

    def windows(self) -> list[tuple[int, dict[str, Body]]]:
        """(end of the stretch, sums by promise) of each."""
        return [(end, {promise: body}) for (promise, end), body in self._bodies.items()]


def length(claim: Claim) -> int:
    """How far back a claim looks, in microseconds."""
    return round(claim.window.last.total_seconds() * 1_000_000)


def stretch_end(claim: Claim, at_us: int) -> int:
    """The end of the stretch that a moment lies in: the same for all windows in it, however they came."""
    step = max(1, length(claim) // STEPS)
    return (at_us // step + 1) * step
