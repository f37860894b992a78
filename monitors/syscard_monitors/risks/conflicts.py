"""IR-04, cross-modal conflict: what a picture is read as contradicts the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from syscard.system import System
from syscard.words import one_line
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.shares import Marks, ShareRisk, not_all_none
from syscard_monitors.risks.statistics import kappa

_CATALOGUE: Final = "catalogue."
"""`vlm.catalogue.colour` is what the catalogue has where `vlm.colour` is what was read."""


class Conflict(ShareRisk):
    """IR-04: with the agreement beyond chance of each field that both sides say, and who wins."""

    id = "IR-04"
    says = "of requests have a reading that contradicts the catalogue"

    def places(self, system: System) -> tuple[str, ...]:
        """Every part that reads pictures."""
        return roles.of_kind(system, "vision-language")

    def marks(self, case: Case) -> Marks | Lacking:
        """Whether one of the request's readings disagrees; where none says so, whether the values differ."""
        told, names = f"{case.about}.agrees", _both_sides(case)
        found = case.columns.of(("conflict", told, *names), lambda r: _disagrees(r, case.about, names))
        return not_all_none(found, told)

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The share of conflicts; the rest is beside it, where fields allow it."""
        found, names = super().assess(case, usual), _both_sides(case)
        if isinstance(found, Lacking) or not names:
            return found
        more = [*(_agreement(case, name) for name in names), *_winners(case, names)]
        return replace(found, says="; ".join([found.says, *filter(None, more)]))


def _both_sides(case: Case) -> tuple[str, ...]:
    """Fields that the part reads and the catalogue has: `category` where there are both."""
    own = {name.removeprefix(f"{case.about}.") for name in roles.fields_of(case, case.about)}
    return tuple(sorted(name for name in own if f"{_CATALOGUE}{name}" in own))


def _pairs(request: Request, ref: str, name: str) -> list[tuple[str, str]]:
    """What was read and what the catalogue has, call by call."""
    sides = (request.values.get(f"{ref}.{prefix}{name}", ()) for prefix in ("", _CATALOGUE))
    return [(str(read), str(known)) for read, known in zip(*sides, strict=False)]


def _disagrees(request: Request, ref: str, names: tuple[str, ...]) -> bool | None:
    if f"{ref}.agrees" in request.values:
        return not all(request.values[f"{ref}.agrees"])
    pairs = [pair for name in names for pair in _pairs(request, ref, name)]
    return any(read != known for read, known in pairs) if pairs else None


def _agreement(case: Case, name: str) -> str:
    found = kappa([pair for r in case.requests for pair in _pairs(r, case.about, name)])
    return "" if found is None else f"kappa of {one_line(name)} {found:.2f}"


def _winners(case: Case, names: tuple[str, ...]) -> list[str]:
    """Of conflicts in which a rationale takes a side, how many follow the picture: by language model."""
    said = []
    for llm in roles.of_kind(case.system, "llm"):
        sides = [side for r in case.requests for name in names for side in _sides(r, case.about, llm, name)]
        if sides:
            said.append(f"{llm} follows the picture in {sum(sides)} of {len(sides)} conflicts")
    return said


def _sides(request: Request, ref: str, llm: str, name: str) -> list[bool]:
    """Whether the rationale says what was read, of conflicts in which it says one of both."""
    told = {str(value) for value in request.values.get(f"{llm}.rationale.{name}", ())}
    conflicts = [pair for pair in _pairs(request, ref, name) if pair[0] != pair[1]]
    return [read in told for read, known in conflicts if (read in told) != (known in told)]
