"""Signals side by side: one number a request for each, as a baseline keeps a sample of them and a window has them.

What an attribution needs is how signals went together, which the sorted values of a baseline do not tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syscard.attribution import INPUTS
from syscard.errors import MonitorError
from syscard.metric import parse_metric
from syscard.system import SYSTEM, System
from syscard.units import parse_expectation
from syscard_monitors.assemble import Request
from syscard_monitors.frames import evaluate
from syscard_monitors.graph import Graph
from syscard_monitors.packs import Signal
from syscard_monitors.stats import evenly

MOST_ROWS: Final = 2_000
MOST_COLUMNS: Final = 60
_NUMBERS: Final = ("share", "rate", "number", "ratio", "latency")
RULE: Final = 1
"""How columns are made: rows that were made in another way are not set beside those of today."""
_DIGITS: Final = 9
_WHOLE: Final = ("latency", "error")
"""What is told of the whole request."""


@dataclass(frozen=True)
class Column:
    """One number a request, and whose behaviour it is."""

    name: str
    part: str
    expr: str
    limit: float | None = None
    """Of a promise: a request beyond it misses."""
    above: bool = True
    says: str = ""
    factor: float | None = None
    """Of a ratio: by how much it may differ."""
    called: tuple[str, ...] = ()
    """Components whose calls a latency waits for: it is told without their time, as time of its own."""


def columns_of(system: System, signals: Sequence[Signal]) -> tuple[Column, ...]:
    """Signals that are numbers, each expression once, and promises that a single request can miss."""
    graph = Graph(frozenset(system.components), frozenset(system.edges))
    found: dict[str, Column] = {}
    for signal in signals:
        if signal.kind in _NUMBERS:
            part = part_of(signal, system, graph)
            factor = signal.tolerance if signal.kind == "ratio" else None
            called = _waits_for(signal, system, graph)
            found.setdefault(signal.expr, Column(signal.key, part, signal.expr, factor=factor, called=called))
    promised = list(_promises(system, graph))[:MOST_COLUMNS]
    return (*list(found.values())[: MOST_COLUMNS - len(promised)], *promised)


def _waits_for(signal: Signal, system: System, graph: Graph) -> tuple[str, ...]:
    """Whom the latency of an agent waits for.

    A caller's time is the sum of what it waits for and of its own, so on any scale but seconds a slow part would be a
    change of the caller, too.
    """
    if signal.expr != f"{signal.about}.latency_ms":
        return ()
    others = (ref for ref in system.components if ref != signal.about)
    return tuple(ref for ref in others if caller_of(ref, system, graph) == signal.about)


def part_of(signal: Signal, system: System, graph: Graph) -> str:
    """Whose behaviour a signal shows: how often a component is called is what its caller does."""
    end = graph.end_of(signal.about)
    if signal.input:
        return f"{INPUTS}{end}"
    if signal.expr.replace(" > 0", "") == f"{end}.calls":
        return caller_of(end, system, graph)
    return end


def caller_of(component: str, system: System, graph: Graph) -> str:
    """Who calls a component: the agent that hands to it, else the agent that all of it ends in, else itself."""
    agents = [ref for ref, c in system.components.items() if c.kind == "agent" and ref != component]
    direct = [ref for ref in agents if (ref, component) in graph.edges]
    behind = [ref for ref in agents if component in graph.upstream(ref)]
    return next(iter((*direct, *behind)), component)


def _promises(system: System, graph: Graph) -> Iterator[Column]:
    """Claims that each request keeps or misses by itself."""
    for claim in system.claims:
        metric, expected = parse_metric(claim.metric), parse_expectation(claim.expect)
        above = expected.op in ("<=", "<", "==")
        if metric.quantile is not None:
            limit = expected.limit
        elif metric.aggregate == "share":
            limit = 0.5
        elif metric.aggregate == "count" and expected.op == "==" and expected.limit == 0:
            limit = 0.0
        else:
            continue
        # A time that includes what was waited for is an outcome of all parts, and the behaviour of none.
        part = SYSTEM if metric.expression in _WHOLE else graph.end_of(claim.about)
        yield Column(f"claim {claim.id}", part, metric.expression, limit, above, claim.id)


def rows_of(columns: Iterable[Column], requests: Sequence[Request]) -> dict[str, list[float | None]]:
    """The values of columns, by name; one that no request carries, or that cannot be computed, is left out."""
    found = {}
    for column in columns:
        values = _values(column, requests)
        if values is not None and any(v is not None for v in values):
            found[column.name] = values
    return found


def _values(column: Column, requests: Sequence[Request]) -> list[float | None] | None:
    try:
        told = [_own_time(r, column) for r in requests] if column.called else evaluate(requests, column.expr)
        return None if told is None else [_number(v) for v in told]
    except (MonitorError, TypeError, ValueError, OverflowError):
        return None  # as a signal of its own it says what is wrong


def _own_time(request: Request, column: Column) -> float | None:
    """Milliseconds of a component's calls without those that it waited for: less than 0 where they ran side by side."""
    whole = request.values.get(column.expr)
    waited = (ms for ref in column.called for ms in request.values.get(f"{ref}.latency_ms", ()))
    return sum(whole) - sum(waited) if whole else None


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(f"{float(value):.{_DIGITS}g}")
    return number if math.isfinite(number) else None


def body_of(system: System, signals: Sequence[Signal], requests: Sequence[Request]) -> dict[str, Any]:
    """What a baseline keeps: up to `MOST_ROWS` evenly spaced requests, as JSON."""
    return {"rule": RULE, "columns": rows_of(columns_of(system, signals), evenly(requests, MOST_ROWS))}


def read_joint(values: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """The columns out of what a baseline keeps; none where it was set by an earlier release, or by another rule."""
    kept = values.get("joint", {})
    return dict(kept["columns"]) if kept.get("rule") == RULE else {}
