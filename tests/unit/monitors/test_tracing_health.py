from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.health import tracing_text
from syscard.live import TracingFigure
from syscard_monitors.assemble import Frontier, Request, assemble
from syscard_monitors.skew import Crossing
from syscard_monitors.traces import Row
from syscard_monitors.tracing_health import (
    IDS,
    WINDOWS,
    TracingFacts,
    added,
    counted,
    figures,
    known_again,
    rules,
)
from tests.unit.monitors.build import MINUTE, SECOND, START_US, span

SKEW_US = 50_000


def looked(*rows: Row, root: str | None = None) -> tuple[Request, ...]:
    found = assemble(
        rows,
        root=root,
        frontier=Frontier(),
        watermark_us=START_US + 60 * MINUTE,
        before_us=0,
        complete_after=timedelta(seconds=30),
        seen_before_us=0,
    )
    return found.complete


def facts(*rows: Row) -> TracingFacts:
    (request,) = looked(*rows)
    return request.tracing


def child(span_id: str = "c", parent: str = "s", **changes: Any) -> Row:
    return span("t1", span_id, parent_span_id=parent, **{"duration_us": 1000, "start_us": START_US + 10} | changes)


def figure(key: str, *counts: dict[str, float]) -> TracingFigure:
    (found,) = [f for f in figures(counts) if f.key == key]
    return found


def test_a_whole_request_has_nothing_to_complain_of() -> None:
    assert facts(span(), child()) == TracingFacts(spans=2)


def test_a_parent_that_never_came_is_missing_but_not_the_one_above_the_root() -> None:
    assert facts(span(), child("c", "gone")).missing == 1
    (request,) = looked(span(parent_span_id="of the gateway", name="shop"), child(), root="shop")
    assert request.tracing.missing == 0


def test_ids_that_come_twice_mark_both_requests() -> None:
    again = [{**row, "start_us": row["start_us"] + 2 * MINUTE} for row in (span(), child())]
    assert [r.tracing.repeated for r in looked(span(), child(), *again)] == [True, True]
    assert [r.tracing.repeated for r in looked(span("t1"), span("t2"))] == [False, False]


@pytest.mark.parametrize(
    ("start_s", "takes_s", "outside_ms"),
    [(0.1, 0.5, 0), (-0.04, 0.5, 40), (-1, 0.5, 1000), (0.5, 1, 500), (-1, 5, 3000)],
)
def test_a_call_of_another_service_lies_within_its_callers_time(
    start_s: float, takes_s: float, outside_ms: int
) -> None:
    far = child(service="bank", start_us=START_US + int(start_s * SECOND))
    far["duration_us"] = int(takes_s * SECOND)
    assert facts(span(), far).crossings == (Crossing("shop", "bank", outside_ms * 1000),)


@pytest.mark.parametrize(("tolerance_ms", "skewed"), [(1, 2), (50, 1), (1000, 0)])
def test_the_system_says_how_much_may_lie_between_two_clocks(tolerance_ms: int, skewed: int) -> None:
    calls = tuple(Crossing("shop", "bank", ms * 1000) for ms in (0, 40, 1000))
    counts = counted([TracingFacts(crossings=calls)], tolerance_ms * 1000)
    assert (counts["crossings"], counts["skewed"]) == (3, skewed)


def test_within_one_service_there_is_one_clock() -> None:
    late = child(start_us=START_US + 30 * SECOND)
    assert facts(span(), late).crossings == ()


@pytest.mark.parametrize(
    ("changes", "piece"),
    [
        pytest.param({}, True, id="bare call, same user, within the time"),
        pytest.param({"user_key": "v"}, False, id="another user"),
        pytest.param({"user_key": None}, False, id="nobody named"),
        pytest.param({"operation": "invoke_agent"}, False, id="an agent's request"),
        pytest.param({"start_us": START_US + 5 * SECOND}, False, id="after it"),
    ],
)
def test_a_bare_call_within_another_request_of_its_user_is_a_piece_of_it(changes: dict[str, Any], piece: bool) -> None:
    whole = span("t1", "s", user_key="u", operation="invoke_agent")
    bare = {"user_key": "u", "operation": "chat", "start_us": START_US + 10, "duration_us": 9}
    pool = span("t2", "p", **bare | changes)
    found = {r.trace_id: r.tracing.fragment for r in looked(whole, pool)}
    assert found == {"t1": False, "t2": piece}


@pytest.mark.parametrize(("operation", "bare"), [("chat", True), ("execute_tool", True), ("invoke_agent", False)])
def test_a_request_that_begins_with_a_call_has_nothing_around_it(operation: str, bare: bool) -> None:
    assert facts(span(operation=operation)).bare is bare


