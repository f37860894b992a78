"""What becomes of a ranking's items: IR-08, IR-09 and IR-12."""

from __future__ import annotations

import random
from typing import Any

import pytest

from syscard_monitors.memory import Memory
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
