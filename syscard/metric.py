"""The metric of a claim: an aggregate over one expression of a request, e.g. `share(vlm.agrees)`.

Only the outer shape is read here. The expression inside is a Polars SQL expression over the fields of a request and is
checked by the monitors, where Polars is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

AGGREGATES: Final = ("share", "mean", "count", "p50", "p90", "p95", "p99", "disparity")
_METRIC: Final = re.compile(r"^\s*(\w+)\s*\((.*)\)\s*$", re.DOTALL)


@dataclass(frozen=True)
class Metric:
    """An aggregate and the expression that it is taken over."""

    aggregate: str
    expression: str

    @property
    def quantile(self) -> float | None:
        """0.95 for `p95(...)`, None for the others."""
        return int(self.aggregate[1:]) / 100 if self.aggregate[0] == "p" else None

    @property
    def text(self) -> str:
        """As written in system.yaml."""
        return f"{self.aggregate}({self.expression})"


def parse_metric(text: str) -> Metric:
    """Read `share(llm.rationale.grounded >= 0.8)`.

    Raises:
        ValueError: not an aggregate with something in brackets.
    """
    match = _METRIC.match(text)
    if not match or match[1] not in AGGREGATES or not match[2].strip():
        known = ", ".join(f"{a}(...)" for a in AGGREGATES)
        raise ValueError(f"'{text}' is no metric; write one of {known}")
    return Metric(match[1], " ".join(match[2].split()))
