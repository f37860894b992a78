"""IR-14, undeclared change: a version, model or prompt answers that neither the card nor the baseline knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.system import System
from syscard.words import one_line
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples

WHAT: Final = ("version", "model", "model_response", "prompt")
MOST_VALUES: Final = 50
"""Of a baseline that are remembered."""
LATELY: Final = 100
"""Newest requests in which two versions must both answer: one that took the other's place is no longer there."""


class UndeclaredChange:
    """Requests that carry what nobody declared, or the smaller of two versions that answer side by side."""

    id: Final = "IR-14"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Every part has a version."""
        return tuple(system.components)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """What the baseline's requests carried: who set it has accepted that."""
        found = {what: _seen(case.requests, case.about, what) for what in WHAT}
        if not any(found.values()):
            return roles.needs(*(f"{case.about}.{what}" for what in ("version", "model", "prompt")))
        return {what: [value for value, _ in seen.most_common(MOST_VALUES)] for what, seen in found.items()}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The larger share of the two; nothing here is left to chance, so there is no test."""
        called = [r for r in case.requests if f"{case.about}.call" in r.values]
        if not called:
            return roles.needs(f"{case.about}.call")
        known = {what: {*usual.get(what, ()), *_declared(case.system, case.about)} for what in WHAT}
        new = [_new(r, case.about, known) for r in called]
        share, beside = sum(bool(n) for n in new) / len(new), _beside(called[-LATELY:], case.about, usual)
        named = ", ".join(f"{what} {one_line(value)}" for what, value in sorted({n for some in new for n in some})[:3])
        says = f"{share:.1%} of requests carry what nobody declared: {named}" if named else "all that answers is known"
        return Reading(
            n=len(called),
            effect=max(share, beside),
            says=f"{says}; two versions answer side by side" if beside else says,
            scale="share",
            value=max(share, beside),
            reference=0.0,
            unit="share",
            share=max(share, beside),
            traces=examples(called, [bool(n) for n in new]),
        )


def _values(request: Request, ref: str, what: str) -> set[str]:
    return {str(v) for v in request.values.get(f"{ref}.{what}", ())}


def _seen(requests: Sequence[Request], ref: str, what: str) -> Counter[str]:
    return Counter(value for r in requests for value in _values(r, ref, what))


def _declared(system: System, ref: str) -> set[str]:
    version = system.components[ref].version.declared
    return {version} if version else set()


def _new(request: Request, ref: str, known: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """A field that the baseline's requests never had says nothing of a change."""
    return {
        (what, value)
        for what in WHAT
        if known[what]
        for value in _values(request, ref, what)
        if value not in known[what]
    }


def _beside(newest: Sequence[Request], ref: str, usual: Mapping[str, Any]) -> float:
    """Share of requests with the rarer of two versions; 0 where the baseline had several as well."""
    if len(usual.get("version", ())) > 1:
        return 0.0
    counts = sorted(_seen(newest, ref, "version").values())
    return sum(counts[:-1]) / len(newest) if len(counts) > 1 else 0.0
