"""What becomes of a ranking's items: IR-08, IR-09 and IR-12."""

from __future__ import annotations

import random
from typing import Any

import pytest

from syscard_monitors.memory import Memory
from syscard_monitors.risks.base import CaseMaker
from syscard_monitors.risks.orders import Override, contribution, regret
from syscard_monitors.stats import Rates
from syscard_monitors.strata import Strata
from tests.unit.build import declared
from tests.unit.monitors.risks.build import Making, assessed, look, made, planned, shop, states


def overriding(chance: float) -> Making:
    """A shop in which the model sometimes takes the second item instead of the first."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        items = usual["cf.items"][0]
        return {**usual, "llm.item.id": [items[rng.random() < chance]]}

    return making


def test_a_model_that_puts_another_item_first_is_seen_either_way() -> None:
    more = assessed("IR-08", overriding(0.1), overriding(0.4))
    less = assessed("IR-08", overriding(0.4), overriding(0.1))
    assert (more["cf->llm"].state, less["cf->llm"].state) == ("seen", "seen")
    assert more["cf->agent"].state == "not seen"


def answered(kept: float, overridden: float, *, poor: float = 0.3, hard: bool = False) -> Making:
    """A shop with answers: how often what was kept and what was overridden is accepted, by the ranking's best score.

    `hard`: only lists of low scores are overridden, and those are accepted less whatever comes first.
    """

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        low = rng.random() < 0.5
        over = rng.random() < ((0.6 if low else 0.0) if hard else 0.3)
        chance = (overridden if over else kept) * (poor if low and hard else 1)
        score = {"cf.top_score": (0.2 if low else 0.8) + rng.random() / 10}
        return {
            **usual, **score, "llm.item.id": [usual["cf.items"][0][over]], "accepted": rng.random() < chance
        }  # fmt: skip

    return making


def test_overriding_that_costs_what_users_would_have_taken_is_seen_though_it_is_no_more_frequent() -> None:
    found = assessed("IR-08", answered(0.6, 0.6), answered(0.6, 0.2))["cf->llm"]
    assert found.state == "seen"
    assert [found.value, found.reference] == pytest.approx([0.2, 0.6], abs=0.08)
    assert "fewer are accepted than of like ones kept" in found.says


def test_overriding_of_lists_that_nobody_wanted_anyway_costs_nothing() -> None:
    """Within quarters of the ranking's score it costs nothing; over all it would seem to."""
    found = assessed("IR-08", answered(0.7, 0.7, hard=True), answered(0.7, 0.7, hard=True))["cf->llm"]
    assert found.state == "not seen"
    system, requests = declared(), made(answered(0.7, 0.7, hard=True), 500, first=9_000)
    case = CaseMaker(system, Strata(), requests, "x").case("cf->llm")
    marks = Override().marks(case)
    within = regret(case, marks)
    for request in requests:
        del request.values["cf.top_score"]
    overall = regret(CaseMaker(system, Strata(), requests, "x").case("cf->llm"), marks)
    assert within is not None
    assert overall is not None
    assert abs(within.difference) < 0.1 < 0.2 < overall.difference


def test_what_overriding_costs_is_unknown_where_requests_do_not_say_what_became_of_them() -> None:
    found = assessed("IR-08", overriding(0.1), overriding(0.1))["cf->llm"]
    assert found.state == "not seen"
    assert "what that costs is unknown: needs accepted" in found.says


