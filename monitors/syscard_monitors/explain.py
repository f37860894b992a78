"""What a signal is: its meaning, how it is judged, where it comes from, and how it stands. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from syscard.words import span_of
from syscard_monitors.burn import SHORT, STEPS, Objective, least_n
from syscard_monitors.embeddings import SPAN
from syscard_monitors.judge import told_rarity
from syscard_monitors.packs import WINDOW, Signal
from syscard_monitors.power import smallest_effect
from syscard_monitors.reference import Reference
from syscard_monitors.severity import Severity

_WATCHED: Final = {
    "up": "watched for getting more",
    "down": "watched for getting less",
    "both": "watched for changing either way",
}
_MEANS: Final = {
    "share": "the mean, over requests, of {expr}: a share from 0 to 1",
    "rate": "the share of requests with any {expr}",
    "number": "the distribution, over requests, of {expr}",
    "category": "the mix, over requests, of {expr}",
    "ratio": "the median, over requests, of {expr}",
    "latency": "the median, over requests, of {expr}; shown is the 95th percentile",
    "volume": "requests a minute",
    "embedding": "what texts are about, over the newest requests, by {expr}",
}
_EFFECT: Final = {
    "share": "the difference of the means in the direction that is watched",
    "rate": "the rise of the share",
    "number": "the Kolmogorov-Smirnov distance (0 to 1) between the distributions",
    "category": "the total variation distance (0 to 1) between the mixes",
    "ratio": "how many times larger or smaller the median is",
    "latency": "how many times larger the median is",
    "embedding": "how much better than by chance (0.5) a classifier tells such a text from one of the baseline",
    "volume": "how many times more or fewer requests a minute there are",
}
_E_DETECTOR: Final = "an e-detector on conformal ranks, over all looks since the baseline, group by group"
_EVIDENCE: Final = {
    "rate": (
        f"{_E_DETECTOR}, or Fisher's exact test of the windows of the streak (by strata: exact "
        "Cochran-Mantel-Haenszel), whichever says more, at the price of both"
    ),
    "constant": "Fisher's exact test: how many requests left the value that the baseline always had",
    "embedding": "Mann-Whitney's test of a classifier's scores on texts that it has not learnt from",
    "volume": "the waiting time of Poisson arrivals (Erlang), two-sided",
}


@dataclass(frozen=True)
class Explanation:
    """A signal in words."""

    key: str
    label: str
    says: str
    """What it means when it moves; empty where its pack does not say."""
    means: str
    effect: str
    tolerance: float
    evidence: str
    window: int
    """Requests that are looked at together."""
    breach: str
    shows: str
    """How small a change two windows running can show; empty where that is not known."""


def explanation(signal: Signal, reference: Reference | None, one_in: float | None) -> Explanation:
    """What a signal means and when it is a breach.

    Args:
        signal: as the system has it, tuned.
        reference: its values in the baseline; None where it has none.
        one_in: how rare its evidence must be; None where no baseline says how often it is looked at.
    """
    is_constant = signal.kind == "number" and reference is not None and reference.constant is not None
    asked = f"evidence of 1 in {one_in:,.0f} or rarer" if one_in is not None else "evidence that the budget accepts"
    among = f"the newest {SPAN}" if signal.kind == "embedding" else "them"
    means, effect = _MEANS[signal.kind].format(expr=signal.expr), _EFFECT[signal.kind]
    return Explanation(
        key=signal.key,
        label=signal.label,
        says=signal.says,
        means=f"{means}, {_WATCHED[signal.direction]}",
        effect="the share of requests that left the constant" if is_constant else effect,
        tolerance=signal.tolerance,
        evidence=_EVIDENCE.get("constant" if is_constant else signal.kind, _E_DETECTOR),
        window=signal.every,
        breach=(
            f"an effect beyond {signal.tolerance:g} in {_looks(signal)}, each with a value in at least "
            f"{signal.min_window} of {among} and {signal.min_n} in the baseline, and {asked}"
        ),
        shows=_shows(signal, reference, signal.persist * signal.window, one_in),
    )


def _looks(signal: Signal) -> str:
    if signal.persist == 1:
        return f"one window of {signal.every} requests"
    return f"{signal.persist} windows of {signal.every} requests running"


def budget_explanation(objective: Objective, severity: Severity, log_needed: float | None) -> Explanation:
    """What an error budget is and when it goes too fast.

    Args:
        objective: the promise that it belongs to.
        severity: of which of its findings.
        log_needed: how rare the evidence must be, as a natural logarithm; None where it is not known yet.
    """
    pairs = [pair for pair in objective.pairs if pair.severity == severity]
    rates = " or ".join(
        f"a rate of {p.factor:g} over {span_of(p.long)} and over {span_of(p.long * SHORT / STEPS)}" for p in pairs
    )
    asked = "that the budget accepts" if log_needed is None else f"of 1 in {told_rarity(log_needed):,.0f} or rarer"
    least = "" if log_needed is None else f"fewer than {least_n(objective.budget, log_needed)} requests show nothing"
    return Explanation(
        key=objective.key(severity),
        label=objective.label,
        says="what the promise may miss is spent too fast",
        means=f"the share of requests that miss, by {objective.expr}{_limit(objective)}, over {objective.budget:.3g}",
        effect="the burn rate: at 1 the budget lasts exactly as long as it was meant to",
        tolerance=min(pair.factor for pair in pairs),
        evidence="how rarely requests miss as much where the promise is just kept (Hoeffding's bound)",
        window=WINDOW,
        breach=f"{rates}, with evidence {asked}",
        shows=least,
    )


def _limit(objective: Objective) -> str:
    """Where a value begins to miss; nothing where it is itself the share."""
    if objective.limit is None:
        return ""
    return f" {'above' if objective.below else 'below'} {objective.limit:g}"


def _shows(signal: Signal, reference: Reference | None, n: int, one_in: float | None) -> str:
    found = smallest_effect(signal, reference, n, one_in) if reference is not None and one_in is not None else None
    if found is None or found < 1.05 * signal.tolerance:
        return ""
    if math.isinf(found):
        return f"{n} requests show no change at all; any takes longer"
    return f"{n} requests show an effect of about {found:.2g}; one between {signal.tolerance:g} and that takes longer"
