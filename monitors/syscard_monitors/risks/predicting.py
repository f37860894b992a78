"""IR-25 where no call says whether it was right, but feedback what was accepted: whether confidence still tells that.

How often things are accepted moves for many reasons. So the level is left out: what is looked at is how much oftener
the answers of the surer half are accepted than those of the other half, which was so in the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.statistics import Counts, log_odds, upper_tail
from syscard_monitors.stats import Z95, quantile

LEAST: Final = 50
"""Requests with an answer, of each half, below which nothing is said."""
WAITED: Final = 0.95
"""Share of a baseline's answers that had come after the time for which answers are waited for."""
_TOLD_BY: Final = 2.0
"""Standard errors by which confidence must have told in the baseline."""
_STEPS: Final = 60


class _Halves(NamedTuple):
    """Accepted answers of the surer half and of the other."""

    sure: Counts
    other: Counts

    @property
    def difference(self) -> float:
        return self.sure.hits / self.sure.n - self.other.hits / self.other.n

    @property
    def variance(self) -> float:
        """Of the difference, with half a request added to either side."""
        shares = [((c.hits + 0.5) / (c.n + 1), c.n) for c in self]
        return math.fsum(p * (1 - p) / n for p, n in shares)


def usual_halves(case: Case) -> dict[str, Any] | Lacking:
    """Where the halves part, how long answers are waited for, and what was accepted of each half, as JSON."""
    sure = case.numbers(f"{case.about}.confidence")
    late = [
        a.at_us - r.end_us for a, r, c in zip(case.answers(), case.requests, sure, strict=True) if a and c is not None
    ]
    if len(late) < 2 * LEAST:
        return Lacking(
            f"needs n {2 * LEAST} with {case.about}.confidence and feedback, has {len(late)}", 2 * LEAST, len(late)
        )
    waits_us = max(0, round(quantile(late, WAITED)))
    told = [c for c, a in zip(sure, case.answers(), strict=True) if c is not None and a]
    parted = quantile(told, 0.5)
    found = _halves(case, parted, waits_us)
    if min(c.n for c in found) < LEAST:
        return Lacking(f"{case.about}.confidence is nearly always the same")
    odds = _odds(found)
    if odds.value < _TOLD_BY * math.sqrt(odds.variance):
        return Lacking(f"{case.about}.confidence did not tell what is accepted")
    return {"parted": parted, "waits_us": waits_us, "halves": [list(c) for c in found]}


def halves_reading(case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
    """What is lost of the difference between both halves, with a one-sided z of their odds ratios (Woolf 1955)."""
    now, before = _halves(case, usual["parted"], usual["waits_us"]), _Halves(*(Counts(*c) for c in usual["halves"]))
    n = now.sure.n + now.other.n
    if min(c.n for c in now) < LEAST:
        what = f"{case.about}.confidence and feedback, surer and less sure"
        return Lacking(f"needs n {LEAST} each with {what}, has {now.sure.n} and {now.other.n}", 2 * LEAST, n)
    odds, usually = _odds(now), _odds(before)
    expected = _expected(before, now)
    effect, error = expected - now.difference, math.sqrt(now.variance + before.variance)
    return Reading(
        n=n,
        effect=effect,
        says=f"of what {case.about} is surer of {now.difference:+.1%} more are accepted than of the rest, where the "
        f"baseline makes one expect {expected:+.1%}",
        p_value=upper_tail((usually.value - odds.value) / math.sqrt(odds.variance + usually.variance)),
        error=error,
        scale="share",
        low=effect - Z95 * error,
        high=effect + Z95 * error,
        value=now.difference,
        reference=expected,
        unit="share",
        share=now.sure.n / len(case.requests),
    )


def _halves(case: Case, parted: float, waits_us: int) -> _Halves:
    """Of requests that have waited for their answer, so that who answers fast counts no more than others."""
    counts = {True: [0, 0], False: [0, 0]}
    for request, answer, sure in zip(
        case.requests, case.answers(), case.numbers(f"{case.about}.confidence"), strict=True
    ):
        due_us = request.end_us + waits_us
        if sure is not None and answer is not None and answer.at_us <= due_us <= case.now_us:
            counts[sure > parted][0] += answer.accepted
            counts[sure > parted][1] += 1
    return _Halves(Counts(*counts[True]), Counts(*counts[False]))


def _odds(found: _Halves) -> Any:
    (a, n), (b, m) = found
    return log_odds(a, n - a, b, m - b)


def _expected(before: _Halves, now: _Halves) -> float:
    """The difference that the odds ratio of before makes, were as many accepted in all as are now."""
    ratio = math.exp(_odds(before).value)
    low, high, accepted = 0.0, 1.0, now.sure.hits + now.other.hits
    for _ in range(_STEPS):
        share = (low + high) / 2
        if now.sure.n * _of(share, ratio) + now.other.n * share > accepted:
            high = share
        else:
            low = share
    return _of(low, ratio) - low


def _of(share: float, ratio: float) -> float:
    return ratio * share / (1 - share + ratio * share)
