from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.errors import MonitorError
from syscard.observation import arrow_schema
from syscard_monitors.assemble import Request
from syscard_monitors.frames import MAX_EXPRESSION, evaluate, fields_of, quoted, rows
from tests.unit.monitors.build import request


def two(**values: tuple[Any, Any]) -> list[Request]:
    """Two requests; `vlm__agrees=(1, 2)` gives each its value."""
    named = {k.replace("__", "."): v for k, v in values.items()}
    return [request(i, {k: v[i] for k, v in named.items()}) for i in range(2)]


@pytest.mark.parametrize(
    ("expression", "sql"),
    [
        ("vlm.agrees", '"vlm.agrees"'),
        ("llm.rationale.grounded >= 0.8", '"llm.rationale.grounded" >= 0.8'),
        ("accepted AND NOT pii", '"accepted" AND NOT "pii"'),
        ("vlm.category = 'a.b and c'", "\"vlm.category\" = 'a.b and c'"),
        ('"vlm.agrees" = 1', '"vlm.agrees" = 1'),
        ("abs(cf.top_score - 1e-3)", 'abs("cf.top_score" - 1e-3)'),
        ("llm.note = 'it''s fine'", "\"llm.note\" = 'it''s fine'"),
    ],
)
def test_bare_names_with_dots_are_quoted_and_texts_numbers_and_functions_are_not(expression: str, sql: str) -> None:
    assert quoted(expression) == sql
    assert quoted(sql) == sql


def test_fields_are_the_names_that_are_no_words_and_no_functions() -> None:
    assert fields_of("case when abs(cf.score) > 1e-3 and x is not null then 'y.z' else w end") == {"cf.score", "x", "w"}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("cf.score", [0.5, 1.5]),
        ("cf.score >= 1", [False, True]),
        ("cf.score > 1e-1 and vlm.category = 'shoe'", [True, False]),
        ("abs(cf.score - 1)", [0.5, 0.5]),
        ("case when vlm.category like 'h%' then 1 else 0 end", [0, 1]),
        ("cf.score between 0 and 1", [True, False]),
        ("missing.field", None),
        ("missing.field > 1", None),
    ],
)
def test_an_expression_has_a_value_for_every_request_or_none_at_all(expression: str, values: list[Any] | None) -> None:
    assert evaluate(two(cf__score=(0.5, 1.5), vlm__category=("shoe", "hat")), expression) == values


def test_a_request_without_a_field_has_no_value() -> None:
    assert evaluate(two(cf__score=(0.5, None)), "cf.score") == [0.5, None]
    assert evaluate(two(cf__score=(0.5, None)), "cf.score > 0.1") == [True, None]


def test_membership_counts_what_is_and_what_is_not_in_a_list() -> None:
    found = two(final=(["a", "x"], ["b"]), cf__items=(["a", "b"], ["a", "b"]))
    assert evaluate(found, "final not in cf.items") == [1.0, 0.0]
    assert evaluate(found, "final in cf.items") == [1.0, 1.0]


def test_membership_looks_over_repeated_calls() -> None:
    calls = request(0, {"vlm.item.id": ["a", "z"], "cf.items": [["a"], ["b"]]})
    assert evaluate([calls], "vlm.item.id not in cf.items") == [1.0]


def test_membership_is_unknown_where_one_side_is_missing() -> None:
    found = two(final=("a", "b"), cf__items=(["a"], None))
    assert evaluate(found, "final not in cf.items") == [0.0, None]
    assert evaluate(found, "final not in vlm.items") is None


def test_repeated_calls_are_reduced_to_a_mean_of_numbers_and_the_first_text() -> None:
    calls = request(0, {"vlm.agrees": [True, False], "vlm.score": [1, 2], "vlm.category": ["shoe", "hat"]})
    other = request(1, {"vlm.agrees": [True], "vlm.score": [4], "vlm.category": ["hat"]})
    assert evaluate([calls, other], "vlm.agrees") == [0.5, 1.0]
    assert evaluate([calls, other], "vlm.score") == [1.5, 4]
    assert evaluate([calls, other], "vlm.category") == ["shoe", "hat"]
    assert evaluate([calls, other], "vlm.agrees > 0.6") == [False, True]


