"""Telling two samples of vectors apart."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.classifier import judged, told_apart

SCORES = st.lists(st.floats(-10, 10), min_size=1, max_size=12)


def vectors(count: int, seed: int, moved: float = 0.0) -> list[list[float]]:
    """Normal ones of eight numbers, the first of which are moved."""
    draw = random.Random(seed)
    return [[draw.gauss(moved if n < 2 else 0, 1) for n in range(8)] for _ in range(count)]


def test_samples_that_differ_are_told_apart_and_by_more_than_a_budget_of_weeks_asks_for() -> None:
    told = told_apart(vectors(300, 1), vectors(200, 2, moved=1.0), "seed")
    assert told.auc > 0.75
    assert told.p_value < 1e-9


def test_samples_that_are_alike_are_told_apart_as_rarely_as_p_says() -> None:
    found = [told_apart(vectors(60, 2 * n), vectors(40, 2 * n + 1), "seed") for n in range(200)]
    assert sum(told.p_value <= 0.05 for told in found) <= 16  # 10 are to be expected; more than 16 in 3 of 100 trials
    assert 0.48 < sum(told.auc for told in found) / len(found) < 0.52


def test_what_was_learnt_by_heart_is_no_evidence() -> None:
    """With more numbers than vectors every half can be learnt by heart: the other half shows it."""
    draw = random.Random(5)
    one, other = ([[draw.gauss(0, 1) for _ in range(60)] for _ in range(20)] for _ in range(2))
    assert told_apart(one, other, "seed").auc < 0.7


def test_the_same_vectors_and_seed_give_the_same_answer_and_columns_that_never_vary_do_no_harm() -> None:
    one = [[*vector, 0.0, 1.0] for vector in vectors(40, 1)]
    other = [[*vector, 0.0, 1.0] for vector in vectors(30, 2)]
    assert told_apart(one, other, "seed") == told_apart(one, other, "seed")


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_and_ties_count_half(before: list[float], now: list[float]) -> None:
    pairs = [(n > b) + (n == b) / 2 for b in before for n in now]
    assert judged(before, now, "seed").auc == pytest.approx(sum(pairs) / len(pairs))


@given(SCORES, SCORES)
def test_the_other_way_round_the_area_is_what_is_left(before: list[float], now: list[float]) -> None:
    assert judged(before, now, "s").auc + judged(now, before, "s").auc == pytest.approx(1)


def test_equal_scores_say_nothing_whoever_has_how_many() -> None:
    p = [judged([1.0] * 50, [1.0] * 20, f"{n}").p_value for n in range(200)]
    assert sum(value <= 0.05 for value in p) <= 16
    assert judged([1.0] * 50, [1.0] * 20, "0").auc == 0.5


@pytest.mark.parametrize(("n", "m"), [(12, 8), (20, 10), (16, 16)])
def test_the_normal_tail_says_less_than_the_exact_distribution(n: int, m: int) -> None:
    """From evidence of 1 in 1,000 on, as far as so few scores reach: budgets ask for more than that."""
    for won, exact in exact_tail(n, m):
        if 0 < exact < 0.001:
            assert tail(n, m, won) >= exact, won


def tail(n: int, m: int, won: int) -> float:
    """p of scores of which `now` wins so many pairs."""
    now = [0.5 + min(n, max(0, won - i * n)) for i in range(m)]
    return judged([float(i + 1) for i in range(n)], sorted(now), "seed").p_value


def exact_tail(n: int, m: int) -> Iterator[tuple[int, float]]:
    """(pairs won, share of all orders with at least so many), by Mann and Whitney's recursion."""

    @cache
    def orders(n: int, m: int, won: int) -> int:
        if won < 0 or (won and not n * m):
            return 0
        return 1 if not n or not m else orders(n, m - 1, won - n) + orders(n - 1, m, won)

    above = 0
    for won in range(n * m, -1, -1):
        above += orders(n, m, won)
        yield won, float(Fraction(above, comb(n + m, m)))
