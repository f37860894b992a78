"""IR-15, undeclared consumer or contract change: who takes what, and whether it is still what was agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from syscard.system import SYSTEM, System
from syscard.words import one_line, plural
from syscard_monitors.assemble import Request
from syscard_monitors.edges import EXAMPLES, seen_edges
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.rises import rise_of, told
from syscard_monitors.risks.shares import Marks, counted, kept, read_counts
from syscard_monitors.risks.statistics import Counts

MOST_FIELDS: Final = 40
"""Of one part that are held to what they were."""
LATELY: Final = 100
"""Newest requests that are looked at for edges: those that came since the last assessment."""
MOST_WORDS: Final = 20
"""Different texts that a field may have to count as one of a few words."""
OPTIONAL: Final = 0.05
"""Share of the baseline's calls that may lack a field which all others hand on. What is lacking more often is handed on
where it is asked for: how often that is goes by the traffic, and it is missed only where nobody hands it on any more.
"""
_NO_CONTRACT: Final = (
    "call", "error", "error_type", "latency_ms", "version", "model", "model_response", "prompt", "fallback",
    "data.asof",
)  # fmt: skip
"""What says how a part was called is no part of what it hands on; versions are IR-14's, and dates move on (IR-23)."""

_MISSING: Final = object()
_WORDS: Final[dict[type, str]] = {
    bool: "yes/no", int: "number", float: "number", list: "list", type(_MISSING): "missing",
}  # fmt: skip
"""What types are called; of all others `text`."""


class ContractChange:
    """Undeclared edges of the system; of a part that gives, the field that changed most surely."""

    id: Final = "IR-15"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Parts that hand something on, and the system for edges that nobody declared."""
        return (*dict.fromkeys(source for source, _ in system.edges), SYSTEM)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Of each field its types, its words where they are few, and how often it is missing."""
        if case.about == SYSTEM:
            return {}
        names = _common(case)
        if not names:
            return roles.needs(f"fields of {case.about}")
        contracts = {name: _contract(case, name) | _optional(case, name) for name in names}
        broken = _broken(case, contracts)
        return {"fields": {n: {**c, "off": kept(_marks(broken, n), case.strata)} for n, c in contracts.items()}}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """Undeclared edges are counted; of fields the p of the surest counts for all of them."""
        return _undeclared(case) if case.about == SYSTEM else _of_fields(case, usual["fields"])


def _undeclared(case: Case) -> Reading | Lacking:
    if not any(r.spans for r in case.requests):
        return roles.needs("parents, links or identifiers on spans")
    declared = frozenset(case.system.edges)
    newest = case.requests[-LATELY:]
    seen = [e for e in seen_edges(newest, declared) if (e.source, e.target) not in declared]
    named = ", ".join(f"{one_line(e.ref)} ({e.evidence})" for e in sorted(seen, key=lambda e: -e.traces)[:3])
    share = max((e.traces for e in seen), default=0) / len(newest)
    return Reading(
        n=len(newest),
        effect=float(len(seen)),
        says=f"{len(seen)} edges that nobody declared: {named}" if seen else "every edge that is seen is declared",
        value=float(len(seen)),
        reference=0.0,
        unit="edges",
        share=share,
        traces=seen[0].examples[:EXAMPLES] if seen else (),
    )


def _of_fields(case: Case, contracts: Mapping[str, Mapping[str, Any]]) -> Reading | Lacking:
    broken = _broken(case, contracts)
    gone = _gone(case, contracts)
    off = {name for of in broken if of for name in of} | {*gone}
    before = {name: gone.get(name, contract["off"]) for name, contract in contracts.items()}
    # What no more requests break than their like did is no worse; of fields that are all well, one speaks for all.
    all_marks = {name: _lost(broken) if name in gone else _marks(broken, name) for name in sorted(off)}
    worse = {name: of for name, of in all_marks.items() if _more(of, case.strata, before[name])}
    marks = worse or {name: _marks(broken, name) for name in list(contracts)[:1]}
    rises = {name: rise_of(of, case.strata, before[name]) for name, of in marks.items()}
    found = {name: more for name, more in rises.items() if more is not None}
    if not found:
        return roles.needs(f"{case.about}.call")
    name = min(found, key=lambda n: (found[n].p_value, -found[n].difference, n))
    sure = found[name]._replace(p_value=min(1.0, found[name].p_value * len(contracts)))
    how = _how(case.requests, case.about, name, contracts[name])
    field = f"{case.about}.{one_line(name)}"
    if name in gone:  # a part that is asked for other things, or cannot tell any more, drops it as a release does
        what = f"calls lack {field}, which was not always there either: it may be that nothing asks for it any more"
        return replace(told(case, marks[name], sure, what), severity="note")
    return told(case, marks[name], sure, f"calls lack {field} or give it another type or word{how}")


