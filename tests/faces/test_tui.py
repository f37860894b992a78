"""The screens, driven by keys; data that arrive, fail and come back."""

from __future__ import annotations

import asyncio
import copy
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from rich.style import Style
from textual.pilot import Pilot
from textual.widgets import Input, Static

from syscard.clock import ReplayClock
from syscard.errors import RecordsError
from syscard.views import View
from syscard_tui import source
from syscard_tui.app import SyscardApp
from syscard_tui.picture import screenshot
from syscard_tui.screens import CardScreen, OverviewScreen
from syscard_tui.widgets import ClaimsTable, Facts, IncidentsTable, PartsTable, sparkline
from syscard_tui.windows import DetailScreen
from tests.faces import sample
from tests.faces.fakes import FakeSource

Driven = Pilot[None]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "EVERY", 0.02)
    monkeypatch.setattr(source, "_SLOWEST", 0.05)


@asynccontextmanager
async def shown(
    given: FakeSource, size: tuple[int, int] = (120, 40), clock: ReplayClock | None = None
) -> AsyncIterator[tuple[SyscardApp, Driven]]:
    """An app whose first data have been drawn."""
    app = SyscardApp(given, clock or ReplayClock(sample.NOW))
    async with app.run_test(size=size) as pilot:
        if given.error is None:
            await until(pilot, lambda: app.shown is not None and app.query_one(PartsTable).row_count > 0)
        yield app, pilot


async def until(pilot: Driven, done: Callable[[], object]) -> None:
    """Wait for something that another thread brings."""
    for _ in range(300):
        await pilot.pause(0.01)
        if done():
            await pilot.pause()
            return
    raise AssertionError("it never came")


def text_of(app: SyscardApp, selector: str) -> str:
    """What a widget shows."""
    return str(app.screen.query_one(selector, Static).render())


def cells_of(table: PartsTable | ClaimsTable | IncidentsTable) -> list[list[str]]:
    """What a table shows."""
    return [[str(cell).strip() for cell in table.get_row_at(row)] for row in range(table.row_count)]


async def test_the_overview_says_what_is_broken_and_what_to_do(broken: View) -> None:
    async with shown(FakeSource(broken)) as (app, _):
        assert "BROKEN since 14:02 (31 min)" in text_of(app, "#bar")
        assert "roll back lit-0.4: https://runbooks.shop.example/vlm" in text_of(app, "#now")
        assert [row[:2] for row in cells_of(app.query_one(PartsTable))][1] == ["! vlm", "BROKEN"]
        assert [row[0] for row in cells_of(app.query_one(ClaimsTable))][:2] == ["! grounded", "! sees-the-picture"]
        assert cells_of(app.query_one(IncidentsTable))[0][:2] == ["! INC-12 page", "UNACKED"]


async def test_rates_and_claims_of_a_sample_are_marked_as_such(views: dict[str, View]) -> None:
    async with shown(FakeSource(views["sampled"]), size=(160, 40)) as (app, _):
        assert "* sampled 1 in 10, biased towards errors" in str(app.query_one("#parts", PartsTable).border_title)
        parts, claims = app.query_one("#parts", PartsTable), app.query_one("#claims", ClaimsTable)
        assert parts.get_cell("vlm", "rate").plain.strip() == "824*"
        assert "on sampled traces" in str(claims.border_title)
        assert "(sampled 1 in 10, biased towards errors)" in claims.get_cell("grounded", "text").plain


async def test_on_a_small_terminal_state_and_reason_are_still_there(broken: View) -> None:
    async with shown(FakeSource(broken), (80, 24)) as (app, _):
        vlm = cells_of(app.query_one(PartsTable))[1]
        assert vlm == ["! vlm", "BROKEN", "14:02", "824", "0.0%", "114 ms", "agrees 0.91 -> 0.30"]
        table = app.query_one(PartsTable)
        assert table.virtual_size.width <= table.size.width
        assert table.size.height >= table.row_count


