"""Risks between a ranking and who takes its items: IR-08, IR-09 and IR-12."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.shares import ChangeRisk, Marks, ShareRisk, counted, not_all_none
from syscard_monitors.risks.statistics import Counts, Rise, association, rise
from syscard_monitors.stats import Rates, quantile, rule_of_three

MOST_LISTED: Final = 64
"""Items of a list that spans keep: of a longer one it cannot be said what is not in it."""
LEAST_ANSWERED: Final = 20
"""Requests of which it is known what became of them, on either side, for what overriding costs."""
_OFFERS: Final = ("ranking", "retriever")
_TAKES: Final = ("vision-language", "llm", "agent", "guard")


def _takers(system: System) -> tuple[str, ...]:
    """From an offering part to each part that can name its items: the declared edge, or else one from the first."""
    offering = roles.of_kind(system, *_OFFERS)
    return tuple(_edge(system, offering, taker) for taker in roles.of_kind(system, *_TAKES) if offering)


def _edge(system: System, offering: Sequence[str], taker: str) -> str:
    return next(iter(roles.edges_between(system, offering, [taker])), f"{offering[0]}->{taker}")


def _names(case: Case, ref: str) -> list[list[str]]:
    """Items that a part names in each request."""
    return case.columns.of(("names", ref), lambda request: _named(request, ref))


def _named(request: Request, ref: str) -> list[str]:
    """Items that a part names: of its list, or the one that each call is about."""
    found: dict[str, None] = {}
    for name in ("items", "item.id", "item"):
        for call in request.values.get(f"{ref}.{name}", ()):
            found |= dict.fromkeys(map(str, call if isinstance(call, list) else [call]))
    return list(found)


def _offered(case: Case) -> list[list[str]]:
    """Candidates of each request."""
    refs = roles.of_kind(case.system, *_OFFERS)
    of_one = (_names(case, ref) for ref in refs)
    return case.once("offered", lambda: [list(dict.fromkeys(chain(*lists))) for lists in zip(*of_one, strict=True)])


class Override(ChangeRisk):
    """IR-08: who takes a ranking's items puts another first, more or less often than before."""

    id = "IR-08"
    says = "of requests put another item first than the ranking did"

    def places(self, system: System) -> tuple[str, ...]:
        """Of who answers with items: language models, and the part that a request enters by."""
        last = (*roles.of_kind(system, "llm"), *filter(None, [roles.caller(system)]))
        return tuple(edge for edge in _takers(system) if edge.rpartition("->")[2] in last)

    def marks(self, case: Case) -> Marks | Lacking:
        """Whether the first item differs; None where one of the two names none."""
        found = list(map(_differs, _names(case, case.source), _names(case, case.target)))
        return not_all_none(found, f"{case.source}.items with {case.target}.items", f"{case.target}.item.id")

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The change, or what overriding costs where that is surer; the smaller p counts for both."""
        change = super().assess(case, usual)
        if isinstance(change, Lacking):
            return change
        change = replace(change, aspect="change", aspects={"change": change.effect})
        marks = self.marks(case)
        cost = regret(case, marks)
        if cost is None:
            return replace(change, says=f"{change.says}; what that costs is unknown: {_untold(case, marks)}")
        both = {"change": change.effect, "cost": cost.difference}
        says = f"{change.says}; of overridden ones {cost.difference:+.1%} fewer are accepted than of like ones kept"
        p = change.p_value if change.p_value is not None else 1.0
        if p <= cost.p_value:
            return replace(change, says=says, p_value=min(1.0, 2 * p), aspects=both)
        return replace(
            change,
            says=says,
            effect=cost.difference,
            p_value=min(1.0, 2 * cost.p_value),
            error=cost.error,
            low=cost.low,
            high=cost.high,
            value=1 - cost.now,
            reference=1 - cost.before,
            unit="share",
            aspect="cost",
            aspects=both,
        )


def regret(case: Case, overridden: Marks | Lacking) -> Rise | None:
    """How much oftener what was overridden is not accepted than what was kept, within strata of the ranking's score.

    Args:
        case: the requests; `accepted` on them or on the part that answers says what became of each, else feedback.
        overridden: whether another item came first, by request.

    Returns:
        None where too few say what became of them, or none has its like on the other side.
    """
    accepted = _known(case)
    lists = [f"{s}|{b}" for s, b in zip(case.strata, _score_bands(case), strict=True)]
    if isinstance(overridden, Lacking):
        return None
    lost = [None if a is None else not a for a in accepted]
    over = [x if mark else None for x, mark in zip(lost, overridden, strict=True)]
    kept = [x if mark is False else None for x, mark in zip(lost, overridden, strict=True)]
    if min(sum(x is not None for x in side) for side in (over, kept)) < LEAST_ANSWERED:
        return None
    return rise(counted(over, lists), counted(kept, lists))


def _untold(case: Case, overridden: Marks | Lacking) -> str:
    """What is missing to say what overriding costs."""
    marks = [None] * len(case.requests) if isinstance(overridden, Lacking) else overridden
    told = [mark for mark, a in zip(marks, _known(case), strict=True) if a is not None]
    if not told:
        return "needs accepted on requests, or feedback on them"
    return (
        f"needs {LEAST_ANSWERED} answers on overridden ones and as many on kept ones, "
        f"has {told.count(True)} and {told.count(False)}"
    )


def _known(case: Case) -> list[bool | None]:
    """Whether what each request offered was accepted: as it says itself, or as feedback has said by now."""
    names = ("accepted", f"{case.target}.accepted", f"{roles.caller(case.system)}.accepted")
    said = case.columns.of(("accepted", *names), lambda request: _accepted(request, names))
    later = case.answers()
    return [s if s is not None else (a.accepted if a else None) for s, a in zip(said, later, strict=True)]


def _accepted(request: Request, names: Sequence[str]) -> bool | None:
    return next((any(request.values[name]) for name in names if name in request.values), None)


def _score_bands(case: Case) -> list[int]:
    """In which quarter of the ranking's best scores each request is; those without are together."""
    scores = case.numbers(f"{case.source}.top_score")
    told = [score for score in scores if score is not None]
    cuts = [quantile(told, q) for q in (0.25, 0.5, 0.75)] if told else []
    return [-1 if score is None else sum(score > cut for cut in cuts) for score in scores]


