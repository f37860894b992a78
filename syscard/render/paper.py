"""The report cut to what fits on four pages, and behind them the annex that holds what was cut. Standard library only.

Words are made printable here: the fonts that the PDF carries have Latin, Greek and Cyrillic letters, and another
character stands as its number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from xml.etree import ElementTree as ET

from syscard.render.charts import claims_chart, hatching, signal_charts
from syscard.render.page import Report, Section, Table
from syscard.views import View
from syscard.words import clip, one_line

MOST_PAGES: Final = 4
"""Before the annex."""
_MOST_ANNEX_ROWS: Final = 250
_RANGES: Final = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x384, 0x4FF), (0x2010, 0x2027), (0x2030, 0x205E), (0x2190, 0x2193), (0x2200, 0x226F),
)  # fmt: skip
_NARROW: Final = 14
"""A column whose cells have so few characters is as wide as they are."""
_LONG_WORD: Final = re.compile(r"\S{22,}")
_LONG_BUT_DIGESTS: Final = re.compile(r"[0-9a-f]{64}\b|\S{22,}")
_BOUND: Final = re.compile(r"(?<=[<>=]) (?=-?\d)")
"""A limit stays on the line of its operator."""
_LOUD: Final = ("BROKEN", "INCIDENT", "UNEVEN", "AMPLIFIED", "INHERITED", "STALE", "UNKNOWN", "NOT DECLARED", "SEEN")
_CLAIMS_KEY: Final = (
    "Hatched: promised. Vertical line: the limit. Bar: interval. Dot: holds. Cross: broken. Ring: unknown or stale."
)
_SIGNALS_KEY: Final = (
    "Most telling signal of each part (live). Line: newest windows, oldest first. Dashed: the reference. "
    "Hatched: what is tolerated, where it is in the signal's unit."
)
_STYLE: Final = """
text { font-family: "Libertinus Serif"; font-size: 14px; fill: #1a1a1a; } .strong { font-weight: 600; }
.track { stroke: #bbb; stroke-width: 1; } .limit { stroke: #1a1a1a; stroke-width: 2.5; }
.hatch { stroke: #9a9a9a; stroke-width: 1; fill: none; } .interval { fill: #4a4a4a; } .dot { fill: #1a1a1a; }
.ring { fill: #fff; stroke: #1a1a1a; stroke-width: 2; } .cross { stroke: #1a1a1a; stroke-width: 3.5; fill: none; }
.reference { stroke: #555; stroke-width: 1.5; stroke-dasharray: 6 4; }
.curve { stroke: #1a1a1a; stroke-width: 2; fill: none; }
"""


@dataclass(frozen=True)
class Room:
    """How much is shown before the annex."""

    rows: int
    cell: int
    """Characters of a cell, or of an item."""
    charts: int


ROOMS: Final = (Room(9, 150, 9), Room(7, 120, 6), Room(5, 100, 6), Room(4, 80, 3), Room(3, 60, 3), Room(1, 45, 0))
"""Tried one after another until what leaders read fits."""


def document(page: Report, view: View, room: Room, footer: str) -> dict[str, Any]:
    """What the template draws: `body` within the room, `annex` with everything that is not in it.

    Args:
        page: the report.
        view: what the charts are drawn from.
        room: how much is shown before the annex.
        footer: the line under each page.
    """
    body = [_brief(s, view, room) for s in page.sections if not s.annex]
    annex = [full for s in page.sections if (full := _rest(s, room)) is not None]
    return {
        "title": printable(page.title),
        "verdict": printable(page.verdict),
        "summary": printable(page.summary),
        "facts": [[printable(label), printable(clip(text, 420), wide=True)] for label, text in page.facts],
        "footer": printable(footer),
        "body": body,
        "annex": annex,
    }


def printable(text: str, *, wide: bool = False) -> str:
    """Text that the embedded fonts can print; long words may be broken.

    Where it is as wide as the page a digest is left whole: what is copied from the paper must be what was printed.
    """
    plain = unicodedata.normalize("NFC", one_line(text)).replace("->", "\u2192")
    plain = _BOUND.sub("\u00a0", plain)
    shown = "".join(c if _prints(c) else f"[U+{ord(c):04X}]" for c in plain)
    return (_LONG_BUT_DIGESTS if wide else _LONG_WORD).sub(_breakable, shown)


def _breakable(word: re.Match[str]) -> str:
    is_digest = word.re is _LONG_BUT_DIGESTS and re.fullmatch("[0-9a-f]{64}", word[0])
    return word[0] if is_digest else "\u200b".join(re.findall(".{1,11}", word[0]))


def _prints(character: str) -> bool:
    code = ord(character)
    return any(low <= code <= high for low, high in _RANGES) and unicodedata.category(character) != "Cn"


def _brief(section: Section, view: View, room: Room) -> dict[str, Any]:
    """A section as leaders read it."""
    items = section.items[: room.rows]
    charts = _charts(section.chart, view, room)
    tables = [_table(_shortened(t, room), _more(len(t.rows), room.rows)) for t in section.tables if not t.detail]
    return {
        "title": printable(section.title),
        "says": [printable(clip(text, 4 * room.cell)) for text in section.says],
        "items": [printable(clip(text, 2 * room.cell)) for text in items],
        "more": _more(len(section.items), room.rows),
        "tables": tables,
        "charts": charts,
        "key": _CLAIMS_KEY if section.chart == "claims" else _SIGNALS_KEY if charts else "",
    }


def _more(there: int, shown: int) -> str:
    return f"and {there - shown:,} more: annex" if there > shown else ""


def _rest(section: Section, room: Room) -> dict[str, Any] | None:
    """What of a section stands in the annex; None where all of it was shown."""
    if section.annex:
        tables: Iterable[Table] = section.tables
        says, items = section.says, section.items
    else:
        tables = [t for t in section.tables if t.rows and (t.detail or not _is_whole(t, room))]
        says, items = (), section.items if len(section.items) > room.rows else ()
        if not (tables or items):
            return None
    return {
        "title": printable(section.title),
        "says": [printable(text, wide=True) for text in says],
        "items": [printable(text) for text in items[:_MOST_ANNEX_ROWS]],
        "more": _beyond(len(items)),
        "tables": [_table(replace(t, rows=t.rows[:_MOST_ANNEX_ROWS]), _beyond(len(t.rows))) for t in tables],
        "charts": [],
        "key": "",
    }


def _beyond(there: int) -> str:
    return f"and {there - _MOST_ANNEX_ROWS:,} more: in the page and the JSON beside this file" if (
        there > _MOST_ANNEX_ROWS) else ""  # fmt: skip


def _is_whole(table: Table, room: Room) -> bool:
    cut = any(len(cell) > room.cell for row in table.rows for cell in row)
    return len(table.rows) <= room.rows and not cut


def _shortened(table: Table, room: Room) -> Table:
    """The rows that matter most, and cells that are not long."""
    first = table.rows if table.ranked else sorted(table.rows, key=_loudness)
    rows = tuple(tuple(clip(cell, room.cell) for cell in row) for row in first[: room.rows])
    return replace(table, rows=rows)


def _loudness(row: Sequence[str]) -> int:
    """The place of the gravest word that begins a cell."""
    return min((n for n, word in enumerate(_LOUD) for cell in row if cell.startswith(word)), default=len(_LOUD))


def _table(table: Table, more: str) -> dict[str, Any]:
    return {
        "caption": printable(table.caption if table.rows else ""),
        "heads": [printable(head) for head in table.heads],
        "rows": [[printable(cell) for cell in row] for row in table.rows],
        "widths": _widths(table),
        "empty": printable(table.empty),
        "more": more,
    }


def _widths(table: Table) -> list[float]:
    """Shares of the width by what stands in the columns; 0 is as wide as needed."""
    columns = [(head, *(row[i] for row in table.rows)) for i, head in enumerate(table.heads)]
    return [0 if max(map(len, column)) <= _NARROW else _share(column) for column in columns]


def _share(column: Sequence[str]) -> float:
    """By the average cell; a word that can be broken nowhere has room."""
    word = max(len(word) for cell in column for word in cell.split() or ("",))
    average = sum(map(len, column)) / len(column)
    return round(min(32.0, max(11.0, min(22, word), average)), 1)


def _charts(kind: str, view: View, room: Room) -> list[dict[str, str]]:
    if kind == "claims" and (svg := claims_chart(view, most=room.rows + 3)):
        return [
            {"svg": standalone(svg), "of": "", "says": "Claims against what they promise; the table has the figures."}
        ]
    if kind == "signals":
        found = signal_charts(view)[: room.charts]
        return [{"svg": standalone(svg), "of": printable(ref), "says": printable(said)} for ref, said, svg in found]
    return []


def standalone(svg: str) -> str:
    """A chart of ours that needs no page around it: with its style, its pattern, and words that can be printed."""
    tree, pattern = ET.fromstring(svg), ET.fromstring(hatching())  # noqa: S314 - made by us as an element tree
    for element in tree.iter():
        if element.text:
            element.text = printable(element.text)
    tree.set("xmlns", "http://www.w3.org/2000/svg")
    style = ET.Element("style")
    style.text = _STYLE
    tree.insert(0, style)
    tree.insert(1, pattern[0])
    return ET.tostring(tree, encoding="unicode")
