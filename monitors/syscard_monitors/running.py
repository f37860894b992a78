"""Every look is recorded: what it took, what it found, and why it was given up, if it was."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from syscard import __version__
from syscard.clock import Clock
from syscard.errors import RecordsError, SyscardError
from syscard.finding import Finding, State
from syscard.records.runs import add_run
from syscard.records.store import Records
from syscard.runs import MOST_NAMED, MonitorRun
from syscard.words import one_line
from syscard_monitors.drift import Comparison

Ask = Callable[[Sequence[Comparison]], dict[str, float]]


class Running:
    """A look while it goes on."""

    def __init__(self, started: datetime) -> None:
        self.rows = 0
        """Spans read from the lake."""
        self._started = started
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._windows = self._requests = 0
        self._findings: Counter[State] = Counter()
        self._failed: dict[str, str] = {}

    def window(self, requests: int, findings: Iterable[Finding], errors: Mapping[str, str]) -> None:
        """A window was stored.

        Args:
            requests: how many it had.
            findings: what they say.
            errors: claims that could not be computed, with the reason.
        """
        self._windows, self._requests = self._windows + 1, self._requests + requests
        for finding in findings:
            self._findings[finding.state] += 1
            if finding.state is State.ERROR:
                self.failed(finding.key, finding.why)
        for ref, why in errors.items():
            self.failed(ref, why)

    def failed(self, what: str, why: object) -> None:
        """Something could not be computed; the look goes on."""
        if len(self._failed) < MOST_NAMED:
            self._failed[what] = one_line(why)

    def telling(self, ask: Ask) -> Ask:
        """The same question, where a failure to answer is recorded: it is no finding of any signal."""

        def asked(comparisons: Sequence[Comparison]) -> dict[str, float]:
            try:
                return ask(comparisons)
            except SyscardError as error:
                self.failed("second opinions", error)
                raise

        return asked

    def run(self, ended: datetime, error: str = "") -> MonitorRun:
        """As it is recorded."""
        return MonitorRun(
            started=self._started,
            ended=ended,
            wall_s=round(time.perf_counter() - self._wall, 3),
            cpu_s=round(time.process_time() - self._cpu, 3),
            rows=self.rows,
            requests=self._requests,
            windows=self._windows,
            findings=dict(self._findings),
            failed=tuple(f"{what}: {why}" for what, why in self._failed.items()),
            error=error,
            pid=os.getpid(),
            version=__version__,
        )


@contextmanager
def recorded(records: Records, system: str, clock: Clock, *, only_failure: bool = False) -> Iterator[Running]:
    """A look whose run is recorded however it ends (or only where it fails); what ended it is raised again.

    Raises:
        RecordsError: the run cannot be recorded.
    """
    running = Running(clock())
    try:
        yield running
    except Exception as error:
        with suppress(RecordsError):  # what went wrong first matters more
            record(records, system, running.run(clock(), _said(error)))
        raise
    if not only_failure:
        record(records, system, running.run(clock()))


def _said(error: Exception) -> str:
    """Errors that nobody foresaw may repeat what stands in a span: of them only the kind is kept."""
    return one_line(error) if isinstance(error, SyscardError) else f"{type(error).__name__}: a defect, see the log"


def record(records: Records, system: str, run: MonitorRun) -> None:
    """Keep one run, in a transaction of its own.

    Raises:
        RecordsError: the database refused.
    """
    with records.transaction() as transaction:
        add_run(transaction, system, run)
