"""The table: a row for each thing measured, a column for each server and size of request."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.ingest.measure import Crash, Load, Pace


@dataclass
class Column:
    """What was found of one server at one size of request."""

    name: str
    spans: int
    version: str
    cold_s: float = 0.0
    cold_cpu_s: float = 0.0
    idle_mib: float = 0.0
    after_mib: float = 0.0
    before: tuple[int, int] = (0, 0)
    """Bytes on disk and rows when it had started and was warm."""
    bytes_a_span: float | None = None
    loads: list[Load] = field(default_factory=list)
    half: Pace | None = None
    steady: Pace | None = None
    json: Load | None = None
    texts: Load | None = None
    crash: Crash | None = None

    def load(self) -> Load:
        """The round with the median of spans per CPU-second."""
        return sorted(self.loads, key=lambda load: load.per_cpu)[len(self.loads) // 2]


NONE: Final = "-"
Cell = Callable[[Column], str]


def table(columns: Sequence[Column]) -> str:
    """Markdown."""
    head = ["", *(f"{column.name}, {column.spans}" for column in columns)]
    lines = [_line(head), _line(["---"] * len(head))]
    return "\n".join([*lines, *(_line([label, *map(_loaded(cell), columns)]) for label, cell in _ROWS)])


def circumstances(columns: Sequence[Column], began: Sequence[float]) -> str:
    """Versions, cores, load."""
    versions = ", ".join(dict.fromkeys(f"{column.name} {column.version}" for column in columns))
    loads = f"{began[0]:.1f} before, {os.getloadavg()[0]:.1f} after"
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {loads}; {versions}."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rounds(cells: Column) -> str:
    values = sorted(load.per_cpu for load in cells.loads)
    span = f" ({values[0]:,.0f}-{values[-1]:,.0f})" if len(values) > 1 else ""
    return f"{cells.load().per_cpu:,.0f}{span}"


def _ack(load: Load | Pace | None) -> str:
    return NONE if load is None else f"{load.p50_ms:,.0f} / {load.p99_ms:,.0f}"


def _lag(pace: Pace | None) -> str:
    if pace is None or not pace.lag_max_s:
        return NONE
    return f"{pace.lag_p50_s:.1f} / {pace.lag_max_s:.1f}"


def _loaded(cell: Cell) -> Cell:
    """Only of a server that came so far."""
    return lambda column: cell(column) if column.loads else NONE


def _stored(cell: Cell) -> Cell:
    """Only of a server that keeps spans."""
    return lambda column: NONE if column.bytes_a_span is None else cell(column)


def _memory(column: Column) -> str:
    after = f"{column.after_mib:,.0f}" if column.after_mib else NONE
    return f"{column.idle_mib:,.0f} -> {after}"


def _crash(column: Column) -> str:
    return NONE if column.crash is None else f"{column.crash.kept:,} of {column.crash.acknowledged:,}"


def _per_cpu(load: Load | None) -> str:
    return NONE if load is None else f"{load.per_cpu:,.0f}"


def _refused(column: Column) -> str:
    return " / ".join(NONE if pace is None else str(pace.refused) for pace in (column.half, column.steady))


_ROWS: Final[Sequence[tuple[str, Cell]]] = (
    ("**queryable spans per server-CPU-second**", _rounds),
    ("the same, JSON", lambda column: _per_cpu(column.json)),
    ("the same, with texts", lambda column: _per_cpu(column.texts)),
    ("queryable spans/s", lambda column: f"{column.load().per_second:,.0f}"),
    ("closed loop: ack p50 / p99 ms", lambda column: _ack(column.load())),
    ("closed loop: lag after the last ack, s", _stored(lambda column: f"{column.load().lag_s:.1f}")),
    ("half load, spans/s", lambda column: f"{column.half.rate:,.0f}" if column.half else NONE),
    ("half load: ack p50 / p99 ms", lambda column: _ack(column.half)),
    ("half load: lag p50 / max s", lambda column: _lag(column.half)),
    ("5,000 spans/s: ack p50 / p99 ms", lambda column: _ack(column.steady)),
    ("5,000 spans/s: lag p50 / max s", lambda column: _lag(column.steady)),
    ("requests not taken, half load / 5,000", _refused),
    ("acknowledged, never queryable", _stored(lambda column: f"{sum(load.lost for load in column.loads):,}")),
    ("disk, bytes a span", lambda column: NONE if column.bytes_a_span is None else f"{column.bytes_a_span:,.0f}"),
    ("memory idle -> after, MiB (PSS)", _memory),
    ("cold start to the first 200, s (CPU-s)", lambda column: f"{column.cold_s:.1f} ({column.cold_cpu_s:.1f})"),
    ("**kept after kill -9**", _crash),
    ("restart after it, to the first 200, s", lambda column: f"{column.crash.restart_s:.1f}" if column.crash else NONE),
)
