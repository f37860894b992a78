"""The policy of a gate: typed rules of one stage, and reading them with every problem at once, each with its line."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from syscard.blindspots import Topic
from syscard.digest import digest
from syscard.errors import PolicyError, Problem
from syscard.gate_runs import MOST_CHECKS
from syscard.shape_problems import Shape
from syscard.system_checks import Fault, located
from syscard.units import Duration
from syscard.yaml_tree import Tree, Unreadable, decoded

MAX_BYTES: Final = 1 << 20
Metric = Literal[
    "claims_broken",
    "claims_unknown",
    "claims_stale",
    "claim_value",
    "signal_value",
    "disparity_ratio",
    "group_disparity",
    "groups_uneven",
    "incidents_open",
    "risks_seen",
    "risks_unknown",
    "unknowns_overdue",
    "undeclared_parts",
    "documented_share",
    "watched_share",
    "evidence_age_days",
    "approvals_missing",
    "requests",
    "hours_since_traffic",
]
Op = Literal["<=", "<", ">=", ">", "=="]
Bound = Literal["conservative", "value"]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Names = Annotated[tuple[_Text, ...], Field(min_length=1, max_length=200)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scope(_Data):
    """What a rule looks at: what matches every list that is given."""

    components: _Names | None = None
    edges: _Names | None = None
    claims: _Names | None = None
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)] | None = None

    @property
    def parts(self) -> tuple[str, ...] | None:
        """Components and edges together; None where neither is named."""
        named = (*(self.components or ()), *(self.edges or ()))
        return named or None


EVERYTHING: Final = Scope()


class Rule(_Data):
    """One rule: the figure must satisfy the threshold, or the gate is blocked (or warns)."""

    id: _Text
    says: _Text
    metric: Metric
    op: Op
    threshold: float
    on_missing: Literal["fail", "pass"] = "fail"
    """`fail`: a figure that nobody has measured counts as a bad one."""
    severity: Literal["block", "warn"] = "block"
    waivable: bool = True
    scope: Scope = EVERYTHING
    slice: _Text = "all"
    """Of a claim: one slice by name, `all` for all traffic, `every` for each that it is told for."""
    min_n: int | None = Field(default=None, ge=1)
    """Requests that a figure needs; one of fewer is missing."""
    bound: Bound | None = None
    """Which end of an interval is compared: that against the promise, or the figure itself."""
    signal: _Text | None = None
    """`<about>.<name>`."""
    segment: _Text | None = None
    stage: _Text | None = None
    """Of a comparison of groups: the part at which it is made."""
    roles: _Names | None = None
    within: Duration | None = None
    """How old an approval may be."""
    distinct_people: bool = False
    """Whether one person may approve in one of the roles only."""
    severities: Annotated[tuple[Literal["page", "ticket", "note"], ...], Field(min_length=1)] | None = None


class Waivers(_Data):
    """What a policy allows of waivers."""

    at_most: Duration = timedelta(days=90)


class Policy(_Data):
    """The rules of one stage."""

    stage: _Text
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=MOST_CHECKS)
    waivers: Waivers = Waivers()

    @cached_property
    def digest(self) -> str:
        """Of what it says, whatever file it is read from."""
        return digest(self.model_dump(mode="json", exclude_defaults=True))

    def rule(self, name: str) -> Rule | None:
        """One of its rules."""
        return next((rule for rule in self.rules if rule.id == name), None)


_ABOUT_CLAIMS: Final = frozenset({"scope.components", "scope.edges", "scope.claims", "scope.topics"})
_ABOUT_PARTS: Final = frozenset({"scope.components", "scope.edges"})
_READS: Final[dict[str, frozenset[str]]] = {
    "claims_broken": _ABOUT_CLAIMS,
    "claims_unknown": _ABOUT_CLAIMS,
    "claims_stale": _ABOUT_CLAIMS,
    "claim_value": _ABOUT_CLAIMS | {"slice", "min_n", "bound"},
    "signal_value": frozenset({"signal", "min_n"}),
    "disparity_ratio": _ABOUT_CLAIMS | {"min_n", "bound"},
    "group_disparity": _ABOUT_PARTS | {"segment", "stage", "min_n", "bound"},
    "incidents_open": _ABOUT_PARTS | {"severities"},
    "risks_seen": _ABOUT_PARTS,
    "risks_unknown": _ABOUT_PARTS,
    "undeclared_parts": _ABOUT_PARTS,
    "watched_share": _ABOUT_PARTS,
    "evidence_age_days": _ABOUT_CLAIMS,
    "approvals_missing": frozenset({"roles", "within", "distinct_people"}),
}
"""What a metric looks at besides op, threshold and what every rule has; the others look at nothing more."""
_NEEDS: Final = {"signal_value": "signal", "approvals_missing": "roles"}
_ALWAYS: Final = frozenset({"id", "says", "metric", "op", "threshold", "on_missing", "severity", "waivable", "scope"})
_EXAMPLES: Final = {
    "stage": "stage: promote",
    "rules": "rules: [{id: fair, says: disparity ratio, metric: disparity_ratio, op: '<=', threshold: 1.25}]",
    "waivers": "waivers: {at_most: 90d}",
    "at_most": "at_most: 90d",
    "id": "id: fair",
    "says": "says: disparity ratio",
    "metric": "metric: disparity_ratio",
    "op": 'op: "<="',
    "threshold": "threshold: 1.25",
    "scope": "scope: {components: [llm]}",
    "roles": "roles: [risk-owner]",
    "within": "within: 30d",
    "distinct_people": "distinct_people: true",
    "signal": "signal: llm.grounded",
    "min_n": "min_n: 200",
    "severities": "severities: [page, ticket]",
    "waivable": "waivable: false",
}
_SHAPE: Final = Shape(Policy, _EXAMPLES, {})


def read_policy(text: str | bytes, name: str) -> Policy:
    """A policy from YAML; `name` is what messages call the file.

    Raises:
        PolicyError: the text is not a policy; carries every problem with its line.
    """
    try:
        if len(text) > MAX_BYTES:
            raise Unreadable(1, "is larger than 1 MiB", "the rules only")
        tree = Tree.of(decoded(text) if isinstance(text, bytes) else text, "stage: and rules:", "see docs/gates.md")
    except Unreadable as error:
        raise PolicyError(name, (error.problem,)) from None
    policy, found = _checked(tree)
    problems = tuple(sorted({*tree.problems(), *found}))
    if problems or policy is None:
        raise PolicyError(name, problems)
    return policy


def _checked(tree: Tree) -> tuple[Policy | None, tuple[Problem, ...]]:
    try:
        policy = Policy.model_validate(tree.values)
    except ValidationError as error:
        return None, tuple(_SHAPE.problems(error, tree))
    return policy, located(_faults(policy), tree.values, tree.lines)


def _faults(policy: Policy) -> list[Fault]:
    """What rules say that their metric does not read, and ids that are there twice."""
    found: list[Fault] = []
    seen: set[str] = set()
    for at, rule in enumerate(policy.rules):
        if rule.id in seen:
            found.append(Fault(("rules", at, "id"), f"'{rule.id}' is there twice", "another id: waivers name rules"))
        seen.add(rule.id)
        found += [Fault(("rules", at, *path), what, write) for path, what, write in _unread(rule)]
    return found


def _unread(rule: Rule) -> list[tuple[tuple[str, ...], str, str]]:
    reads = _READS.get(rule.metric, frozenset())
    said = {(key,) for key in rule.model_fields_set - _ALWAYS} | {("scope", key) for key in rule.scope.model_fields_set}
    found: list[tuple[tuple[str, ...], str, str]] = [
        (path, f"is not looked at by {rule.metric}", "the rule without it")
        for path in sorted(said)
        if ".".join(path) not in reads
    ]
    needed = _NEEDS.get(rule.metric)
    if needed and getattr(rule, needed) is None:
        found.append(((needed,), "is missing", _EXAMPLES[needed]))
    return found
