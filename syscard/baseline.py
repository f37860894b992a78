"""What is found when a baseline is set: whether its halves agree, and which of its signals say little. Values."""

from __future__ import annotations

from typing import Final, Literal

from syscard.finding import Value

DISAGREE: Final = 0.01
"""Adjusted p below which two halves differ: one baseline in a hundred without a change does."""


class Halves(Value):
    """One signal in the one half of a baseline against the other."""

    signal: str
    method: str
    n: int
    n_other: int
    p_value: float
    p_adjusted: float
    """By Holm, over the signals: of so many p-values the smallest is small by chance."""

    @property
    def disagree(self) -> bool:
        """Whether the two halves differ by more than chance."""
        return self.p_adjusted < DISAGREE


class Degenerate(Value):
    """A signal that says less than it seems to."""

    signal: str
    kind: Literal["constant", "nearly constant", "too few values", "mostly absent"]
    says: str
    """`99.6 % of values are 0`."""
