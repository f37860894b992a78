"""The words of an incident, from templates: what changed, since when, what is not known, what to do first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from syscard.card import Card
from syscard.finding import Finding
from syscard.risks import catalogue
from syscard.system import SYSTEM
from syscard.words import figure, plural

_FIRST: Final = {
    "undeclared": "declare {c} in system.yaml, or take it out of the system",
    "rate": "look at the error type in the example traces, and at what {c} calls",
    "ratio": "compare the deployed version, prompt and settings of {c} with the declared ones",
    "burn": "look at what changed since then around {c}, and take it back if it is new: the promise is being broken",
    "latency": "compare a slow example trace with one from the baseline, and look at what {c} depends on",
    "share": "open the example traces and compare {c}'s inputs with the baseline's",
    "number": "open the example traces and compare {c}'s inputs with the baseline's",
    "category": "open the example traces and compare {c}'s inputs with the baseline's",
}
"""First step by kind of finding; the kinds that narrow a cause down most come first."""


def change(finding: Finding) -> str:
    """`agrees 0.90 -> 0.33`."""
    if finding.kind == "undeclared":
        return finding.label
    if finding.kind == "category":
        return f"{finding.label} moved by {figure(finding.value)}"
    if finding.kind == "risk":
        return f"{finding.risk} {finding.label}"
    if finding.kind == "burn":
        return f"{finding.label}: {finding.value or 0:.3g} times too fast"
    return f"{finding.label} {figure(finding.reference, finding.unit)} -> {figure(finding.value, finding.unit)}"


def title(subject: str, main: Finding) -> str:
    """`agrees 0.90 -> 0.33`; the part is named only where it is not the subject itself."""
    if subject == SYSTEM and main.kind == "undeclared":
        return "several parts seen in spans, declared by nobody"
    where = "" if main.about == subject else f"{main.about} "
    return f"{where}{change(main)}"


def sentences(
    subject: str, since: datetime, findings: Sequence[Finding], inherited_by: Sequence[str], unchanged: Sequence[str]
) -> tuple[str, ...]:
    """The note: facts only, each from a finding. Where something was not tested, it says so."""
    own = [f for f in findings if f.about == subject] or list(findings)
    others = [f for f in findings if f not in own]
    differs = "breaks its promise" if all(f.kind == "burn" for f in own) else "differs from its baseline"
    lines = [f"From {since:%H:%M:%S} UTC {subject} {differs}: {'; '.join(map(_measured, own))}."]
    if others:
        lines.append(f"In the same windows: {'; '.join(f'{f.about} {_measured(f)}' for f in others)}.")
    if inherited_by:
        lines.append(
            f"{_listed(inherited_by)} {_verb(inherited_by, 'lies', 'lie')} downstream of {subject} and may only "
            "inherit the change; that is the order of the declared graph, not a test."
        )
    if unchanged:
        lines.append(f"{_listed(unchanged)} {_verb(unchanged, 'shows', 'show')} no change in these windows.")
    return tuple(lines)


def gathered(since: datetime, findings: Sequence[Finding]) -> dict[str, Any]:
    """The words of the incident that gathers what there is no room for."""
    parts = len({f.about for f in findings})
    many = f"{plural(len(findings), 'signal')} of {plural(parts, 'part')}"
    return {
        "title": "more broke than can be told apart: the rest is gathered here",
        "note": (
            f"From {since:%H:%M:%S} UTC {many} began to differ while no room was left for incidents of their own.",
        ),
        "unknowns": ("which of them belong together: there are too many",),
        "do_first": "look at what all of them have in common: a deployment, a model, a service that all of them call",
    }


def _measured(finding: Finding) -> str:
    return f"{change(finding)} ({plural(finding.n, 'request')})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def unknowns(subject: str, findings: Sequence[Finding], card: Card) -> tuple[str, ...]:
    """What nobody can tell from these spans."""
    if subject == SYSTEM and any(f.kind != "undeclared" for f in findings):
        return ("which part it comes from: none of them had changed when it began",)
    end = subject.split("->")[-1]
    component = card.components.get(end)
    if component is None:
        return ("whether it is meant to be there: nobody declared it",)
    seen = {o.what for o in component.observed}
    lines = []
    if "version" not in seen:
        lines.append(f"which version of {end} ran: its spans carry no component version")
    if (component.declared or {}).get("kind") == "llm" and "prompt" not in seen:
        lines.append(f"which prompt {end} ran with: its spans carry no prompt hash")
    return tuple(lines)


def _kind(finding: Finding) -> str:
    """Only of errors is there an error type to look at: other rates are shares of what may be looked at itself."""
    return "share" if finding.kind == "rate" and finding.signal != "error" else finding.kind


def do_first(subject: str, findings: Sequence[Finding], card: Card) -> str:
    """One thing to do, by the kind of finding that narrows it down most, and the runbook where there is one."""
    risk = next((f.risk for f in findings if f.risk and f.about == subject), None)
    if risk is not None:
        return catalogue()[risk].mitigation.rstrip(".")
    end = subject.split("->")[-1]
    kinds = {_kind(f) for f in findings if f.about == subject} or {_kind(f) for f in findings}
    narrowest = next((kind for kind in _FIRST if kind in kinds), "number")
    declared = (card.components[end].declared if end in card.components else None) or {}
    step = _FIRST[narrowest].format(c="the system" if end == SYSTEM else end)
    return f"{step}; runbook: {declared['runbook']}" if declared.get("runbook") else step
