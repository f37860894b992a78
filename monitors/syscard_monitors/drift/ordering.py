"""What of a report is read first. Pure; it orders, and decides nothing.

Of many signals some look drifted by chance. Those that stand out among all of them are picked by e-BH (Wang & Ramdas
2022), which holds however the signals depend on each other. Their p-values become e-values by 1 / (2 sqrt(p)), a
calibrator (Vovk & Wang 2021). A report is one look outside the false-alarm budget, so nothing is promised of the share
that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from syscard_monitors.drift.asked import Comparison, Drifted

LEVEL: Final = 0.1
_RAREST: Final = 1e-300


def evidence(comparison: Comparison, score: float) -> float:
    """An e-value of a test; of a distance, how many times it is its limit."""
    if comparison.is_distance:
        return score / comparison.threshold
    return 1 / (2 * math.sqrt(max(score, _RAREST)))


def in_order(comparisons: Sequence[Comparison], found: Mapping[str, Drifted]) -> list[Comparison]:
    """Those that drifted first, by evidence: a page is long."""
    scores = {c.key: found[c.key].score for c in comparisons}
    return sorted(comparisons, key=lambda c: (not c.is_drift(scores[c.key]), -evidence(c, scores[c.key])))


def standing_out(comparisons: Sequence[Comparison], found: Mapping[str, Drifted]) -> frozenset[str]:
    """Keys of the signals that stand out among all that were tested; distances are no tests."""
    tested = {c.key: evidence(c, found[c.key].score) for c in comparisons if not c.is_distance}
    ranked = sorted(tested, key=lambda key: -tested[key])
    enough = [place for place, key in enumerate(ranked, start=1) if place * tested[key] >= len(ranked) / LEVEL]
    return frozenset(ranked[: max(enough, default=0)])
