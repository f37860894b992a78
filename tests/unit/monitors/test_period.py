"""What came in a period, counted over rows of a lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from syscard_monitors.period import period_sums
from tests.unit import build

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def span(trace: str, minute: float = 0, **changes: Any) -> dict[str, Any]:
    features = changes.pop("features", {})
    plain = {
        "trace_id": trace, "service": "shop", "environment": None, "operation": "chat", "component": "llm",
        "start": NOON + timedelta(minutes=minute), "counts_tokens": True, "clock_suspect": False,
        "features": json.dumps(features),
    }  # fmt: skip
    return plain | changes


def answer(minute: float, accepted: object) -> dict[str, Any]:
    said = {} if accepted is None else {"feedback.accepted": accepted}
    return span(f"f{minute}", minute, operation="feedback", component=None, features=said)


def sums(*rows: dict[str, Any]) -> tuple[int, float | None, int, int, int]:
    frame = pl.DataFrame(list(rows), schema_overrides={"environment": pl.String, "component": pl.String}).lazy()

    def scan(since: datetime | None) -> pl.LazyFrame:
        return frame if since is None else frame.filter(pl.col("start") >= since)

    found = period_sums(scan, build.declared(), NOON, NOON + DAY)
    return found.requests, found.cost, found.with_cost, found.answers, found.accepted


def test_a_request_is_a_trace_however_many_spans_it_has() -> None:
    assert sums(span("a"), span("a", 1), span("b", 2)) == (2, None, 0, 0, 0)


def test_what_began_before_the_period_or_after_it_is_not_of_it() -> None:
    assert sums(span("a", -1), span("a", 1), span("b", 24 * 60)) == (0, None, 0, 0, 0)


def test_costs_add_up_and_a_call_that_is_told_twice_was_paid_once() -> None:
    paid = {"gen_ai.usage.cost": 0.25}
    twice = span("a", 2, features=paid, counts_tokens=False)
    rows = [span("a", features=paid), span("a", 1, features=paid), twice]
    requests, cost, told, *_ = sums(*rows, span("b", features={"llm.cost.total": 1}), span("c"))
    assert (requests, told) == (3, 2)
    assert cost == pytest.approx(1.5)


def test_answers_are_counted_apart_from_requests_and_only_those_that_say_yes_or_no() -> None:
    answers = (answer(minute, said) for minute, said in ((1, True), (2, False), (3, None), (-5, True)))
    assert sums(span("a"), *answers) == (1, None, 0, 2, 1)


def test_spans_of_others_and_of_suspect_clocks_are_left_out() -> None:
    assert sums(span("a", service="other"), span("b", clock_suspect=True), span("c")) == (1, None, 0, 0, 0)
