"""IR-15, undeclared consumer or contract change: who takes what, and whether it is still what was agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from syscard.system import SYSTEM, System
from syscard.words import one_line, plural
from syscard_monitors.assemble import Request
from syscard_monitors.edges import EXAMPLES, seen_edges
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.rises import kept, rise_of, told

MOST_FIELDS: Final = 40
"""Of one part that are held to what they were."""
LATELY: Final = 100
"""Newest requests that are looked at for edges: those that came since the last assessment."""
MOST_WORDS: Final = 20
"""Different texts that a field may have to count as one of a few words."""
_NO_CONTRACT: Final = (
    "call", "error", "error_type", "latency_ms", "version", "model", "model_response", "prompt", "fallback",
    "data.asof",
)  # fmt: skip
"""What says how a part was called is no part of what it hands on; versions are IR-14's, and dates move on (IR-23)."""
_TYPES: Final = {bool: "yes/no", int: "number", float: "number", list: "list"}


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
        calls = [r for r in case.requests if f"{case.about}.call" in r.values]
        names = Counter(name for r in calls for name in _fields(r, case.about))
        common = [n for n, count in sorted(names.items(), key=lambda one: (-one[1], one[0])) if count * 20 > len(calls)]
        if not common:
            return roles.needs(f"fields of {case.about}")
        return {"fields": {name: _contract(case, name) for name in sorted(common[:MOST_FIELDS])}}

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
    marks = {name: _flags(case, name, c) for name, c in contracts.items()}
    off = {name: sum(bool(m) for m in of) for name, of in marks.items()}
    # A field that nothing broke did not get worse; of those that are all well, one speaks for all.
    looked_at = [name for name in contracts if off[name]] or list(contracts)[:1]
    rises = {name: rise_of(marks[name], case.strata, contracts[name]["off"]) for name in looked_at}
    found = {name: more for name, more in rises.items() if more is not None}
    if not found:
        return roles.needs(f"{case.about}.call")
    name = min(found, key=lambda n: (found[n].p_value, -found[n].difference, n))
    sure = found[name]._replace(p_value=min(1.0, found[name].p_value * len(contracts)))
    how = _how(case.requests, case.about, name, contracts[name])
    what = f"calls lack {case.about}.{one_line(name)} or give it another type or word{how}"
    return told(case, marks[name], sure, what)


def _fields(request: Request, ref: str) -> list[str]:
    start = f"{ref}."
    own = (name.removeprefix(start) for name in request.values if name.startswith(start))
    return [name for name in own if name not in _NO_CONTRACT]


def _contract(case: Case, name: str) -> dict[str, Any]:
    said = [v for r in case.requests for v in r.values.get(f"{case.about}.{name}", ())]
    words = {v for v in said if isinstance(v, str)}
    # One that came only now and then may be followed by more that nobody has seen: such a field has no list of words.
    closed = 0 < len(words) <= MOST_WORDS and min(Counter(v for v in said if isinstance(v, str)).values()) >= 5
    contract: dict[str, Any] = {
        "types": sorted({_type(v) for v in said}),
        "words": sorted(words) if closed else [],
    }
    return {**contract, "off": kept(_flags(case, name, contract), case.strata)}


def _flags(case: Case, name: str, contract: Mapping[str, Any]) -> list[bool | None]:
    """Whether a call lacks the field, or gives it another type or a word never seen.

    None where nothing was called, or a call failed: then nothing is handed on.
    """
    call, error, field = (f"{case.about}.{last}" for last in ("call", "error", name))
    types, words = frozenset(contract["types"]), frozenset(contract["words"])

    def breaks(request: Request) -> bool | None:
        if call not in request.values or any(request.values.get(error, ())):
            return None
        said = request.values.get(field)
        return not said or any(_is_other(v, types, words) for v in said)

    return case.columns.of(("breaks", case.about, name), breaks)


def _is_other(value: Any, types: frozenset[str], words: frozenset[str]) -> bool:
    if _type(value) not in types:
        return True
    return isinstance(value, str) and bool(words) and value not in words


def _type(value: Any) -> str:
    return _TYPES.get(type(value), "text")


def _how(requests: Iterable[Request], ref: str, name: str, contract: Mapping[str, Any]) -> str:
    """What is other about it. The words themselves come from spans and are not written down."""
    values: Sequence[Any] = [v for r in requests for v in r.values.get(f"{ref}.{name}", ())]
    types = sorted({_type(v) for v in values} - {*contract["types"]})
    words = {v for v in values if isinstance(v, str) and v not in contract["words"]} if contract["words"] else {}
    told = [*types, *([f"{plural(len(words), 'word')} never seen"] if words else [])]
    return f" ({', '.join(told)})" if told else ""
