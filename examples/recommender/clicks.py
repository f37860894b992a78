"""Whether a shopper takes what is shown: the click model, stated here and nowhere else. Pure, given a generator.

Slots are looked at from the top (position-based examination, Craswell et al. 2008, until the first is taken). What the
household bought in the held-out months for the first time suits it. A reason that is not in English or does not speak
of the product convinces fewer. The answer is known when the session closes, minutes to hours later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np

LOOKED_AT: Final = (0.95, 0.65, 0.45)
"""Probability that each slot is looked at."""
TAKEN_IF_SUITS: Final = 0.6
TAKEN_ANYHOW: Final = 0.05
DOUBT: Final = 0.7
"""Factor on the first slot's chance, where the reason beneath it does not convince."""
LEAST_ENGLISH: Final = 0.2
MEDIAN_DELAY: Final = timedelta(minutes=12)
LONGEST_DELAY: Final = timedelta(hours=3)
_SPREAD: Final = 0.9


@dataclass(frozen=True)
class Answer:
    """What came of one slate."""

    accepted: bool
    position: int
    """1 for the first slot, 0 where nothing was taken."""
    delay: timedelta


def answer(
    shown: Sequence[int], suits: frozenset[int], reason: dict[str, Any], eager: float, chance: np.random.Generator
) -> Answer:
    """One shopper's answer.

    Args:
        shown: items, from the top.
        suits: items that the household buys for the first time in the held-out months.
        reason: rationale features of the reason under the first item.
        eager: factor on the chance that a suitable item is taken.
        chance: of this request.
    """
    delay = min(LONGEST_DELAY, MEDIAN_DELAY * float(np.exp(_SPREAD * chance.standard_normal())))
    for place, (item, looked_at) in enumerate(zip(shown, LOOKED_AT, strict=False)):
        taken = min(1.0, TAKEN_IF_SUITS * eager) if item in suits else TAKEN_ANYHOW
        if place == 0 and not convinces(reason):
            taken *= DOUBT
        if chance.random() < looked_at * taken:
            return Answer(accepted=True, position=place + 1, delay=delay)
    return Answer(accepted=False, position=0, delay=delay)


def convinces(reason: dict[str, Any]) -> bool:
    """In English, and about the product."""
    return bool(reason["rationale.names_item"]) and float(reason["rationale.english"]) >= LEAST_ENGLISH
