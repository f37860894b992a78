"""How parts depend on each other: IR-01, IR-02 and IR-03."""

from __future__ import annotations

import random
from typing import Any

import pytest

from syscard_monitors.risks.base import CaseMaker
from syscard_monitors.risks.coupling import MOST_PAIRS, Coupling, read_pairs
from syscard_monitors.risks.propagation import Propagation
from syscard_monitors.strata import Strata
from tests.unit.build import declared
from tests.unit.monitors.risks.alone import alone
from tests.unit.monitors.risks.build import Making, assessed, made, shop

EDGE = "vlm->llm"


def failing(given: float, otherwise: float, *, up: float = 0.15) -> Making:
    """A shop in which the vlm falls back, and the llm fails with one chance behind that and with another elsewhere."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        fallen = rng.random() < up
        failed = rng.random() < (given if fallen else otherwise)
        return {**shop(rng, number), "vlm.fallback": fallen, "llm.error": failed}

    return making


def hard(rng: random.Random, number: int) -> dict[str, Any]:
    """Both parts fail where the request is hard, each by itself."""
    tricky = rng.random() < 0.3
    chance = 0.6 if tricky else 0.03
    own = {"vlm.error": rng.random() < chance, "llm.error": rng.random() < chance}
    return {**shop(rng, number), "segment.age_band": "65+" if tricky else "25-34", **own}


def test_trouble_that_goes_from_part_to_part_is_seen_with_the_share_that_comes_of_it() -> None:
    found = assessed("IR-01", failing(0.2, 0.2), failing(0.7, 0.05))[EDGE]
    assert found.state == "seen"
    assert found.effect is not None
    assert found.effect > 4
    assert "of its trouble comes of that" in found.says


def test_a_tie_that_the_baseline_has_too_is_what_this_system_does_by_itself() -> None:
    found = assessed("IR-01", failing(0.7, 0.05), failing(0.7, 0.05), before=1_500)[EDGE]
    assert found.state == "not seen"
    assert found.threshold is not None
    assert found.threshold > 4


def test_two_parts_that_are_both_worse_on_one_hard_segment_are_no_propagation() -> None:
    found = assessed("IR-01", hard, hard)[EDGE]
    assert found.state == "not seen"
    assert found.value == pytest.approx(1.0, abs=0.35)


def test_the_same_without_telling_segments_apart_would_be_taken_for_one() -> None:
    """What the strata are for: without them the same requests show a strong association."""
    system, requests = declared(), made(hard, 500, first=5_000)
    blind = CaseMaker(system, Strata(), requests, "x").case(EDGE)
    found = Propagation().assess(blind, {})
    assert getattr(found, "effect", 0) > 2
    assert getattr(found, "p_value", 1) < 1e-9


def test_trouble_of_which_next_to_nothing_comes_of_the_other_part_is_not_seen() -> None:
    """Rare above, frequent below: a high ratio would explain few of the failures."""
    assert assessed("IR-01", failing(0.9, 0.45, up=0.04), failing(0.9, 0.45, up=0.04))[EDGE].state == "not seen"


def test_too_few_failures_are_unknown_with_the_number_that_is_needed() -> None:
    found = assessed("IR-01", failing(0.7, 0.001, up=0.01), failing(0.7, 0.001, up=0.01))[EDGE]
    assert (found.state, found.needs) == ("unknown", 5)
    assert found.why.startswith("needs 5 expected joint events, has ")


def reading(slope: float, *, sure: float = 0.0, spread: float = 0.1, shift: float = 0.0, old: float = 0.3) -> Making:
    """A shop in which words follow the picture model's confidence."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        eldest = rng.random() < old
        confidence = 0.6 + sure + 0.2 * rng.gauss(0, 1) - (0.3 if eldest else 0.0)
        words = 20 + shift + slope * (confidence - 0.6) + 10 * spread * rng.gauss(0, 1) + (5 if eldest else 0)
        said = {"vlm.confidence": confidence, "llm.rationale.words": words}
        return {**shop(rng, number), "segment.age_band": "65+" if eldest else "25-34", **said}

    return making


def test_a_part_that_makes_something_else_of_the_same_inputs_is_seen() -> None:
    found = assessed("IR-02", reading(10), reading(1))[EDGE]
    assert found.state == "seen"
    assert "llm.rationale.words given vlm.confidence" in found.says


def test_other_inputs_and_a_new_mix_of_customers_are_no_change_of_the_dependence() -> None:
    assert assessed("IR-02", reading(10), reading(10, sure=0.2))[EDGE].state == "not seen"
    assert assessed("IR-02", reading(10), reading(10, old=0.8))[EDGE].state == "not seen"


