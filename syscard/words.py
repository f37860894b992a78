"""Figures, times and lines in words: one spelling for every face. Standard library only."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from typing import Final

# Control, zero-width, direction, tag and line-separator characters, and halves of surrogate pairs and
# non-characters, which no terminal, file or XML can be given.
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
ELLIPSIS: Final = "..."


def safe(text: object) -> str:
    """Text from outside without control, zero-width and direction characters: spans can hold anything."""
    return _CONTROL.sub("", str(text))


def one_line(text: object) -> str:
    """Text from outside as one line: what stands in a cell or beside a label."""
    return " ".join(safe(text).split())


def _flat(text: str) -> str:
    """No control characters and no line feeds, whoever forgot to take them out; blanks stay as they are."""
    return safe(text).replace("\n", " ").replace("\t", " ")


def moment(text: str | None) -> datetime | None:
    """An ISO time of a view."""
    return datetime.fromisoformat(text) if text else None


E_DETECTOR: Final = "e-detector"
"""Method of a signal whose evidence is gathered over all looks; what Evidently says of it is a second opinion."""
MOST_RARE: Final = 1e9
"""Rarer evidence is not told apart: nobody looks that often."""


def one_in(rarity: float | None) -> str:
    """`1 in 40,000`: of so many looks without a change, one says as much. Empty where nothing was tested."""
    if rarity is None:
        return ""
    if rarity >= MOST_RARE:
        return "1 in over a billion"
    return f"1 in {rarity / 1e6:,.3g} million" if rarity >= 1e6 else f"1 in {rarity:,.0f}"


def figure(value: float | None, unit: str = "") -> str:
    """A figure as people read it: `0.91`, `812 ms`, `2.4 s`, `1,204`."""
    if value is None:
        return "-"
    if unit == "ms":
        return f"{value / 1000:.1f} s" if abs(value) >= 1000 else f"{value:.0f} ms"
    if unit == "s":
        return f"{value:.2f} s"
    if unit in ("tokens", "count", "requests"):
        return f"{value:,.0f}"
    if unit == "per min":
        return f"{value:.3g}/min"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage with one digit: `0.2%`."""
    return "-" if value is None else f"{100 * value:.1f}%"


def span_of(duration: timedelta) -> str:
    """A duration in its largest unit: `31 min`, `6 d`, `4 s`."""
    seconds = max(0, int(duration.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock(at: datetime | None, now: datetime) -> str:
    """`14:02` today, `11-18 14:02` before, both in UTC."""
    if at is None:
        return "-"
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"


def stamp(at: datetime | None) -> str:
    """`2026-11-22 14:02 UTC`: for pages that are read on another day."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 incident`, `2 incidents`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def cells(text: str) -> int:
    """Terminal columns that a line takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, width: int) -> str:
    """At most `width` columns; what is cut ends in `...`."""
    text = _flat(text)
    if cells(text) <= width:
        return text
    room = max(0, width - len(ELLIPSIS))
    return _head(text, room).rstrip() + ELLIPSIS[: min(width, len(ELLIPSIS))]


def _head(text: str, room: int) -> str:
    """The longest beginning of `text` that fits."""
    used = 0
    for index, character in enumerate(text):
        used += _cell(character)
        if used > room:
            return text[:index]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` columns: cut or filled, to the right for figures."""
    text = clip(text, width)
    fill = " " * (width - cells(text))
    return fill + text if right else text + fill


def wrap(text: str, width: int, *, first: str = "", rest: str | None = None, most: int | None = None) -> list[str]:
    """Lines of at most `width` columns, broken between words; words that are too long are broken inside.

    Args:
        text: what to say.
        width: columns in all, with the indent.
        first: what stands before the first line.
        rest: what stands before the others; by default as many spaces.
        most: more lines than this are cut, with `...`.
    """
    rest = " " * cells(first) if rest is None else rest
    room = max(1, width - cells(rest))
    lines = _filled(_flat(text).split(" "), max(1, width - cells(first)), room)
    if most == 1 and len(lines) > 1:
        lines = [clip(_flat(text), max(1, width - cells(first)))]
    elif most is not None and len(lines) > most:
        lines = [*lines[: most - 1], clip(" ".join(lines[most - 1 :]), room)]
    return [((first if n == 0 else rest) + line).rstrip() for n, line in enumerate(lines)]


def _filled(words: list[str], first: int, others: int) -> list[str]:
    lines = [""]
    for word in words:
        rest = word
        room = first if len(lines) == 1 else others
        if lines[-1] and cells(lines[-1]) + 1 + cells(rest) > room:
            lines.append("")
            room = others
        while cells(rest) > room:
            head = _head(rest, room) or rest[:1]
            lines[-1:] = [head, ""]
            rest, room = rest[len(head) :], others
        lines[-1] = f"{lines[-1]} {rest}" if lines[-1] else rest
    return lines