async def test_new_data_are_drawn_while_the_cursor_stays_on_its_part(views: dict[str, View]) -> None:
    given = FakeSource(views["earlier"])
    async with shown(given) as (app, pilot):
        await pilot.press("j", "j")
        assert app.query_one(PartsTable).chosen == "llm"
        given.put(views["broken"])
        await until(pilot, lambda: "BROKEN" in text_of(app, "#bar"))
        assert cells_of(app.query_one(PartsTable))[1][1] == "BROKEN"
        assert app.query_one(PartsTable).chosen == "llm"


async def test_nothing_is_read_while_nothing_changes(broken: View) -> None:
    given = FakeSource(broken)
    async with shown(given) as (_, pilot):
        await pilot.pause(0.2)
        assert given.reads == 1


async def test_a_source_that_fails_leaves_the_data_and_says_that_they_are_stale(broken: View) -> None:
    given = FakeSource(broken)
    async with shown(given) as (app, pilot):
        given.error = RecordsError("records.db: disk I/O error: run: syscard doctor")
        await until(pilot, lambda: app.screen.query_one("#trouble").display)
        assert "STALE since 14:33; last good data 14:33:00, trying again every" in text_of(app, "#trouble")
        assert "disk I/O error" in text_of(app, "#trouble")
        assert app.query_one(PartsTable).row_count == 7
        given.error = None
        await until(pilot, lambda: not app.screen.query_one("#trouble").display)


async def test_a_source_that_never_worked_is_disconnected_and_tried_again(broken: View) -> None:
    given = FakeSource(broken)
    given.error = RecordsError("no records yet")
    async with shown(given) as (app, pilot):
        await until(pilot, lambda: app.screen.query_one("#trouble").display)
        assert "DISCONNECTED, trying again every" in text_of(app, "#trouble")
        assert "waiting for the first card" in text_of(app, "#now")
        given.error = None
        await until(pilot, lambda: app.shown is not None)


@pytest.mark.parametrize("view", [{}, {"card": None}, {"card": {"identity": {}}}])
async def test_a_view_of_another_shape_is_trouble_and_no_traceback(broken: View, view: View) -> None:
    given = FakeSource(broken)
    async with shown(given) as (app, pilot):
        given.put(view)
        await until(pilot, lambda: app.screen.query_one("#trouble").display)
        assert app.is_running


async def test_a_bug_in_the_worker_is_said_and_the_app_goes_on(broken: View) -> None:
    given = FakeSource(broken)
    async with shown(given) as (app, pilot):
        given.error = RuntimeError("a bug")
        await until(pilot, lambda: app.screen.query_one("#trouble").display)
        assert "RuntimeError: a bug" in text_of(app, "#trouble")
        assert app.is_running


async def test_a_watcher_that_falls_silent_is_seen_without_any_new_data(views: dict[str, View]) -> None:
    clock = ReplayClock(sample.NOW)
    async with shown(FakeSource(views["calm"]), clock=clock) as (app, pilot):
        assert "watcher alive" in text_of(app, "#bar")
        clock.advance(timedelta(minutes=10))
        app.redraw()
        await pilot.pause()
        assert text_of(app, "#bar").startswith("WATCHER SILENT")
        assert {row[1] for row in cells_of(app.query_one(PartsTable))} == {"was ok"}


async def test_keys_lead_to_the_card_its_changes_and_back(views: dict[str, View]) -> None:
    given = FakeSource(views["broken"], previous=views["earlier"]["card"])
    async with shown(given) as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, CardScreen) and "CLAIMS" in text_of(app, "#card"))
        await pilot.press("v")
        assert "+ BROKEN    grounded  0.93 -> 0.87" in text_of(app, "#card")
        await pilot.press("v", "G")
        assert app.screen.query_one("#page").scroll_offset.y > 0
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, OverviewScreen))


