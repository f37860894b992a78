"""What OTLP carries, and how an answer says what became of it."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Final, NamedTuple


class Signal(Enum):
    """One of OTLP's three signals, by the last part of its path: `/v1/traces`."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


_UNITS: Final = {
    Signal.TRACES: "spans",
    Signal.METRICS: "metric data points dropped",
    Signal.LOGS: "log records dropped",
}


class Accepted(NamedTuple):
    """What became of one request: rows stored, and what was refused by reason."""

    rows: int
    rejected: Counter[str]
    signal: Signal = Signal.TRACES

    @property
    def message(self) -> str:
        """The reasons in one line, empty on full success."""
        unit = _UNITS[self.signal]
        return "; ".join(f"{count} {unit}: {reason}" for reason, count in sorted(self.rejected.items()))
