"""What goes over each edge, from the spans of some requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.live import MOST_CARRIED
from syscard_monitors.assemble import Request
from syscard_monitors.facts import SpanFacts, Terms
from syscard_monitors.parts import NOT_YET, SILENT, UNSHOWN, Reach, part_drafts, parts_now, reach_after
from syscard_monitors.traffic import Traffic, traffic
from syscard_monitors.window import AUTHOR
from tests.unit.monitors.build import card_of, facts, finding, request, window

EDGE = ("cf", "vlm")
ROOT = facts("root", "agent", end_us=9_000_000)
OFFER = frozenset({"i1", "i2", "i3"})
OFFERS = {"cf.call": 1, "vlm.call": 1, "cf.items": [["i1", "i2", "i3"]], "vlm.item.id": ["i2"]}


def cf(**changes: Any) -> SpanFacts:
    return facts("a", "cf", parent="root", **changes)


def vlm(name: str = "b", at: int = 5, took_ms: int = 1, **changes: Any) -> SpanFacts:
    return facts(name, "vlm", parent="root", at=at, end_us=(at + took_ms) * 1000, **changes)


def order(number: int = 0) -> Request:
    """One after the other, and nothing of the first is found in the second."""
    return request(number, {"cf.call": 1, "vlm.call": 1}, (ROOT, cf(), vlm()))


def value(number: int = 0) -> Request:
    """The second reads an item that the first offered."""
    spans = (ROOT, cf(tokens=OFFER, gives=OFFER), vlm(tokens=frozenset({"i2"})))
    return request(number, OFFERS, spans)


def neither(number: int = 0) -> Request:
    """Both are called, at the same time."""
    return request(number, {"cf.call": 1, "vlm.call": 1}, (ROOT, cf(at=5), vlm()))


def of(*requests: Request) -> Traffic:
    return traffic(requests, [EDGE])[EDGE]


def test_requests_are_counted_by_each_class_of_evidence_that_they_show_the_strongest_first() -> None:
    both = request(9, OFFERS, (ROOT, cf(tokens=OFFER, gives=OFFER), vlm(tokens=frozenset({"i2"})), vlm("c", at=9)))
    assert list(of(order(), value(1), both, neither(3)).classes.items()) == [("value", 2), ("order", 2)]


def test_an_edge_that_nothing_shows_is_there_without_a_figure() -> None:
    found = of(neither())
    assert (found.classes, found.error_share, found.latency(0.95), found.carries) == ({}, None, None, ())
    assert found.shown == [False]


def test_latency_and_errors_are_those_of_the_calls_that_took_something() -> None:
    spans = (ROOT, vlm("early", at=0, took_ms=500), cf(at=501), vlm("b", 510, 10), vlm("c", 530, 30, failed=True))
    found = of(request(0, {"cf.call": 1, "vlm.call": [1, 1, 1]}, spans))
    assert found.latencies_ms == [10.0, 30.0]
    assert (found.latency(0.5), found.latency(0.95), found.error_share) == (10.0, 30.0, 0.5)


def test_what_is_handed_back_has_the_latency_of_the_call_that_made_it() -> None:
    spans = (ROOT, facts("a", "llm", parent="root", at=1, end_us=41_000))
    found = traffic([request(0, {}, spans)], [("llm", "agent")])["llm", "agent"]
    assert (found.classes, found.latencies_ms) == ({"ancestor": 1}, [40.0])


def test_a_call_that_two_instrumentors_tell_of_is_one_call() -> None:
    spans = (ROOT, cf(), vlm("ours", 5, 10), vlm("theirs", 6, 8), vlm("again", 20, 10))
    assert of(request(0, {}, spans)).latencies_ms == [10.0, 10.0]


def test_what_is_carried_is_named_by_the_fields_that_make_and_take_it() -> None:
    (carried,) = of(value(), value(1), order(2)).carries
    assert (carried.what, carried.made_as, carried.taken_as) == ("ids", "cf.items", "vlm.item.id")
    assert (carried.requests, carried.things) == (2, 2)


def test_words_are_carried_from_what_was_made_to_what_was_given() -> None:
    words = [f"{i:016x}" for i in range(6)]
    spans = (ROOT, cf(made=Terms(frozenset(words))), vlm(took=Terms(frozenset(words))))
    values = {"cf.reading.terms": [words], "vlm.gen_ai.input.messages.terms": [words], "cf.prompt.terms": [words]}
    (carried,) = of(request(0, values, spans)).carries
    assert (carried.what, carried.made_as, carried.things) == ("words", "cf.reading.terms", 6)
    rotated = replace(request(0, values, spans), keys=frozenset({0, 1}))
    assert of(rotated).carries == ()


def test_of_very_many_fields_the_most_frequent_are_named() -> None:
    many = {f"vlm.f{i:02d}.id": ["i2"] for i in range(40)}
    spans = (ROOT, cf(tokens=OFFER, gives=OFFER), vlm(tokens=frozenset({"i2"})))
    assert len(of(request(0, {**OFFERS, **many}, spans)).carries) == MOST_CARRIED


@given(st.lists(st.sampled_from([order, value, neither]), max_size=12), st.integers(0, 12))
def test_how_requests_were_cut_into_windows_changes_no_count(kinds: Sequence[Any], cut: int) -> None:
    requests = [kind(i) for i, kind in enumerate(kinds)]
    whole, one, other = of(*requests), of(*requests[:cut]), of(*requests[cut:])
    assert whole.evidence == one.evidence + other.evidence
    assert whole.shown == one.shown + other.shown
    assert whole.carried == one.carried + other.carried
    assert whole.latencies_ms == one.latencies_ms + other.latencies_ms


def reach_of(*requests: Request) -> dict[str, Reach]:
    return reach_after({}, ("cf", "vlm"), requests, {"cf->vlm": of(*requests).shown})


def state_of(*requests: Request) -> tuple[str, str]:
    """State and reason of the edge, whose monitors find nothing wrong."""
    fine = [finding("cf->vlm"), finding("cf"), finding("vlm")]
    calm = [f.model_copy(update={"state": "ok"}) for f in fine]
    drafts = part_drafts(card_of(), calm, {}, AUTHOR, window(), reach_of(*requests))
    return next((d.body.state, d.body.why) for d in drafts if getattr(d.body, "ref", "") == "cf->vlm")  # type: ignore[union-attr]


N = window().n
SEEN = [order(i) for i in range(N)]


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ([neither(N + i) for i in range(N)], ("unknown", UNSHOWN)),
        ([neither(N + i) for i in range(N - 1)], ("ok", "")),
        ([*(neither(N + i) for i in range(N)), value(3 * N)], ("ok", "")),
        ([request(N + i) for i in range(N)], ("unknown", SILENT)),
    ],
    ids=["both are called", "less than a window", "it came again", "nobody is called"],
)
def test_an_edge_that_was_seen_and_is_no_longer_is_unknown_though_its_monitors_are_content(
    later: list[Request], said: tuple[str, str]
) -> None:
    assert state_of(*SEEN, *later) == said


def test_an_edge_that_was_never_seen_is_judged_by_its_monitors() -> None:
    """What shows nothing of edges at all (no order, no parents) would otherwise be unknown for ever."""
    assert state_of(*(neither(i) for i in range(3 * N))) == ("ok", "")


def test_an_edge_that_few_requests_show_may_miss_a_window() -> None:
    rare = [order(i) if i % N == N - 1 else neither(i) for i in range(4 * N)]
    assert state_of(*rare, *(neither(100 + i) for i in range(N)))[1] in ("", NOT_YET)


def now_of(*requests: Request) -> Any:
    return parts_now(card_of(), requests, 1.0, traffic(requests, [EDGE]), reach_of(*requests))["cf->vlm"]


def test_a_face_is_told_what_an_edge_carries_and_since_when_it_is_silent() -> None:
    seen = now_of(value(), order(1))
    assert (seen.evidence, seen.calls, seen.p95_ms) == ({"value": 1, "order": 1}, 2, 1.0)
    assert (seen.silent, [c.made_as for c in seen.carries]) == (None, ["cf.items"])
    gone = now_of(value(), *(neither(1 + i) for i in range(200)))
    assert (gone.silent, gone.last_shown.timestamp() * 1e6) == ("no longer seen", value().end_us)
    assert now_of(neither()).silent == "never seen"
