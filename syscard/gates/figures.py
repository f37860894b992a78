"""The figure of each metric over a gate's facts. Pure; a figure that nobody has measured is missing, never fine."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from syscard.gates.facts import Facts
from syscard.gates.rules import EVERYTHING, Rule
from syscard.people import same_person

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_CLOCKS_APART_H: Final = 1.0
"""Hours that a sender's clock may be ahead before its newest span tells nothing about silence."""
_KEYS: Final = {"on_call": "system.owner.on_call"}
"""Where a field stands in `system.yaml`, if not under `system`."""
_TOLD: Final = 4
"""Keys that are named where something is to be written."""


@dataclass(frozen=True)
class Figure:
    """What one metric found."""

    value: float | None
    """None: there is no figure."""
    items: tuple[str, ...] = ()
    """What it fails for, where it fails."""
    why: str = ""
    """Why there is no figure, or how it was taken."""
    rest: Callable[[Collection[str]], bool] | None = None
    """Whether it would do if some of the items were not counted; None: only if all were."""
    samples: tuple[tuple[str, str], ...] = ()
    """How the requests behind it were sampled, by what it was taken from."""

    def does(self, rule: Rule) -> bool:
        """Whether it satisfies the rule."""
        return rule.on_missing == "pass" if self.value is None else OPERATORS[rule.op](self.value, rule.threshold)

    def would_do(self, covered: Collection[str]) -> bool:
        """Whether it would do if the items that waivers cover were not counted; one without items never would."""
        if not covered:
            return False
        return self.rest(covered) if self.rest else set(self.items) <= set(covered)


def figure(rule: Rule, facts: Facts) -> Figure:
    """The figure of a rule's metric, over what is in its scope."""
    lost = _not_there(rule, facts)
    if lost:
        return Figure(None, lost, "not on the card")
    return _METRICS[rule.metric](rule, facts)


def _not_there(rule: Rule, facts: Facts) -> tuple[str, ...]:
    """What a scope names that the card does not have: a rule that looks at nothing would be satisfied by nothing."""
    parts = (ref for ref in rule.scope.parts or () if ref not in facts["parts"] and ref != "system")
    claims = (ref for ref in rule.scope.claims or () if ref not in facts["claims"])
    return (*parts, *claims)


def _in_scope(rule: Rule, about: str) -> bool:
    return rule.scope.parts is None or about in rule.scope.parts


