"""In the worker process: a signal's own figure as an Evidently metric. It imports Evidently: only when needed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric

from syscard_monitors import stats
from syscard_monitors.drift.asked import Figure


class Behaviour(SingleValueMetric):
    """What the monitors show of a signal, over the sample of the report."""

    class Config:
        """How Evidently names the metric where it writes it down."""

        type_alias = "syscard:metric:Behaviour"

    column: str
    figure: str


class BehaviourCalculation(SingleValueCalculation[Behaviour]):
    """Computes it by the same functions as the monitors do."""

    def display_name(self) -> str:
        """What stands above the figure."""
        return f"{self.metric.column}: {_WORDS[self.metric.figure]}"

    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:  # noqa: ARG002
        """Now, and in the reference."""
        now, before = (_values(data, self.metric.column) for data in (current_data, reference_data))
        return tuple(self.result(_figure(self.metric.figure, values, before)) for values in (now, before))


_WORDS: Final[Mapping[str, str]] = {
    "mean": "mean",
    "share": "share of requests with it",
    "p95": "95th percentile",
    "per_minute": "requests a minute",
    "shifted_share": "share that changed category",
}
_NUMERIC: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "mean": stats.mean,
    "share": lambda values: sum(v > 0 for v in values) / len(values),
    "p95": lambda values: stats.quantile(values, 0.95),
    "per_minute": lambda minutes: len(minutes) / (math.fsum(minutes) or math.inf),
}


def _figure(figure: Figure, values: Sequence[Any], before: Sequence[Any]) -> float:
    if figure == "shifted_share":
        shares = {name: count / len(before) for name, count in Counter(before).items()}
        return stats.total_variation(values, shares)
    return _NUMERIC[figure](values)


def _values(data: Any, column: str) -> list[Any]:
    return list(data.column(column).data.dropna())
