from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.graph import Graph
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
