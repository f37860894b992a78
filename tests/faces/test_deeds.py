"""What is done about an incident from the screens: asked first, written by another thread, and said."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import pytest
from textual.widgets import Input, Static

from syscard.clock import ReplayClock
from syscard.errors import RecordsError
from syscard.views import View
from syscard_tui import source
from syscard_tui.app import SyscardApp
from syscard_tui.deeds import DEEDS, Deed
from syscard_tui.widgets import PartsTable
from syscard_tui.windows import AskScreen, IncidentScreen
from tests.faces import sample
from tests.faces.fakes import FakeSource
from tests.faces.test_tui import Driven, until


class Book:
    """Takes what is to be written, as long as it has no trouble."""

    def __init__(self) -> None:
        self.written: list[tuple[str, int, str]] = []
        self.trouble: Exception | None = None
        self.free = threading.Event()
        self.free.set()

    def __call__(self, deed: Deed, number: int, text: str) -> str:
        assert self.free.wait(10)
        assert threading.current_thread() is not threading.main_thread()
        if self.trouble is not None:
            raise self.trouble
        self.written.append((deed.name, number, text))
        return f"INC-{number} [bold]{deed.name}[/], card v9"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "EVERY", 0.02)


@asynccontextmanager
async def incident(
    view: View, book: Book | None, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[SyscardApp, Driven]]:
    """The app with the first incident in front."""
    app = SyscardApp(FakeSource(view), ReplayClock(sample.NOW), book)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.shown is not None and app.query_one(PartsTable).row_count > 0)
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen))
        yield app, pilot


async def typed(app: SyscardApp, pilot: Driven, key: str, text: str) -> None:
    """Ask, type and send."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, AskScreen))
    app.screen.query_one(Input).value = text
    await pilot.press("enter")


def told(app: SyscardApp) -> str:
    """What the line says of what was sent."""
    return str(app.screen.query_one("#told", Static).render())


def said(app: SyscardApp) -> list[str]:
    """What was said in the corner."""
    return [note.message for note in app._notifications]


@pytest.mark.parametrize(
    ("key", "text", "written"),
    [
        ("a", "yes", ("acknowledge", 12, "yes")),
        ("n", "  the camera was swapped ", ("note", 12, "the camera was swapped")),
        ("r", "rolled_back", ("resolve", 12, "rolled_back")),
    ],
)
async def test_a_key_asks_and_then_it_is_written_and_said(
    broken: View, key: str, text: str, written: tuple[str, int, str]
) -> None:
    book = Book()
    async with incident(broken, book) as (app, pilot):
        await typed(app, pilot, key, text)
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen))
        assert book.written == [written]
        assert said(app) == [f"INC-12 [bold]{written[0]}[/], card v9"]


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("a", "y", "type yes, or esc"),
        ("a", "", "type yes"),
        ("n", "  ", "what is the note?"),
        ("r", "yes", "rolled_back"),
    ],
)
async def test_what_does_not_confirm_writes_nothing_and_can_be_mended(
    broken: View, key: str, text: str, says: str
) -> None:
    book = Book()
    async with incident(broken, book) as (app, pilot):
        await typed(app, pilot, key, text)
        assert says in told(app)
        await pilot.press("escape")
        assert isinstance(app.screen, IncidentScreen)
        assert book.written == []


async def test_what_is_typed_is_no_key_of_the_screens(broken: View) -> None:
    book = Book()
    async with incident(broken, book) as (app, pilot):
        await pilot.press("n", "q", "space", "1", "y", "a", "enter")
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen))
        assert book.written == [("note", 12, "q 1ya")]


async def test_records_that_are_locked_are_said_and_what_was_typed_is_sent_again(broken: View) -> None:
    book = Book()
    book.trouble = RecordsError("records: database is locked: nothing was changed")
    async with incident(broken, book) as (app, pilot):
        await typed(app, pilot, "n", "the camera was swapped")
        await until(pilot, lambda: "database is locked" in told(app))
        assert app.screen.query_one(Input).value == "the camera was swapped"
        book.trouble = None
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen))
        assert book.written == [("note", 12, "the camera was swapped")]


async def test_a_bug_while_writing_is_said_and_the_screens_go_on(broken: View) -> None:
    book = Book()
    book.trouble = RuntimeError("a bug")
    async with incident(broken, book) as (app, pilot):
        await typed(app, pilot, "a", "yes")
        await until(pilot, lambda: "RuntimeError: a bug" in told(app))
        assert not app.screen.query_one(Input).disabled


async def test_whoever_leaves_while_it_is_written_is_told_all_the_same(broken: View) -> None:
    """And another line that was opened meanwhile stays open."""
    book = Book()
    book.free.clear()
    async with incident(broken, book) as (app, pilot):
        await typed(app, pilot, "a", "yes")
        assert told(app) == "writing ..."
        assert app.screen.query_one(Input).disabled
        await pilot.press("escape", "n")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        book.free.set()
        await until(pilot, lambda: said(app))
        assert isinstance(app.screen, AskScreen)
        assert book.written == [("acknowledge", 12, "yes")]


async def test_the_incident_in_front_shows_what_was_done_to_it(views: dict[str, View]) -> None:
    given = FakeSource(views["broken"])
    app = SyscardApp(given, ReplayClock(sample.NOW), Book())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.shown is not None and app.query_one(PartsTable).row_count > 0)
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen))
        assert "OPEN, nobody has it" in str(app.screen.query_one("#window Static", Static).render())
        card = views["broken"]["card"]
        mine = {**card["incidents"]["12"], "state": "acknowledged", "acknowledged_by": "mara"}
        given.put({**views["broken"], "card": {**card, "incidents": {**card["incidents"], "12": mine}}})
        await until(
            pilot, lambda: "ACKNOWLEDGED by mara" in str(app.screen.query_one("#window Static", Static).render())
        )


async def test_screens_that_only_look_say_so(broken: View) -> None:
    async with incident(broken, None) as (app, pilot):
        await pilot.press("a")
        await until(pilot, lambda: said(app))
        assert "only look" in said(app)[0]
        assert isinstance(app.screen, IncidentScreen)


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 5)])
async def test_the_line_can_be_asked_for_at_every_size(broken: View, size: tuple[int, int]) -> None:
    async with incident(broken, Book(), size) as (app, pilot):
        await typed(app, pilot, "a", "no")
        assert app.is_running


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_question_fits_the_smallest_usual_terminal(deed: Deed) -> None:
    assert len(deed.question(12)) <= 74


@pytest.mark.skipif(version("textual") != "8.2.8", reason="pictures were accepted with Textual 8.2.8")
@pytest.mark.parametrize("keys", [(), ("n",), ("r", "enter")], ids=["incident", "note", "refused"])
def test_an_incident_and_its_line_look_as_accepted(
    broken: View, snap_compare: Callable[..., bool], keys: tuple[str, ...]
) -> None:
    async def asked(pilot: Driven) -> None:
        app = pilot.app
        assert isinstance(app, SyscardApp)
        await until(pilot, lambda: app.shown is not None and app.query_one(PartsTable).row_count > 0)
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen))
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)

    assert snap_compare(
        SyscardApp(FakeSource(broken), ReplayClock(sample.NOW), Book()), terminal_size=(80, 24), run_before=asked
    )
