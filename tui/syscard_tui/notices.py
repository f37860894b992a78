"""People are told beside the watch, by a process that is not the monitors' own: it can tell of their death."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from syscard.errors import SyscardError
from syscard_tui.options import note

if TYPE_CHECKING:
    from syscard.records.store import Records
    from syscard_monitors.notify.pulse import Beat
    from syscard_monitors.notify.targets import Addresses
    from syscard_tui.wiring import House

_MOST_PAUSE_S: Final = 5.0
_BEAT_S: Final = 60.0
_STOP_S: Final = 2.0
"""What is being sent then ends with its own process, and is perhaps delivered."""


def addresses_of(house: House) -> Addresses:
    """Whom to tell, by the environment and the home.

    Raises:
        UsageError: a file or an address is wrong.
    """
    from syscard_monitors.notify.targets import read_addresses

    return read_addresses(os.environ, house.home.root)


def take_addresses(house: House) -> Addresses:
    """The same, and no process that is started from here gets them.

    Raises:
        UsageError: a file or an address is wrong.
    """
    from syscard_monitors.notify.targets import VARIABLES

    addresses = addresses_of(house)
    for name in VARIABLES:
        os.environ.pop(name, None)
    return addresses


@contextmanager
def telling(house: House, addresses: Addresses, every: float) -> Iterator[None]:
    """Tell people while the block runs; nothing is started where there is nobody to tell.

    The monitors look `every` so many seconds: where they do not, that is told, too.
    """
    stopping = threading.Event()
    loops: list[tuple[str, Callable[[], None]]] = []
    if addresses.targets:
        loops.append(("messages", lambda: _messages(house, addresses, every, stopping)))
    if addresses.heartbeat or addresses.alertmanager:
        loops.append(("pulse", lambda: _pulse(house, addresses, every, stopping)))
    threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(_STOP_S)


def _messages(house: House, addresses: Addresses, every: float, stopping: threading.Event) -> None:
    from syscard_monitors.notify.notifier import Notifier

    pause, looks = min(every, _MOST_PAUSE_S), timedelta(seconds=every)
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def look(records: Records, told: _Once) -> None:
        notifier = Notifier(records, addresses.targets, house.clock, owner, every=looks)
        while not stopping.is_set():
            with told.failing("people are not told"):
                notifier.look(stopping.is_set)
            stopping.wait(pause)
        notifier.close()

    _with_records(house, pause, stopping, look)


def _pulse(house: House, addresses: Addresses, every: float, stopping: threading.Event) -> None:
    from syscard_monitors.notify.pulse import Pulse

    def look(records: Records, told: _Once) -> None:
        pulse = Pulse(records, addresses, house.clock, every=timedelta(seconds=every))
        while not stopping.is_set():
            with told.failing("no sign of life was sent"):
                told.beats(pulse.look())
            stopping.wait(_BEAT_S)

    _with_records(house, _MOST_PAUSE_S, stopping, look)


def _with_records(
    house: House, pause: float, stopping: threading.Event, look: Callable[[Records, _Once], None]
) -> None:
    """Look until we stop; records that cannot be opened now may be later."""
    told = _Once()
    while not stopping.is_set():
        with told.failing("the records cannot be opened, and people are not told"), house.records() as records:
            look(records, told)
        stopping.wait(pause)


class _Once:
    """Says on standard error what fails, once until it changes: a minute's failure is not a line a minute."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    @contextmanager
    def failing(self, what: str) -> Iterator[None]:
        """Whatever fails within, the next look is made all the same."""
        try:
            yield
        except SyscardError as error:
            self._say(what, str(error))
        except Exception as error:  # noqa: BLE001  (its words may hold an address: only its kind is told)
            self._say(what, type(error).__name__)
        else:
            self._said.pop(what, None)

    def beats(self, beats: list[Beat]) -> None:
        """Which of them did not arrive."""
        for beat in beats:
            if beat.result.state == "sent":
                self._said.pop(beat.target, None)
            else:
                self._say(beat.target, beat.result.why)

    def _say(self, what: str, why: str) -> None:
        if self._said.get(what) != why:
            self._said[what] = why
            note(f"{what}: {why}")
