"""`serve` runs the monitors in a process of their own, and watches over it.

When it dies, makes no progress or grows too large it is ended and started again; that it was stands in the records and
on the first line of every face.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from syscard_tui.heartbeat import VARIABLE, Pulse
from syscard_tui.options import note
from syscard_tui.patience import Limits, Patience, Stop, resident

if TYPE_CHECKING:
    from syscard_tui.wiring import House

PARENT: Final = "SYSCARD_PARENT"
"""Environment variable of a supervised child: the process without which it ends."""
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_STOP_S = 10.0
_LOOK_S: Final = 0.25
"""Seconds between two looks at the child: what fills the memory does so at some gigabytes a second."""


@contextmanager
def monitor_child(house: House, every: float, limits: Limits) -> Iterator[None]:
    """Keep a monitor process alive, and within its limits, while the block runs."""
    stopping = threading.Event()
    supervisor = _Supervisor(house, every, limits, stopping)
    thread = threading.Thread(target=supervisor.run, name="supervisor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_STOP_S + 1)


def supervised() -> bool:
    """Whether somebody watches over this process."""
    return PARENT in os.environ


def orphaned() -> bool:
    """Whether this process is a supervised child whose parent has gone without a word (kill -9, out of memory)."""
    return os.environ.get(PARENT) not in (None, str(os.getppid()))


class _Supervisor:
    """Starts, waits, starts again: after each death that came soon, it waits twice as long."""

    def __init__(self, house: House, every: float, limits: Limits, stopping: threading.Event) -> None:
        self._house = house
        self._every = every
        self._limits = limits
        self._stopping = stopping

    def run(self) -> None:
        """Until we stop."""
        pulse, wait = Pulse(), _FIRST_WAIT_S
        while not self._stopping.is_set():
            pulse.begin()
            cpu_s, child = _cpu_of_children(), self._start(pulse)
            stop, lived = self._wait(child, pulse)
            if stop is None:
                break
            wait = _FIRST_WAIT_S if lived > _LONGEST_WAIT_S else min(2 * wait, _LONGEST_WAIT_S)
            note(f"the monitors stopped ({stop.why}, while {stop.step}); starting them again in {wait:.0f} s")
            self._tell(stop, child.pid, lived, _cpu_of_children() - cpu_s)
            self._stopping.wait(wait)
        pulse.close()

    def _start(self, pulse: Pulse) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  (our own interpreter and module, no shell)
            [sys.executable, "-m", "syscard_tui", "--home", str(self._house.home.root), "serve", "--only", "monitor",
             "--every", str(self._every)],
            env={**os.environ, PARENT: str(os.getpid()), VARIABLE: str(pulse.descriptor)},
            pass_fds=[pulse.descriptor],
            # A group of its own: ctrl-c is ours to hand on, as SIGTERM, which is silent however early it comes.
            process_group=0,
        )  # fmt: skip

    def _wait(self, child: subprocess.Popen[bytes], pulse: Pulse) -> tuple[Stop | None, float]:
        """Why the child ended, None where we stop; and the seconds that it lived."""
        patience, lived = Patience(self._limits), 0.0
        while child.poll() is None:
            if self._stopping.wait(_LOOK_S):
                _end(child, gently=True)
                return None, lived
            lived += _LOOK_S
            if stop := patience.look(*pulse.read(), resident(child.pid), _LOOK_S):
                _end(child, gently=False)
                return stop, lived
        _end(child, gently=False)
        return Stop(_how(child.returncode), pulse.read()[1]), lived

    def _tell(self, stop: Stop, pid: int, lived: float, cpu_s: float) -> None:
        """Put it where every face sees it; that this fails must not keep the monitors from starting."""
        from syscard_tui.deaths import Death, tell

        try:
            tell(self._house, Death(stop, pid, lived, cpu_s))
        except Exception as error:  # noqa: BLE001  (whatever it is: without the monitors all would be blind)
            note(f"that the monitors stopped could not be recorded: {type(error).__name__}: {error}")


def _end(child: subprocess.Popen[bytes], *, gently: bool) -> None:
    """End the child, and with it what it started: a worker of a monitor that was killed would stay."""
    if gently:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
