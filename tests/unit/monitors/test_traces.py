from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.traces import Row, by_trace
from tests.unit.monitors.build import SECOND, START_US, span


def a_use(begin: int, *, calls: int) -> list[Row]:
    """A request as a host makes it that has just seeded `random`: root and calls have the ids that they always have."""
    start = START_US + begin * SECOND
    root = span("t", "root", start_us=start)
    return [root, *(span("t", f"c{i}", parent_span_id="root", start_us=start + 1 + i) for i in range(calls))]


def ids(spans: list[Row]) -> list[tuple[str, int]]:
    return [(s["span_id"], (s["start_us"] - START_US) // SECOND) for s in spans]


def test_spans_of_different_traces_are_apart_and_in_order_of_start() -> None:
    rows = [span("a", "2", start_us=START_US + 2), span("b", "1"), span("a", "1")]
    assert [[s["span_id"] for s in spans] for spans in by_trace(rows)] == [["1", "2"], ["1"]]


def test_ids_that_were_made_again_are_another_trace() -> None:
    first, second = by_trace([*a_use(0, calls=2), *a_use(10, calls=2)])
    assert ids(first) == [("root", 0), ("c0", 0), ("c1", 0)]
    assert ids(second) == [("root", 10), ("c0", 10), ("c1", 10)]


def test_a_span_that_only_one_use_has_goes_to_the_use_that_had_begun() -> None:
    first, second = by_trace([*a_use(0, calls=1), *a_use(10, calls=3)])
    assert ids(first) == [("root", 0), ("c0", 0)]
    assert ids(second) == [("root", 10), ("c0", 10), ("c1", 10), ("c2", 10)]


def test_uses_that_lie_apart_in_time_are_told_apart_by_it() -> None:
    """Whatever each of them has more of than the one before."""
    uses = [a_use(0, calls=1), a_use(100, calls=3), a_use(200, calls=2)]
    found = by_trace([row for use in uses for row in use])
    assert [len(spans) for spans in found] == [2, 4, 3]


def test_a_request_that_pauses_for_long_is_one_request() -> None:
    rows = [span("t", "root", duration_us=600 * SECOND), span("t", "c", start_us=START_US + 500 * SECOND)]
    assert [len(spans) for spans in by_trace(rows)] == [2]


def test_ids_that_are_made_again_within_a_request_are_of_one_request() -> None:
    """A host that seeds `random` before each call."""
    root = span("t", "root", duration_us=200 * SECOND)
    calls = [span("t", "same", parent_span_id="root", start_us=START_US + i * SECOND) for i in range(1, 5)]
    last = span("t", "vlm", parent_span_id="root", start_us=START_US + 100 * SECOND)
    assert [len(spans) for spans in by_trace([root, *calls, last])] == [6]


def test_uses_that_run_at_the_same_time_are_told_apart_where_their_ids_repeat() -> None:
    """Two replicas that were seeded alike and started together."""
    rows = [span("t", name, start_us=START_US + at) for name, at in (("r", 0), ("r", 1), ("c", 5), ("c", 6))]
    assert [[s["start_us"] - START_US for s in spans] for spans in by_trace(rows)] == [[0, 5], [1, 6]]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_no_span_is_lost_and_none_is_told_twice(calls: list[int]) -> None:
    rows = [row for i, count in enumerate(calls) for row in a_use(10 * i, calls=count)]
    uses = list(by_trace(rows))
    assert len(uses) == len(calls)
    assert sorted(map(str, (s for spans in uses for s in spans))) == sorted(map(str, rows))
    assert all(len({s["span_id"] for s in spans}) == len(spans) for spans in uses)
