"""Risks between what a language model was handed and what it says: IR-05 to IR-07."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.mentions import LEAST, Lift, compared, lifts
from syscard_monitors.risks.shares import FactorRisk, Marks, ShareRisk, Told, not_all_none
from syscard_monitors.risks.statistics import Counts, Rise, upper_tail
from syscard_monitors.stats import Z95

_CITED: Final = {
    "vision-language": ("rationale.cites_category", "rationale.cites_tags"),
    "ranking": ("rationale.cites_history",),
}
"""What a rationale cites of a part, by the kind of that part."""
Judge = Callable[[Sequence[Any]], bool]


def _mark(case: Case, fields: Mapping[str, Judge]) -> list[bool | None]:
    """By request, the judgement of the first of some fields that it carries."""

    def judged(request: Request) -> bool | None:
        return next((judge(request.values[f]) for f, judge in fields.items() if f in request.values), None)

    return case.columns.of(("mark", *fields), judged)


class Ungrounded(ShareRisk):
    """IR-05: a rationale says what none of the facts says (as CHAIR counts sentences)."""

    id = "IR-05"
    says = "of rationales claim something that no fact says"

    def places(self, system: System) -> tuple[str, ...]:
        """Each language model once, on an edge that hands it facts."""
        return tuple(_from_facts(system, llm) for llm in roles.of_kind(system, "llm"))

    def marks(self, case: Case) -> Marks | Lacking:
        """Whether a claim of the request's rationale is ungrounded."""
        names = [
            f"{case.target}.{prefix}{name}" for prefix in ("rationale.", "") for name in ("ungrounded", "grounded")
        ]
        judges: dict[str, Judge] = {n: _any_ungrounded if n.endswith(".ungrounded") else _not_whole for n in names}
        return not_all_none(_mark(case, judges), *names[:2])


def _any_ungrounded(calls: Sequence[Any]) -> bool:
    return any(count > 0 for count in calls)


def _not_whole(calls: Sequence[Any]) -> bool:
    return any(share < 1 for share in calls)


def _from_facts(system: System, llm: str) -> str:
    for kind in ("vision-language", "retriever", "ranking"):
        edges = roles.edges_between(system, roles.of_kind(system, kind), [llm])
        if edges:
            return edges[0]
    return llm


class WrongItem(FactorRisk):
    """IR-06: a rationale is not about the item that was chosen."""

    id = "IR-06"
    says = "of rationales do not name their item"

    def places(self, system: System) -> tuple[str, ...]:
        """Edges from rankings to language models."""
        return roles.edges_or_parts(system, roles.of_kind(system, "ranking"), roles.of_kind(system, "llm"))

    def marks(self, case: Case) -> Marks | Lacking:
        """Whether the rationale misses its item."""
        field = f"{case.target}.rationale.names_item"
        return not_all_none(_mark(case, {field: lambda calls: not any(calls)}), field)


class IgnoredInput(ShareRisk):
    """IR-07: a language model no longer uses what a part hands it (MAST FM-2.5)."""

    id = "IR-07"
    says = "of rationales cite nothing of what they are handed here"

    def places(self, system: System) -> tuple[str, ...]:
        """Edges into language models from parts of which a rationale can cite something."""
        return roles.edges_between(system, roles.of_kind(system, *_CITED), roles.of_kind(system, "llm"))  # type: ignore[arg-type]

    def marks(self, case: Case) -> Marks | Lacking:
        """Whether nothing of the part is cited."""
        kind = case.system.components[case.source].kind
        fields = tuple(f"{case.target}.{name}" for name in _CITED[kind])
        found = case.columns.of(("cites", *fields), lambda request: _cites_nothing(request, fields))
        return not_all_none(found, *fields)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """How often nothing is cited, and how much more of its input than of others' an answer mentions."""
        cited, mentioned = super().usual(case), lifts(case)
        if isinstance(cited, Lacking) and not mentioned:
            return Lacking(f"{cited.why}, or keep: fingerprints on both parts")
        kept = {} if isinstance(cited, Lacking) else cited
        return {**kept, "mentions": {s: list(lift) for s, lift in mentioned.items()}} if mentioned else kept

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """What is cited where the baseline has that, and beside it what is mentioned; else the latter alone."""
        found = compared(lifts(case), usual.get("mentions", {}))
        if "by" not in usual:
            return _mentioned(*found) if found else Lacking(f"needs n {LEAST} with words of both parts", LEAST)
        cited = super().assess(case, usual)
        if isinstance(cited, Lacking) or found is None:
            return cited
        return replace(cited, says=f"{cited.says}; {_mention_text(*found)}")

    def told(self, found: Rise, now: Mapping[str, Counts], before: Mapping[str, Counts]) -> Told:  # noqa: ARG002
        """The share of the use that is lost: 1 is all of it."""
        used = max(1e-9, 1 - found.before)
        bounds = (found.low / used, found.high / used)
        return Told(found.difference / used, found.p_value, *bounds, found.error / used)


def _mention_text(now: Lift, before: Lift) -> str:
    own = f"an answer mentions {now.level:+.2f} more of its own input than of others'"
    return f"{own}, {before.level:+.2f} in the baseline"


def _mentioned(now: Lift, before: Lift) -> Reading | Lacking:
    """The share of the mention that is lost."""
    if before.level <= Z95 * before.error:
        return Lacking("in the baseline an answer mentions its input no more than any other")
    lost = (before.level - now.level) / before.level
    error = max(1e-9, math.hypot(now.error, before.error) / before.level)
    return Reading(
        n=now.n,
        effect=lost,
        says=_mention_text(now, before),
        p_value=upper_tail(lost / error),
        error=error,
        scale="share",
        low=lost - Z95 * error,
        high=lost + Z95 * error,
        value=now.level,
        reference=before.level,
    )


def _cites_nothing(request: Request, fields: Sequence[str]) -> bool | None:
    told = [call for field in fields for call in request.values.get(field, ())]
    return not any(told) if told else None
