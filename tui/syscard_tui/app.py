"""The full-screen app: one worker thread asks for snapshots, handlers draw them. It never gives up.

What people do about an incident is written by another thread, so that the screens go on while somebody else writes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from textual import work
from textual.app import App
from textual.binding import Binding
from textual.message import Message
from textual.worker import Worker, WorkerState, get_current_worker

from syscard.clock import Clock
from syscard.errors import SyscardError
from syscard.faces import Overview
from syscard.views import View
from syscard.words import one_line
from syscard_tui.deeds import Write
from syscard_tui.screens import CardScreen, Drawn, OverviewScreen, help_text, trouble_lines
from syscard_tui.source import DatabaseSource, Poller, Snapshot, Source, Trouble
from syscard_tui.windows import AskScreen, DetailScreen, IncidentScreen, window_width

_AGES_EVERY: Final = 10.0
"""Seconds between two looks at the clock: ages grow, and a watcher falls silent, without any new data."""
_WRITING: Final = "write"
_TERMINAL_EVERY: Final = 2.0
_LAST_RESORT: Final = 4.0


class SnapshotFetched(Message):
    """New data."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    @property
    def view(self) -> View:
        """The view."""
        return self.snapshot.view

    @property
    def overview(self) -> Overview:
        """What the first screen says of it."""
        return self.snapshot.overview