def agreeing(both: float, *, yes: float = 0.6) -> Making:
    """A shop with two yes/no fields that agree with some chance."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        agrees = rng.random() < yes
        cites = agrees if rng.random() < both else not agrees
        return {**shop(rng, number), "vlm.agrees": agrees, "llm.rationale.cites_category": cites}

    return making


def test_yes_and_no_are_compared_by_shares() -> None:
    assert assessed("IR-02", agreeing(0.9), agreeing(0.6))[EDGE].state == "seen"
    assert assessed("IR-02", agreeing(0.9), agreeing(0.9, yes=0.3))[EDGE].state == "not seen"


def deciding(known: float, *, cites: float = 0.9, guesses: float = 0.01) -> Making:
    """A shop whose rationales cite a history only where there is one: one field all but decides the other."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        has = rng.random() < known
        cited = rng.random() < (cites if has else guesses)
        return {**shop(rng, number), "vlm.known": has, "llm.rationale.cites_history": cited}

    return making


def test_where_one_field_all_but_decides_another_a_change_shows_and_chance_does_not() -> None:
    """By log odds ratios the windows of such a baseline differed by a standard deviation: nothing larger ever came."""
    usual = deciding(0.95)
    assert alone(Coupling(), usual, deciding(0.95, guesses=0.9))[EDGE].state == "seen"
    for now in (usual, deciding(0.6)):
        found = alone(Coupling(), usual, now)[EDGE]
        assert found.state == "not seen"
        assert found.effect is not None
        assert found.effect < 0.15


def test_pairs_that_an_earlier_release_told_by_odds_are_left_out() -> None:
    system, requests = declared(), made(deciding(0.9), 300)
    case = CaseMaker(system, Strata(), requests, "x").case(EDGE)
    kept: Any = Coupling().usual(case)
    old = {"pairs": [[*pair, True] for pair in kept["pairs"]]}
    assert read_pairs({"pairs": [[*pair, False] for pair in kept["pairs"]]}) == read_pairs(kept) != []
    assert getattr(Coupling().assess(case, old), "why", "").endswith("syscard baseline set")


def test_parts_without_numbers_or_without_dependence_are_unknown() -> None:
    found = assessed("IR-02", shop, shop)
    assert found[EDGE].why == "needs a field with a number on the spans of vlm in the baseline"
    apart = assessed("IR-02", reading(0), reading(0))[EDGE]
    assert apart.why == "no field of llm depends on one of vlm in the baseline"


def test_a_baseline_keeps_the_closest_pairs_and_no_more() -> None:
    def many(rng: random.Random, number: int) -> dict[str, Any]:
        level = rng.gauss(0, 1)
        own = {f"vlm.f{i:02}": level + rng.gauss(0, 0.2 + i) for i in range(10)}
        return {**shop(rng, number), **own, **{f"llm.g{i}": level + rng.gauss(0, 0.1) for i in range(4)}}

    kept = Coupling().usual(CaseMaker(declared(), Strata(), made(many, 400), "x").case(EDGE))
    assert isinstance(kept, dict)
    pairs = read_pairs(kept)
    assert len(pairs) == MOST_PAIRS
    assert {p.u for p in pairs[:4]} == {"vlm.f00"}


@pytest.mark.parametrize(
    ("now", "kind"),
    [(reading(10, sure=0.3), "inherited by the second"), (reading(10, sure=0.15, shift=6), "its own")],
)
def test_two_drifts_that_go_together_are_seen_and_told_apart(now: Making, kind: str) -> None:
    found = assessed("IR-03", reading(10), now)[EDGE]
    assert found.state == "seen"
    assert kind in found.says
    assert found.severity == "note"


def test_a_drift_that_the_next_part_absorbs_and_a_new_mix_are_no_common_drift() -> None:
    def absorbing(rng: random.Random, number: int) -> dict[str, Any]:
        values = dict(reading(10)(rng, number))
        return {**values, "vlm.confidence": values["vlm.confidence"] + 0.3}

    absorbed = assessed("IR-03", reading(10), absorbing)[EDGE]
    assert absorbed.state == "not seen"
    assert "absorbed by the second" in absorbed.says
    assert assessed("IR-03", reading(10), reading(10, old=0.8))[EDGE].state == "not seen"


def test_fields_that_nobody_carries_leave_common_drift_unknown() -> None:
    assert assessed("IR-03", shop, shop)[EDGE].state == "unknown"
