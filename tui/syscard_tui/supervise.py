"""`serve` runs the monitors in a process of their own and starts it again when it dies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from syscard.home import Home
from syscard_tui.options import note

PARENT: Final = "SYSCARD_PARENT"
"""Environment variable of a supervised child: the process without which it ends."""
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_STOP_S = 10.0


@contextmanager
def monitor_child(home: Home, every: float) -> Iterator[None]:
    """Keep a monitor process alive while the block runs."""
    stopping = threading.Event()
    thread = threading.Thread(target=_supervise, args=(home, every, stopping), name="supervisor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_STOP_S + 1)


def orphaned() -> bool:
    """Whether this process is a supervised child whose parent has gone without a word (kill -9, out of memory)."""
    return os.environ.get(PARENT) not in (None, str(os.getppid()))


def _supervise(home: Home, every: float, stopping: threading.Event) -> None:
    """Start, wait, start again: after each death that came soon, wait twice as long."""
    wait = _FIRST_WAIT_S
    while not stopping.is_set():
        child = subprocess.Popen(  # noqa: S603  (our own interpreter and module, no shell)
            [sys.executable, "-m", "syscard_tui", "--home", str(home.root), "serve", "--only", "monitor",
             "--every", str(every)],
            env={**os.environ, PARENT: str(os.getpid())},
            # A group of its own: ctrl-c is ours to hand on, as SIGTERM, which is silent however early it comes.
            process_group=0,
        )  # fmt: skip
        lived = _wait(child, stopping)
        if stopping.is_set():
            return
        wait = _FIRST_WAIT_S if lived > _LONGEST_WAIT_S else min(2 * wait, _LONGEST_WAIT_S)
        note(f"the monitors stopped (exit {child.returncode}); starting them again in {wait:.0f} s")
        stopping.wait(wait)


def _wait(child: subprocess.Popen[bytes], stopping: threading.Event) -> float:
    """Seconds that the child lived; ends it when we stop."""
    lived = 0.0
    while child.poll() is None:
        if stopping.wait(0.5):
            child.terminate()
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
        lived += 0.5
    return lived
