"""IR-25, a confidence that no longer predicts: how often a part is right is no longer what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.predicting import halves_reading, usual_halves
from syscard_monitors.risks.statistics import upper_tail
from syscard_monitors.stats import Z95, quantile

BINS: Final = 10
"""Of equal size in the baseline."""
_Pair = tuple[float, bool]


class _Bin(NamedTuple):
    """Calls whose confidence lies in one range."""

    n: int
    right: int
    confidence: float
    """Sum."""

    @property
    def gap(self) -> float:
        """How much surer the part was than it was right; below 0 it was too modest."""
        return (self.confidence - self.right) / self.n

    @property
    def variance(self) -> float:
        """Of the gap, with half a call added to either side."""
        share = (self.right + 0.5) / (self.n + 1)
        return share * (1 - share) / self.n


class Miscalibration:
    """Expected calibration error, now less before.

    Both are weighed by how sure the part is now, so that harder inputs of which it is rightly less sure are no change.
    """

    id: Final = "IR-25"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Parts that read, rank or classify, and may say how sure they are."""
        return roles.of_kind(system, "vision-language", "retriever", "guard")

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Bins of equal size: their limits, calls, right ones and summed confidence; or halves by feedback."""
        told = _pairs(case)
        if len(told) < BINS:
            return self._by_feedback(case)
        sure = sorted(c for c, _ in told)
        limits = sorted({quantile(sure, (i + 1) / BINS) for i in range(BINS - 1)})
        return {"limits": limits, "bins": [list(b) for b in _binned(told, limits)]}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The rise, with a one-sided z by the delta method; by feedback what is lost of what confidence tells."""
        if "halves" in usual:
            return halves_reading(case, usual)
        told = _pairs(case)
        if not told:
            return roles.needs(f"{case.about}.confidence and {case.about}.agrees")
        now, before = _binned(told, usual["limits"]), [_Bin(*kept) for kept in usual["bins"]]
        both = [(new, old) for new, old in zip(now, before, strict=True) if new.n and old.n]
        total = sum(new.n for new, _ in both)
        if not total:
            return Lacking(f"no confidence of {case.about} lies where those of the baseline do")
        off, usually = (math.fsum(pair[0].n / total * abs(pair[i].gap) for pair in both) for i in (0, 1))
        error = math.sqrt(math.fsum((new.n / total) ** 2 * (new.variance + old.variance) for new, old in both))
        effect = off - usually
        surer = math.fsum(new.confidence - new.right for new, _ in both) / total
        wrong = [any(not right for _, right in _of(r, case.about)) for r in case.requests]
        return Reading(
            n=len(told),
            effect=effect,
            says=f"what {case.about} says of how sure it is, is off by {off:.1%}, {usually:.1%} in the baseline; it is "
            f"{abs(surer):.1%} {'surer' if surer > 0 else 'less sure'} than it is right",
            p_value=upper_tail(effect / error),
            error=error,
            scale="share",
            low=effect - Z95 * error,
            high=effect + Z95 * error,
            value=off,
            reference=usually,
            unit="share",
            share=sum(wrong) / len(wrong),
            traces=examples(case.requests, wrong),
        )

    def _by_feedback(self, case: Case) -> dict[str, Any] | Lacking:
        sure, answers = case.numbers(f"{case.about}.confidence"), case.answers()
        if all(c is None for c in sure) or all(a is None for a in answers):
            what = f"{case.about}.confidence and {case.about}.agrees"
            return Lacking(f"needs {what}, or feedback that says what was accepted")
        return usual_halves(case)


def _pairs(case: Case) -> list[_Pair]:
    return [pair for r in case.requests for pair in _of(r, case.about)]


def _of(request: Request, ref: str) -> list[_Pair]:
    """(confidence, right) of each call that says both."""
    sure, right = request.values.get(f"{ref}.confidence", ()), request.values.get(f"{ref}.agrees", ())
    if len(sure) != len(right):  # a call that says only one of them: which goes with which is not known
        return []
    pairs = zip(sure, right, strict=True)
    return [(float(c), bool(r)) for c, r in pairs if isinstance(c, int | float) and 0 <= c <= 1]


def _binned(told: Sequence[_Pair], limits: Sequence[float]) -> list[_Bin]:
    n, right, confidence = ([0.0] * (len(limits) + 1) for _ in range(3))
    for sure, correct in told:
        at = sum(sure > limit for limit in limits)
        n[at], right[at], confidence[at] = n[at] + 1, right[at] + correct, confidence[at] + sure
    return [_Bin(int(a), int(b), c) for a, b, c in zip(n, right, confidence, strict=True)]
