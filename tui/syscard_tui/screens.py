"""The screens: overview and card. They draw snapshots and keep nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from syscard.diff import material_diff
from syscard.faces import Overview, PartRow, overview
from syscard.incident_faces import IncidentFace
from syscard.render.cardtext import card_text, diff_text, incident_text, part_text
from syscard.render.paint import Line
from syscard.render.status import (
    claim_counts,
    closing_lines,
    facts,
    head_lines,
    labelled,
    quiet_text,
    sample_legend,
    status_text,
    who_has_it,
)
from syscard.render.why import why_text
from syscard.words import clip, clock, wrap
from syscard_tui.source import Snapshot, Trouble
from syscard_tui.widgets import NOTHING, ClaimsTable, Facts, IncidentsTable, KeyedTable, PartsTable, plain
from syscard_tui.windows import DetailScreen, IncidentScreen, window_width

_SMALL: Final = 30
"""Fewer lines than this show only the main facts of an incident."""
_MAIN: Final = ("since", "what", "before", "cause", "owner", "do")
KEYS: Final = (
    ("1 2", "overview, card"),
    ("j k g G", "down, up, top, bottom (or the arrows)"),
    ("tab", "next table"),
    ("enter", "details of the part, claim or incident under the cursor; esc closes them"),
    ("/", "filter the parts: words, or ! for what is not ok; esc clears it"),
    ("a n r", "on an incident: acknowledge it, write a note, resolve it; each asks before it writes"),
    ("v", "on the card: changes since the version that was shown before"),
    ("y", "copy what is under the cursor, or the text in front of you (OSC 52)"),
    ("space", "pause; data that arrive meanwhile are shown afterwards"),
    ("?", "this help"),
    ("q", "quit"),
)


class Drawn(Screen[None]):
    """A screen that draws snapshots."""

    class Ready(Message):
        """It stands, or came back to the front: it wants the newest snapshot."""

    ready = False

    def on_screen_resume(self) -> None:
        """What arrived while another screen lay in front."""
        if self.ready:
            self.post_message(self.Ready())

    def stand(self) -> None:
        """All widgets are there."""
        self.ready = True
        self.query_one("#trouble").display = False
        self.post_message(self.Ready())

    def draw(self, snapshot: Snapshot, now: datetime) -> None:
        """Show a snapshot, with ages by `now`."""
        raise NotImplementedError

    def trouble(self, lines: Iterable[Line]) -> None:
        """Show, or clear, what is wrong with the data."""
        bar = self.query_one("#trouble", Facts)
        found = list(lines)
        bar.display = bool(found)
        bar.show(found)

    def copied(self) -> str:
        """What `y` copies."""
        raise NotImplementedError


def trouble_lines(
    trouble: Trouble | None, snapshot: Snapshot | None, paused: bool, now: datetime, width: int
) -> Iterator[Line]:
    """One line for what is wrong: STALE where there is old data to show, DISCONNECTED where there is none."""
    if trouble is not None:
        word = f"STALE since {clock(trouble.since, now)}" if snapshot else "DISCONNECTED"
        last = f"; last good data {snapshot.fetched:%H:%M:%S}" if snapshot else ""
        text = f"{word}{last}, trying again every {trouble.retry:.0f} s: {trouble.says}"
        yield from (Line(line, "bad") for line in wrap(text, width, most=2))
    if paused:
        yield Line(clip("PAUSED: what you see stands still; space goes on", width), "warn")


class OverviewScreen(Drawn):
    """What is broken, since when, whose it is, what to do."""

    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear_filter", "Clear filter", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._snapshot: Snapshot | None = None
        self._now: datetime | None = None
        self._filter = ""

    def compose(self) -> ComposeResult:
        """Bar, incident, parts, claims and incidents."""
        yield Facts(id="bar")
        yield Facts(id="trouble")
        yield Facts(id="now")
        yield PartsTable(id="parts")
        with Horizontal(id="lists"):
            yield ClaimsTable(id="claims")
            yield IncidentsTable(id="incidents")
        yield Facts(id="foot")
        yield Input(id="filter", placeholder="filter parts: words, or ! for what is not ok")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Say what it waits for."""
        self.query_one("#filter").display = False
        self.query_one("#now", Facts).show([Line("waiting for the first card ...", "quiet")])
        self.query_one("#parts").border_title = plain("PARTS")
        self.query_one("#claims").border_title = plain("CLAIMS")
        self.query_one("#incidents").border_title = plain("INCIDENTS")
        self.query_one("#parts").focus()
        self.stand()

    def on_resize(self) -> None:
        """Lines are broken for the width."""
        if self._snapshot and self._now:
            self.draw(self._snapshot, self._now)

    def draw(self, snapshot: Snapshot, now: datetime) -> None:
        """Change what differs."""
        self._snapshot, self._now = snapshot, now
        face = overview(snapshot.view, now)
        self.query_one("#bar", Facts).show(head_lines(face, now, self.size.width - 2))
        box = self.query_one("#now", Facts)
        box.border_title = plain(clip(_now_title(face), self.size.width - 6))
        box.set_class(bool(face.incidents), "open")
        box.show(_now_lines(face, now, self.size.width - 4, small=self.size.height < _SMALL))
        self._draw_parts(face, now)
        claims = self.query_one("#claims", ClaimsTable)
        claims.border_title = plain("CLAIMS  " + "  ".join(claim_counts(face)))
        claims.show_claims(face.claims)
        incidents = self.query_one("#incidents", IncidentsTable)
        gate = "BLOCKED" if face.gate_blocked else "open" if face.measured else "was open"
        incidents.border_title = plain(f"INCIDENTS  GATE {gate}")
        incidents.show_incidents(face)
        self.query_one("#foot").display = self.size.height >= _SMALL
        self.query_one("#foot", Facts).show(closing_lines(face, now, self.size.width - 2))

    def _draw_parts(self, face: Overview, now: datetime) -> None:
        kept = [part for part in face.parts if matches(part, self._filter)]
        table = self.query_one("#parts", PartsTable)
        hidden = f"  filter '{self._filter}': {len(kept)} of {len(face.parts)}" if self._filter else ""
        legend = sample_legend(kept)
        table.border_title = plain(f"PARTS{hidden}{f'  {legend}' if legend else ''}")
        table.show_parts(kept, now)

    def action_filter(self) -> None:
        """Ask for words."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_clear_filter(self) -> None:
        """All parts again."""
        box = self.query_one("#filter", Input)
        box.value = ""
        box.display = False
        self.query_one("#parts").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self._filter = event.value.strip()
        if self._snapshot and self._now:
            self._draw_parts(overview(self._snapshot.view, self._now), self._now)

    def on_input_submitted(self) -> None:
        """Back to the table, filtered."""
        self.query_one("#filter").display = False
        self.query_one("#parts").focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter or a click on a row."""
        table, key = event.data_table, str(event.row_key.value)
        title, text = self._detail(table, key)
        if text:
            shown = IncidentScreen(title, text) if table.id == "incidents" else DetailScreen(title, text)
            self.app.push_screen(shown)

    def _detail(self, table: DataTable[Any], key: str) -> tuple[str, str]:
        if self._snapshot is None or key == NOTHING:
            return "", ""
        view, width = self._snapshot.view, window_width(self.size.width)
        match table.id:
            case "incidents":
                return key, incident_text(view, int(key.removeprefix("INC-")), width)
            case "claims":
                return key, why_text(view, key, width)
            case _:
                return key, part_text(view, key, width)

    def copied(self) -> str:
        """Details of the row under the cursor, else the status as text."""
        table = self.focused
        if isinstance(table, KeyedTable) and table.chosen:
            return self._detail(table, table.chosen)[1]
        return status_text(overview(self._snapshot.view, self._now), self._now) if self._snapshot and self._now else ""


