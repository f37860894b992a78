from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard_monitors.assemble import MOST_PAIRED, Assembled, Frontier, Request, assemble
from syscard_monitors.traces import Row
from tests.unit.monitors.build import MINUTE, SECOND, START_US, span

END = START_US + SECOND
LONG_AFTER = START_US + 60 * MINUTE


def look(rows: list[Row], **changes: Any) -> Assembled:
    plain: dict[str, Any] = {
        "root": "request",
        "frontier": Frontier(),
        "watermark_us": LONG_AFTER,
        "before_us": 0,
        "complete_after": timedelta(seconds=30),
        "seen_before_us": 0,
    }
    return assemble(rows, **{**plain, **changes})


def one(rows: list[Row]) -> Request:
    (found,) = look(rows).complete
    return found


def test_a_request_is_complete_thirty_seconds_after_its_root_ended() -> None:
    just_before = look([span()], watermark_us=END + 30 * SECOND - 1)
    assert just_before.complete == ()
    assert [r.trace_id for r in look([span()], watermark_us=END + 30 * SECOND).complete] == ["t1"]


def test_requests_fill_windows_in_the_order_in_which_they_ended_then_by_trace() -> None:
    rows = [span("b"), span("c", start_us=START_US - 9, duration_us=5), span("a")]
    assert [r.trace_id for r in look(rows).complete] == ["c", "a", "b"]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8), st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(times: list[tuple[int, int]], seed: int) -> None:
    rows = [
        span(f"t{i}", name, start_us=START_US + start, duration_us=length, parent_span_id=parent)
        for i, (start, length) in enumerate(times)
        for name, parent in (("root", None), ("child", "root"))
    ]
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert look(shuffled) == look(rows)


def test_what_is_in_a_window_already_is_not_taken_again() -> None:
    rows = [span("a"), span("b"), span("c")]
    assert [r.trace_id for r in look(rows, frontier=Frontier(END, "b/s")).complete] == ["c"]


def test_a_request_that_became_visible_after_its_window_had_closed_is_counted_not_taken() -> None:
    frontier, looked = Frontier(END, "z"), START_US + 5 * SECOND
    in_time, late = span("a"), span("b", received_us=looked + 1)
    found = look([in_time, late], frontier=frontier, seen_before_us=looked)
    assert (found.complete, found.late) == ((), 1)
    assert look([in_time, late], frontier=frontier, seen_before_us=looked + 1).late == 0


def test_a_trace_without_a_root_is_an_orphan_once_after_five_minutes() -> None:
    rows = [span("a", name="call", parent_span_id="gone")]
    given_up = END + 5 * MINUTE
    looks = [(0, given_up - 1), (given_up - 1, given_up), (given_up, given_up + MINUTE)]
    assert [look(rows, before_us=b, watermark_us=w).orphans for b, w in looks] == [0, 1, 0]


def test_a_root_that_comes_late_makes_no_orphan() -> None:
    rows = [span("a", "child", parent_span_id="root"), span("a", "root")]
    assert look(rows).orphans == 0
    assert len(look(rows).complete) == 1


def test_only_a_span_of_the_right_name_without_a_parent_is_a_root() -> None:
    assert look([span()], root="another").complete == ()
    assert look([span()], root="another").orphans == 1
    assert len(look([span()], root=None).complete) == 1


def test_a_request_has_the_times_of_its_root_and_came_with_its_newest_span() -> None:
    rows = [
        span("a", "root", received_us=7),
        span(
            "a",
            "child",
            name="call",
            parent_span_id="root",
            start_us=START_US - 5,
            duration_us=10 * SECOND,
            received_us=9,
        ),
    ]
    found = one(rows)
    assert (found.start_us, found.end_us, found.received_us) == (START_US, END, 9)
    assert found.reference == f"a@{START_US}"
    assert found.place == Frontier(END, "a/root")