def test_another_choice_of_items_in_the_same_order_is_no_override() -> None:
    def others(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        items = [f"new{i}" for i in range(3)]
        return {**usual, "cf.items": [items], "agent.items": [items], "llm.item.id": [items[0]]}

    assert states(assessed("IR-08", shop, others)) == {"not seen"}


def test_an_order_of_which_only_one_side_is_told_is_unknown() -> None:
    def without(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if not k.startswith("llm.item")}

    found = assessed("IR-08", without, without)["cf->llm"]
    assert found.state == "unknown"
    assert "llm.item.id" in found.why


def test_one_item_that_nobody_offered_is_seen_at_once_and_goes_when_it_is_no_longer_among_the_newest() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = list(made(shop, 900, first=600)), Memory()
    later[120].values["llm.item.id"] = ["made-up"]
    told = [look(card, plan, memory, later[: 100 * i], i) for i in range(1, 10)]
    found = [next(a for a in t.assessments if a.name == "IR-09 cf->llm") for t in told]
    assert [a.state for a in found] == ["not seen", *["seen"] * 5, *["not seen"] * 3]
    assert found[1].says == "1 of 200 requests name an item that nobody offered"
    assert found[1].severity == "page"
    assert found[1].traces == (later[120].reference,)
    assert found[0].detectable == "one event would show; it comes in 3.00% of requests at most"


def test_an_item_of_another_ranking_and_a_list_that_was_cut_are_no_made_up_items() -> None:
    def long(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "cf.items": [[f"i{i}" for i in range(64)]], "llm.item.id": ["beyond"]}

    def twice(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        return {**usual, "cf.items": [["first"], usual["cf.items"][0]]}

    assert assessed("IR-09", shop, long)["cf->llm"].state == "unknown"
    assert states(assessed("IR-09", shop, twice)) == {"not seen"}


def test_without_candidates_made_up_items_cannot_be_told() -> None:
    def without(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if k != "cf.items"}

    found = assessed("IR-09", without, without)["cf->agent"]
    assert (found.state, found.why) == ("unknown", "needs cf.items with agent.items or agent.item.id")


def cold(fallbacks: float, generic: float = 0.9, new: float | None = None) -> Making:
    """A shop in which newcomers get a fallback, and behind it answers that know nothing of them."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        band = usual["segment.age_band"]
        if new is not None:
            band = "new" if rng.random() < new else "25-34"
        fallen = rng.random() < (fallbacks if new is None or band == "new" else 0.02)
        says = {"cf.fallback": True} if fallen else {"cf.known_user": True}
        cites = rng.random() > (generic if fallen else 0.1)
        return {**usual, **says, "segment.age_band": band, "llm.rationale.cites_history": cites}

    return making


def test_a_flood_of_newcomers_who_are_answered_in_general_terms_is_seen() -> None:
    found = assessed("IR-12", cold(0.05), cold(0.5))["cf->llm"]
    assert found.state == "seen"
    assert found.severity == "page"
    assert "behind a fallback" in found.says
    assert "of all answers come of it" in found.says


def test_what_fallbacks_add_to_generic_answers_is_their_share_times_the_difference_they_make() -> None:
    assert contribution([Rates(45, 50, 5, 50)]) == pytest.approx(0.5 * (0.9 - 0.1))
    hard, easy = Rates(40, 50, 8, 10), Rates(1, 10, 5, 50)
    assert contribution([hard, easy]) == pytest.approx(0.0)
    assert contribution([Rates(0, 0, 3, 10)]) == 0.0


def test_more_customers_of_a_group_that_always_fell_back_are_no_cascade() -> None:
    assert states(assessed("IR-12", cold(0.6, new=0.3), cold(0.6, new=0.8))) == {"not seen"}


def test_fallbacks_that_are_answered_as_well_as_anything_are_no_cascade() -> None:
    assert states(assessed("IR-12", cold(0.05), cold(0.5, generic=0.1))) == {"not seen"}


def test_a_ranking_that_never_says_whether_it_falls_back_is_unknown() -> None:
    found = assessed("IR-12", shop, shop)
    assert {a.why for a in found.values()} == {"needs cf.fallback in the baseline"}


@pytest.mark.parametrize("risk", ["IR-08", "IR-09", "IR-12"])
def test_ten_times_the_traffic_is_none_of_these(risk: str) -> None:
    assert states(assessed(risk, cold(0.05), cold(0.05), count=1_000)) == {"not seen"}
