from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard_monitors.attribution.shapley import MOST_EXACT, shapley

PLAYERS = st.integers(1, 5)


def game(players: int, seed: int) -> tuple[Any, Any]:
    worths = np.random.default_rng(seed).normal(size=(1 << players, 1))

    def worth(coalitions: Sequence[int]) -> Any:
        return worths[[*coalitions]]

    return worth, worths


@given(PLAYERS, st.integers(0, 1_000))
def test_what_players_add_sums_to_the_whole(players: int, seed: int) -> None:
    worth, worths = game(players, seed)
    assert shapley(worth, players).sum() == pytest.approx(float(worths[-1, 0] - worths[0, 0]))


@given(st.integers(2, 5), st.integers(0, 1_000))
def test_players_that_are_alike_add_as_much(players: int, seed: int) -> None:
    by_size = np.random.default_rng(seed).normal(size=players + 1)

    def worth(coalitions: Sequence[int]) -> Any:
        return np.array([[by_size[c.bit_count()]] for c in coalitions])

    found = shapley(worth, players)
    assert found == pytest.approx(np.full_like(found, found[0, 0]))


@given(PLAYERS, st.integers(0, 1_000), st.data())
def test_who_adds_nothing_gets_nothing(players: int, seed: int, data: st.DataObject) -> None:
    idle = data.draw(st.integers(0, players - 1))
    worth, _ = game(players, seed)
    found = shapley(lambda coalitions: worth([c & ~(1 << idle) for c in coalitions]), players)
    assert found[idle, 0] == pytest.approx(0)


@settings(deadline=None)
@given(st.integers(0, 20))
def test_of_many_players_orders_are_drawn_and_the_sum_is_still_the_whole(seed: int) -> None:
    players = MOST_EXACT + 1
    worth, worths = game(players, seed)
    found = shapley(worth, players, seed)
    assert found.sum() == pytest.approx(float(worths[-1, 0] - worths[0, 0]))
    assert (shapley(worth, players, seed) == found).all()


def test_drawn_orders_come_near_what_all_orders_give() -> None:
    each = np.arange(1.0, MOST_EXACT + 2)

    def worth(coalitions: Sequence[int]) -> Any:
        return np.array([[sum(each[i] for i in range(len(each)) if c >> i & 1) ** 1.2] for c in coalitions])

    found = shapley(worth, len(each))[:, 0]
    assert sorted(found) == list(found)
    assert found / found.sum() == pytest.approx(each / each.sum(), abs=0.03)


def test_without_players_there_is_nothing_to_share() -> None:
    assert shapley(lambda _: np.zeros((1, 3)), 0).shape == (0, 3)