def test_a_trace_that_holds_several_requests_gives_each_its_spans() -> None:
    """A gateway or a batch job: the root's parent is in another system."""
    rows = [
        span("a", "r1", parent_span_id="gateway"),
        span("a", "c1", name="call", parent_span_id="r1", component="llm", features={"words": 1}),
        span("a", "r2", parent_span_id="gateway", start_us=START_US + 2 * SECOND),
        span("a", "c2", name="call", parent_span_id="r2", component="llm", features={"words": 2}),
        span("a", "lost", name="call", parent_span_id="gone", start_us=START_US + 3 * SECOND, component="cf"),
    ]
    first, second = look(rows).complete
    assert (first.root_id, first.values["llm.words"], "cf.call" in first.values) == ("r1", [1], False)
    assert (second.root_id, second.values["llm.words"], "cf.call" in second.values) == ("r2", [2], True)


def test_a_request_inside_a_request_of_the_same_name_is_part_of_it() -> None:
    rows = [span("a", "outer"), span("a", "inner", parent_span_id="outer")]
    assert [r.root_id for r in look(rows).complete] == ["outer"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e16, -(10**30)])
def test_a_number_that_cannot_be_true_is_no_value(value: float) -> None:
    found = one([span(component="llm", features={"words": value, "score": 1e15})]).values
    assert "llm.words" not in found
    assert found["llm.score"] == [1e15]


def test_fields_of_a_component_are_named_after_it_and_repeated_calls_are_in_order_of_start() -> None:
    call = {"name": "call", "parent_span_id": "s", "component": "vlm"}
    calls = [
        span(span_id="b", start_us=START_US + 9, duration_us=1000, features={"agrees": False}, **call),
        span(span_id="a", start_us=START_US + 8, duration_us=2000, features={"agrees": True}, **call),
    ]
    found = one([span(), *calls]).values
    assert found["vlm.agrees"] == [True, False]
    assert found["vlm.latency_ms"] == [2.0, 1.0]
    assert found["vlm.call"] == [1, 1]


def test_what_a_span_does_not_say_is_no_value() -> None:
    found = one([span(component="llm")]).values
    assert not {"llm.model", "llm.input_tokens", "llm.fallback", "llm.error_type"} & found.keys()
    assert found["llm.error"] == [False]


def test_a_feature_cannot_pass_for_a_standard_field() -> None:
    found = one([span(component="llm", features={"latency_ms": 0.001, "error": False}, error_type="timeout")]).values
    assert (found["llm.latency_ms"], found["llm.error"], found["llm.error_type"]) == ([1000.0], [True], ["timeout"])


@pytest.mark.parametrize(("counts", "values"), [(True, [12]), (False, None), (None, None)])
def test_tokens_of_a_span_that_only_repeats_them_do_not_count(counts: bool | None, values: list[int] | None) -> None:
    assert one([span(component="llm", input_tokens=12, counts_tokens=counts)]).values.get("llm.input_tokens") == values


def test_fields_of_the_root_have_no_component_before_them() -> None:
    found = one([span(features={"accepted": True, "segment.age_band": "45-54"})]).values
    assert found == {"latency": [1.0], "error": [False], "accepted": [True], "segment.age_band": ["45-54"]}


def test_identifiers_that_spans_carry_are_known_for_the_edges() -> None:
    features = {"items": ["a", "b"], "item.id": "a", "note": "c", "scores": ["d"]}
    (fact,) = one([span(component="cf", features=features)]).spans
    assert (fact.gives, fact.tokens) == (frozenset("ab"), frozenset("ab"))


def answer(trace: str = "f1", *, at: int = 60, **changes: Any) -> Row:
    """A feedback span, so many seconds after the request began."""
    plain: dict[str, Any] = {
        "name": "feedback",
        "operation": "feedback",
        "start_us": START_US + at * SECOND,
        "duration_us": 0,
        "received_us": START_US + (at + 1) * SECOND,
        "features": {"feedback.accepted": True, "feedback.position": 2, "segment.age_band": "45-54"},
    }
    return span(trace, **{**plain, **changes})


def test_feedback_is_neither_a_request_nor_an_orphan() -> None:
    found = look([span(), answer()])
    assert [r.trace_id for r in found.complete] == ["t1"]
    assert (found.orphans, found.roots) == (0, 1)
    (came,) = found.feedback
    assert came.values == {"accepted": [True], "position": [2], "segment.age_band": ["45-54"]}


