"""What language models make of what they are handed: planted, alike, and not to be told."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from syscard_monitors.risks.base import CaseMaker
from syscard_monitors.risks.mentions import lifts
from syscard_monitors.strata import Strata
from tests.unit.build import declared
from tests.unit.monitors.risks.build import Making, assessed, made, shop, states

Said = Callable[[random.Random, str], dict[str, Any]]


def saying(said: Said, bands: dict[str, float] | None = None) -> Making:
    """A shop whose parts say more; `bands` are the weights of age bands."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        usual = shop(rng, number)
        band = rng.choices(list(bands), list(bands.values()))[0] if bands else usual["segment.age_band"]
        return {**usual, "segment.age_band": band, **said(rng, band)}

    return making


def share(field: str, yes: Any, no: Any, chance: float, hard: float | None = None) -> Said:
    """A field that is `yes` with some chance; among the eldest with another."""

    def said(rng: random.Random, band: str) -> dict[str, Any]:
        return {field: yes if rng.random() < (hard if hard is not None and band == "65+" else chance) else no}

    return said


CASES = {
    "IR-04": ("vlm", "vlm.agrees", [True, False], [True, True], 0.05, 0.25),
    "IR-05": ("vlm->llm", "llm.rationale.ungrounded", 2, 0, 0.1, 0.35),
    "IR-06": ("llm", "llm.rationale.names_item", False, True, 0.1, 0.4),
    "IR-07": ("vlm->llm", "llm.rationale.cites_category", False, True, 0.1, 0.8),
}
MIXED = {"25-34": 0.8, "65+": 0.2}, {"25-34": 0.3, "65+": 0.7}


@pytest.mark.parametrize("risk", CASES)
def test_it_is_found_where_it_is_planted_with_examples(risk: str) -> None:
    place, field, yes, no, before, now = CASES[risk]
    found = assessed(risk, saying(share(field, yes, no, before)), saying(share(field, yes, no, now)))
    assert found.keys() == {place}
    seen = found[place]
    assert seen.state == "seen"
    assert seen.value == pytest.approx(now, abs=0.07)
    assert seen.reference == pytest.approx(before, abs=0.03)
    assert seen.threshold is not None
    assert seen.effect is not None
    assert seen.low is not None
    assert seen.high is not None
    assert seen.threshold < seen.effect
    assert seen.low < seen.effect < seen.high
    assert len(seen.traces) == 3


@pytest.mark.parametrize("risk", CASES)
def test_a_new_mix_of_customers_with_a_hard_segment_is_not_taken_for_it(risk: str) -> None:
    """The eldest always had it oftener; now there are more of them."""
    place, field, yes, no, before, now = CASES[risk]
    said = share(field, yes, no, before, hard=now)
    found = assessed(risk, saying(said, MIXED[0]), saying(said, MIXED[1]))
    assert states(found) == {"not seen"}
    assert found[place].detectable


@pytest.mark.parametrize("risk", CASES)
def test_without_its_attribute_it_is_unknown_and_says_what_it_needs(risk: str) -> None:
    place, field, *_ = CASES[risk]
    found = assessed(risk, shop, shop)[place]
    assert found.state == "unknown"
    assert field in found.why


def test_a_baseline_with_the_attribute_does_not_make_up_for_requests_without() -> None:
    before = saying(share(field="vlm.agrees", yes=True, no=False, chance=0.9))
    found = assessed("IR-04", before, shop)["vlm"]
    assert (found.state, found.why) == ("unknown", "needs vlm.agrees")


def test_more_rationales_that_are_grounded_are_no_risk() -> None:
    said = [saying(share("llm.rationale.grounded", 0.5, 1.0, chance)) for chance in (0.5, 0.1)]
    found = assessed("IR-05", *said)["vlm->llm"]
    assert found.state == "not seen"
    assert found.effect is not None
    assert found.effect < -0.3


COLOURS = ("red", "green", "blue", "white")


def reading(wrong: float, follows: float = 0.5) -> Making:
    """A shop whose catalogue has colours; the picture model misreads some, the rationale takes one side."""

    def said(rng: random.Random, band: str) -> dict[str, Any]:
        known = rng.choice(COLOURS)
        read = rng.choice([c for c in COLOURS if c != known]) if rng.random() < wrong else known
        told = read if rng.random() < follows else known
        return {"vlm.colour": read, "vlm.catalogue.colour": known, "llm.rationale.colour": told}

    return saying(said)


def test_conflicts_are_told_from_values_of_both_sides_with_kappa_and_who_wins() -> None:
    found = assessed("IR-04", reading(0.05), reading(0.4, follows=1.0))["vlm"]
    assert found.state == "seen"
    assert "kappa of colour 0.4" in found.says
    assert re.search(r"llm follows the picture in (\d+) of \1 conflicts", found.says)


def test_another_mix_of_colours_that_are_read_as_well_as_ever_is_no_conflict() -> None:
    def whiter(rng: random.Random, number: int) -> dict[str, Any]:
        usual = dict(reading(0.05)(rng, number))
        white = {"vlm.colour": "white", "vlm.catalogue.colour": "white", "llm.rationale.colour": "white"}
        return {**usual, **(white if rng.random() < 0.5 else {})}

    assert states(assessed("IR-04", reading(0.05), whiter)) == {"not seen"}


def wording(own: float, common: float = 0.2) -> Making:
    """A shop that keeps fingerprints of words: answers say some of their own input, and what all say."""

    def said(rng: random.Random, band: str) -> dict[str, Any]:
        words = [f"{rng.randrange(400):04x}" for _ in range(8)]
        kept = [w for w in words if rng.random() < own]
        usual = [f"{w:04x}" for w in range(0x8000, 0x8008) if rng.random() < common]
        read = [*words, *(f"{w:04x}" for w in range(0x8000, 0x8002))]
        return {"vlm.output.messages.terms": [sorted(read)], "llm.output.messages.terms": [sorted({*kept, *usual})]}

    return saying(said)


def test_an_answer_that_no_longer_says_what_it_was_handed_is_seen_by_its_words() -> None:
    found = assessed("IR-07", wording(0.6), wording(0.1))["vlm->llm"]
    assert found.state == "seen"
    assert found.value == pytest.approx(0.08, abs=0.05)
    assert "more of its own input than of others'" in found.says


def test_answers_that_say_more_of_what_every_answer_says_use_their_input_as_before() -> None:
    assert assessed("IR-07", wording(0.6), wording(0.6, common=0.9))["vlm->llm"].state == "not seen"


def test_words_that_were_never_kept_are_what_is_needed() -> None:
    found = assessed("IR-07", shop, shop)["vlm->llm"]
    assert found.state == "unknown"
    assert "keep: fingerprints" in found.why


def test_words_under_two_keys_are_never_compared() -> None:
    requests = [replace(r, keys=frozenset({i % 2})) for i, r in enumerate(made(wording(0.6), 200))]
    case = CaseMaker(declared(), Strata(), requests, "x").case("vlm->llm")
    assert lifts(case) == {}
