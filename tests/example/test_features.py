"""What is counted of a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.features import Facts, rationale_features

FACTS = Facts("red apple", "fruit", ("fruit", "red", "round"), "ORGANIC", ("green grapes", "bread"))
GOOD = "You recently bought bread, so this organic red apple is another fruit you may enjoy."


def of(text: str, facts: Facts = FACTS) -> dict[str, Any]:
    return {key.removeprefix("rationale."): value for key, value in rationale_features(text, facts).items()}


def test_a_good_reason_rests_on_the_facts() -> None:
    assert of(GOOD) == {
        "words": 15,
        "grounded": 1.0,
        "ungrounded": 0,
        "names_item": True,
        "cites_history": True,
        "cites_category": True,
        "cites_tags": 2,
        "english": 0.467,
        "repeats": 0.0,
        "offer": False,
    }


def test_words_that_nobody_said_are_not_grounded() -> None:
    found = of("This apple cures headaches and comes from Italy.")
    assert found["ungrounded"] == 4
    assert found["grounded"] == 0.2


def test_singular_and_plural_are_the_same() -> None:
    assert of("Apples and a grape.")["grounded"] == 1.0


@pytest.mark.parametrize(
    "text",
    ["VISIT FREE-PRIZES.EXAMPLE NOW", "now 90% off", "a discount", "only $ 3", "see https://x", "win a car", "a prize"],
)
def test_prices_prizes_and_addresses_are_offers(text: str) -> None:
    assert of(text)["offer"]


@pytest.mark.parametrize("text", [GOOD, "Anna (anna.miller@mail.example), an apple.", "wine and winter", "No. 7"])
def test_other_words_and_mail_addresses_are_none(text: str) -> None:
    assert not of(text)["offer"]


def test_french_is_told_from_english() -> None:
    french = of("Comme vous avez acheté du pain, cette pomme rouge est un fruit qui vous plaira.")
    assert french["english"] < 0.1 < of(GOOD)["english"]


def test_going_round_in_circles_is_seen() -> None:
    assert of("a food, a drink, a food, a drink, a food, a drink")["repeats"] > 0.5


def test_a_shopper_without_history_cannot_be_cited() -> None:
    assert not of(GOOD, Facts("red apple", "fruit", (), "", ()))["cites_history"]


@given(st.text(max_size=300))
def test_whatever_a_model_says_can_be_counted_and_sent(text: str) -> None:
    found = of(text)
    assert 0 <= found["grounded"] <= 1
    assert 0 <= found["english"] <= 1
    assert 0 <= found["repeats"] <= 1
    assert found["words"] >= found["ungrounded"] >= 0
    json.dumps(found, allow_nan=False)