class FetchFailed(Message):
    """No new data, and why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self.trouble = trouble


class Written(Message):
    """What became of something that was to be written."""

    def __init__(self, asked: AskScreen.Confirmed | None, says: str, *, done: bool) -> None:
        super().__init__()
        self.asked, self.says, self.done = asked, says, done


class SyscardApp(App[None]):
    """Overview and card of one system."""

    CSS_PATH = "syscard.tcss"
    TITLE = "syscard"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        Binding("1", "show('overview')", "Overview"),
        Binding("2", "show('card')", "Card"),
        Binding("y", "copy", "Copy"),
        Binding("space", "pause", "Pause"),
        Binding("question_mark", "keys", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, source: Source, clock: Clock, write: Write | None = None) -> None:
        super().__init__()
        self._source, self._clock, self._write = source, clock, write
        self._stop = threading.Event()
        self._snapshot: Snapshot | None = None
        self._waiting: Snapshot | None = None
        self._trouble: Trouble | None = None
        self._paused = False

    @property
    def shown(self) -> Overview | None:
        """What the screens show; None while they wait."""
        return self._snapshot.overview if self._snapshot else None

    def on_mount(self) -> None:
        """The worker asks at once."""
        self.poll()
        self.set_interval(_AGES_EVERY, self.redraw)
        if not self.is_headless and sys.__stdin__ is not None and os.isatty(sys.__stdin__.fileno()):
            watch_terminal(sys.__stdin__.fileno(), self._leave, self._stop)

    def get_default_screen(self) -> OverviewScreen:
        """The overview lies under everything else."""
        return OverviewScreen()

    def on_unmount(self) -> None:
        """The worker ends with the app."""
        self._stop.set()

    @work(thread=True, exclusive=True, group="poll", exit_on_error=False)
    def poll(self) -> None:
        """Ask once a second; only post messages."""
        worker, poller = get_current_worker(), Poller(self._source, self._clock)
        while not worker.is_cancelled and not self._stop.is_set():
            found = poller.ask()
            if isinstance(found, Snapshot):
                self.post_message(SnapshotFetched(found))
            elif found is not None:
                self.post_message(FetchFailed(found))
            self._stop.wait(poller.pause)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that died is said and started again: silence must not look like peace."""
        if event.state is WorkerState.ERROR and not self._stop.is_set():
            says = f"{type(event.worker.error).__name__}: {event.worker.error}"
            if event.worker.group == _WRITING:
                self.post_message(Written(None, says, done=False))
                return
            self._trouble = Trouble(says, self._clock(), _AGES_EVERY)
            self.redraw()
            self.set_timer(_AGES_EVERY, self.poll)

    def on_snapshot_fetched(self, message: SnapshotFetched) -> None:
        """New data: drawn now, or after the pause."""
        self._trouble = None
        if self._paused:
            self._waiting = message.snapshot
        else:
            self._snapshot = message.snapshot
        self.redraw()

    def on_fetch_failed(self, message: FetchFailed) -> None:
        """The last data stay, and it is said that they are old."""
        self._trouble = message.trouble
        self.redraw()

    def on_drawn_ready(self) -> None:
        """A screen came to the front."""
        self.redraw()

    def redraw(self) -> None:
        """Draw the screen in front from the snapshot, and the incident over it; other windows stay as they are."""
        if not self.is_running:  # widgets go one by one while it ends
            return
        now = self._clock()
        for screen in reversed(self.screen_stack):
            if isinstance(screen, IncidentScreen) and self._snapshot is not None:
                screen.renew(self._snapshot.view, self.size.width)
            if isinstance(screen, Drawn) and screen.ready:
                width = self.size.width - 2
                screen.trouble(trouble_lines(self._trouble, self._snapshot, self._paused, now, width))
                if self._snapshot is not None:
                    screen.draw(self._snapshot, now)
                return

    def action_show(self, name: str) -> None:
        """The card lies over the overview, or it does not; windows are closed."""
        while len(self.screen_stack) > 1 and not (name == "card" and isinstance(self.screen, CardScreen)):
            self.pop_screen()
        if name == "card" and not isinstance(self.screen, CardScreen):
            self.push_screen(CardScreen())

    def action_pause(self) -> None:
        """Stand still, or go on with the newest."""
        self._paused = not self._paused
        if not self._paused and self._waiting is not None:
            self._snapshot, self._waiting = self._waiting, None
        self.redraw()

    def action_copy(self) -> None:
        """Copy by OSC 52, which works through ssh where the terminal allows it."""
        screen = self.screen
        text = screen.copied() if isinstance(screen, Drawn | DetailScreen) else ""
        if text:
            self.copy_to_clipboard(text)
            self.notify(f"copied {len(text)} characters, if your terminal allows it (OSC 52)", timeout=3, markup=False)

    def action_keys(self) -> None:
        """The keys."""
        if not isinstance(self.screen, DetailScreen):
            self.push_screen(DetailScreen("KEYS", help_text(window_width(self.size.width))))

    def on_incident_screen_asked(self, message: IncidentScreen.Asked) -> None:
        """A key for what can be done about an incident."""
        if self._write is None:
            self.notify("these screens only look: syscard tui writes", severity="warning", markup=False)
        else:
            self.push_screen(AskScreen(message.deed, message.number))

    def on_ask_screen_confirmed(self, message: AskScreen.Confirmed) -> None:
        """It waits for whoever writes now: not here."""
        self.run_worker(partial(self._do, message), thread=True, group=_WRITING, exit_on_error=False)

    def _do(self, asked: AskScreen.Confirmed) -> None:
        if self._write is None:
            return
        try:
            self.post_message(Written(asked, self._write(asked.deed, asked.number, asked.text), done=True))
        except (SyscardError, OSError) as error:
            self.post_message(Written(asked, str(error), done=False))

    def on_written(self, message: Written) -> None:
        """Said where it was asked; in a corner, if that has been left."""
        screen = self.screen
        waits = isinstance(screen, AskScreen) and screen.waits_for(message.asked)
        if isinstance(screen, AskScreen) and waits and not message.done:
            screen.tell(message.says)
            return
        if waits:
            self.pop_screen()
        self.notify(one_line(message.says), severity="information" if message.done else "error", markup=False)

    def _leave(self) -> None:
        self.call_from_thread(self.exit)


def watch_terminal(descriptor: int, leave: Callable[[], object], stop: threading.Event) -> threading.Thread:
    """End the app when its terminal is gone: first politely, then for certain."""

    def watch() -> None:
        while not stop.wait(_TERMINAL_EVERY):
            if not os.isatty(descriptor):
                threading.Thread(target=leave, daemon=True).start()
                # Writing to a terminal that is gone can block for ever: then nobody is left to be polite to.
                if not stop.wait(_LAST_RESORT):
                    os._exit(1)
                return

    thread = threading.Thread(target=watch, name="terminal", daemon=True)
    thread.start()
    return thread


def run(records: Path, system: str | None, clock: Clock, write: Write | None = None) -> None:
    """Show the screens until the user leaves or the terminal goes.

    Args:
        records: the records of the home.
        system: its reference, needed where the home has several.
        clock: says what time it is.
        write: does what people ask for; None: these screens only look.
    """
    SyscardApp(DatabaseSource(records, system), clock, write).run()