def test_pieces_cannot_be_told_where_nobody_is_named() -> None:
    assert figure("fragments", counted([TracingFacts(bare=True)] * 99, SKEW_US)).state == "unknown"
    assert figure("bare_calls", counted([TracingFacts(bare=True)] * 99, SKEW_US)).state == "bad"


def test_a_session_ties_a_piece_to_its_request_as_well() -> None:
    said = {"session.id": "h"}
    whole = span("t1", "s", operation="invoke_agent", features=said)
    pool = span("t2", "p", operation="chat", duration_us=9, features=said)
    assert [r.tracing.fragment for r in looked(whole, pool)] == [True, False]


def test_the_sharpest_sampling_of_a_request_speaks_for_it() -> None:
    said = [child(str(i), features={"span.sampling": p}) for i, p in enumerate((1.0, 0.1, 0.5))]
    assert facts(span(), *said).kept == 0.1
    assert facts(span()).kept is None


@pytest.mark.parametrize("nonsense", [0, -1, 7, "0.5", None])
def test_a_share_that_cannot_be_one_says_nothing(nonsense: object) -> None:
    assert facts(span(features={"span.sampling": nonsense})).kept is None


def test_what_says_most_of_how_a_trace_was_chosen_speaks_for_it() -> None:
    said = [child(str(i), features={"span.sampler": by}) for i, by in enumerate(("probability", "tail", "tail errors"))]
    assert facts(span(), *said).sampler == "tail errors"
    assert facts(span(), *said[:2]).sampler == "tail"
    assert facts(span(features={"span.sampler": "whatever a sender says"})).sampler is None


def test_a_request_is_sampled_by_its_share_or_where_that_is_not_told_by_its_sampler() -> None:
    assert TracingFacts(kept=0.5).sampled
    assert TracingFacts(sampler="rate limit").sampled
    assert not TracingFacts(kept=1.0, sampler="tail errors").sampled
    assert not TracingFacts().sampled
    counts = counted([TracingFacts(kept=0.1), TracingFacts(sampler="tail"), TracingFacts(kept=1.0)], SKEW_US)
    assert (counts["sampled"], counts["requests"]) == (2, 3)
    assert figure("sampled", counts).state == "bad"


def test_too_few_are_unknown_and_never_ok() -> None:
    few = figure("missing_parents", {"spans": 199, "missing": 0})
    assert (few.state, few.needs, few.share) == ("unknown", 200, 0.0)
    assert figure("missing_parents", {"spans": 200, "missing": 0}).state == "ok"
    assert figure("missing_parents", {"spans": 200, "missing": 3}).state == "bad"
    nothing = figure("clock_skew")
    assert (nothing.state, nothing.share, nothing.n) == ("unknown", None, 0)
    assert tracing_text(nothing.model_dump()).endswith("unknown, needs n 50, has 0")


def test_traces_without_a_root_are_counted_among_all_traces() -> None:
    found = figure("no_root", {"traces": 88, "orphans": 12})
    assert (found.n, found.hits, found.state) == (100, 12, "bad")
    assert tracing_text(found.model_dump()).startswith("12.0% of 100 traces have no root (thread pools")


def test_what_was_repaired_is_forgotten() -> None:
    buckets: list[dict[str, float]] = [{"requests": 20, "ahead": 20}]
    for _ in range(WINDOWS):
        buckets = added(buckets, {"requests": 20}, window=True)
    assert figure("clock_ahead", *buckets).state == "ok"
    assert len(buckets) == WINDOWS


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=WINDOWS))
def test_nothing_is_lost_or_counted_twice_between_windows_and_looks(steps: list[tuple[bool, int]]) -> None:
    buckets: list[dict[str, float]] = []
    for window, n in steps:
        buckets = added(buckets, {"late": n}, window=window)
    assert sum(b["late"] for b in buckets) == sum(n for _, n in steps)


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 2)), max_size=900))
def test_ids_are_known_again_as_long_as_they_are_remembered(seen: list[tuple[int, int]]) -> None:
    ids: dict[str, int] = {}
    first: dict[int, int] = {}
    for number, start in seen:
        ids, again = known_again(ids, [(f"{number:04d}", "r", start)])
        if number in first and first[number] == start:
            assert not again, "the same request, read again"
        first.setdefault(number, start)
        assert len(ids) <= IDS
    few = known_again(known_again({}, [("t", "r", 1)])[0], [("t", "r", 2), ("u", "r", 1)])
    assert few[1] == {"t"}


def test_every_figure_ships_with_what_it_means() -> None:
    assert [f.key for f in figures(())] == list(rules())
    assert {f.state for f in figures(())} == {"unknown"}
