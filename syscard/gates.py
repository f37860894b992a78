"""Gates: typed rules over the card, and the verdict that blocks a promotion."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from syscard.errors import UsageError
from syscard.incident_states import OPEN_STATES
from syscard.samples import sample_mark, together
from syscard.slices import claim_status, telling_slice
from syscard.words import one_line

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}


class Rule(BaseModel):
    """One rule: the metric must satisfy the threshold, or the gate is blocked (or warns)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    says: str
    metric: Literal[
        "claims_broken",
        "claims_unknown",
        "claims_stale",
        "incidents_open",
        "undeclared_parts",
        "documented_share",
        "watched_share",
        "disparity_ratio",
        "requests",
    ]
    op: Literal["<=", "<", ">=", ">", "=="]
    threshold: float
    on_missing: Literal["fail", "pass"] = "fail"
    severity: Literal["block", "warn"] = "block"


class Policy(BaseModel):
    """The rules of one stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    rules: tuple[Rule, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Check:
    """What one rule found."""

    rule: str
    says: str
    severity: str
    passed: bool
    value: float | None
    op: str
    threshold: float
    items: tuple[str, ...] = ()
    sample: str = ""
    """Which of its figures rest on sampled traces, and how those were sampled; empty where none says so."""


@dataclass(frozen=True)
class Verdict:
    """The gate's answer, with every rule that was asked."""

    stage: str
    checks: tuple[Check, ...]

    @property
    def blocked(self) -> bool:
        """Whether a blocking rule failed."""
        return any(not c.passed and c.severity == "block" for c in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Failed blocking rules in words."""
        return tuple(_reason(c) for c in self.checks if not c.passed and c.severity == "block")


def _reason(check: Check) -> str:
    """In one line: names of components come from spans, and reasons go to terminals and logs."""
    says = one_line(check.says)
    if check.value is None:
        return f"{says}: no figure"
    more = ", ..." if len(check.items) > 4 else ""
    items = f" ({', '.join(map(one_line, check.items[:4]))}{more})" if check.items else ""
    items += f"; {one_line(check.sample)}" if check.sample else ""
    return f"{says}: {check.value:g}, needs {check.op} {check.threshold:g}{items}"


def read_policy(text: str, name: str) -> Policy:
    """A policy from YAML.

    Raises:
        UsageError: the text is not a policy; names the file and the first thing wrong.
    """
    import yaml
    from pydantic import ValidationError

    try:
        return Policy.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        raise UsageError(f"{name}:{line}: not YAML: mend the line, or take another file with --policy") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "top"
        raise UsageError(f"{name}: {where}: {first['msg'].lower()}: see docs/gates.md for the shape") from error
    except ValueError as error:  # YAML reads 2026-13-01 as a day
        raise UsageError(f"{name}: {error}: write the value in quotes") from error


def decide(policy: Policy, card: dict[str, Any], live: dict[str, Any] | None) -> Verdict:
    """Ask every rule. `card` and `live` are the JSON values of a view."""
    return Verdict(policy.stage, tuple(_check(rule, card, live or {}) for rule in policy.rules))


def _check(rule: Rule, card: dict[str, Any], live: dict[str, Any]) -> Check:
    value, items = _METRICS[rule.metric](card, live)
    sample = together(_marks(rule.metric, card, live))
    passed = rule.on_missing == "pass" if value is None else _OPERATORS[rule.op](value, rule.threshold)
    return Check(rule.id, rule.says, rule.severity, passed, value, rule.op, rule.threshold, items, sample)


_Figure = tuple[float | None, tuple[str, ...]]


def _marks(metric: str, card: dict[str, Any], live: dict[str, Any]) -> dict[str, str]:
    """How the requests behind the figures that a metric looks at were sampled, by claim."""
    if metric == "requests":
        return {"requests": sample_mark(live.get("watcher", {}).get("sampled"))}
    if metric == "disparity_ratio":
        judged = _disparities(card)
    else:
        judged = card["claims"] if metric.startswith("claims_") else {}
    return {ref: sample_mark(telling_slice(claim).get("sampled")) for ref, claim in judged.items()}


def _claims(status: str) -> Callable[[dict[str, Any], dict[str, Any]], _Figure]:
    def count(card: dict[str, Any], _live: dict[str, Any]) -> _Figure:
        named = tuple(ref for ref, c in card["claims"].items() if claim_status(c) == status)
        return float(len(named)), named

    return count


def _open_incidents(card: dict[str, Any], _live: dict[str, Any]) -> _Figure:
    named = tuple(f"INC-{n}" for n, i in card["incidents"].items() if i["state"] in OPEN_STATES)
    return float(len(named)), named


def _parts(card: dict[str, Any]) -> dict[str, Any]:
    return {**card["components"], **card["interactions"]}


def _undeclared(card: dict[str, Any], _live: dict[str, Any]) -> _Figure:
    named = tuple(ref for ref, part in _parts(card).items() if part["declared"] is None)
    return float(len(named)), named


_DOCUMENTED: Final = ("owner", "on_call", "intended_use", "users", "out_of_scope", "limitations", "oversight", "review")


def _documented(card: dict[str, Any], _live: dict[str, Any]) -> _Figure:
    identity = card["identity"]
    flat = {**identity, "on_call": identity.get("owner", {}).get("on_call")}
    missing = tuple(key for key in _DOCUMENTED if not flat.get(key))
    unbooked = tuple(ref for ref, c in card["components"].items() if not (c["declared"] or {}).get("owner"))
    total = len(_DOCUMENTED) + len(card["components"])
    return 1 - (len(missing) + len(unbooked)) / total, missing + unbooked


def _watched(card: dict[str, Any], live: dict[str, Any]) -> _Figure:
    """Share of parts with at least one signal that gives a verdict."""
    watched = {s["about"] for s in live.get("signals", {}).values() if s["state"] in ("ok", "warn", "breach")}
    parts = _parts(card)
    if not parts:
        return None, ()
    unwatched = tuple(ref for ref in parts if ref not in watched)
    return 1 - len(unwatched) / len(parts), unwatched


def _disparity(card: dict[str, Any], _live: dict[str, Any]) -> _Figure:
    values = {r: c["slices"][0]["value"] for r, c in _disparities(card).items()}
    known = [v for v in values.values() if v is not None]
    if not known or len(known) < len(values):
        return None, tuple(r for r, v in values.items() if v is None)
    return max(known), tuple(values)


def _disparities(card: dict[str, Any]) -> dict[str, Any]:
    return {r: c for r, c in card["claims"].items() if c["declared"].get("metric", "").startswith("disparity(")}


def _requests(_card: dict[str, Any], live: dict[str, Any]) -> _Figure:
    seen = live.get("watcher", {}).get("requests")
    return (float(seen) if seen is not None else None), ()


_METRICS: Final[dict[str, Callable[[dict[str, Any], dict[str, Any]], _Figure]]] = {
    "claims_broken": _claims("broken"),
    "claims_unknown": _claims("unknown"),
    "claims_stale": _claims("stale"),
    "incidents_open": _open_incidents,
    "undeclared_parts": _undeclared,
    "documented_share": _documented,
    "watched_share": _watched,
    "disparity_ratio": _disparity,
    "requests": _requests,
}
