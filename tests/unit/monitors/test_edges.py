from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.fingerprints import LIMIT
from syscard_monitors.assemble import Request
from syscard_monitors.edges import EXAMPLES, STRENGTH, SeenEdge, all_evidence, seen_edges
from syscard_monitors.facts import LEAST_TERMS, SpanFacts, Terms, carries_words
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


def test_a_link_is_the_strongest_evidence_and_its_cause_the_source() -> None:
    spans = (ROOT, facts("a", "llm", parent="root"), facts("b", "tool", parent="root", at=5, links=frozenset({"a"})))
    assert seen_edges(times(5, *spans), frozenset()) == (SeenEdge("llm", "tool", "link", 5),)
    assert seen_edges(times(4, *spans), frozenset()) == ()


@pytest.mark.parametrize("linked", ["root", "b", "elsewhere"])
def test_a_link_to_the_root_to_itself_or_out_of_the_request_is_no_edge(linked: str) -> None:
    spans = (ROOT, facts("b", "tool", parent="root", at=5, links=frozenset({linked})))
    assert seen_edges(times(9, *spans), frozenset()) == ()


def loop(*, asked: str = "c", call: str = "c", answered: str = "c") -> tuple[SpanFacts, ...]:
    """A model asks for a call, the tool answers it, the model is handed the answer; all below the root."""
    return (
        ROOT,
        facts("a", "llm", parent="root", asked=frozenset({asked})),
        facts("b", "tool", parent="root", at=5, call=call),
        facts("c", "llm", parent="root", at=9, answered=frozenset({answered})),
    )


def test_a_tool_call_ties_model_and_tool_both_ways() -> None:
    assert seen_edges(times(5, *loop()), frozenset()) == (
        SeenEdge("llm", "tool", "tool_call", 5),
        SeenEdge("tool", "llm", "tool_call", 5),
    )


def test_a_call_that_nobody_asked_for_ties_nothing() -> None:
    assert seen_edges(times(9, *loop(asked="x", answered="y")), frozenset()) == ()
    assert seen_edges(times(9, ROOT, facts("a", "llm"), facts("b", "tool", at=5)), frozenset()) == ()


def test_a_model_that_asks_again_under_another_name_is_no_edge_to_the_first() -> None:
    """A retry, or a fallback to another model, is order and no more."""
    spans = (ROOT, facts("a", "llm", parent="root"), facts("b", "spare", parent="root", at=5))
    assert seen_edges(times(50, *spans), frozenset()) == ()


def test_a_fan_out_of_one_prompt_is_no_edge_between_its_branches() -> None:
    words = Terms(frozenset(f"{i:016x}" for i in range(9)))
    branches = [facts(f"b{i}", f"llm-{i}", parent="root", at=5 * i, took=words, made=words) for i in range(4)]
    assert seen_edges(times(50, ROOT, *branches), frozenset()) == ()


def said(*words: str, until: str | None = None) -> Terms:
    return Terms(frozenset(words), until)


def test_words_of_its_own_that_are_found_in_the_next_prompt_were_handed_on() -> None:
    vlm = facts("a", "vlm", parent="root", made=said("a", "b", "c", "d", "q"), took=said("q"))
    llm = facts("b", "llm", parent="root", at=5, took=said("a", "b", "c", "d", "z"))
    assert seen_edges(times(5, ROOT, vlm, llm), frozenset()) == (SeenEdge("vlm", "llm", "value", 5),)


@pytest.mark.parametrize(
    ("made", "took"),
    [
        pytest.param(said("a", "b", "c"), said("a", "b", "c"), id="too few words"),
        pytest.param(said("a", "b", "c", "d", "e"), said("a", "b", "c"), id="too few of them again"),
        pytest.param(said("a", "b", "c", "d"), said("a", until="a"), id="beyond what the sample tells"),
        pytest.param(said(), said("a"), id="nothing kept"),
    ],
)
def test_words_that_prove_nothing_hand_nothing_on(made: Terms, took: Terms) -> None:
    assert not carries_words(facts("a", "vlm", made=made), facts("b", "llm", at=5, took=took))


@given(st.sets(st.integers(0, 400), min_size=20, max_size=200), st.sets(st.integers(500, 900), max_size=200))
def test_a_text_that_is_copied_whole_is_found_whatever_sample_of_it_was_kept(text: set[int], prompt: set[int]) -> None:
    def kept(words: set[int]) -> Terms:
        sample = sorted(f"{w * 2654435761 % 2**64:016x}" for w in words)[:LIMIT]
        return Terms(frozenset(sample), sample[-1] if len(sample) == LIMIT else None)

    earlier, later = facts("a", "vlm", made=kept(text)), facts("b", "llm", took=kept(text | prompt))
    told = [t for t in earlier.made.known if later.took.tells(t)]
    assert carries_words(earlier, later) == (len(told) >= LEAST_TERMS)


def test_plumbing_has_no_say_between_two_components() -> None:
    spans = (
        ROOT,
        facts("a", "llm", parent="root", end_us=9_000_000),
        facts("mid", "step:tools", parent="a", end_us=9_000_000),
        facts("b", "tool", parent="mid", at=1),
    )
    assert [e.ref for e in seen_edges(times(5, *spans), frozenset())] == ["llm->tool"]


def test_spans_that_are_each_others_parents_have_nobody_above() -> None:
    spans = (facts("a", "llm", parent="b"), facts("b", "llm", parent="a", at=1), facts("c", "tool", parent="a", at=2))
    assert [e.ref for e in seen_edges(times(5, ROOT, *spans), frozenset())] == ["llm->tool"]


def test_an_edge_names_the_first_requests_that_show_it() -> None:
    (edge,) = seen_edges(times(9, *calls(("a", "cf"), ("b", "vlm"), handed="x")), DECLARED)
    assert edge.examples == tuple(request(i).reference for i in range(EXAMPLES))


def test_every_class_of_evidence_is_counted() -> None:
    order = times(2, *calls(("a", "cf"), ("b", "vlm")))
    value = times(3, *calls(("a", "cf"), ("b", "vlm"), handed="x"))
    found = all_evidence([*order, *value], DECLARED)
    assert [(e.ref, e.evidence, e.traces) for e in found] == [("cf->vlm", "order", 2), ("cf->vlm", "value", 3)]