def test_feedback_is_taken_once_in_order_of_its_end_by_the_window_that_it_falls_into() -> None:
    rows = [answer("late", at=90), answer("early", at=30), answer("between", at=60)]
    found = look(rows)
    assert [f.trace_id for f in found.feedback] == ["early", "between", "late"]
    until = START_US + 60 * SECOND
    assert [f.trace_id for f in found.feedback_between(0, until)] == ["early", "between"]
    assert [f.trace_id for f in found.feedback_between(until, LONG_AFTER)] == ["late"]
    assert [f.trace_id for f in look(rows, frontier=Frontier(until, "z")).feedback] == ["late"]


def test_feedback_that_came_after_its_window_had_closed_is_counted_as_late() -> None:
    looked = START_US + 60 * SECOND
    late = answer(at=30, received_us=looked + 1)
    found = look([late, answer("seen", at=30)], frontier=Frontier(looked, "z"), seen_before_us=looked)
    assert (found.feedback, found.late) == ((), 1)


def test_feedback_inside_a_requests_own_trace_is_no_part_of_the_request() -> None:
    found = look([span(), answer("t1", span_id="f", parent_span_id="s")])
    assert one([span()]) == found.complete[0]
    assert len(found.feedback) == 1


def test_a_component_whose_work_is_called_feedback_is_a_component() -> None:
    found = look([span(), answer("t1", span_id="f", parent_span_id="s", component="critic")])
    assert (found.complete[0].values["critic.call"], found.feedback) == ([1], ())


def test_feedback_is_no_sign_of_life() -> None:
    found = look([span(), answer(at=90)])
    assert (found.newest_us, found.spans) == (START_US, 1)


CALL = {"name": "call", "parent_span_id": "s", "component": "llm"}


def theirs(span_id: str, start: int, length: int, **changes: Any) -> Row:
    return span(span_id=span_id, start_us=START_US + start, duration_us=length, scope="openinference", **CALL | changes)


def ours(span_id: str, start: int, length: int, **changes: Any) -> Row:
    return span(
        span_id=span_id, start_us=START_US + start, duration_us=length, scope="syscard_tracing", **CALL | changes
    )


def test_a_call_that_our_sdk_and_an_instrumentor_both_tell_of_is_one_call() -> None:
    sdk = ours("a", 10, 2000, features={"grounded": 0.9}, fallback=True, error_type=None)
    library = theirs("b", 11, 1000, input_tokens=12, counts_tokens=True, error_type="timeout")
    found = one([span(), sdk, library]).values
    assert (found["llm.call"], found["llm.latency_ms"], found["llm.error"]) == ([1], [1.0], [True])
    assert (found["llm.grounded"], found["llm.fallback"], found["llm.input_tokens"]) == ([0.9], [True], [12])


def test_retries_within_one_span_of_our_sdk_are_a_call_each() -> None:
    found = one([span(), ours("a", 10, 2000), theirs("b", 11, 500), theirs("c", 600, 500)]).values
    assert found["llm.call"] == [1, 1]


def test_calls_that_run_side_by_side_are_told_apart() -> None:
    """Two spans of ours at once, each with a library's span that lies in both by its time."""
    rows = [ours("a", 0, 2000), ours("b", 1, 1000), theirs("c", 2, 900), theirs("d", 1100, 800)]
    found = one([span(), *rows]).values
    assert sorted(found["llm.latency_ms"]) == [0.8, 0.9]


def test_a_call_that_only_our_sdk_tells_of_counts_though_another_one_runs_meanwhile() -> None:
    """A span of a library belongs to one of ours; the other one stays a call."""
    rows = [ours("cached", 0, 3000), ours("a", 10, 2000), theirs("b", 11, 1000)]
    assert sorted(one([span(), *rows]).values["llm.latency_ms"]) == [1.0, 3.0]


@pytest.mark.parametrize(("theirs_says", "ours_says", "counted"), [
    (None, "bad_json", [False, True]),
    ("timeout", "bad_json", [True, False]),
    (None, None, [False, False]),
])  # fmt: skip
def test_a_failure_that_only_our_span_tells_of_is_its_last_calls(
    theirs_says: str | None, ours_says: str | None, counted: list[bool]
) -> None:
    """The model answered, and what it answered could not be used."""
    tries = [theirs("b", 11, 500, error_type=theirs_says), theirs("c", 600, 500)]
    found = one([span(), ours("a", 10, 2000, error_type=ours_says), *tries]).values
    assert found["llm.error"] == counted


