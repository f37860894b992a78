"""IR-26, judge coupling: who judges an answer shares its failures, or stopped agreeing with what can be counted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.roles import fields_of, of_kind
from syscard_monitors.risks.statistics import kappa, upper_tail
from syscard_monitors.stats import Z95

GOOD: Final = 0.5
"""From this score, or this share of grounded words, on an answer counts as good."""
AGREED: Final = 0.6
"""Kappa from which a judge counts as independent evidence."""
_JUDGED: Final = "evaluation."
_FACT: Final = "rationale.grounded"


class JudgeCoupling:
    """1 less Cohen's kappa of a judge's verdicts with how much of the answer is grounded, which no model says."""

    id: Final = "IR-26"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Language models; their judges speak in evaluations of their spans."""
        return of_kind(system, "llm")

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """A judge is held to what was counted, and not to how it was."""
        return {} if _pairs(case) else _lacking(case)

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:  # noqa: ARG002 - as all risks have it
        """Of several evaluations the one that agrees least; z against a kappa of `AGREED`, large samples."""
        agreed = {name: (kappa([pair for pair, _ in told]), told) for name, told in _pairs(case).items()}
        found = [(k, name, told) for name, (k, told) in agreed.items() if k is not None]
        if not found:
            return _lacking(case)
        agreement, name, told = min(found, key=lambda one: (one[0], one[1]))
        pairs = [pair for pair, _ in told]
        error = _error(pairs, agreement)
        apart = [a != b for a, b in pairs]
        return Reading(
            n=len(pairs),
            effect=1 - agreement,
            says=f"{name} agrees with what was counted to a kappa of {agreement:.2f}; {AGREED:g} are asked for",
            p_value=min(1.0, len(found) * upper_tail((AGREED - agreement) / error)) if error else 1.0,
            error=error,
            low=1 - agreement - Z95 * error,
            high=1 - agreement + Z95 * error,
            value=agreement,
            unit="kappa",
            share=sum(apart) / len(apart),
            traces=examples([r for _, r in told], apart),
        )


def _lacking(case: Case) -> Lacking:
    return Lacking(f"needs evaluation events of a judge on spans of {case.about}, and {case.about}.{_FACT}")


def _pairs(case: Case) -> dict[str, list[tuple[tuple[str, str], Request]]]:
    """(judge's verdict, what was counted) by evaluation."""
    found: dict[str, list[tuple[tuple[str, str], Request]]] = {}
    start, fact = f"{case.about}.{_JUDGED}", f"{case.about}.{_FACT}"
    names = [name for name in fields_of(case, case.about) if name.startswith(start)]
    for request in case.requests if names else ():
        facts = [v for v in request.values.get(fact, ()) if isinstance(v, int | float)]
        for name, score in _scores(request, names) if facts else ():
            found.setdefault(name, []).append(((_word(score), _word(facts[-1])), request))
    return found


def _scores(request: Request, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    for name in names:
        told = [v for v in request.values.get(name, ()) if isinstance(v, int | float)]
        if told and 0 <= told[-1] <= 1:
            yield name, float(told[-1])


def _word(score: float) -> str:
    return "good" if score >= GOOD else "bad"


def _error(pairs: list[tuple[str, str]], agreement: float) -> float:
    """Standard error of kappa (Cohen 1960): of the agreement that was seen, over what chance leaves."""
    n = len(pairs)
    seen = (sum(a == b for a, b in pairs) + 0.5) / (n + 1)
    chance = (seen - agreement) / (1 - agreement) if agreement < 1 else 0.0
    return math.sqrt(seen * (1 - seen) / n) / (1 - chance) if chance < 1 else 0.0