def _differs(offered: Sequence[str], taken: Sequence[str]) -> bool | None:
    return offered[0] != taken[0] if offered and taken else None


class OutOfCandidates:
    """IR-09: an item that nobody offered. It must never happen."""

    id: Final = "IR-09"
    invariant: Final = True

    def places(self, system: System) -> tuple[str, ...]:
        """Every part that can name an item."""
        return _takers(system)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Nothing: no baseline makes it right."""
        return {} if case.requests else Lacking("no request")

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:  # noqa: ARG002
        """How many requests name an item that is not among the candidates."""
        marks = list(map(_strange, _offered(case), _names(case, case.target)))
        if all(mark is None for mark in marks):
            fields = (f"{case.source}.items with {case.target}.items", f"{case.target}.item.id")
            return roles.needs(*fields)
        n, hits = sum(mark is not None for mark in marks), sum(bool(mark) for mark in marks)
        return Reading(
            n=n,
            effect=float(hits),
            says=f"{hits} of {n} requests name an item that nobody offered",
            low=float(hits),
            high=float(hits) if hits else n * rule_of_three(n),
            value=float(hits),
            reference=0.0,
            unit="requests",
            share=hits / n,
            traces=examples(case.requests, marks),
        )


def _strange(offered: Sequence[str], taken: Sequence[str]) -> bool | None:
    if not offered or not taken or len(offered) >= MOST_LISTED:
        return None
    return bool({*taken} - {*offered})


class ColdStart(ShareRisk):
    """IR-12: a fallback of a ranking, and behind it an answer that knows nothing of who asked."""

    id = "IR-12"
    says = "of requests fall back in the ranking and are answered in general terms"

    def places(self, system: System) -> tuple[str, ...]:
        """From rankings to language models, whatever edges are declared; without a model the ranking alone."""
        ranking, models = roles.of_kind(system, "ranking"), roles.of_kind(system, "llm")
        return tuple(_edge(system, ranking, model) for model in models if ranking) or ranking

    def marks(self, case: Case) -> Marks | Lacking:
        """Fallbacks with a generic answer; every fallback where no answer says whether it is generic."""
        fallen = fallbacks(case, case.source)
        generic = _generics(case)
        if all(mark is None for mark in generic) or case.target == case.source:
            return not_all_none(fallen, f"{case.source}.fallback")
        both = [None if f is None else f and bool(g) for f, g in zip(fallen, generic, strict=True)]
        return not_all_none(both, f"{case.source}.fallback")

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """With how much more often answers are generic behind a fallback (Cochran-Mantel-Haenszel)."""
        found = super().assess(case, usual)
        if isinstance(found, Lacking):
            return found
        tables = _tables(case)
        tied = association(tables)
        if tied.expected <= 0:
            return found
        says = f"{found.says}; behind a fallback {tied.ratio:.2g} times as many answers are generic"
        return replace(found, says=f"{says}: {contribution(tables):+.1%} of all answers come of it")


def contribution(tables: Sequence[Rates]) -> float:
    """P(F) (P(generic | F) - P(generic | no F)): what fallbacks add to the share of generic answers, over strata."""
    known = [t for t in tables if t.n and t.n_before]
    total = sum(t.n + t.n_before for t in known)
    return math.fsum(t.n * (t.hits / t.n - t.hits_before / t.n_before) for t in known) / total if total else 0.0


def fallbacks(case: Case, ref: str) -> list[bool | None]:
    """Whether a part fell back; calls say so only where they did. None where no request ever says, or has no call."""
    says = any(f"{ref}.fallback" in r.values or f"{ref}.known_user" in r.values for r in case.requests)
    return roles.any_of(case, ref, ["fallback"]) if says else [None] * len(case.requests)


def _generics(case: Case) -> list[bool | None]:
    return case.columns.of(("generic", case.target), lambda request: _generic(request, case.target))


def _generic(request: Request, ref: str) -> bool | None:
    """Whether an answer is of what everybody gets: it cites no history, or is no answer."""
    cited = request.values.get(f"{ref}.rationale.cites_history")
    if cited is not None:
        return not any(cited)
    fallen = request.values.get(f"{ref}.fallback") or request.values.get(f"{ref}.empty")
    return None if fallen is None else any(fallen)


def _tables(case: Case) -> list[Rates]:
    """Generic answers behind fallbacks and behind none, by stratum."""
    fallen = fallbacks(case, case.source)
    found: dict[str, list[Counts]] = {}
    for generic, f, stratum in zip(_generics(case), fallen, case.strata, strict=True):
        if f is not None and generic is not None:
            sides = found.setdefault(stratum, [Counts(0, 0), Counts(0, 0)])
            at = 0 if f else 1
            sides[at] = Counts(sides[at].hits + generic, sides[at].n + 1)
    return [Rates(w.hits, w.n, o.hits, o.n) for _, (w, o) in sorted(found.items())]
