"""The click model, as it is stated: examination by slot, then whether what is there suits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.clicks import DOUBT, LONGEST_DELAY, LOOKED_AT, MEDIAN_DELAY, TAKEN_ANYHOW, TAKEN_IF_SUITS, Answer
from recommender.clicks import answer as answered

GOOD = {"rationale.names_item": True, "rationale.english": 0.5}


def answers(
    suits: set[int], reason: dict[str, Any] | None = None, eager: float = 1.0, count: int = 4_000
) -> list[Answer]:
    chance = np.random.default_rng(3)
    return [answered((0, 1, 2), frozenset(suits), reason or GOOD, eager, chance) for _ in range(count)]


def taken(found: list[Answer]) -> float:
    return sum(a.accepted for a in found) / len(found)


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_what_suits_is_taken_as_often_as_its_slot_is_looked_at(slot: int) -> None:
    found = answers({slot})
    here = sum(a.position == slot + 1 for a in found) / len(found)
    nothing_above = np.prod([1 - LOOKED_AT[i] * TAKEN_ANYHOW for i in range(slot)])
    assert here == pytest.approx(nothing_above * LOOKED_AT[slot] * TAKEN_IF_SUITS, abs=0.025)


def test_what_does_not_suit_is_hardly_taken() -> None:
    assert taken(answers(set())) == pytest.approx(1 - np.prod([1 - p * TAKEN_ANYHOW for p in LOOKED_AT]), abs=0.015)


@pytest.mark.parametrize("reason", [{**GOOD, "rationale.english": 0.0}, {**GOOD, "rationale.names_item": False}])
def test_a_reason_that_does_not_convince_costs_acceptance_of_the_first_slot(reason: dict[str, Any]) -> None:
    assert taken(answers({0}, reason)) < taken(answers({0})) - 0.1
    first = sum(a.position == 1 for a in answers({0}, reason)) / 4_000
    assert first == pytest.approx(LOOKED_AT[0] * TAKEN_IF_SUITS * DOUBT, abs=0.025)


def test_in_a_sale_more_is_taken() -> None:
    assert taken(answers({0}, eager=1.4)) > taken(answers({0})) + 0.1


@given(st.sets(st.integers(0, 5)), st.integers(0, 999), st.floats(0.1, 9.0))
def test_an_answer_makes_sense_whatever_happens(suits: set[int], seed: int, eager: float) -> None:
    chance = np.random.default_rng(seed)
    found = answered((0, 1, 2), frozenset(suits), GOOD, eager, chance)
    assert found.accepted == (found.position in (1, 2, 3))
    assert timedelta(0) < found.delay <= LONGEST_DELAY
    assert found == answered((0, 1, 2), frozenset(suits), GOOD, eager, np.random.default_rng(seed))


def test_half_of_the_answers_are_there_within_the_stated_median() -> None:
    within = sum(a.delay <= MEDIAN_DELAY for a in answers(set())) / 4_000
    assert within == pytest.approx(0.5, abs=0.03)
