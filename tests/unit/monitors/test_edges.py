from __future__ import annotations

import pytest

from syscard_monitors.assemble import Request, SpanFacts
from syscard_monitors.edges import STRENGTH, SeenEdge, seen_edges
from tests.unit.monitors.build import facts, request

DECLARED = frozenset({("cf", "vlm"), ("vlm", "llm")})
ROOT = facts("root", "agent", end_us=9_000_000)


def times(n: int, *spans: SpanFacts) -> list[Request]:
    return [request(i, spans=spans) for i in range(n)]


def calls(*named: tuple[str, str], handed: str = "") -> tuple[SpanFacts, ...]:
    """The root and its children, one after the other; each offers and takes what it is handed."""
    given = frozenset(handed)
    children = [
        facts(name, component, parent="root", at=5 * i, tokens=given, gives=given)
        for i, (name, component) in enumerate(named)
    ]
    return (ROOT, *children)


def test_order_confirms_a_declared_edge() -> None:
    found = seen_edges(times(1, *calls(("a", "cf"), ("b", "vlm"))), DECLARED)
    assert found == (SeenEdge("cf", "vlm", "order", 1),)
    assert found[0].ref == "cf->vlm"


def test_order_alone_makes_no_edge_that_nobody_declared() -> None:
    assert seen_edges(times(50, *calls(("a", "cf"), ("b", "llm"))), frozenset()) == ()


@pytest.mark.parametrize(("traces", "seen"), [(4, 0), (5, 1)])
def test_an_undeclared_edge_needs_a_value_handed_on_in_five_requests(traces: int, seen: int) -> None:
    found = seen_edges(times(traces, *calls(("a", "cf"), ("b", "llm"), handed="x")), frozenset())
    assert found == (SeenEdge("cf", "llm", "value", traces),)[:seen]


def test_value_beats_ancestor_and_ancestor_beats_order() -> None:
    order = calls(("a", "cf"), ("b", "vlm"))
    value = calls(("a", "cf"), ("b", "vlm"), handed="x")
    nested = (ROOT, facts("a", "cf", parent="root", end_us=9_000_000), facts("b", "vlm", parent="a", at=1))

    def strongest(*requests: tuple[SpanFacts, ...]) -> str:
        (edge,) = seen_edges([request(i, spans=s) for i, s in enumerate(requests)], DECLARED)
        return edge.evidence

    assert strongest(order) == "order"
    assert strongest(order, nested, order) == "ancestor"
    assert strongest(order, nested, value, order) == "value"
    assert sorted(STRENGTH, key=STRENGTH.__getitem__) == ["order", "ancestor", "value", "tool_call", "link"]


def test_an_edge_counts_requests_not_pairs_of_spans() -> None:
    many = calls(("a", "cf"), ("b", "vlm"), ("c", "vlm"), ("d", "vlm"), handed="x")
    assert seen_edges(times(3, *many), DECLARED)[0].traces == 3


def test_the_root_calling_its_components_is_no_edge() -> None:
    assert seen_edges(times(9, *calls(("a", "cf"))), frozenset()) == ()


def test_a_component_that_hands_its_answer_back_to_its_caller_is_an_edge_if_declared() -> None:
    spans = (ROOT, facts("a", "llm", parent="root", at=1))
    assert seen_edges(times(1, *spans), frozenset({("llm", "agent")})) == (SeenEdge("llm", "agent", "ancestor", 1),)


def test_a_component_inside_another_is_an_edge_that_nobody_declared() -> None:
    spans = (ROOT, facts("a", "llm", parent="root", end_us=9_000_000), facts("b", "tool", parent="a", at=1))
    assert seen_edges(times(5, *spans), frozenset()) == (SeenEdge("llm", "tool", "ancestor", 5),)


def test_plumbing_between_two_components_is_looked_through() -> None:
    spans = (
        ROOT,
        facts("a", "llm", parent="root", end_us=9_000_000),
        facts("mid", None, parent="a", end_us=9_000_000),
        facts("b", "tool", parent="mid", at=1),
    )
    assert [e.ref for e in seen_edges(times(5, *spans), frozenset())] == ["llm->tool"]


def test_repeated_calls_of_one_component_are_no_edge() -> None:
    inside = (facts("c", "vlm", parent="b", at=11),)
    spans = (*calls(("a", "vlm"), ("b", "vlm"), ("d", "vlm"), handed="x"), *inside)
    assert seen_edges(times(9, *spans), frozenset({("vlm", "vlm")})) == ()


def test_what_runs_at_the_same_time_handed_nothing_on() -> None:
    both = frozenset("x")
    spans = (ROOT, facts("a", "cf", at=0, tokens=both, gives=both), facts("b", "vlm", at=0, tokens=both))
    assert seen_edges(times(9, *spans), DECLARED) == ()


def test_only_what_was_offered_in_a_list_counts_as_handed_on() -> None:
    """An identifier that both merely carry (a session) shows nothing."""
    carried = frozenset({"session-1"})
    spans = (ROOT, facts("a", "cf", tokens=carried), facts("b", "llm", at=5, tokens=carried))
    assert seen_edges(times(9, *spans), frozenset()) == ()


def test_edges_come_in_the_order_of_their_names() -> None:
    spans = calls(("a", "cf"), ("b", "vlm"), ("c", "llm"))
    assert [e.ref for e in seen_edges(times(1, *spans), DECLARED)] == ["cf->vlm", "vlm->llm"]