def _common(case: Case) -> list[str]:
    """Fields that more than a twentieth of calls hand on; of very many the commonest."""
    start = f"{case.about}."
    own = [n for n in roles.fields_of(case, case.about) if n.removeprefix(start) not in _NO_CONTRACT]
    calls = [r.values for r in case.requests if f"{start}call" in r.values]
    counts = {name.removeprefix(start): sum(name in values for values in calls) for name in own}
    common = [n for n, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if count * 20 > len(calls)]
    return sorted(common[:MOST_FIELDS])


def _contract(case: Case, name: str) -> dict[str, Any]:
    field = f"{case.about}.{name}"
    said = [v for r in case.requests for v in r.values.get(field, ())]
    words = Counter(v for v in said if isinstance(v, str))
    # One that came only now and then may be followed by more that nobody has seen: such a field has no list of words.
    closed = 0 < len(words) <= MOST_WORDS and min(words.values()) >= 5
    return {"types": sorted({_word_for(kind) for kind in {*map(type, said)}}), "words": sorted(words) if closed else []}


def _optional(case: Case, name: str) -> dict[str, Any]:
    """Of a field that is often not handed on: calls without it, by stratum."""
    call, field = f"{case.about}.call", f"{case.about}.{name}"
    lacks = case.columns.of(("lacks", field), lambda request: _lacks(request, call, field, f"{case.about}.error"))
    told = [mark for mark in lacks if mark is not None]
    return {"lacks": kept(lacks, case.strata)} if sum(told) > OPTIONAL * len(told) else {}


def _lacks(request: Request, call: str, field: str, error: str) -> bool | None:
    values = request.values
    return None if call not in values or any(values.get(error, ())) else not values.get(field)


def _gone(case: Case, contracts: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Sequence[int]]]:
    """Optional fields that no call hands on any more, each with the calls of the baseline that had none, by stratum."""
    there = {*roles.fields_of(case, case.about)}
    told = ((name, contract["lacks"]) for name, contract in contracts.items() if "lacks" in contract)
    return {name: lacks for name, lacks in told if f"{case.about}.{name}" not in there}


def _lost(broken: Sequence[tuple[str, ...] | None]) -> Marks:
    return [None if of is None else True for of in broken]


def _broken(case: Case, contracts: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...] | None]:
    """The fields that each request lacks though it should not, or gives with another type or a word never seen.

    None where nothing was called, or a call failed: then nothing is handed on.
    """
    ref, checks = case.about, [_check(case.about, name, contract) for name, contract in contracts.items()]
    return case.columns.of(("broken", ref), lambda request: _breaks(request.values, ref, checks))


def _marks(broken: Sequence[tuple[str, ...] | None], name: str) -> Marks:
    return [None if of is None else name in of for of in broken]


def _more(marks: Marks, strata: Sequence[str], before: Mapping[str, Sequence[int]]) -> bool:
    """Whether more are marked than strata would have by chance: what asks for no exact test, and costs less."""
    usual, excess = read_counts(before), 0.0
    everyone = Counts(sum(c.hits for c in usual.values()), sum(c.n for c in usual.values()))
    for stratum, now in counted(marks, strata).items():
        known = usual.get(stratum, everyone)
        excess += now.hits - now.n * (now.hits + known.hits) / (now.n + known.n)
    return excess > 0


class _Check(NamedTuple):
    """What one field is held to, so that asking a request costs little."""

    name: str
    field: str
    types: frozenset[str]
    words: frozenset[str]
    needed: bool


def _check(ref: str, name: str, contract: Mapping[str, Any]) -> _Check:
    return _Check(
        name, f"{ref}.{name}", frozenset(contract["types"]), frozenset(contract["words"]), "lacks" not in contract
    )


def _breaks(values: Mapping[str, Sequence[Any]], ref: str, checks: Iterable[_Check]) -> tuple[str, ...] | None:
    if f"{ref}.call" not in values or any(values.get(f"{ref}.error", ())):
        return None
    found: list[str] = []
    for name, field, types, words, needed in checks:
        for value in values.get(field) or ((_MISSING,) if needed else ()):
            kind = _WORDS.get(type(value), "text")
            if kind not in types or (words and kind == "text" and value not in words):
                found.append(name)
                break
    return tuple(found)


def _word_for(kind: type) -> str:
    return _WORDS.get(kind, "text")


def _how(requests: Iterable[Request], ref: str, name: str, contract: Mapping[str, Any]) -> str:
    """What is other about it. The words themselves come from spans and are not written down."""
    values: Sequence[Any] = [v for r in requests for v in r.values.get(f"{ref}.{name}", ())]
    types = sorted({_word_for(type(v)) for v in values} - {*contract["types"]})
    words = {v for v in values if isinstance(v, str) and v not in contract["words"]} if contract["words"] else {}
    told = [*types, *([f"{plural(len(words), 'word')} never seen"] if words else [])]
    return f" ({', '.join(told)})" if told else ""
