"""In the worker process: Evidently, with our stat tests registered, and comparisons through `ValueDrift`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from syscard.errors import MissingExtra, MonitorError
from syscard_monitors import stats
from syscard_monitors.drift import two_samples
from syscard_monitors.drift.asked import Comparison
from syscard_monitors.edetector import Grid, counts

BY_DEFAULT: Final = 0.001
"""Threshold of a registered test, which nobody uses: every comparison names its own."""
_GRIDS: Final[dict[str, Grid]] = {}
"""Cells by column, of the report that is being made: a stat test is told its samples and nothing else."""


class Evidently(NamedTuple):
    """What is used of it."""

    core: Any
    metrics: Any
    pandas: Any

    def frame(self, samples: Mapping[str, Sequence[Any]]) -> Any:
        """Samples of different length side by side; `ValueDrift` leaves the missing values at the end out."""
        return self.pandas.DataFrame({name: self.pandas.Series(list(values)) for name, values in samples.items()})

    def drift_metrics(self, named: Mapping[str, Comparison]) -> list[Any]:
        """`ValueDrift` for each column."""
        return [self.metrics.ValueDrift(column=n, method=c.method, threshold=c.threshold) for n, c in named.items()]

    def run(self, named: Mapping[str, Comparison], metrics: Sequence[Any]) -> Any:
        """A report on these columns: current against reference."""
        numeric = [name for name, c in named.items() if c.is_numeric]
        definition = self.core.DataDefinition(
            numerical_columns=numeric, categorical_columns=[name for name in named if name not in numeric]
        )
        reference, current = (
            self.core.Dataset.from_pandas(self.frame({n: getattr(c, side) for n, c in named.items()}), definition)
            for side in ("reference", "current")
        )
        with _on_grids({name: c.grid for name, c in named.items() if c.grid}):
            return self.core.Report(metrics).run(current, reference)


def value_drift(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Evidently's `ValueDrift` score of every comparison, all in one report: a report has a cost of its own.

    Raises:
        MissingExtra: Evidently is not installed.
        MonitorError: Evidently could not compare the samples.
    """
    with refusing([c.key for c in comparisons]) as found:
        named = {f"c{i}": c for i, c in enumerate(comparisons)}
        told = found.run(named, found.drift_metrics(named)).dict()
    return {c.key: float(m["value"]) for c, m in zip(comparisons, told["metrics"], strict=True)}


@contextmanager
def refusing(what: object) -> Iterator[Evidently]:
    """Evidently without its warnings; whatever it raises is that it could not compare.

    Raises:
        MissingExtra: Evidently is not installed.
        MonitorError: what was done within failed.
    """
    found = evidently()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield found
        except Exception as error:
            raise MonitorError(f"Evidently could not compare {what}: {error}") from error


@contextmanager
def _on_grids(grids: Mapping[str, Grid]) -> Iterator[None]:
    _GRIDS.update(grids)
    try:
        yield
    finally:
        _GRIDS.clear()


_LOADED: Final[list[Evidently]] = []


def evidently() -> Evidently:
    """Evidently with our stat tests, registered once a process.

    Raises:
        MissingExtra: it is not installed.
    """
    if not _LOADED:
        os.environ["DO_NOT_TRACK"] = "1"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import evidently as core
                import evidently.metrics as metrics
                import pandas as pd

                _register_stat_tests()
        except ImportError as error:
            raise MissingExtra("server", "drift") from error
        _LOADED.append(Evidently(core, metrics, pd))
    return _LOADED[0]


Test = Callable[[Any, Any, Any, float], tuple[float, bool]]


def _register_stat_tests() -> None:
    """Tests that Evidently has not, or refuses for samples of different size (its `fisher_exact` does)."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    number, category = ColumnType.Numerical, ColumnType.Categorical
    tests: dict[str, tuple[list[Any], Test]] = {
        "syscard_chi2": ([category], _below(two_samples.chi2)),
        "syscard_fisher": ([category], _below(two_samples.fisher)),
        "syscard_ks": ([number], _below(two_samples.ks_by_limit)),
        "syscard_psi": ([number, category], _beyond(_of_cells(stats.psi))),
        "syscard_js": ([number, category], _beyond(_of_cells(stats.jensen_shannon))),
    }
    for name, (types, test) in tests.items():
        known = StatTest(name=name, display_name=name, allowed_feature_types=types, default_threshold=BY_DEFAULT)
        register_stattest(known, test)


def _below(p_value: Callable[[Any, Any], float]) -> Test:
    def test(reference: Any, current: Any, _feature: Any, threshold: float) -> tuple[float, bool]:
        p = p_value(reference, current)
        return p, p < threshold

    return test


def _beyond(distance: Callable[[Any, Any], float]) -> Test:
    def test(reference: Any, current: Any, _feature: Any, threshold: float) -> tuple[float, bool]:
        found = distance(reference, current)
        return found, found > threshold

    return test


def _of_cells(distance: Callable[[Sequence[int], Sequence[int]], float]) -> Callable[[Any, Any], float]:
    """Counts of both samples in the cells of the column's grid, through one distance."""

    def test(reference: Any, current: Any) -> float:
        grid = _GRIDS[current.name]
        return distance(counts(grid, current), counts(grid, reference))

    return test
