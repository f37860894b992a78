"""Evidently in a process of its own: it takes seconds to import, and what goes wrong in it must not harm the watch.

It is imported with the first question that needs it: comparing groups does not.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from syscard.disparity import Disparity
from syscard.errors import MissingExtra, MonitorError, SyscardError
from syscard_monitors.drift.asked import Comparison, GroupsAsked, MadeReport, ReportAsked
from syscard_monitors.fairness import disparities
from syscard_monitors.groups import GroupMetric, Sums

Question = tuple[Comparison, ...] | ReportAsked | GroupsAsked
_WARM: Final = "warm"
"""Import Evidently now; there is no answer to it."""
TIMEOUT_S: Final = 180
_WAIT_S: Final = 1.0
MOST_MEMORY: Final = 4 * 2**30
"""Bytes of address space: the libraries take 1.7 GiB of it and 0.3 of memory, a large report 0.1 more."""
_NETWORK: Final = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
"""Audit events of everything that leaves the process by a socket."""


def _nothing() -> None:
    """Where nobody wants to know."""


class DriftWorker:
    """Evidently and Fairlearn in a process of their own, started with the first comparison (or early, by `warm`)."""

    def __init__(self, waiting: Callable[[], None] = _nothing, timeout_s: float = TIMEOUT_S) -> None:
        """`waiting` is called every second while an answer is waited for, `timeout_s` at most."""
        self._waiting = waiting
        self._timeout_s = timeout_s
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def warm(self) -> None:
        """Start importing Evidently now, without waiting; that the worker died is said to whoever asks something."""
        with suppress(OSError):
            self._started().send(_WARM)

    def p_values(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        """Score of each comparison by its key: the p-value of its method.

        Raises:
            MissingExtra: Evidently is not installed.
            MonitorError: the worker died, hung or refused.
        """
        return dict(self._asked(tuple(comparisons))) if comparisons else {}

    def report(self, asked: ReportAsked) -> MadeReport:
        """One Evidently report.

        Raises:
            MissingExtra: Evidently is not installed.
            MonitorError: the worker died, hung or refused.
        """
        made: MadeReport = self._asked(asked)
        return made

    def disparities(self, metrics: Sequence[GroupMetric], sums: Sums, segments: Sequence[str]) -> tuple[Disparity, ...]:
        """What `fairness.disparities` gives.

        Raises:
            MissingExtra: Fairlearn is not installed.
            MonitorError: the worker died, hung or refused.
        """
        return tuple(self._asked(GroupsAsked(tuple(metrics), sums, tuple(segments))))

    def _asked(self, question: Question) -> Any:
        pipe = self._started()
        try:
            pipe.send(question)
            answer = pipe.recv() if self._answered(pipe) else None
        except (EOFError, OSError) as error:
            raise self._given_up("died") from error
        if answer is None:
            raise self._given_up(f"gave no answer for {self._timeout_s:g} s")
        if isinstance(answer, SyscardError):
            raise answer
        return answer

    def _answered(self, pipe: Connection) -> bool:
        """Whether there is an answer in time."""
        until = time.monotonic() + self._timeout_s
        while not pipe.poll(min(_WAIT_S, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                return False
            self._waiting()
        return True

    def _given_up(self, how: str) -> MonitorError:
        self.close()
        return MonitorError(f"the drift worker {how}; it starts again with the next question")

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()  # one that hangs heeds nothing else, and it leaves nothing half done
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _started(self) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs,), name="drift", daemon=True)
            self._process.start()
            theirs.close()
        return self._pipe


def _work(pipe: Connection) -> None:
    """In the worker: import Evidently, then answer until the other side is gone. Ctrl-c is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stay_offline()
    stay_small()
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question == _WARM:
            with suppress(MissingExtra):  # whoever asks something hears of it
                _import_evidently()
        else:
            pipe.send(_answer(question))


@cache
def _import_evidently() -> None:
    """Once a process.

    Raises:
        MissingExtra: it is not installed.
    """
    from syscard_monitors.drift import engine

    gc.disable()  # half a million objects that stay: looking through them again and again is a tenth of the import
    try:
        engine.evidently()
    finally:
        gc.freeze()
        gc.enable()


def stay_offline() -> None:
    """From here on this process reaches no network, whatever a library of it would like to tell."""
    sys.addaudithook(_refuse)


def stay_small() -> None:
    """From here on this process is refused memory beyond `MOST_MEMORY`, rather than that it takes everybody's."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _refuse(event: str, _arguments: object) -> None:
    if event in _NETWORK:
        raise PermissionError(f"{event}: the drift worker reaches no network")


def _answer(question: Question) -> dict[str, float] | MadeReport | tuple[Disparity, ...] | SyscardError:
    from syscard_monitors.drift import engine, report

    try:
        if isinstance(question, GroupsAsked):
            return disparities(question.metrics, question.sums, question.segments)
        _import_evidently()
        return report.make(question) if isinstance(question, ReportAsked) else engine.value_drift(question)
    except SyscardError as error:
        return error
