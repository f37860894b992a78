from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.health import tracing_text
from syscard_monitors.skew import MOST_PAIRS, Crossing, crossing, skews, skews_now
from syscard_monitors.tracing_health import WINDOWS, figures

TOLERANCE_US = 50_000


def calls(*outside_ms: float, called: str = "bank") -> list[Crossing]:
    return [Crossing("shop", called, round(ms * 1000)) for ms in outside_ms]


def text(*crossings: Crossing) -> str:
    (told,) = [f for f in figures([], [skews(crossings, TOLERANCE_US)]) if f.key == "clock_skew"]
    return tracing_text(told.model_dump())


def test_a_call_within_its_callers_time_is_outside_by_nothing() -> None:
    assert crossing("shop", "bank", (10, 20), (0, 30)).outside_us == 0
    assert crossing("shop", "bank", (-7, 20), (0, 30)).outside_us == 7
    assert crossing("shop", "bank", (10, 41), (0, 30)).outside_us == 11
    assert crossing(None, "bank", (0, 1), (0, 1)).caller == "unknown"


def test_median_and_largest_are_those_of_the_calls_beyond_the_tolerance() -> None:
    (found,) = skews_now([skews(calls(0, 0, 30, 100, 200, 900), TOLERANCE_US)])
    assert (found.caller, found.called, found.calls, found.skewed) == ("shop", "bank", 6, 3)
    assert found.median_ms == pytest.approx(200, rel=0.01)
    assert found.largest_ms == 900


def test_without_skew_there_is_no_size_of_it() -> None:
    (found,) = skews_now([skews(calls(0, 49), TOLERANCE_US)])
    assert (found.calls, found.skewed, found.median_ms, found.largest_ms) == (2, 0, None, None)


def test_pairs_are_told_apart_and_so_are_their_directions() -> None:
    found = skews_now([skews([*calls(80), *calls(0, called="mail"), Crossing("bank", "shop", 60_000)], TOLERANCE_US)])
    assert [(s.caller, s.called, s.skewed) for s in found] == [
        ("bank", "shop", 1),
        ("shop", "bank", 1),
        ("shop", "mail", 0),
    ]


def test_a_sender_can_make_up_any_number_of_services() -> None:
    flood = [Crossing("shop", f"s{i}", 0) for i in range(500)]
    kept = skews([*flood, *calls(100)], TOLERANCE_US)
    assert len(kept) == MOST_PAIRS
    assert "shop->bank" in kept, "the pair with skew is kept"
    assert len(json.dumps([kept] * WINDOWS)) < 200_000


def test_the_line_names_the_pairs_with_skew_and_says_how_many_more_there_are() -> None:
    said = text(*calls(0, 120, 340))
    assert re.search(r"; shop -> bank: 2 of 3 calls, median 1[12]\d ms, largest 340 ms$", said), said
    assert "->" not in text(*calls(0, 10))
    many = [c for i in range(5) for c in calls(100, called=f"s{i}")]
    assert text(*many).endswith("; and 2 more pairs")


OUTSIDE = st.lists(
    st.builds(
        Crossing, st.sampled_from(["shop", "web"]), st.sampled_from(["bank", "mail"]), st.integers(0, 10_000_000)
    ),
    max_size=40,
)


@given(OUTSIDE, st.integers(0, 40))
def test_how_calls_are_cut_into_windows_changes_nothing(crossings: list[Crossing], cut: int) -> None:
    whole = skews_now([skews(crossings, TOLERANCE_US)])
    assert skews_now([skews(crossings[:cut], TOLERANCE_US), skews(crossings[cut:], TOLERANCE_US)]) == whole


@given(OUTSIDE)
def test_no_skew_is_larger_than_the_largest_and_the_median_is_right_within_one_percent(
    crossings: list[Crossing],
) -> None:
    for pair in skews_now([skews(crossings, TOLERANCE_US)]):
        beyond = sorted(
            c.outside_us / 1000
            for c in crossings
            if (c.caller, c.called) == (pair.caller, pair.called) and c.outside_us > TOLERANCE_US
        )
        assert pair.skewed == len(beyond)
        if pair.median_ms is not None:
            assert pair.largest_ms == beyond[-1]
            assert pair.median_ms == pytest.approx(beyond[(len(beyond) + 1) // 2 - 1], rel=0.0101)
            assert pair.median_ms <= pair.largest_ms