def matches(part: PartRow, words: str) -> bool:
    """Whether a part has every word in its name, kind, state or reason; `!` asks for what is not ok."""
    said = f"{part.ref} {part.kind} {part.word} {part.why}".lower()
    return all(part.mark.strip() if word == "!" else word in said for word in words.lower().split())


def _now_title(face: Overview) -> str:
    if not face.incidents:
        return "NOW"
    first = face.incidents[0]
    return f"NOW  {first.name}  {first.severity}  {who_has_it(first)}  {first.subject}: {first.title}"


def _now_lines(face: Overview, now: datetime, width: int, *, small: bool) -> Iterator[Line]:
    if not face.incidents:
        text, tone = quiet_text(face)
        yield from (Line(line, tone) for line in wrap(text, width, most=2))
        return
    shown = _main_facts(face.incidents[0], now, width) if small else facts(face.incidents[0], now)
    for label, text, most in shown:
        yield from labelled(label, text, width, 1 if small else most)


def _main_facts(incident: IncidentFace, now: datetime, width: int) -> Iterator[tuple[str, str, int]]:
    """The first line of each main fact: what fits 24 lines beside the parts."""
    more = f"  +{len(incident.what) - 1} more" if len(incident.what) > 1 else ""
    for label, text, most in facts(incident, now):
        if label in _MAIN:
            yield label, clip(text, width - 13 - len(more)) + more if label == "what" else text, most


