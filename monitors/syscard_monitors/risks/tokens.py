"""IR-18, token and cost blow-up: what is handed to a language model grows, and its tokens with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.system import System
from syscard.words import one_line
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.statistics import line, two_sided, upper_tail
from syscard_monitors.stats import Z95, mean
from syscard_monitors.strata import EVERYONE

_COUNTS: Final = re.compile(r"\.(n_\w+|\w+_count|\w+_len|\S*\.words|\S*\.chars)$")
_SURE: Final = 0.001
_GROWN: Final = 1.05
_Sums = Mapping[str, Sequence[float]]


class TokenBlowUp:
    """The factor between tokens now and before, of geometric means, each stratum against its like."""

    id: Final = "IR-18"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Language models."""
        return roles.of_kind(system, "llm")

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Number, sum and sum of squares of the log of tokens, by stratum; and the mean of what others hand on."""
        sums: dict[str, list[float]] = {}
        for tokens, stratum in zip(_tokens(case), case.strata, strict=True):
            if tokens is not None:
                kept = sums.setdefault(stratum, [0.0, 0.0, 0.0])
                kept[0], kept[1], kept[2] = kept[0] + 1, kept[1] + tokens, kept[2] + tokens**2
        if not sums:
            return roles.needs(f"{case.about}.input_tokens", f"{case.about}.output_tokens")
        return {"tokens": dict(sorted(sums.items())), "counts": {f: mean(told) for f, told in _counts(case).items()}}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """Welch's z of the logarithms, one-sided, over strata by direct standardisation."""
        told = [(t, s) for t, s in zip(_tokens(case), case.strata, strict=True) if t is not None]
        moved = _shift(told, usual["tokens"])
        if moved is None:
            return roles.needs(f"{case.about}.input_tokens", f"{case.about}.output_tokens")
        difference, error, before = moved
        now = mean([t for t, _ in told])
        many = [t is not None and t > before + math.log(2) for t in _tokens(case)]
        return Reading(
            n=len(told),
            effect=math.exp(difference),
            says=f"a request takes {math.exp(now):,.0f} tokens of {case.about}, {math.exp(before):,.0f} in the baseline"
            f"{_because(case, usual['counts'])}",
            p_value=upper_tail(difference / error) if error else 1.0,
            error=error,
            scale="factor",
            low=math.exp(difference - Z95 * error),
            high=math.exp(difference + Z95 * error),
            value=math.exp(now),
            reference=math.exp(before),
            unit="tokens",
            share=1.0,
            traces=examples(case.requests, many),
        )


def _tokens(case: Case) -> list[float | None]:
    """Log of the tokens of each request, in and out; None where none were counted."""
    fields = [f"{case.about}.{side}_tokens" for side in ("input", "output")]
    return case.columns.of(("log tokens", case.about), lambda request: _log_tokens(request, fields))


def _log_tokens(request: Request, fields: Sequence[str]) -> float | None:
    total = sum(v for f in fields for v in request.values.get(f, ()) if isinstance(v, int | float))
    return math.log(total) if total > 0 else None


def _shift(told: Sequence[tuple[float, str]], before: _Sums) -> tuple[float, float, float] | None:
    """Difference of means with the mix of strata of now, its standard error, and the mean that is usual."""
    everyone = [math.fsum(s[i] for s in before.values()) for i in range(3)]
    strata: dict[str, list[float]] = {}
    for tokens, stratum in told:
        if stratum in before or stratum == EVERYONE:
            strata.setdefault(stratum, []).append(tokens)
    total = sum(map(len, strata.values()))
    if not total:
        return None
    difference = variance = usual = 0.0
    for stratum, now in sorted(strata.items()):
        n, first, second = everyone if stratum == EVERYONE else before[stratum]
        weight, own, past = len(now) / total, mean(now), first / n
        spread = math.fsum((t - own) ** 2 for t in now) / len(now)
        difference += weight * (own - past)
        usual += weight * past
        variance += weight**2 * (spread / len(now) + max(0.0, second / n - past**2) / n)
    return difference, math.sqrt(variance), usual


def _counts(case: Case) -> dict[str, list[float]]:
    """What other parts hand on, by field: `vlm.n_tags`, `cf.candidate_count`."""
    names = [n for n in roles.all_fields(case) if _COUNTS.search(n) and not n.startswith(f"{case.about}.")]
    told = {name: [v for v in case.numbers(name) if v is not None] for name in names}
    return {name: values for name, values in told.items() if values}


def _because(case: Case, usual: Mapping[str, float]) -> str:
    """The field that grew and that tokens rise with most surely (Wald, robust); empty where there is none."""
    tokens, best = _tokens(case), (_SURE, "")
    for name, before in usual.items():
        points = [(x, t) for x, t in zip(case.numbers(name), tokens, strict=True)
                  if x is not None and t is not None]  # fmt: skip
        now = mean([x for x, _ in points]) if points else before
        fitted = line([x for x, _ in points], [t for _, t in points]) if now >= before * _GROWN else None
        if fitted is None or fitted.slope <= 0 or not fitted.error:
            continue
        grow = f"; with each of {one_line(name)} they grow by {math.expm1(fitted.slope):.1%}"
        says = f"{grow}, and it went from {before:.3g} to {now:.3g}"
        best = min(best, (two_sided(fitted.slope / fitted.error), says))
    return best[1]
