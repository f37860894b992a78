"""Judging what texts are about: the newest vectors of a signal against the baseline's, by a domain classifier.

The newest `SPAN` requests are looked at, each window anew: 20 texts say too little of what texts are about. The
evidence is an exact two-sample p of those requests, which needs no permutation and so can be as rare as a budget of one
alarm in weeks asks for; looks that share requests, as these do, only make the union bound of that budget wider than it
need be. Never Evidently's EmbeddingsDrift: it draws a map of all vectors (t-SNE) whenever it is asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from syscard_monitors.classifier import told_apart
from syscard_monitors.judge import HYSTERESIS, Measured, Missing
from syscard_monitors.packs import Signal
from syscard_monitors.vectors import Sample, Seen

SPAN: Final = 200
"""Newest requests that are compared with the baseline."""
METHOD: Final = "domain classifier"
CHANCE: Final = 0.5
"""Area under the curve of a classifier that cannot tell."""


def newest(before: Sequence[Seen], found: Sequence[Seen | None]) -> list[Seen]:
    """The newest `SPAN` vectors; what is no vector is not among them."""
    return [*before, *(seen for seen in found if seen is not None)][-SPAN:]


def measure(signal: Signal, recent: Sequence[Seen], sample: Sample | None, seed: str) -> Measured | Missing:
    """How far the newest vectors are from the baseline's.

    The effect is the area under the curve above 0.5. The baseline is compared as it would be with the same mix of
    strata.

    Args:
        signal: what is watched, with its tolerance.
        recent: the newest vectors, oldest first.
        sample: the baseline's; None where it has none.
        seed: decides ties.

    Raises:
        MissingExtra: NumPy is not installed.
    """
    if sample is None:
        why = "the baseline has no embeddings: syscard baseline set" if recent else f"no span carries {signal.expr}"
        return Missing(why, told=bool(recent))
    own = _comparable(recent, sample)
    if recent and not own:
        return Missing(_made_by(recent, sample), n=0, told=True)
    if len(sample.vectors) < signal.min_n:
        n = len(sample.vectors)
        return Missing(f"needs n {signal.min_n} in the baseline, has {n}", signal.min_n, n, told=True)
    if len(own) < signal.min_window:
        why = f"needs n {signal.min_window} of the newest {SPAN}, has {len(own)}"
        return Missing(why, signal.min_window, len(own), told=True)
    return _measured(signal, own, sample, seed)


def _comparable(recent: Sequence[Seen], sample: Sample) -> list[Seen]:
    """Those of the same maker, of strata that the baseline has; the empty stratum is of all."""
    length, strata = len(sample.vectors[0][1]), sample.strata | {""}
    return [s for s in recent if (s.by, len(s.vector)) == (sample.by, length) and s.stratum in strata]


def _made_by(recent: Sequence[Seen], sample: Sample) -> str:
    makers = Counter(s.by for s in recent if s.by != sample.by)
    if not makers:
        return "only groups that the baseline has not: set it anew with: syscard baseline set"
    return made_by_another(min(makers, key=lambda maker: (-makers[maker], maker)), sample.by)


def made_by_another(by: str, before: str) -> str:
    """Why two makers' figures are not compared, and what to type."""
    return f"made by {by}, baseline by {before}: set it anew with: syscard baseline set"


def _measured(signal: Signal, own: Sequence[Seen], sample: Sample, seed: str) -> Measured:
    told = told_apart(sample.with_mix_of([s.stratum for s in own]), [s.vector for s in own], seed)
    effect = told.auc - CHANCE
    return Measured(
        n=len(own),
        value=told.auc,
        reference=CHANCE,
        effect=effect,
        exceeds=effect > signal.tolerance,
        clear=effect < HYSTERESIS * signal.tolerance,
        method=METHOD,
        log_rarity=-math.log(told.p_value),
        p_value=told.p_value,
    )