class CardScreen(Drawn):
    """The card of the newest version, or what changed since the one before."""

    BINDINGS = [
        Binding("v", "toggle_diff", "Card/changes"),
        Binding("j", "scroll('down')", "Down", show=False),
        Binding("k", "scroll('up')", "Up", show=False),
        Binding("g", "scroll('home')", "Top", show=False),
        Binding("G", "scroll('end')", "Bottom", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._snapshot: Snapshot | None = None
        self._shows_changes = False
        self._text = ""

    def compose(self) -> ComposeResult:
        """Bar and text."""
        yield Facts(id="bar")
        yield Facts(id="trouble")
        with VerticalScroll(id="page"):
            yield Static(id="card")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The text scrolls."""
        self.query_one("#page").focus()
        self.stand()

    def draw(self, snapshot: Snapshot, now: datetime) -> None:
        """The whole text; the place in it stays."""
        self._snapshot = snapshot
        self.query_one("#bar", Facts).show(head_lines(overview(snapshot.view, now), now, self.size.width - 2))
        self._write()

    def on_resize(self) -> None:
        """Lines are broken for the width."""
        self._write()

    def action_toggle_diff(self) -> None:
        """Card or changes."""
        self._shows_changes = not self._shows_changes
        self._write()
        self.query_one("#page", VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, where: str) -> None:
        """Move the text."""
        page = self.query_one("#page", VerticalScroll)
        moves = {"down": page.scroll_down, "up": page.scroll_up, "home": page.scroll_home, "end": page.scroll_end}
        moves[where](animate=False)

    def _write(self) -> None:
        if self._snapshot is None or not self.size.width:
            return
        title, text = self._page(self._snapshot, min(120, self.size.width - 4))
        self.query_one("#page").border_title = plain(title)
        if text != self._text:
            self._text = text
            self.query_one("#card", Static).update(plain(text.rstrip("\n")))

    def _page(self, snapshot: Snapshot, width: int) -> tuple[str, str]:
        card, before = snapshot.view["card"], snapshot.previous
        if not self._shows_changes:
            return f"CARD v{card['version']}  (v: changes)", card_text(snapshot.view, width)
        if before is None:
            says = "No version came in since this screen was opened.\nBetween any two versions: syscard card diff\n"
            return f"CHANGES to v{card['version']}  (v: card)", says
        title = f"CHANGES v{before['version']} -> v{card['version']}  (v: card)"
        return title, diff_text(material_diff(before, card), width)

    def copied(self) -> str:
        """The text in front of you."""
        return self._text


def help_text(width: int) -> str:
    """Every key, and what the marks mean."""
    marks = "! broken   ~ may only inherit it   ? unknown, stale, or no longer watched   (blank) ok"
    lines = [line for keys, says in KEYS for line in wrap(says, width, first=f"{keys:<9} ")]
    return "\n".join([*lines, "", *wrap(marks, width)]) + "\n"
