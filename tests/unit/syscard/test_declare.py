from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard import edits as e
from syscard.card import Card
from syscard.declare import declaring, describe, system_of
from syscard.fold import empty_card, fold
from syscard.system import System
from tests.unit.build import HUMAN, MONITOR, NOW, claim, declared

WHOLE = declared(claims=[claim("grounded"), claim("fast", metric="p95(latency)", expect="<= 3s")])


def applied(system: System, card: Card | None = None) -> Card:
    """The card after applying a file."""
    card = card or empty_card(system.system.ref)
    return fold(e.chain(declaring(card, system, HUMAN, NOW), head=None, cause="apply", recorded=NOW), start=card)


def subsets(keys: Any) -> st.SearchStrategy[set[str]]:
    return st.sets(st.sampled_from(sorted(keys)))


@st.composite
def systems(draw: Any) -> System:
    """A valid system with any of the parts of a whole one."""
    body = WHOLE.body()
    components = draw(subsets(body["components"]).filter(bool))
    keep = {
        "components": {k: v for k, v in body["components"].items() if k in components},
        "interactions": {k: v for k, v in body["interactions"].items() if set(k.split("->")) <= components},
        "claims": [c for c in body["claims"] if draw(st.booleans())],
        "risks": [{**r, "says": draw(st.sampled_from(("one", "two")))} for r in body["risks"] if draw(st.booleans())],
        "unknowns": [u for u in body["unknowns"] if draw(st.booleans())],
        "monitors": draw(st.sampled_from(({}, {"packs": ["llm"]}, {"tune": {"llm.words": {"off": True}}}))),
    }
    return System.model_validate({**body, **keep})


@settings(max_examples=25)
@given(systems())
def test_applying_twice_adds_nothing(system: System) -> None:
    assert declaring(applied(system), system, HUMAN, NOW) == ()


@settings(max_examples=25)
@given(systems(), systems())
def test_applying_another_file_makes_the_card_say_what_that_file_says(first: System, second: System) -> None:
    card = applied(second, applied(first))
    assert declaring(card, second, HUMAN, NOW) == ()
    after, wanted = system_of(card).body(), second.body()
    for many in ("claims", "risks", "unknowns"):
        assert sorted(after.pop(many), key=str) == sorted(wanted.pop(many), key=str)
    assert after == wanted


@settings(max_examples=25)
@given(systems())
def test_a_system_is_the_same_after_going_onto_a_card_and_back(system: System) -> None:
    assert system_of(applied(system)) == system
    assert system_of(applied(system)).body() == system.body()


@settings(max_examples=25)
@given(systems())
def test_edits_of_a_system_are_in_the_order_of_the_file_whoever_wrote_them(system: System) -> None:
    drafts = declaring(empty_card("shop"), system, MONITOR, NOW)
    sections = [d.body.section for d in drafts if isinstance(d.body, e.Declare)]
    order = ["system", "traces", "monitors", "component", "interaction", "claim", "risk", "unknown"]
    assert sections == sorted(sections, key=order.index)
    assert {(d.author, d.observed) for d in drafts} == {(MONITOR, NOW)}


def test_a_part_that_the_file_no_longer_has_is_taken_out() -> None:
    smaller = declared(interactions={"cf->vlm": {"order": "before"}}, unknowns=[])
    card = applied(declared())
    lines = describe(declaring(card, smaller, HUMAN, NOW), card)
    assert lines == ("- interaction vlm->llm", "- interaction llm->agent", "- unknown U-1")
    assert applied(smaller, card).interactions.keys() == {"cf->vlm"}


def test_what_would_change_is_said_a_line_an_edit() -> None:
    card = applied(declared())
    changed = declared(claims=[claim(expect=">= 0.95"), claim("fast")], risks=[])
    assert describe(declaring(card, changed, HUMAN, NOW), card) == ("~ claim grounded", "+ claim fast", "- risk R-1")


def test_a_changed_claim_is_unknown_again_and_its_neighbours_are_not() -> None:
    both = declared(claims=[claim("grounded"), claim("fast")])
    holds = e.SliceStatus(status="holds", value=0.95, n=100)
    found = [
        e.Draft(body=e.SetClaim(claim=c, slices=(holds,)), author=MONITOR, observed=NOW) for c in ("grounded", "fast")
    ]
    card = fold(e.chain(found, head=None, cause="window", recorded=NOW), start=applied(both))
    after = applied(declared(claims=[claim("grounded", expect=">= 0.99"), claim("fast")]), card)
    assert {ref: c.status for ref, c in after.claims.items()} == {"grounded": "unknown", "fast": "holds"}


@pytest.mark.parametrize("version", ["1.10", "2026.11.2"])
def test_a_version_keeps_its_digits(version: str) -> None:
    system = declared(system={**declared().body()["system"], "version": version})
    assert system_of(applied(system)).system.version == version


def test_a_component_that_only_spans_know_is_not_declared() -> None:
    seen = e.Observe(what="component", ref="ghost", value="ghost", evidence_class="span", traces=5, declared=False)
    edits = e.chain([e.Draft(body=seen, author=MONITOR, observed=NOW)], head=None, cause="window", recorded=NOW)
    card = fold(edits, start=applied(declared()))
    assert "ghost" in card.components
    assert "ghost" not in system_of(card).components
    assert declaring(card, declared(), HUMAN, NOW) == ()
