"""What language models make of what they are handed: planted, alike, and not to be told."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.monitors.risks.build import Making, assessed, shop, states

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
