"""The pieces of the screens. Text from outside is only ever a `Text`, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.style import Style
from rich.text import Span, Text
from textual.binding import Binding
from textual.events import Resize
from textual.widgets import DataTable, Static

from syscard.faces import ClaimRow, Overview, PartRow
from syscard.incident_faces import IncidentFace
from syscard.render.paint import Line, Tone, tone_of
from syscard.render.status import in_order, part_figures, part_since, who_has_it
from syscard.words import clip

_STYLES: Final[dict[Tone, str]] = {
    "plain": "",
    "bad": "bold red",
    "warn": "yellow",
    "unsure": "cyan",
    "good": "green",
    "quiet": "dim",
    "strong": "bold",
}
_BARS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = ""
"""Key of the row that stands where there are no rows."""


def plain(text: str) -> Text:
    """Text that is never read as markup: titles and notes too would be, as strings."""
    return Text(text, no_wrap=True)


def styled(text: str, tone: Tone) -> Text:
    """Plain text in the colour of a tone."""
    return Text(text, style=_STYLES[tone], no_wrap=True, overflow="ellipsis")


def uncoloured(text: Text) -> Text:
    """Bold and dim stay, colour goes: as grey, the red of what is broken would be nearly black."""
    spans = [Span(s.start, s.end, _uncoloured(s.style)) for s in text.spans]
    return Text(text.plain, _uncoloured(text.style), no_wrap=True, overflow=text.overflow, spans=spans)


def _uncoloured(style: str | Style) -> Style:
    return (Style.parse(style) if isinstance(style, str) else style).without_color


def of_lines(lines: Iterable[Line]) -> Text:
    """Lines of the status face as one text."""
    whole = Text(no_wrap=True)
    for index, line in enumerate(lines):
        text = Text(("\n" if index else "") + line.text)
        shift = 1 if index else 0
        text.stylize(
            _STYLES[line.tone], line.start + shift, shift + (len(line.text) if line.stop is None else line.stop)
        )
        whole.append_text(text)
    return whole


def sparkline(values: Iterable[float | None], width: int) -> str:
    """The newest values as bars from zero, so that noise looks like noise; a blank where a window had none."""
    newest = list(values)[-width:]
    known = [v for v in newest if v is not None]
    if not known:
        return ""
    low, high = min(0.0, *known), max(0.0, *known)
    room = (high - low) or 1.0
    return "".join(" " if v is None else _BARS[min(7, int(8 * (v - low) / room))] for v in newest)


class Facts(Static):
    """A few lines that are made for the width they get."""

    def show(self, lines: Iterable[Line]) -> None:
        """Replace the lines; nothing is drawn where nothing changed."""
        text = of_lines(lines)
        text = uncoloured(text) if self.app.no_color else text
        if text != getattr(self, "_shown", None):
            self._shown = text
            self.update(text)


@dataclass(frozen=True)
class Column:
    """A column of a table: narrow screens leave out what has a low rank."""

    key: str
    label: str
    width: int
    from_width: int = 0
    """Left out on tables narrower than this."""


class KeyedTable(DataTable[Text]):
    """A table whose cells are changed by key, and whose cursor stays on its key."""

    BINDINGS = [
        Binding("enter", "select_cursor", "Details"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "scroll_top", "Top", show=False),
        Binding("G", "scroll_bottom", "Bottom", show=False),
    ]
    COLUMNS: tuple[Column, ...] = ()
    FILLS: str = ""
    """Key of the column that takes what is left."""

    def __init__(self, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable")
        self._rows: dict[str, Mapping[str, Text]] = {}
        self._laid: tuple[tuple[str, int], ...] = ()

    def show(self, rows: Mapping[str, Mapping[str, Text]]) -> None:
        """Show rows by key: only cells that differ are touched, unless rows came or went."""
        if self.app.no_color:
            rows = {key: {c: uncoloured(text) for c, text in cells.items()} for key, cells in rows.items()}
        same = list(rows) == list(self._rows) and self._laid
        before, self._rows = self._rows, dict(rows)
        if not same:
            self._rebuild()
            return
        for key, cells in rows.items():
            for column, _ in self._laid:
                if cells[column] != before[key][column]:
                    self.update_cell(key, column, cells[column])

    @property
    def chosen(self) -> str | None:
        """Key of the row under the cursor."""
        keys = list(self._rows)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def on_resize(self, _event: Resize) -> None:
        """Columns follow the width."""
        if self._layout() != self._laid:
            self._rebuild()

    def _layout(self) -> tuple[tuple[str, int], ...]:
        width = self.size.width - self.scrollbar_size_vertical * self.show_vertical_scrollbar
        kept = [c for c in self.COLUMNS if width >= c.from_width]
        spare = width - sum(c.width for c in kept)
        return tuple((c.key, max(4, c.width + (spare if c.key == self.FILLS else 0))) for c in kept)

    def _rebuild(self) -> None:
        chosen = self.chosen_before
        self._laid = self._layout()
        labels = {c.key: c.label for c in self.COLUMNS}
        self.clear(columns=True)
        for key, width in self._laid:
            self.add_column(Text(labels[key], style="dim", no_wrap=True), width=width, key=key)
        for key, cells in self._rows.items():
            self.add_row(*(cells[column] for column, _ in self._laid), key=key)
        if chosen in self._rows:
            self.move_cursor(row=list(self._rows).index(chosen), animate=False)

    @property
    def chosen_before(self) -> str | None:
        """Key under the cursor as it is drawn, before the rows are exchanged."""
        if not self.row_count:
            return None
        row = self.coordinate_to_cell_key(self.cursor_coordinate).row_key
        return str(row.value)


class PartsTable(KeyedTable):
    """Components and edges."""

    COLUMNS = (
        Column("part", "PART", 15),
        Column("state", "STATE", 11),
        Column("since", "SINCE", 6),
        Column("rate", "REQ/MIN", 9),
        Column("errors", "   ERR", 7),
        Column("p95", "    P95", 8),
        Column("trend", " TREND", 22, from_width=110),
        Column("why", "WHY", 8),
    )
    FILLS = "why"

    def show_parts(self, parts: Iterable[PartRow], now: datetime) -> None:
        """One row a part."""
        rows = {part.ref: _part_cells(part, now) for part in parts}
        self.show(rows or {NOTHING: _nothing(self.COLUMNS, "part", "no part")})


def _part_cells(part: PartRow, now: datetime) -> dict[str, Text]:
    tone: Tone = "plain" if part.word == "ok" else tone_of(part.word)
    rate, errors, p95 = part_figures(part)
    return {
        "part": styled(f"{part.mark} {clip(part.ref, 12)}", tone),
        "state": styled(part.word, tone_of(part.word)),
        "since": styled(part_since(part, now), "plain"),
        "rate": styled(f"{rate:>7}", "plain"),
        "errors": styled(f"{errors:>6}", "plain"),
        "p95": styled(f"{p95:>7}", "plain"),
        "trend": styled(f" {sparkline(part.history, 20)}", tone),
        "why": styled(part.why, "plain"),
    }


def _nothing(columns: tuple[Column, ...], at: str, says: str) -> dict[str, Text]:
    return {c.key: styled(says if c.key == at else "", "quiet") for c in columns}


class ClaimsTable(KeyedTable):
    """Claims, those that do not hold first."""

    COLUMNS = (
        Column("claim", "CLAIM", 19),
        Column("status", "STATUS", 8),
        Column("text", "FIGURE, PROMISE, N, EVIDENCE", 16),
    )
    FILLS = "text"

    def show_claims(self, claims: Iterable[ClaimRow]) -> None:
        """One row a claim."""
        rows = {claim.id: _claim_cells(claim) for claim in in_order(claims)}
        self.show(rows or {NOTHING: _nothing(self.COLUMNS, "claim", "no claim is declared")})


def _claim_cells(claim: ClaimRow) -> dict[str, Text]:
    tone: Tone = "plain" if claim.word == "holds" else tone_of(claim.word)
    evidence = f"  {claim.evidence}" if claim.evidence else ""
    flag = f"  {claim.waived}" if claim.waived else ""
    return {
        "claim": styled(f"{claim.mark} {clip(claim.id, 16)}", tone),
        "status": styled(claim.word, tone_of(claim.word)),
        "text": styled(claim.text.replace("  promised ", " ", 1) + evidence + flag, "plain"),
    }


class IncidentsTable(KeyedTable):
    """Open incidents, worst first."""

    COLUMNS = (Column("name", "INCIDENT", 14), Column("who", "HAS IT", 9), Column("title", "WHAT", 6, from_width=34))
    FILLS = "title"

    def show_incidents(self, face: Overview) -> None:
        """One row an incident; without any, whether somebody looks at all."""
        says = "none open" if face.measured else "nobody looks"
        rows = {i.name: _incident_cells(i) for i in face.incidents}
        self.show(rows or {NOTHING: _nothing(self.COLUMNS, "name", says)})


def _incident_cells(incident: IncidentFace) -> dict[str, Text]:
    who = who_has_it(incident)
    return {
        "name": styled(f"! {incident.name} {incident.severity}", "bad" if incident.severity == "page" else "warn"),
        "who": styled("UNACKED" if who == "UNACKED" else "acked", "bad" if who == "UNACKED" else "plain"),
        "title": styled(f"{incident.subject}: {incident.title}", "plain"),
    }
