from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.metric import AGGREGATES, Metric, parse_metric
from syscard.units import duration_text, parse_day, parse_duration, parse_expectation

_durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365_000))
_whole = st.builds(
    lambda n, unit: n * unit,
    st.integers(0, 10_000),
    st.sampled_from([timedelta(**{u: 1}) for u in ("days", "hours", "minutes", "seconds", "milliseconds")]),
)


@given(_durations | _whole)
def test_a_duration_is_the_same_after_being_written_and_read(value: timedelta) -> None:
    assert parse_duration(duration_text(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30s", timedelta(seconds=30)),
        (" 1.5 h ", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        ("50ms", timedelta(milliseconds=50)),
        ("7us", timedelta(microseconds=7)),
        ("0.1s", timedelta(milliseconds=100)),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=1), "1d"),
        (timedelta(hours=25), "25h"),
        (timedelta(seconds=90), "90s"),
        (timedelta(milliseconds=50), "50ms"),
        (timedelta(microseconds=1), "1us"),
        (timedelta(0), "0us"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(value: timedelta, text: str) -> None:
    assert duration_text(value) == text


@pytest.mark.parametrize("text", ["", "30", "s", "-5s", "1h30m", "5 years", "1e3s", "nan s", None, 30, True])
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r"is no duration; write a number and a unit, e\.g\. 30s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9999999999999w", "9" * 5000 + "s"])
def test_a_duration_longer_than_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too long for a duration"):
        parse_duration(text)


@given(st.dates())
def test_a_day_is_the_same_after_being_written_and_read(day: date) -> None:
    assert parse_day(day.isoformat()) == parse_day(day) == day


@pytest.mark.parametrize(
    "value", ["tomorrow", "2026-13-01", "2026-02-30", "1/2/2026", 20270201, datetime(2027, 2, 1, tzinfo=UTC)]
)
def test_what_is_no_day_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="write year-month-day"):
        parse_day(value)


@pytest.mark.parametrize(
    ("text", "limit", "kept", "missed"),
    [
        (">= 0.90", 0.9, 0.9, 0.89),
        ("<=3s", 3.0, 3.0, 3.01),
        ("< 50ms", 0.05, 0.049, 0.05),
        ("> 57 %", 0.57, 0.58, 0.57),
        ("== 0", 0.0, 0.0, 1.0),
        (">= -1.5", -1.5, 0.0, -2.0),
    ],
)
def test_an_expectation_is_an_operator_and_a_limit(text: str, limit: float, kept: float, missed: float) -> None:
    expected = parse_expectation(text)
    assert expected.limit == limit
    assert expected.holds_for(kept)
    assert not expected.holds_for(missed)
    assert expected.is_never is (text == "== 0")


def test_an_expectation_keeps_its_words_but_not_its_blanks() -> None:
    assert parse_expectation("  >=    0.90 ").text == ">= 0.90"


@pytest.mark.parametrize("text", ["", "0.9", "=> 0.9", "!= 1", ">= x", ">= 1 year", ">= 0.9 or so", ">= nan", ">= inf"])
def test_what_is_no_expectation_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no expectation; write an operator and a number"):
        parse_expectation(text)


def test_a_limit_too_large_to_compare_with_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        parse_expectation(">= " + "9" * 400)


@given(st.sampled_from(AGGREGATES), st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?( >= 0\.\d)?", fullmatch=True))
def test_a_metric_is_the_same_after_being_written_and_read(aggregate: str, expression: str) -> None:
    metric = Metric(aggregate, expression)
    assert parse_metric(metric.text) == parse_metric(f" {aggregate} ( {expression} ) ") == metric


def test_only_quantiles_have_a_quantile() -> None:
    found = {a: Metric(a, "x").quantile for a in AGGREGATES}
    assert found == {
        "share": None,
        "mean": None,
        "count": None,
        "p50": 0.5,
        "p90": 0.9,
        "p95": 0.95,
        "p99": 0.99,
        "disparity": None,
    }


@pytest.mark.parametrize(
    "text", ["", "share", "share()", "share(  )", "median(x)", "p42(x)", "share x", "share(x", "sharex)"]
)
def test_what_is_no_metric_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no metric; write one of share\(\.\.\.\), mean\(\.\.\.\)"):
        parse_metric(text)
