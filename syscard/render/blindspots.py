"""What watches what, as a matrix for a terminal and as cells for a page. Standard library only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from syscard.blindspots import TOPICS, Cell, blind_spots
from syscard.views import View
from syscard.words import cells as columns
from syscard.words import pad, plural, wrap

HEADS: Final = ("Part", *(topic.capitalize() for topic in TOPICS))
LEGEND: Final = "x 3: three signals or claims give a verdict; ?: there is one and it gives none yet; -: NOT WATCHED"
_GAP: Final = 2


def matrix_text(view: View, width: int) -> Iterator[str]:
    """A line a part with a column a topic, then why some give no verdict."""
    found = by_part(view)
    widths = [len(topic) + _GAP for topic in TOPICS]
    first = max(_GAP, min(max(map(columns, found)) + _GAP, width - sum(widths)))
    yield ("  " + pad("", first) + "".join(map(pad, TOPICS, widths))).rstrip()
    for part, row in found.items():
        yield ("  " + pad(part, first) + "".join(map(pad, map(_mark, row), widths))).rstrip()
    yield from wrap(LEGEND, width, first="  ")
    unknown = [cell for row in found.values() for cell in row if cell.state == "unknown"]
    for cell in (c for c in unknown if c.by):
        yield from wrap(cell_text(cell), width, first=f"? {cell.part} {cell.topic}: ", rest="    ")
    for why, count in Counter(c.why for c in unknown if not c.by).items():
        yield from wrap(f"{plural(count, 'cell')}: {why}", width, first="? ", rest="    ")


def by_part(view: View, *, fresh: bool = True) -> dict[str, tuple[Cell, ...]]:
    """The cells of each part, in the order of `TOPICS`."""
    rows: dict[str, tuple[Cell, ...]] = {}
    for cell in blind_spots(view, fresh=fresh):
        rows[cell.part] = (*rows.get(cell.part, ()), cell)
    return rows


def _mark(cell: Cell) -> str:
    return {"watched": f"x {len(cell.by)}", "unknown": "?", "not watched": "-"}[cell.state]


def cell_text(cell: Cell) -> str:
    """`watched by error, agrees`, `unknown: needs n 20, has 8`, or `NOT WATCHED`."""
    if cell.state == "not watched":
        return "NOT WATCHED"
    names = ", ".join(cell.by)
    if cell.state == "watched":
        return f"watched by {names}"
    return f"unknown ({cell.why}){f': {names}' if names else ''}"


def rows(view: View, *, fresh: bool) -> tuple[tuple[str, ...], ...]:
    """A row a part under `HEADS`."""
    return tuple((part, *map(cell_text, row)) for part, row in by_part(view, fresh=fresh).items())