def test_one_call_keeps_its_boolean() -> None:
    assert evaluate(two(vlm__agrees=(True, False)), "vlm.agrees") == [True, False]


def test_calls_are_counted_also_where_there_is_none() -> None:
    assert evaluate([request(0, {"vlm.call": [1, 1, 1]}), request(1)], "vlm.calls") == [3.0, 0.0]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "vlm.agrees +",
        "vlm.agrees; drop table x",
        "vlm.agrees; vlm.agrees",
        "read_csv('secrets.csv')",
        "read_parquet('secrets.parquet')",
        "system('ls')",
        "median_of_means(vlm.agrees)",
        "(select 1)",
        "(select(1))",
        "exists(select 1)",
        "vlm.agrees in (select vlm.agrees from t)",
        "vlm.agrees > (select(max(vlm.agrees))from(read_csv('secrets.csv')))",
        "with(x) as (values(1))",
        "select vlm.agrees from t",
        "* ",
        "sum(vlm.agrees)",
        "1",
        "vlm.agrees = 'text'",
        "x" * (MAX_EXPRESSION + 1),
    ],
)
def test_what_is_no_expression_over_fields_is_refused(expression: str) -> None:
    with pytest.raises(MonitorError):
        evaluate(two(vlm__agrees=(0.5, 1.5)), expression)


def test_an_expression_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n7\n")
    for form in ("read_csv('{}')", "x + (select(a)from(read_csv('{}')))", "x + (select a from '{}')"):
        with pytest.raises(MonitorError) as caught:
            evaluate(two(x=(1, 2)), form.format(secret))
        assert "7" not in str(caught.value).replace(str(secret), "")


@given(st.text(alphabet="ab.()'\"=<>+-*/;, 1selctfromwhn", max_size=30))
def test_whatever_is_written_gives_values_nothing_or_a_monitor_error(expression: str) -> None:
    values = None
    with suppress(MonitorError):
        values = evaluate(two(a=(1, 2), b__b=("x", "y")), expression)
    assert values is None or len(values) == 2


@pytest.mark.parametrize("calls", [[0.5, "x"], [True, [1]], [{}, {}]])
def test_numbers_beside_something_else_in_one_request_are_an_error_of_the_monitor(calls: list[Any]) -> None:
    with pytest.raises(MonitorError, match=r"vlm\.agrees"):
        evaluate([request(0, {"vlm.agrees": calls})], "vlm.agrees")


def observations(**columns: list[Any]) -> pl.LazyFrame:
    n = len(next(iter(columns.values())))
    schema = arrow_schema()
    columns.setdefault("clock_suspect", [False] * n)
    table = pa.table({f.name: columns.get(f.name, [None] * n) for f in schema}, schema=schema)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def test_rows_of_other_systems_and_environments_are_left_out() -> None:
    scan = observations(
        trace_id=["a", "b", "c", "d"],
        service=["shop", "shop", "bank", None],
        environment=["prod", "test", "prod", "prod"],
    )
    assert [r["trace_id"] for r in rows(scan, services=["shop"], limit=9)] == ["a", "b"]
    assert [r["trace_id"] for r in rows(scan, services=["shop"], environment="prod", limit=9)] == ["a"]
    assert len(rows(scan, services=[], limit=9)) == 4


def test_times_come_as_microseconds() -> None:
    at = datetime(2026, 11, 22, 14, 0, 0, 7, tzinfo=UTC)
    (row,) = rows(observations(start=[at], received=[at], trace_id=["a"]), services=[], limit=9)
    assert row["start_us"] == row["received_us"] == 1795356000000007
    assert not {"start", "received", "day"} & row.keys()


def test_spans_whose_clock_is_wrong_are_left_out_and_of_the_others_the_oldest_come_first() -> None:
    times = [datetime(2026, 11, 22, 14, minute, tzinfo=UTC) for minute in (3, 1, 2, 0)]
    scan = observations(trace_id=["c", "a", "b", "wrong"], start=times, clock_suspect=[False, False, False, True])
    assert {r["trace_id"] for r in rows(scan, services=[], limit=2)} == {"a", "b"}
