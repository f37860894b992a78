"""What can be written from the screens: a line is asked for, then it is one edit by the human at this terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from syscard.clock import Clock


@dataclass(frozen=True)
class Deed:
    """One of them."""

    name: str
    asks: str
    """What is asked for; `{}` stands for the incident."""
    takes: tuple[str, ...] = ()
    """The words that confirm it; none where it takes free text."""

    def question(self, number: int) -> str:
        """What stands over the line that is asked for."""
        return self.asks.format(f"INC-{number}")

    def refusal(self, text: str) -> str | None:
        """Why a line is not enough, or None."""
        if not text.strip():
            return f"nothing was written: {'type ' + ' or '.join(self.takes) if self.takes else 'what is the note?'}"
        if self.takes and text.strip() not in self.takes:
            return f"nothing was written: type {' or '.join(self.takes)}, or esc"
        return None


DEEDS: Final = {
    deed.name: deed
    for deed in (
        Deed("acknowledge", "acknowledge {}, so that others know that you have it: type yes", ("yes",)),
        Deed("note", "note on {}: what did you find out?"),
        Deed(
            "resolve", "resolve {} as fixed, rolled_back or accepted: type which", ("fixed", "rolled_back", "accepted")
        ),
    )
}
Write = Callable[[Deed, int, str], str]
"""Does one to an incident, with the line that was typed; gives what is to be said. Raises a SyscardError if it may not
be done; it may take seconds while somebody else writes."""


def writer(records: Path, ref: str, clock: Clock) -> Write:
    """Writes into the records of a home, as the commands do."""

    def write(deed: Deed, number: int, text: str) -> str:
        # Only now: whoever looks and writes nothing need not have any of it.
        from syscard.home import Home
        from syscard_tui.incident_writing import move, note_on
        from syscard_tui.wiring import House

        house = House(Home(records.parent), clock)
        if deed.name == "note":
            return note_on(house, ref, number, text)
        if deed.name == "acknowledge":
            return move(house, ref, number, "acknowledged")
        return move(house, ref, number, "resolved", resolution=text)

    return write
