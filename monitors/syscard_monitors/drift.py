"""The adapter to Evidently: the only module that imports it.

Two-sample tests go through `ValueDrift`, always with an explicit method and threshold: Evidently's own choice of test
depends on the size of the reference, and its one-sample chi-square treats the reference as exact (its false alarms grow
with the window). Evidently takes seconds to import, so it runs in a worker process that starts when it is first needed.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, Literal

from syscard.errors import MissingExtra, MonitorError, SyscardError
from syscard.live import DisparityNow
from syscard_monitors.fairness import disparities
from syscard_monitors.groups import GroupMetric, Sums

Method = Literal["ks", "syscard_fisher", "syscard_chi2"]
TIMEOUT_S: Final = 180


@dataclass(frozen=True)
class Comparison:
    """Two samples of one signal to compare."""

    key: str
    method: Method
    threshold: float
    reference: tuple[float, ...] | tuple[str, ...]
    current: tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class GroupsAsked:
    """Groups to compare."""

    metrics: tuple[GroupMetric, ...]
    sums: Sums
    segments: tuple[str, ...]


class DriftWorker:
    """Evidently and Fairlearn in a process of their own, started with the first comparison (or early, by `warm`)."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def warm(self) -> None:
        """Start importing Evidently now, without waiting."""
        self._started()

    def p_values(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        """Score of each comparison by its key: the p-value of its method.

        Raises:
            MissingExtra: Evidently is not installed.
            MonitorError: the worker died, hung or refused.
        """
        return dict(self._asked(tuple(comparisons))) if comparisons else {}

    def disparities(
        self, metrics: Sequence[GroupMetric], sums: Sums, segments: Sequence[str]
    ) -> tuple[DisparityNow, ...]:
        """What `fairness.disparities` gives.

        Raises:
            MissingExtra: Fairlearn is not installed.
            MonitorError: the worker died, hung or refused.
        """
        return tuple(self._asked(GroupsAsked(tuple(metrics), sums, tuple(segments))))

    def _asked(self, job: tuple[Comparison, ...] | GroupsAsked) -> Any:
        pipe = self._started()
        try:
            pipe.send(job)
            answer = pipe.recv() if pipe.poll(TIMEOUT_S) else None
        except (EOFError, OSError):
            answer = None
        if answer is None:
            self.close()
            raise MonitorError("the drift worker died or hung; it starts again with the next window")
        if isinstance(answer, SyscardError):
            raise answer
        return answer

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(5)
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
    failed: SyscardError | None = None
    gc.disable()  # half a million objects that stay: looking through them again and again is a tenth of the import
    try:
        _evidently()
    except MissingExtra as error:
        failed = error
    gc.freeze()
    gc.enable()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(failed or _answer(job))


def _answer(job: tuple[Comparison, ...] | GroupsAsked) -> dict[str, float] | tuple[DisparityNow, ...] | SyscardError:
    try:
        if isinstance(job, GroupsAsked):
            return disparities(job.metrics, job.sums, job.segments)
        return value_drift(job)
    except SyscardError as error:
        return error


def value_drift(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Evidently's `ValueDrift` score of every comparison, all in one report: a report has a cost of its own.

    Raises:
        MissingExtra: Evidently is not installed.
        MonitorError: Evidently could not compare the samples.
    """
    evidently, metrics, pandas = _evidently()
    named = {f"c{i}": c for i, c in enumerate(comparisons)}
    numeric = [name for name, c in named.items() if c.method == "ks"]
    definition = evidently.DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in named if name not in numeric]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [metrics.ValueDrift(column=n, method=c.method, threshold=c.threshold) for n, c in named.items()]
        try:
            reference, current = (
                evidently.Dataset.from_pandas(
                    _frame(pandas, {n: getattr(c, side) for n, c in named.items()}), definition
                )
                for side in ("reference", "current")
            )
            report = evidently.Report(wanted).run(current, reference).dict()
        except Exception as error:
            raise MonitorError(f"Evidently could not compare {[c.key for c in comparisons]}: {error}") from error
    return {c.key: float(m["value"]) for c, m in zip(comparisons, report["metrics"], strict=True)}


def _frame(pandas: Any, samples: dict[str, tuple[Any, ...]]) -> Any:
    """Samples of different length side by side; `ValueDrift` leaves the missing values at the end out."""
    return pandas.DataFrame({name: pandas.Series(list(values)) for name, values in samples.items()})


_LOADED: list[tuple[Any, Any, Any]] = []


def _evidently() -> tuple[Any, Any, Any]:
    """Evidently, its metrics and pandas, with our stat test registered once a process."""
    if not _LOADED:
        os.environ["DO_NOT_TRACK"] = "1"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import evidently
                import evidently.metrics as metrics
                import pandas as pd

                _register_stat_tests()
        except ImportError as error:
            raise MissingExtra("server", "drift") from error
        _LOADED.append((evidently, metrics, pd))
    return _LOADED[0]


def _register_stat_tests() -> None:
    """Two-sample tests that Evidently has not, or refuses for samples of different size (its `fisher_exact` does)."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    for name, p_value in (("syscard_chi2", _chi2), ("syscard_fisher", _fisher)):
        test = StatTest(
            name=name, display_name=name, allowed_feature_types=[ColumnType.Categorical], default_threshold=0.001
        )
        register_stattest(test, _two_sample(p_value))


def _two_sample(p_value: Callable[[list[list[int]]], float]) -> Callable[[Any, Any, Any, float], tuple[float, bool]]:
    """The contingency table of both samples, through one test."""

    def test(reference: Any, current: Any, _feature: Any, threshold: float) -> tuple[float, bool]:
        levels = sorted({*reference, *current})
        p = 1.0 if len(levels) < 2 else p_value([[int((s == k).sum()) for k in levels] for s in (reference, current)])
        return p, p < threshold

    return test


def _chi2(table: list[list[int]]) -> float:
    """Chi-square test of homogeneity."""
    from scipy.stats import chi2_contingency

    return float(chi2_contingency(table, correction=False).pvalue)


def _fisher(table: list[list[int]]) -> float:
    """Fisher's exact test, two-sided, for two levels."""
    from scipy.stats import fisher_exact

    return float(fisher_exact(table).pvalue)
