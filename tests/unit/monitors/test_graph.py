from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard import edits as e
from syscard.card import Card
from syscard.declare import declaring
from syscard.fold import empty_card, fold
from syscard_monitors.graph import Graph, GraphCheck, matches
from syscard_monitors.parts import SILENT
from tests.unit.build import HUMAN, chained, declared, draft
from tests.unit.monitors.build import graph

_names = st.sampled_from("abcde")
_graphs = st.builds(Graph, st.just(frozenset("abcde")), st.frozensets(st.tuples(_names, _names), max_size=10))


def test_upstream_is_everything_that_reaches_a_component() -> None:
    chain = graph()
    assert [sorted(chain.upstream(c)) for c in ("cf", "vlm", "llm")] == [[], ["cf"], ["cf", "vlm"]]
    assert [chain.depth(c) for c in ("cf", "vlm", "llm", "agent")] == [0, 1, 2, 3]
    assert chain.upstream("ghost") == frozenset()


def test_every_component_is_upstream_of_the_system_and_it_of_none() -> None:
    chain = graph()
    assert chain.upstream("system") == chain.components
    assert not any("system" in chain.upstream(c) for c in chain.components)
    assert chain.first_changed("system", {"llm", "vlm"}) == "vlm"


@given(_graphs, _names)
def test_nothing_is_upstream_of_itself_also_in_a_circle(found: Graph, component: str) -> None:
    assert component not in found.upstream(component)


@given(_graphs, _names, _names)
def test_being_related_goes_both_ways(found: Graph, one: str, other: str) -> None:
    assert found.related(one, other) == found.related(other, one)
    assert found.related(one, one)


@given(_graphs, _names, st.frozensets(_names))
def test_blame_stays_with_what_changed_and_can_reach(found: Graph, part: str, changed: frozenset[str]) -> None:
    blamed = found.first_changed(part, changed)
    assert blamed is None or (blamed in changed and (blamed == part or blamed in found.upstream(part)))
    assert (blamed is None) == (not changed & ({part} | found.upstream(part)))


@pytest.mark.parametrize(
    ("part", "changed", "blamed"),
    [
        ("vlm->llm", {"llm"}, "llm"),
        ("vlm->llm", {"vlm", "llm"}, "vlm"),
        ("vlm->llm", {"agent"}, None),
        ("cf", {"llm"}, None),
    ],
)
def test_an_edge_shows_in_its_target(part: str, changed: set[str], blamed: str | None) -> None:
    assert graph().first_changed(part, changed) == blamed


def test_the_order_in_which_changes_are_listed_blames_nobody_else() -> None:
    fork = Graph(frozenset("abc"), frozenset({("a", "c"), ("b", "c")}))
    assert fork.first_changed("c", ["b", "a", "c"]) == fork.first_changed("c", ["c", "a", "b"]) == "a"


def seen(ref: str, evidence: str = "value", *, known: bool = True) -> e.Observe:
    what = "edge" if "->" in ref else "component"
    return e.Observe.model_validate(
        {"what": what, "ref": ref, "value": ref, "evidence_class": evidence, "traces": 5, "declared": known}
    )


def card_of(*bodies: e.Body) -> Card:
    """cf -> vlm -> llm -> agent as declared, with what was seen of it."""
    first = declaring(empty_card("shop"), declared(), HUMAN, draft(seen("x")).observed)
    return fold(chained([first, [draft(body) for body in bodies]]), start="shop")


WHOLE = (seen("cf->vlm"), seen("vlm->llm", "order"), seen("llm->agent", "ancestor"))


def test_a_graph_that_is_seen_as_declared_agrees_however_weakly_an_edge_is_seen() -> None:
    check = matches(card_of(*WHOLE))
    assert check == GraphCheck(weak=("vlm->llm",))
    assert check.agrees


def test_a_declared_edge_that_nothing_has_shown_is_one_that_was_not_seen() -> None:
    check = matches(card_of(*WHOLE[1:]))
    assert check.declared_not_seen == ("cf->vlm",)
    assert not check.agrees


def test_what_nobody_declared_is_named_components_before_edges() -> None:
    check = matches(card_of(*WHOLE, seen("cache->llm", known=False), seen("cache", "span", known=False)))
    assert check.seen_not_declared == ("cache", "cache->llm")
    assert not check.agrees


@pytest.mark.parametrize(("why", "named"), [(SILENT, ("vlm", "cf->vlm")), ("no request yet in this window", ())])
def test_a_part_that_has_gone_silent_is_not_seen_a_quiet_window_is_nothing(why: str, named: tuple[str, ...]) -> None:
    gone = [e.SetPart(ref=ref, state="unknown", why=why) for ref in ("vlm", "cf->vlm")]
    assert matches(card_of(*WHOLE, *gone)).declared_not_seen == named