@pytest.mark.parametrize(
    "other",
    [
        theirs("b", 5, 100),
        theirs("b", 11, 5000),
        theirs("b", 11, 100, component="cf"),
        ours("b", 11, 100),
        theirs("b", 11, 100, component=None),
    ],
    ids=["begins earlier", "ends later", "another component", "ours as well", "no component"],
)
def test_a_span_of_our_sdk_with_no_other_within_it_is_a_call_of_its_own(other: Row) -> None:
    found = one([span(), ours("a", 10, 2000), other]).values
    assert len(found["llm.latency_ms"]) == (1 if other["component"] != "llm" else 2)
    assert 2.0 in found["llm.latency_ms"]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_every_call_of_a_library_counts_and_each_stands_for_one_span_of_ours_at_most(
    made: list[tuple[bool, int, int]],
) -> None:
    rows = [(ours if own else theirs)(f"{i:02}", start, length) for i, (own, start, length) in enumerate(made)]
    calls = len(one([span(), *rows]).values.get("llm.call", []))
    libraries = sum(not own for own, _, _ in made)
    assert max(libraries, len(made) - libraries) <= calls <= len(made)


def test_calls_with_the_same_id_have_each_their_own_error() -> None:
    rows = [theirs("b", 10, 5), theirs("b", 20, 5, error_type="timeout")]
    assert one([span(), *rows]).values["llm.error"] == [False, True]


def test_of_very_many_spans_the_first_are_compared() -> None:
    """However many a request has, putting it together stays quick; none of them is lost."""
    rows = [make(f"{side}{i}", i, 0) for side, make in (("o", ours), ("t", theirs)) for i in range(MOST_PAIRED + 10)]
    assert len(one([span(), *rows]).values["llm.call"]) == MOST_PAIRED + 20


def test_what_an_event_says_is_of_the_span_above_it_and_is_no_call() -> None:
    root, llm = span(), span(span_id="llm", name="call", parent_span_id="s", component="llm", features={"words": 3})
    judged = span(
        name="e",
        span_id="e",
        parent_span_id="llm",
        operation="evaluation",
        error_type="timeout",
        start_us=START_US + 2 * SECOND,
        features={"evaluation.relevance.score": 0.75, "error": True},
    )
    nowhere = span(name="f", span_id="f", parent_span_id="not here", operation="content", features={"words": 9})
    seen = look([root, llm, judged, nowhere])
    (request,) = seen.complete
    assert request.values["llm.evaluation.relevance.score"] == [0.75]
    assert (request.values["llm.words"], request.values["llm.call"], request.values["llm.error"]) == ([3], [1], [False])
    assert {facts.span_id for facts in request.spans} == {"s", "llm"}
    assert (seen.spans, seen.newest_us) == (2, START_US)


def test_an_event_of_a_trace_that_is_not_here_makes_no_orphan() -> None:
    judged = span(name="e", span_id="e", parent_span_id="llm", operation="evaluation")
    assert look([judged]).orphans == 0
    assert look([judged, span(span_id="llm", name="call", parent_span_id="gone")]).orphans == 1


def made(span_id: str = "made", **changes: Any) -> Row:
    return span(**{"span_id": span_id, "operation": "create_agent", "component": "create_agent:shop", **changes})


def test_a_trace_in_which_an_agent_is_only_made_is_neither_a_request_nor_an_orphan() -> None:
    for root in (None, "request", "another"):
        seen = look([made(), made("below", parent_span_id="made")], root=root)
        assert (seen.complete, seen.roots, seen.orphans) == ((), 0, 0)


def test_an_agent_that_is_made_within_a_request_takes_no_request_away() -> None:
    seen = look([span(), made(parent_span_id="s"), span(span_id="llm", parent_span_id="s", component="llm")])
    assert [r.values["llm.call"] for r in seen.complete] == [[1]]


def test_a_component_that_makes_agents_by_its_own_name_has_requests() -> None:
    assert len(look([made(component="factory")]).complete) == 1
