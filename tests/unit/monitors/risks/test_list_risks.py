"""The lists that people are shown: IR-10 and IR-11."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.unit.monitors.risks.build import Making, assessed, shop, states


def showing(of: int, *, bands: tuple[str, ...] = ("25-34",)) -> Making:
    """A shop that draws its lists from so many items; each band has items of its own."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        band = rng.choice(bands)
        items = [f"{band}-{i}" for i in rng.sample(range(of), 5)]
        return {**shop(rng, number), "segment.age_band": band, "cf.items": [items], "agent.items": [items[:3]]}

    return making


def test_lists_that_get_alike_are_seen_in_the_ranking_and_in_what_is_shown() -> None:
    found = assessed("IR-11", showing(60), showing(12))
    assert found.keys() == {"agent", "cf"}
    assert states(found) == {"seen"}
    assert found["cf"].value == pytest.approx(1 - 5 / 12, abs=0.02)
    assert found["cf"].reference == pytest.approx(1 - 5 / 60, abs=0.02)


def test_one_group_of_customers_alone_has_lists_as_unlike_as_before() -> None:
    """All together would look as if lists got alike: the other groups' items are gone with the groups."""
    found = assessed("IR-11", showing(20, bands=("19-24", "25-34", "65+")), showing(20))
    assert states(found) == {"not seen"}


def test_more_traffic_does_not_make_lists_alike() -> None:
    assert states(assessed("IR-11", showing(60), showing(60), count=1_000)) == {"not seen"}


def test_without_lists_homogenisation_is_unknown() -> None:
    def without(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if not k.endswith(".items")}

    assert {a.why for a in assessed("IR-11", without, without).values()} == {
        "needs cf.items in the baseline",
        "needs agent.items in the baseline",
    }
    assert assessed("IR-11", showing(60), without)["cf"].why == "needs cf.items"


def trained(step: float, every: int = 100, noise: float = 0.05) -> Making:
    """A shop whose ranking is trained anew every so many requests, each time on what is more popular by a step."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        epoch = number // every
        said = {"cf.mean_log_pop": 5 + step * epoch + rng.gauss(0, noise), "cf.data.asof": f"2026-{epoch:03}"}
        return {**shop(rng, number), **said}

    return making


def test_popularity_that_grows_from_training_to_training_is_seen() -> None:
    found = assessed("IR-10", trained(0.2), trained(0.2))["cf"]
    assert found.state == "seen"
    assert "over 16 trainings" in found.says


def test_popularity_that_goes_up_and_down_is_no_loop() -> None:
    found = assessed("IR-10", trained(0.0, noise=0.5), trained(0.0, noise=0.5))["cf"]
    assert found.state == "not seen"


def test_one_training_says_nothing_of_a_loop() -> None:
    found = assessed("IR-10", trained(0.2, every=10_000), trained(0.2, every=10_000))["cf"]
    assert (found.state, found.needs) == ("unknown", 6)
    assert found.why == "needs 6 trainings (cf.data.asof), has 1"
    assert assessed("IR-10", shop, shop)["cf"].why == "needs cf.mean_log_pop with cf.data.asof in the baseline"