def _claims(rule: Rule, facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    for ref, claim in facts["claims"].items():
        named = rule.scope.claims is None or ref in rule.scope.claims
        of_topic = rule.scope.topics is None or claim["topic"] in rule.scope.topics
        if named and of_topic and _in_scope(rule, claim["about"]):
            yield ref, claim


# --- figures that count ----------------------------------------------------------------------------------------------


def _count(rule: Rule, items: tuple[str, ...], samples: tuple[tuple[str, str], ...] = ()) -> Figure:
    def rest(covered: Collection[str]) -> bool:
        return OPERATORS[rule.op](sum(item not in covered for item in items), rule.threshold)

    return Figure(float(len(items)), items, rest=rest, samples=samples)


def _share(rule: Rule, of: int, missing: tuple[str, ...]) -> Figure:
    def rest(covered: Collection[str]) -> bool:
        left = sum(item not in covered for item in missing)
        return OPERATORS[rule.op](1 - left / of, rule.threshold)

    return Figure(1 - len(missing) / of, missing, rest=rest) if of else Figure(None, why="there are none")


def _claims_of(status: str) -> Callable[[Rule, Facts], Figure]:
    def count(rule: Rule, facts: Facts) -> Figure:
        found = dict(_claims(rule, facts))
        if not found and rule.scope != EVERYTHING:
            return Figure(None, why="no claim is in its scope")
        named = tuple(ref for ref, claim in found.items() if claim["status"] == status)
        return _count(rule, named, tuple((ref, claim["sample"]) for ref, claim in found.items()))

    return count


def _incidents(rule: Rule, facts: Facts) -> Figure:
    asked = rule.severities or ("page", "ticket", "note")
    return _count(rule, tuple(
        name for name, one in facts["incidents"].items()
        if one["open"] and one["severity"] in asked and _in_scope(rule, one["subject"])
    ))  # fmt: skip


def _risks_in(state: str) -> Callable[[Rule, Facts], Figure]:
    def count(rule: Rule, facts: Facts) -> Figure:
        risks = facts["risks"].items()
        return _count(rule, tuple(ref for ref, r in risks if r["state"] == state and _in_scope(rule, r["about"])))

    return count


def _groups_uneven(rule: Rule, facts: Facts) -> Figure:
    if not facts["compared"]:
        return Figure(None, why="groups were never compared")
    found = _count(rule, tuple(name for name, state in facts["compared"].items() if state in ("uneven", "amplified")))
    unknown = tuple(name for name, state in facts["compared"].items() if state == "unknown")
    if not unknown or rule.on_missing == "pass":
        return found

    def rest(covered: Collection[str]) -> bool:
        left = sum(item not in covered for item in found.items)
        return set(unknown) <= set(covered) and OPERATORS[rule.op](left, rule.threshold)

    value = None if found.does(rule) else found.value
    return Figure(value, (*found.items, *unknown), f"{len(unknown)} cannot be told yet", rest=rest)


def _overdue(rule: Rule, facts: Facts) -> Figure:
    today = facts["asked"]["at"][:10]
    return _count(rule, tuple(ref for ref, one in facts["unknowns"].items() if str(one["answer_by"] or "") < today))


def _undeclared(rule: Rule, facts: Facts) -> Figure:
    parts = facts["parts"].items()
    return _count(rule, tuple(ref for ref, part in parts if not part["declared"] and _in_scope(rule, ref)))


def _documented(rule: Rule, facts: Facts) -> Figure:
    missing = tuple(facts["documented"]["missing"])
    return replace(_share(rule, facts["documented"]["fields"], missing), why=_to_write(missing, facts))


def _to_write(missing: tuple[str, ...], facts: Facts) -> str:
    """What to write and where: `to be written in system.yaml: system.oversight, components.llm.owner`."""
    keys = [f"components.{ref}.owner" if ref in facts["parts"] else _KEYS.get(ref, f"system.{ref}") for ref in missing]
    more = ", ..." if len(keys) > _TOLD else ""
    return f"to be written in system.yaml: {', '.join(keys[:_TOLD])}{more}" if keys else ""


def _watched(rule: Rule, facts: Facts) -> Figure:
    parts = {ref: part for ref, part in facts["parts"].items() if _in_scope(rule, ref)}
    return _share(rule, len(parts), tuple(ref for ref, part in parts.items() if not part["watched"]))


def _approvals(rule: Rule, facts: Facts) -> Figure:
    at = datetime.fromisoformat(facts["asked"]["at"])
    people: list[str] = []
    missing: list[str] = []
    for role in rule.roles or ():
        found = facts["approvals"].get(role)
        twice = rule.distinct_people and any(same_person(found["person"], one) for one in people) if found else False
        if twice or not _approved(found, rule, at):
            missing.append(role)
        elif found:
            people.append(found["person"])
    return _count(rule, tuple(missing))


def _approved(found: dict[str, Any] | None, rule: Rule, at: datetime) -> bool:
    if found is None or not found["counts"]:
        return False
    return rule.within is None or at - datetime.fromisoformat(found["at"]) <= rule.within


# --- figures of several things, of which the worst counts ------------------------------------------------------------


def _worst(rule: Rule, values: dict[str, float | None], why: str = "", samples: dict[str, str] | None = None) -> Figure:
    """The worst of several figures; missing where one of them is and none is known to be bad."""
    known = {name: value for name, value in values.items() if value is not None}
    bad = tuple(name for name, value in known.items() if not OPERATORS[rule.op](value, rule.threshold))
    missing = tuple(name for name in values if name not in known) if rule.on_missing == "fail" else ()
    told, why = tuple((samples or {}).items()), why.removeprefix("; ")
    if not known or (missing and not bad):
        return Figure(None, missing, why if values else "there are none", samples=told)
    order: Callable[..., float] = min if rule.op in (">=", ">") else max
    worst = known[bad[0]] if bad and rule.op == "==" else order(known.values())
    return Figure(worst, (*bad, *missing), why, samples=told)


def _value(one: dict[str, Any], rule: Rule, usual: str) -> float | None:
    """The figure itself, or the end of its interval that is worse for the rule; None of too few requests."""
    value: float | None = one["value"]
    if value is None or (rule.min_n is not None and (one["n"] or 0) < rule.min_n):
        return None
    end = {"<": "high", ">": "low"}.get(rule.op[0]) if (rule.bound or usual) == "conservative" else None
    return value if end is None or one[end] is None else float(one[end])


def _how(rule: Rule, usual: str) -> str:
    end = {"<": "the upper end of the interval", ">": "the lower end of the interval"}.get(rule.op[0])
    said = [end] if end and (rule.bound or usual) == "conservative" else []
    return ", ".join([*said, *([f"of n {rule.min_n} or more"] if rule.min_n else [])])


def _claim_value(rule: Rule, facts: Facts) -> Figure:
    values: dict[str, float | None] = {}
    samples: dict[str, str] = {}
    for ref, claim in _claims(rule, facts):
        slices = {s["slice"]: s for s in claim["slices"]}
        asked = list(slices) if rule.slice == "every" else [rule.slice]
        for name in asked:
            known = slices.get(name) or (claim["slices"][0] if name == "all" else None)
            values[ref if name == "all" else f"{ref} {name}"] = _value(known, rule, "conservative") if known else None
        samples[ref] = claim["sample"]
    return _worst(rule, values, _how(rule, "conservative") + _expired(rule, facts), samples)


def _expired(rule: Rule, facts: Facts) -> str:
    """Of which claims the figures have expired, in words."""
    stale = [ref for ref, claim in _claims(rule, facts) if claim["status"] == "stale"]
    return f"; the evidence of {', '.join(stale)} has expired" if stale else ""


def _signal_value(rule: Rule, facts: Facts) -> Figure:
    name = rule.signal or ""
    one = facts["signals"].get(name)
    if one is None:
        return Figure(None, (name,), "no such signal was looked at")
    value = _value({**one, "low": None, "high": None}, rule, "value")
    return _worst(rule, {name: value}, _how(rule, "value"), {name: one["sample"]})


def _disparity(rule: Rule, facts: Facts) -> Figure:
    found = {r: c for r, c in _claims(rule, facts) if c["metric"].startswith("disparity(")}
    if not found:
        return Figure(None, why="no claim in its scope is over disparity(...)")
    values = {ref: _value(claim["slices"][0], rule, "value") for ref, claim in found.items()}
    why = _how(rule, "value") + _expired(rule, facts)
    return _worst(rule, values, why, {ref: claim["sample"] for ref, claim in found.items()})


def _group_disparity(rule: Rule, facts: Facts) -> Figure:
    values = {
        name: _value(one, rule, "value")
        for name, one in facts["groups"].items()
        if rule.segment in (None, one["segment"]) and _at_stage(rule, one["about"])
    }
    return _worst(rule, values, _how(rule, "value"))


def _at_stage(rule: Rule, about: str) -> bool:
    return rule.stage in (None, about) and _in_scope(rule, about)


def _evidence_age(rule: Rule, facts: Facts) -> Figure:
    at = datetime.fromisoformat(facts["asked"]["at"])
    ends = {ref: claim["evidence_end"] for ref, claim in _claims(rule, facts)}
    ages = {ref: (at - datetime.fromisoformat(end)) / _DAY if end else None for ref, end in ends.items()}
    return _worst(rule, ages, "days since the newest request behind it")


# --- figures of the whole system -------------------------------------------------------------------------------------


def _requests(_rule: Rule, facts: Facts) -> Figure:
    seen = facts["traffic"]["requests"]
    if seen is None:
        return Figure(None, why="no request has been counted")
    return Figure(float(seen), samples=(("requests", facts["traffic"]["sample"]),))


def _silence(_rule: Rule, facts: Facts) -> Figure:
    last = facts["traffic"]["last_span"]
    if last is None:
        return Figure(None, why="no span has come")
    hours = (datetime.fromisoformat(facts["asked"]["at"]) - datetime.fromisoformat(last)) / _HOUR
    if hours < -_CLOCKS_APART_H:
        return Figure(None, why="the newest span is dated ahead of the clock of this gate")
    return Figure(hours)


_METRICS: Final[dict[str, Callable[[Rule, Facts], Figure]]] = {
    "claims_broken": _claims_of("broken"),
    "claims_unknown": _claims_of("unknown"),
    "claims_stale": _claims_of("stale"),
    "claim_value": _claim_value,
    "signal_value": _signal_value,
    "disparity_ratio": _disparity,
    "group_disparity": _group_disparity,
    "groups_uneven": _groups_uneven,
    "incidents_open": _incidents,
    "risks_seen": _risks_in("seen"),
    "risks_unknown": _risks_in("unknown"),
    "unknowns_overdue": _overdue,
    "undeclared_parts": _undeclared,
    "documented_share": _documented,
    "watched_share": _watched,
    "evidence_age_days": _evidence_age,
    "approvals_missing": _approvals,
    "requests": _requests,
    "hours_since_traffic": _silence,
}
