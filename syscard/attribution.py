"""What an attribution says: which part of a system changed itself, and how much of the damage is its own."""

from __future__ import annotations

from typing import Literal

from syscard.finding import Value

Verdict = Literal["changed itself", "inherited", "unchanged", "cannot tell"]
Confidence = Literal["high", "medium", "low"]
INPUTS = "inputs of "
"""What a component is given from outside is told as a part of its own: `inputs of vlm`."""


class PartVerdict(Value):
    """One component, the inputs of one, or one edge."""

    part: str
    """`llm`, `inputs of vlm`, or `vlm->llm`."""
    verdict: Verdict
    why: str = ""
    p_adjusted: float | None = None
    """Of no change of its own, given its parents; by Holm over all signals (edges: over the terms of all edges)."""
    effect: float | None = None
    """Of the signal that changed most given its parents, in standard deviations of what they leave open."""
    share: float | None = None
    """Of the damage: Shapley's value over the damage. None where it was not worked out."""
    low: float | None = None
    """5th percentile over resampled requests."""
    high: float | None = None
    """95th percentile."""
    n: int
    """Requests that it was judged by, before and now together."""


class Attribution(Value):
    """Who changed, and whose the damage is."""

    target: str = ""
    """The promise whose misses are shared out; empty where none is missed more often than before."""
    damage: float | None = None
    """Share of requests that miss it now, less that before."""
    parts: tuple[PartVerdict, ...] = ()
    first: str | None = None
    """The part that is named; None where none changed itself beyond doubt."""
    tie: bool = False
    """Whether another part came first in more than a fifth of the resamples."""
    causes: tuple[str, ...] = ()
    """Every part that changed itself and has a material share of the damage; of no damage, all that changed."""
    wins: float | None = None
    """Share of the resamples in which `first` came first."""
    confidence: Confidence = "low"
    lowered_by: tuple[str, ...] = ()
    """Why confidence is not higher."""
    n_before: int
    n_now: int
    method: str


def component_of(part: str) -> str:
    """The component that a part belongs to: itself, the one whose inputs it is, or the target of an edge."""
    return part.removeprefix(INPUTS).split("->")[-1]
