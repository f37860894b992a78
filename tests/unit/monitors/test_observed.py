from __future__ import annotations

from typing import Any

import pytest

from syscard.card import Card
from syscard.edits import Draft, Observe
from syscard.finding import State
from syscard.render.facts import versions_text
from syscard_monitors.assemble import Request
from syscard_monitors.facts import SpanFacts
from syscard_monitors.observed import MOST_VALUES, observing, undeclared
from syscard_monitors.window import AUTHOR
from tests.unit.build import declared
from tests.unit.monitors.build import card_of, facts, request, window, with_drafts

HANDED = frozenset("x")


def times(n: int, *spans: SpanFacts, **values: Any) -> list[Request]:
    named = {k.replace("__", "."): v for k, v in values.items()}
    return [request(i, named, spans) for i in range(n)]


def seen(card: Card, requests: list[Request]) -> list[Observe]:
    return [d.body for d in drafts_of(card, requests) if isinstance(d.body, Observe)]


def drafts_of(card: Card, requests: list[Request]) -> tuple[Draft, ...]:
    return observing(card, requests, AUTHOR, window())


def test_an_unknown_component_is_written_down_after_five_requests_and_once() -> None:
    card, ghosts = card_of(), times(5, facts("s", "ghost"))
    assert seen(card, ghosts[:4]) == []
    (edit,) = seen(card, ghosts)
    assert (edit.what, edit.ref, edit.traces, edit.declared) == ("component", "ghost", 5, False)
    assert seen(with_drafts(card, drafts_of(card, ghosts)), ghosts) == []


def test_a_component_that_is_called_often_in_one_request_was_seen_in_one() -> None:
    assert seen(card_of(), times(1, *(facts(str(i), "ghost") for i in range(9)))) == []


@pytest.mark.parametrize("name", ["step:chain", "create_agent:default"])
def test_plumbing_is_no_component(name: str) -> None:
    assert seen(card_of(), times(9, facts("s", name))) == []
    assert undeclared(card_of(), times(9, facts("s", name)), window()) == ()


def test_a_declared_edge_is_written_down_again_only_with_stronger_evidence() -> None:
    order = [facts("a", "cf"), facts("b", "vlm", at=5)]
    value = [facts("a", "cf", gives=HANDED), facts("b", "vlm", at=5, tokens=HANDED)]
    card = card_of()
    written = []
    for spans in (order, order, value, order):
        written.append([(x.ref, x.evidence_class, x.declared) for x in seen(card, times(1, *spans))])
        card = with_drafts(card, drafts_of(card, times(1, *spans)))
    assert written == [[("cf->vlm", "order", True)], [], [("cf->vlm", "value", True)], []]


def test_versions_models_and_prompts_are_written_down_when_first_seen() -> None:
    card = card_of()
    found = times(3, llm__model=["m-1"], llm__version=["2"], llm__prompt=["abc", "def"], llm__model_response=["m-1"])
    edits = seen(card, found)
    assert [(x.what, x.value, x.traces) for x in edits] == [
        ("model", "m-1", 3),
        ("prompt", "abc", 3),
        ("prompt", "def", 3),
        ("version", "2", 3),
    ]
    assert seen(with_drafts(card, drafts_of(card, found)), found) == []


def test_a_version_is_as_declared_or_it_is_not() -> None:
    components = declared().body()["components"]
    components["llm"]["version"] = {"declared": "2"}
    card = card_of(declared(components=components))
    edits = seen(card, [*times(1, llm__version=["2"]), *times(1, llm__version=["3"])])
    assert {x.value: x.declared for x in edits} == {"2": True, "3": False}


def test_spans_can_hold_anything_and_only_so_much_of_it_is_remembered() -> None:
    card = card_of()
    flood = [request(i, {"llm.model": [f"m-{i}"]}) for i in range(3 * MOST_VALUES)]
    assert len(seen(card, flood)) == MOST_VALUES
    assert seen(with_drafts(card, drafts_of(card, flood)), flood) == []


def test_a_name_that_no_reference_can_be_made_of_makes_no_edge() -> None:
    spans = [facts("a", "chat gpt/4", gives=HANDED), facts("b", "llm", at=5, tokens=HANDED)]
    assert {x.what for x in seen(card_of(), times(9, *spans))} == {"component"}


def test_every_part_that_nobody_declared_is_a_finding() -> None:
    spans = [facts("a", "ghost", gives=HANDED), facts("b", "llm", at=5, tokens=HANDED)]
    found = undeclared(card_of(), times(5, *spans), window())
    assert [f.about for f in found] == ["ghost", "ghost->llm"]
    assert {(f.state, f.kind, f.n) for f in found} == {(State.BREACH, "undeclared", 5)}
    assert len(found[0].traces) == 3


def test_a_part_that_was_written_down_is_still_one_that_nobody_declared() -> None:
    card, ghosts = card_of(), times(5, facts("s", "ghost"))
    assert undeclared(with_drafts(card, drafts_of(card, ghosts)), ghosts, window())


def test_what_is_declared_is_no_finding() -> None:
    spans = [facts("a", "cf", gives=HANDED), facts("b", "vlm", at=5, tokens=HANDED)]
    assert undeclared(card_of(), times(9, *spans), window()) == ()


def test_another_answer_for_the_same_requested_model_is_a_change_of_its_version_and_no_new_component() -> None:
    card = card_of()
    old = times(3, llm__model="planner-llm", llm__model_response="planner-llm-2026-05")
    card = with_drafts(card, drafts_of(card, old))
    new = times(2, llm__model="planner-llm", llm__model_response="planner-llm-2026-08")
    edits = seen(card, new)
    assert [(x.what, x.ref, x.value, x.previous, x.declared) for x in edits] == [
        ("model", "llm", "planner-llm-2026-08", "planner-llm-2026-05", False)
    ]
    after = with_drafts(card, drafts_of(card, new))
    assert after.components.keys() == card.components.keys()
    assert seen(after, [*old, *new]) == [], "both at once, as in a roll-out, are known by now"
    text = versions_text(after.components["llm"].model_dump(mode="json"))
    assert "model planner-llm-2026-08 (was planner-llm-2026-05, NOT DECLARED)" in text


def test_another_prompt_or_version_names_the_one_before() -> None:
    card = card_of()
    card = with_drafts(card, drafts_of(card, times(1, llm__prompt="p1", llm__version="1")))
    edits = seen(card, times(1, llm__prompt="p2", llm__version="2"))
    assert [(x.what, x.value, x.previous) for x in edits] == [("prompt", "p2", "p1"), ("version", "2", "1")]


def test_models_that_are_first_seen_together_are_no_change() -> None:
    found = [*times(1, llm__model_response="a"), *times(1, llm__model_response="b")]
    assert [x.previous for x in seen(card_of(), found)] == [None, None]