async def test_without_an_earlier_version_the_card_says_how_to_compare(broken: View) -> None:
    async with shown(FakeSource(broken)) as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, CardScreen) and "CLAIMS" in text_of(app, "#card"))
        await pilot.press("v")
        assert "syscard card diff" in text_of(app, "#card")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (("j", "enter"), "vlm  BROKEN since 2026-11-22 14:02 UTC"),
        (("tab", "enter"), "BROKEN grounded  since"),
        (("tab", "tab", "enter"), "INC-12  page  vlm: image reading"),
        (("question_mark",), "filter the parts"),
    ],
)
async def test_enter_opens_what_is_under_the_cursor_and_escape_closes_it(
    broken: View, keys: tuple[str, ...], says: str
) -> None:
    async with shown(FakeSource(broken)) as (app, pilot):
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        assert says in text_of(app, "#window Static")
        await pilot.press("escape")
        assert isinstance(app.screen, OverviewScreen)


async def test_the_filter_keeps_what_it_names_and_escape_gives_all_back(broken: View) -> None:
    async with shown(FakeSource(broken)) as (app, pilot):
        await pilot.press("slash", "!")
        await pilot.pause()
        assert [row[0][0] for row in cells_of(app.query_one(PartsTable))] == ["!", "~", "!", "?"]
        app.query_one(Input).value = "edge broken"
        await pilot.pause()
        assert [row[0] for row in cells_of(app.query_one(PartsTable))] == ["! vlm->llm"]
        await pilot.press("escape")
        assert app.query_one(PartsTable).row_count == 7


async def test_a_filter_that_fits_nothing_or_looks_like_markup_is_harmless(broken: View) -> None:
    async with shown(FakeSource(broken)) as (app, pilot):
        await pilot.press("slash")
        app.query_one(Input).value = "[bold red]x[/"
        await pilot.pause()
        assert cells_of(app.query_one(PartsTable))[0][0] == "no part"
        await pilot.press("enter", "enter")
        assert isinstance(app.screen, OverviewScreen)


async def test_while_paused_the_screen_stands_still_and_then_shows_the_newest(views: dict[str, View]) -> None:
    given = FakeSource(views["earlier"])
    async with shown(given) as (app, pilot):
        await pilot.press("space")
        given.put(views["broken"])
        await until(pilot, lambda: given.reads == 2)
        assert "PAUSED" in text_of(app, "#trouble")
        assert "UNKNOWN" in text_of(app, "#bar")
        await pilot.press("space")
        assert "BROKEN" in text_of(app, "#bar")


async def test_while_paused_another_screen_is_drawn_all_the_same(views: dict[str, View]) -> None:
    given = FakeSource(views["earlier"])
    async with shown(given) as (app, pilot):
        await pilot.press("space")
        given.put(views["broken"])
        await until(pilot, lambda: given.reads == 2)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, CardScreen) and "CLAIMS" in text_of(app, "#card"))
        assert "card v3" in text_of(app, "#card")


async def test_copying_takes_the_details_of_the_row(broken: View) -> None:
    async with shown(FakeSource(broken)) as (app, pilot):
        await pilot.press("j", "y")
        assert app.clipboard.startswith("vlm  BROKEN since")


async def test_keys_move_as_in_vi_and_q_leaves(broken: View) -> None:
    async with shown(FakeSource(broken)) as (app, pilot):
        table = app.query_one(PartsTable)
        for key, row in (("j", 1), ("j", 2), ("k", 1), ("G", 6), ("g", 0)):
            await pilot.press(key)
            assert table.cursor_row == row
        assert app.return_code is None
        await pilot.press("q")
        assert app.return_code == 0


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("calm", (80, 24)),
        ("declared", (80, 24)),
        ("idle", (120, 40)),
        ("hostile", (80, 24)),
        ("hostile", (40, 12)),
        ("silent", (20, 5)),
    ],
)
async def test_every_view_can_be_drawn_at_every_size(views: dict[str, View], name: str, size: tuple[int, int]) -> None:
    async with shown(FakeSource(views[name]), size) as (app, pilot):
        await pilot.press("enter", "escape", "2")
        await until(pilot, lambda: isinstance(app.screen, CardScreen) and text_of(app, "#card"))
        await pilot.press("v", "1")
        await until(pilot, lambda: not isinstance(app.screen, CardScreen))
        assert app.is_running


