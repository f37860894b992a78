"""Colour for lines that are already whole without it: state is a mark and a word first. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Tone = Literal["plain", "bad", "warn", "unsure", "good", "quiet", "strong"]
_SGR: Final[dict[Tone, str]] = {"bad": "1;31", "warn": "33", "unsure": "36", "good": "32", "quiet": "2", "strong": "1"}
_TONES: Final[dict[str, Tone]] = {
    "BROKEN": "bad",
    "INCIDENT": "warn",
    "INHERITED": "warn",
    "UNKNOWN": "unsure",
    "STALE": "unsure",
    "WAS OK": "unsure",
    "HELD": "unsure",
    "OK": "good",
    "HOLDS": "good",
}


@dataclass(frozen=True)
class Line:
    """A line, and the stretch of it that is coloured."""

    text: str
    tone: Tone = "plain"
    start: int = 0
    stop: int | None = None

    def painted(self) -> str:
        """The line with its colour, as a terminal takes it."""
        if self.tone == "plain":
            return self.text
        stop = len(self.text) if self.stop is None else self.stop
        return (
            f"{self.text[: self.start]}\x1b[{_SGR[self.tone]}m{self.text[self.start : stop]}\x1b[0m{self.text[stop:]}"
        )


def tone_of(word: str) -> Tone:
    """The colour of a verdict, state or status; a word nobody knows is unsure, never good."""
    return _TONES.get(word.upper(), "unsure")


def printed(lines: list[Line], *, colour: bool) -> str:
    """Lines as one text that ends in a line feed."""
    return "".join((line.painted() if colour else line.text.rstrip()) + "\n" for line in lines)
