"""Risks that are told by what came of requests later: IR-08 (what overriding costs) and IR-25 (confidence)."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from syscard_monitors.answers import Came, name_of
from syscard_monitors.assemble import Request
from syscard_monitors.memory import Memory, recall
from syscard_monitors.risks.confidence import Miscalibration
from syscard_monitors.risks.orders import Override
from tests.unit.monitors.risks.alone import alone, heard
from tests.unit.monitors.risks.build import Making, look, made, planned, shop

PROMPT, SLOW = 30, 200
"""Seconds after which answers come."""


def overridden(kept: float, other: float, *, said: float = 1.0) -> Making:
    """A shop in which three lists of ten are overridden; how often either is accepted, and how many say so."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        over = rng.random() < 0.3
        later = (rng.random() < (other if over else kept), PROMPT)
        told = {"later": later} if rng.random() < said else {}
        return {**usual, **told, "llm.item.id": [usual["cf.items"][0][over]]}

    return making


def test_what_overriding_costs_is_told_by_feedback() -> None:
    found = alone(Override(), overridden(0.6, 0.6), overridden(0.6, 0.2))["cf->llm"]
    assert found.state == "seen"
    assert "fewer are accepted than of like ones kept" in found.says
    assert alone(Override(), overridden(0.6, 0.6), overridden(0.3, 0.3))["cf->llm"].state == "not seen"


def test_without_enough_answers_what_overriding_costs_is_unknown_and_says_what_it_needs() -> None:
    few = alone(Override(), overridden(0.6, 0.6), overridden(0.6, 0.2, said=0.05))["cf->llm"]
    assert few.state == "not seen"
    assert "needs 20 answers on overridden ones and as many on kept ones, has " in few.says
    none = alone(Override(), overridden(0.6, 0.6), overridden(0.6, 0.2, said=0))["cf->llm"]
    assert "what that costs is unknown: needs accepted on requests, or feedback on them" in none.says


def reading(tells: float, *, level: float = 0.3, late: float = 0.0) -> Making:
    """The vlm says how sure it is; what it is sure of is accepted more often by `tells`, and one answer in two comes.

    `late`: so many of those who accept take long to say so.
    """

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        sure = rng.uniform(0.4, 1.0)
        accepted = rng.random() < level + (tells if sure > 0.7 else -tells) / 2
        after = SLOW if accepted and rng.random() < late else PROMPT
        told = {"later": (accepted, after)} if rng.random() < 0.6 else {}
        return {**shop(rng, number), **told, "vlm.confidence": sure}

    return making


def test_a_confidence_that_no_longer_tells_what_is_accepted_is_seen() -> None:
    found = alone(Miscalibration(), reading(0.5), reading(-0.1))["vlm"]
    assert found.state == "seen"
    assert "of what vlm is surer of" in found.says


@pytest.mark.parametrize(
    "now",
    [reading(0.3, level=0.17), reading(0.5, late=0.9), reading(0.5)],
    ids=["less is accepted of all", "who accepts says so later", "as ever"],
)
def test_what_is_accepted_less_or_said_later_is_no_lost_confidence(now: Making) -> None:
    assert alone(Miscalibration(), reading(0.5), now)["vlm"].state == "not seen"


def test_where_confidence_never_told_or_nobody_answers_it_is_unknown() -> None:
    assert "did not tell what is accepted" in alone(Miscalibration(), reading(0), reading(0))["vlm"].why
    silent = alone(Miscalibration(), reading(0.5), shop)["vlm"]
    assert (silent.state, silent.needs) == ("unknown", 100)
    assert "has 0 and 0" in silent.why
    few = alone(Miscalibration(), reading(0.5), reading(0.5), count=150)["vlm"]
    assert few.state == "unknown"


def came_of(requests: tuple[Request, ...]) -> dict[str, Came]:
    """What feedback said of requests, as the monitors remember it."""
    return {name_of(f"{r.trace_id}/root"): Came(*r.answer) for r in requests if r.answer}


def test_a_watch_tells_what_overriding_costs_when_answers_have_come_and_so_does_one_that_was_restarted() -> None:
    card, plan = planned(heard(made(overridden(0.6, 0.6), 990)))
    later = heard(made(overridden(0.7, 0.1), 600, first=990))
    bare = tuple(replace(r, answer=None) for r in later)
    memory, again, states = Memory(), Memory(), []
    for index in range(3, 7):
        newest = bare[: 100 * index]
        memory.answers = {k: c for k, c in came_of(later).items() if c.at_us <= newest[-1].end_us}
        again = recall(json.loads(json.dumps({**again.body(), "answers": memory.body()["answers"]})))
        told, same = look(card, plan, memory, newest, index), look(card, plan, again, newest, index)
        assert told == same
        states += [a.state for a in told.assessments if a.name == "IR-08 cf->llm"]
    assert states[-1] == "seen"
    nobody = Memory()
    found = [look(card, plan, nobody, bare[: 100 * i], i) for i in (5, 6)][-1]
    assert [a.state for a in found.assessments if a.name == "IR-08 cf->llm"] == ["not seen"]
