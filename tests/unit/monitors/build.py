"""Spans, requests, signals and findings to test the monitors with: plain values, nothing mocked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syscard.card import Card
from syscard.declare import declaring
from syscard.edits import Draft, chain
from syscard.finding import Finding, State, Window
from syscard.fold import empty_card, fold
from syscard.system import Claim, System
from syscard_monitors.assemble import Request, micros
from syscard_monitors.drift import Comparison
from syscard_monitors.facts import SpanFacts
from syscard_monitors.graph import Graph
from syscard_monitors.packs import Signal
from syscard_monitors.plan import Plan
from syscard_monitors.reference import Reference
from syscard_monitors.traces import Row, moment
from tests.unit.build import HUMAN, NOW, claim, declared

START_US: Final = micros(NOW)
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND


def span(trace: str = "t1", span_id: str = "s", **changes: Any) -> Row:
    """An observation as `frames.rows` gives it: a root of one second, received a second later."""
    row: Row = {
        "trace_id": trace,
        "span_id": span_id,
        "parent_span_id": None,
        "name": "request",
        "scope": None,
        "operation": "step",
        "start_us": START_US,
        "duration_us": SECOND,
        "received_us": START_US + 2 * SECOND,
        "component": None,
        "component_version": None,
        "model": None,
        "model_response": None,
        "prompt_hash": None,
        "input_tokens": None,
        "output_tokens": None,
        "counts_tokens": None,
        "error_type": None,
        "fallback": None,
        "features": None,
        "service": "shop",
        "user_key": None,
    }
    features = changes.pop("features", None)
    return {**row, **changes, "features": json.dumps(features) if features is not None else None}


def request(number: int = 0, values: Mapping[str, Any] | None = None, spans: Sequence[SpanFacts] = ()) -> Request:
    """A request of one second, three seconds behind the one before. A value that is no list is of one call."""
    start = START_US + 3 * SECOND * number
    calls = {k: v if isinstance(v, list) else [v] for k, v in (values or {}).items() if v is not None}
    return Request(
        trace_id=f"{number:032x}",
        root_id="root",
        start_us=start,
        end_us=start + SECOND,
        received_us=start + SECOND,
        values=calls,
        spans=tuple(spans),
    )


def requests(field: str, values: Sequence[Any], *, first: int = 0) -> tuple[Request, ...]:
    """One request a value."""
    return tuple(request(first + i, {field: v}) for i, v in enumerate(values))


def facts(name: str, component: str | None, **changes: Any) -> SpanFacts:
    """A span of a millisecond; `at` is its start, in milliseconds."""
    at = changes.pop("at", 0) * 1000
    plain = SpanFacts(name, None, component, at, at + 1000, frozenset(), frozenset())
    return replace(plain, **changes)


def signal(kind: str = "share", **changes: Any) -> Signal:
    """A signal of the vlm that needs 20 requests of a baseline and 5 of a window."""
    body: dict[str, Any] = {
        "name": "agrees",
        "about": "vlm",
        "label": "agrees",
        "says": "Fewer agreements: the readings get worse.",
        "expr": "vlm.agrees",
        "kind": kind,
        "topic": "quality",
        "direction": "both",
        "tolerance": 1.5 if kind in ("ratio", "latency", "volume") else 0.1,
        "floor": 0.0,
        "unit": "",
        "alpha": 0.001,
        "min_n": 20,
        "min_window": 5,
        "window": 20,
        "persist": 2,
        "severity": "ticket",
        "owner": "catalogue",
        "optional": False,
    }
    return Signal.model_validate({**body, **changes})


def reference(values: Sequence[Any], per_minute: float | None = None) -> Reference:
    """A baseline's values."""
    return Reference(tuple(sorted(values)), per_minute)


def stratified(**strata: Sequence[Any]) -> Reference:
    """A baseline's values by stratum."""
    known = {name: tuple(sorted(values)) for name, values in strata.items()}
    return Reference(tuple(sorted(value for values in known.values() for value in values)), strata=known)


def window(index: int = 0, n: int = 20) -> Window:
    """A window of a minute."""
    start = START_US + index * MINUTE
    return Window(index=index, start=moment(start), end=moment(start + MINUTE), n=n)


def finding(about: str = "vlm", state: State = State.BREACH, *, index: int = 0, **changes: Any) -> Finding:
    """A finding in a window."""
    body: dict[str, Any] = {
        "signal": "agrees",
        "about": about,
        "label": "agrees",
        "kind": "share",
        "state": state,
        "window": window(index),
        "n": 20,
        "value": 0.3,
        "reference": 0.9,
        "effect": 0.6,
        "tolerance": 0.1,
    }
    return Finding(**{**body, **changes})


def graph(system: System | None = None) -> Graph:
    """cf -> vlm -> llm -> agent, or a system's."""
    system = system or declared()
    return Graph(frozenset(system.components), frozenset(system.edges))


def card_of(system: System | None = None) -> Card:
    """The card of a system that was just declared."""
    system = system or declared()
    return with_drafts(empty_card("shop"), declaring(empty_card("shop"), system, HUMAN, NOW))


def with_drafts(card: Card, drafts: Sequence[Draft]) -> Card:
    """The card with these drafts on it."""
    return fold(chain(drafts, head=None, cause="test", recorded=NOW), start=card)


def a_claim(**changes: Any) -> Claim:
    """A claim, validated."""
    return Claim.model_validate(claim(**changes))


def plan(*signals: Signal, references: dict[str, Reference] | None = None, system: System | None = None) -> Plan:
    """The plan of a look."""
    system = system or declared()
    return Plan(system, signals, graph(system), references)


class Asked:
    """An answer to every comparison, and what was asked."""

    def __init__(self, p_value: float = 0.0) -> None:
        self.p_value = p_value
        self.comparisons: list[Comparison] = []

    def __call__(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        """The same p-value for all."""
        self.comparisons += comparisons
        return {c.key: self.p_value for c in comparisons}
