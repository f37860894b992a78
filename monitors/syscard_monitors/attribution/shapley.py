"""Shapley's value: what each player adds, over all orders in which they could come. Needs NumPy.

Shapley (1953). Exact over all coalitions of up to `MOST_EXACT` players; above, over drawn orders, in which what the
players add still sums to the whole (Castro, Gomez and Tejada 2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from syscard_monitors.attribution.table import Vector

MOST_EXACT: Final = 8
ORDERS: Final = 64
Worth = Callable[[Sequence[int]], Vector]
"""Coalitions, each as a number with a bit for each player -> their worths, one row each; columns as they please."""


def shapley(worth: Worth, players: int, seed: int = 0) -> Vector:
    """One row a player, with the columns that worths have.

    Args:
        worth: of coalitions; it is asked once, for all that are needed.
        players: how many.
        seed: for the orders that are drawn where there are too many players.
    """
    if players == 0:
        return np.zeros((0, worth([0]).shape[1]))
    return _exact(worth, players) if players <= MOST_EXACT else _drawn(worth, players, seed)


def _exact(worth: Worth, players: int) -> Vector:
    worths = worth(range(1 << players))
    found = np.zeros((players, worths.shape[1]))
    for coalition in range(1 << players):
        for player in range(players):
            if not coalition >> player & 1:
                share = _chance(coalition.bit_count(), players)
                found[player] += share * (worths[coalition | 1 << player] - worths[coalition])
    return found


def _chance(before: int, players: int) -> float:
    """That exactly these stand before a player, in an order drawn at random."""
    return math.factorial(before) * math.factorial(players - before - 1) / math.factorial(players)


def _drawn(worth: Worth, players: int, seed: int) -> Vector:
    draw = np.random.default_rng(seed)
    orders = [draw.permutation(players) for _ in range(ORDERS // 2)]
    orders += [order[::-1] for order in orders]  # and backwards, which makes what is drawn vary less
    walks = [_walk(order) for order in orders]
    asked = sorted({coalition for walk in walks for coalition in walk})
    worths = dict(zip(asked, worth(asked), strict=True))
    found = np.zeros((players, next(iter(worths.values())).shape[0]))
    for order, walk in zip(orders, walks, strict=True):
        for player, (without, having) in zip(order, pairwise(walk), strict=True):
            found[player] += (worths[having] - worths[without]) / len(orders)
    return found


def _walk(order: Vector) -> list[int]:
    """The coalitions as players come one by one."""
    found = [0]
    for player in order:
        found.append(found[-1] | 1 << int(player))
    return found