async def test_hostile_text_is_never_read_as_markup(views: dict[str, View]) -> None:
    async with shown(FakeSource(views["hostile"])) as (app, _):
        assert "\\[bold red]x" in str(app.query_one("#now", Facts).border_title)
        assert "[bold red]x[/]" in text_of(app, "#now")


async def test_without_colour_nothing_is_drawn_in_the_grey_of_a_colour(
    broken: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(FakeSource(broken)) as (app, _):
        state = app.query_one(PartsTable).get_cell("vlm", "state")
        assert (state.plain, Style.parse(str(state.style)).color, "bold" in str(state.style)) == ("BROKEN", None, True)
        headline = app.query_one("#bar", Facts).render()
        assert not any(style and style.foreground for _, style in _styled(headline))


def _styled(shown: Any) -> list[tuple[str, Any]]:
    return [(shown.plain[s.start : s.end], s.style if hasattr(s.style, "foreground") else None) for s in shown.spans]


async def test_the_picture_needs_nothing_from_outside(broken: View) -> None:
    picture = await screenshot(broken)
    addresses = [a for a in picture.split('"') if a.startswith("http")]
    assert addresses == ["http://www.w3.org/2000/svg"]
    assert "@font-face" not in picture
    assert "BROKEN" in picture


def test_a_sparkline_leaves_a_blank_where_a_window_had_no_value() -> None:
    assert sparkline([0.0, None, 1.0, 1.0], 3) == " ██"
    assert sparkline([None], 3) == sparkline([], 3) == ""


def test_the_database_source_remembers_the_version_it_showed_before(
    views: dict[str, View], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    waiting = [views["earlier"], views["earlier"], views["broken"], views["broken"]]
    monkeypatch.setattr("syscard.views.read_view", lambda *_: copy.deepcopy(waiting.pop(0)))
    given = source.DatabaseSource(tmp_path, None)
    assert [(given.view(), given.previous_card())[1] for _ in range(2)] == [None, None]
    for _ in range(2):
        given.view()
        before = given.previous_card()
        assert before is not None
        assert before["version"] == 3


def test_a_home_without_records_is_trouble_that_says_what_to_do(tmp_path: Any) -> None:
    found = source.Poller(source.DatabaseSource(tmp_path / "records.db", None), lambda: sample.NOW).ask()
    assert isinstance(found, source.Trouble)
    assert "syscard apply system.yaml" in found.says


def test_tries_become_rarer_while_they_fail(monkeypatch: pytest.MonkeyPatch, broken: View) -> None:
    monkeypatch.setattr(source, "EVERY", 1.0)
    monkeypatch.setattr(source, "_SLOWEST", 15.0)
    given = FakeSource(broken)
    given.error = RecordsError("gone")
    poller = source.Poller(given, lambda: sample.NOW)
    pauses = [(poller.ask(), poller.pause)[1] for _ in range(10)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2.0, 15.0)
    given.error = None
    assert isinstance(poller.ask(), source.Snapshot)
    assert poller.pause == 1.0


_LONELY = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from syscard.clock import system_clock
from syscard_tui.app import run
run(Path(sys.argv[1]), None, system_clock)
"""


def test_it_leaves_within_ten_seconds_when_its_terminal_dies(tmp_path: Any) -> None:
    """Even where the hang-up signal is ignored, as under nohup."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", _LONELY, str(tmp_path / "records.db")]
    environment = {**os.environ, "TERM": "xterm-256color"}
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    try:
        _read_until(ours, b"waiting for the first card")
        os.close(ours)
        assert child.wait(timeout=10) is not None
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.wait()


def _read_until(descriptor: int, words: bytes) -> None:
    seen, end = b"", time.monotonic() + 30
    while words not in seen:
        assert time.monotonic() < end, seen[-400:]
        seen += os.read(descriptor, 65536)


def test_the_event_loop_is_not_left_open() -> None:
    """Guards the other tests: a loop left running would hide errors of a closed app."""
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
