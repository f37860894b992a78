"""IR-14, undeclared change: a version, model or prompt that nobody declared, or a change without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.system import System
from syscard.words import one_line
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import MOST_TRACES, Case, Lacking, Reading, examples

WHAT: Final = ("version", "model", "model_response", "prompt")
MOST_VALUES: Final = 50
"""Of a baseline that are remembered."""
LATELY: Final = 100
"""Newest requests in which two versions must both answer: one that took the other's place is no longer there."""

_OWN: Final = "changed itself"
_Carried = frozenset[tuple[str, str]]
"""(version, model or prompt; its value)"""


class UndeclaredChange:
    """Requests that carry what nobody declared, or the smaller of two versions that answer side by side.

    Where there are none: a part that changed itself, as the attribution of an open incident says (given what reaches
    it), though nothing that it carries did.
    """

    id: Final = "IR-14"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Every part has a version."""
        return tuple(system.components)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """What the baseline's requests carried: who set it has accepted that."""
        seen = Counter(one for carried in _carried(case) for one in carried)
        if not seen:
            return roles.needs(*(f"{case.about}.{what}" for what in ("version", "model", "prompt")))
        most = sorted(seen, key=lambda one: (-seen[one], one))
        return {what: [value for of, value in most if of == what][:MOST_VALUES] for what in WHAT}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The larger share of the two; nothing here is left to chance, so there is no test; attributions had theirs."""
        told = [(r, c) for r, c in zip(case.requests, _carried(case), strict=True) if f"{case.about}.call" in r.values]
        if not told:
            return roles.needs(f"{case.about}.call")
        called, carried = [r for r, _ in told], [c for _, c in told]
        new = _new(carried, usual, _declared(case.system, case.about))
        share, beside = sum(bool(n) for n in new) / len(new), _beside(carried[-LATELY:], usual)
        if (silent := _silent(case)) and not max(share, beside):
            return silent
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


def _carried(case: Case) -> list[_Carried]:
    """What the part carried in each request."""
    fields = [(what, f"{case.about}.{what}") for what in WHAT]
    same: dict[_Carried, _Carried] = {}  # most requests carry the same: it is kept once
    return case.columns.of(("carried", case.about), lambda request: _values(request, fields, same))


def _values(request: Request, fields: Sequence[tuple[str, str]], same: dict[_Carried, _Carried]) -> _Carried:
    found = frozenset([(what, str(v)) for what, field in fields for v in request.values.get(field, ())])
    return same.setdefault(found, found)


def _declared(system: System, ref: str) -> set[str]:
    version = system.components[ref].version.declared
    return {version} if version else set()


def _new(carried: Sequence[_Carried], usual: Mapping[str, Any], declared: set[str]) -> list[_Carried]:
    """A field that the baseline's requests never had says nothing of a change."""
    known = {(what, value) for what in WHAT for value in (*usual.get(what, ()), *declared)}
    said = {what for what, _ in known}
    return [frozenset([one for one in of - known if one[0] in said]) for of in carried]


def _beside(newest: Sequence[_Carried], usual: Mapping[str, Any]) -> float:
    """Share of requests with the rarer of two versions; 0 where the baseline had several as well."""
    if len(usual.get("version", ())) > 1:
        return 0.0
    counts = sorted(Counter(value for of in newest for what, value in of if what == "version").values())
    return sum(counts[:-1]) / len(newest) if len(counts) > 1 else 0.0


def _silent(case: Case) -> Reading | None:
    """What an incident says of the part that it is named after first, with no change of it before: the newest first.

    Of the others that differ given what reaches them, latencies do so with the machine's load, and that is no release.
    """
    for incident in reversed(case.card.open_incidents if case.card else ()):
        told = incident.attribution
        own = [p for p in told.parts if p.part == case.about == told.first and p.verdict == _OWN] if told else []
        if own and told and told.confidence != "low" and not any(c.about == case.about for c in incident.changed):
            return Reading(
                n=own[0].n,
                effect=1.0,
                says=f"{case.about} changed itself (incident {incident.number}), "
                "and no version, model or prompt with it",
                value=own[0].effect,
                unit="standard deviations" if own[0].effect is not None else "",
                severity="ticket",
                traces=incident.traces[:MOST_TRACES],
            )
    return None
