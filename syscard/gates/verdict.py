"""The verdict of a gate: every rule that was asked, what it found, and what waivers make of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from syscard.gate_runs import MOST_ITEMS, GateCheck, Outcome, RunGate
from syscard.gates.facts import CardJson, Facts, LiveJson, gate_input
from syscard.gates.figures import Figure, figure
from syscard.gates.rules import Policy, Rule
from syscard.samples import together
from syscard.words import one_line

PYTHON: Final = "python"


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
    """What it fails for; where it passes, what the figure counts."""
    sample: str = ""
    """Which of its figures rest on sampled traces, and how those were sampled; empty where none says so."""
    why: str = ""
    """Why there is no figure, or how it was taken."""
    waivers: tuple[str, ...] = ()
    """Waivers that hold it back; empty where it passes, or where they do not cover all that it fails for."""
    waived_until: str | None = None
    """When the first of them ends: the rule counts again then."""

    @property
    def outcome(self) -> Outcome:
        """In one word; what is waived has not passed."""
        if self.passed:
            return "ok"
        if self.waivers:
            return "waived"
        return "failed" if self.severity == "block" else "warned"

    @property
    def reason(self) -> str:
        """In one line: names of components come from spans, and reasons go to terminals and logs."""
        says = one_line(self.says)
        if self.value is None:
            why = f": {one_line(self.why)}" if self.why else ""
            return f"{says}: no figure{why}{self._named()}"
        sample = f"; {one_line(self.sample)}" if self.sample else ""
        return f"{says}: {self.value:g}, needs {self.op} {self.threshold:g}{self._named()}{sample}"

    def _named(self) -> str:
        more = ", ..." if len(self.items) > 4 else ""
        return f" ({', '.join(map(one_line, self.items[:4]))}{more})" if self.items else ""


@dataclass(frozen=True)
class Verdict:
    """The gate's answer, with every rule that was asked."""

    stage: str
    checks: tuple[Check, ...]

    @property
    def blocked(self) -> bool:
        """Whether a blocking rule failed and no waiver holds it back."""
        return any(c.outcome == "failed" for c in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Failed blocking rules in words."""
        return tuple(c.reason for c in self.checks if c.outcome == "failed")

    @property
    def waived(self) -> tuple[Check, ...]:
        """Blocking rules that failed and are held back for a time."""
        return tuple(c for c in self.checks if c.outcome == "waived" and c.severity == "block")


def decide(policy: Policy, card: CardJson, live: LiveJson | None, at: datetime) -> Verdict:
    """Ask every rule of a card. `card` and `live` are the JSON values of a view."""
    approvals = any(rule.metric == "approvals_missing" for rule in policy.rules)
    return decide_on(policy, gate_input(card, live, at, approvals=approvals))


def decide_on(policy: Policy, facts: Facts) -> Verdict:
    """Ask every rule of the facts of a gate."""
    return Verdict(policy.stage, tuple(_check(rule, policy, facts) for rule in policy.rules))


def _check(rule: Rule, policy: Policy, facts: Facts) -> Check:
    found = figure(rule, facts)
    passed = found.does(rule)
    used = {} if passed else _waivers(found, rule, policy, facts)
    return Check(
        rule=rule.id,
        says=rule.says,
        severity=rule.severity,
        passed=passed,
        value=found.value,
        op=rule.op,
        threshold=rule.threshold,
        items=found.items,
        sample=together(dict(found.samples)),
        why=found.why,
        waivers=tuple(used),
        waived_until=min(used.values(), default=None),
    )


def _waivers(found: Figure, rule: Rule, policy: Policy, facts: Facts) -> dict[str, str]:
    """Waivers that together hold a failed rule back, with their ends; none unless what they leave would do."""
    holding = _holding(rule, policy, facts) if rule.waivable else {}
    if not found.items:
        return {ref: end for ref, (scope, end) in holding.items() if not scope}
    used = {ref: (set(scope) & set(found.items), end) for ref, (scope, end) in holding.items()}
    covered = {item for items, _ in used.values() for item in items}
    return {ref: end for ref, (items, end) in used.items() if items} if found.would_do(covered) else {}


def _holding(rule: Rule, policy: Policy, facts: Facts) -> dict[str, tuple[list[str], str]]:
    """Scope and end of the waivers of a rule that hold now."""
    at, found = datetime.fromisoformat(facts["asked"]["at"]), dict[str, tuple[list[str], str]]()
    for ref, one in facts["waivers"].items():
        starts, expires = datetime.fromisoformat(one["starts"]), datetime.fromisoformat(one["expires"])
        end = min(expires, starts + policy.waivers.at_most)
        if one["rule"] == rule.id and not one["revoked"] and starts <= at < end:
            found[ref] = one["scope"], one["expires"] if end == expires else end.isoformat().replace("+00:00", "Z")
    return found


def record_of(verdict: Verdict, *, policy: str, facts_digest: str, engine: str) -> RunGate:
    """A run of a gate as it is written down; `policy` and `facts_digest` are digests."""
    checks = tuple(
        GateCheck(
            rule=c.rule,
            outcome=c.outcome,
            value=c.value,
            op=c.op,
            threshold=c.threshold,
            items=tuple(map(one_line, c.items[:MOST_ITEMS])),
            waivers=c.waivers,
            why=c.why,
        )
        for c in verdict.checks
    )
    return RunGate(
        stage=verdict.stage, blocked=verdict.blocked, policy=policy, input=facts_digest, engine=engine, checks=checks
    )


def is_news(run: RunGate, card: dict[str, Any]) -> bool:
    """Whether a run says anything that the newest one of its stage does not: the same question with the same answer."""
    known = next((one for one in reversed(card.get("gate_runs", ())) if one["stage"] == run.stage), None)
    said = run.model_dump(mode="json", include={"blocked", "policy", "input", "engine"})
    said |= {"failed": list(run.failed), "waivers": list(run.waivers)}
    return known is None or any(known[key] != value for key, value in said.items())
