"""Findings into incidents: which open, which grow, which resolve by themselves. Pure.

Findings that start in the same window and lie on one path of the declared graph are one incident, named after the most
upstream component that changed. That is an order, not a test of cause, and the incident says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from syscard.card import SEVERITIES, Card, Incident
from syscard.digest import digest
from syscard.edits import (
    AddEvidence,
    Author,
    Draft,
    ExtendIncident,
    IncidentFinding,
    MoveIncident,
    OpenIncident,
)
from syscard.finding import Finding, State, Window
from syscard.system import SYSTEM
from syscard_monitors import notes
from syscard_monitors.graph import Graph

RESOLVE_AFTER: Final = 3
"""Windows running in which every signal of an incident must be ok before it resolves by itself."""


@dataclass(frozen=True)
class Firing:
    """What is remembered between windows."""

    quiet: Mapping[int, int] = field(default_factory=dict)
    """Open incident -> windows running in which nothing of it was in breach."""
    configured: frozenset[str] = frozenset()
    """Signals that watch the system now: one of them without a finding is not quiet, it is unknown."""
    rebaselined: frozenset[int] = frozenset()
    """Incidents that were open when the baseline changed."""


@dataclass(frozen=True)
class Outcome:
    """What one window does to the incidents."""

    drafts: tuple[Draft, ...]
    firing: Firing


def update(
    card: Card,
    findings: Sequence[Finding],
    starting: Mapping[str, datetime],
    firing: Firing,
    graph: Graph,
    author: Author,
) -> Outcome:
    """The edits that one window of findings makes.

    Args:
        card: the newest card.
        findings: every finding of the window.
        starting: keys whose breach has just persisted long enough, each with the start of its first window.
        firing: what was remembered of the window before.
        graph: the declared graph.
        author: who writes the edits.
    """
    begun = [f for f in findings if f.key in starting and f.severity != "note"]
    groups = _grouped(begun, _changed(findings, graph), graph)
    drafts: list[Draft] = []
    number = max(card.incidents, default=0)
    owners = _owners(card)
    quiet: dict[int, int] = {}
    for root, members in groups.items():
        joined = _burning(card, root, members, firing, graph)
        fresh = [f for f in members if joined is None or owners.get(f.key) != joined.number]
        if joined is not None:
            drafts += _extend(joined, root, fresh, author, graph) if fresh else []
            quiet[joined.number] = 0
        else:
            number += 1
            drafts += _open(card, number, root, members, starting, findings, author, graph)
            quiet[number] = 0
    moved, counted = _settle(card, findings, firing, quiet, {f.key for f in begun}, author)
    return Outcome((*drafts, *moved), Firing(counted))


def _changed(findings: Iterable[Finding], graph: Graph) -> frozenset[str]:
    """Components with a breach of their own."""
    off = (f.about for f in findings if f.state is State.BREACH and f.severity != "note")
    return frozenset(about for about in off if about in graph.components)


def _grouped(begun: Iterable[Finding], changed: frozenset[str], graph: Graph) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in begun:
        root = graph.first_changed(finding.about, changed) or finding.about
        groups.setdefault(root, []).append(finding)
    return _one_for_many(groups)


def _one_for_many(groups: dict[str, list[Finding]]) -> dict[str, list[Finding]]:
    """Parts that nobody declared and that appear together are one incident of the system, not one each."""
    alone = [root for root, found in groups.items() if all(f.kind == "undeclared" for f in found)]
    if len(alone) <= 1:
        return groups
    together = [f for root in alone for f in groups[root]]
    others = {root: found for root, found in groups.items() if root not in alone}
    return {**others, SYSTEM: [*others.get(SYSTEM, ()), *together]}


def _owners(card: Card) -> dict[str, int]:
    """Signal key -> the newest open incident that has it: one that broke again belongs to the new incident only."""
    waiting = sorted((i for i in card.incidents.values() if i.is_open), key=lambda i: i.number)
    return {f.key: incident.number for incident in waiting for f in incident.findings}


def _burning(card: Card, root: str, members: Sequence[Finding], firing: Firing, graph: Graph) -> Incident | None:
    """An open incident on the same path that was firing in the window before."""
    for incident in sorted(card.incidents.values(), key=lambda i: -i.number):
        near = _near(incident, root, members, graph)
        if incident.is_open and near and firing.quiet.get(incident.number) == 0:
            return incident
    return None


def _near(incident: Incident, root: str, members: Sequence[Finding], graph: Graph) -> bool:
    """Whether what begins lies on the path of an incident; parts that nobody declared lie on none of the system's."""
    if SYSTEM in (incident.subject, root):
        keys = [*(f.key for f in incident.findings), *(f.key for f in members)]
        strangers = {key.endswith(".undeclared") for key in keys}
        return incident.subject == root if strangers == {True} else strangers == {False}
    return graph.related(graph.end_of(incident.subject), graph.end_of(root))


def _open(
    card: Card,
    number: int,
    subject: str,
    members: Sequence[Finding],
    starting: Mapping[str, datetime],
    findings: Sequence[Finding],
    author: Author,
    graph: Graph,
) -> list[Draft]:
    ordered = _ordered(subject, members)
    evidence = [_evidence(f, author) for f in ordered]
    heirs = _heirs(subject, ordered, graph)
    unchanged = _unchanged(subject, findings, heirs, graph)
    main = ordered[0]
    since = min(starting[f.key] for f in ordered)
    body = OpenIncident(
        number=number,
        fingerprint=digest([card.system, subject, main.key])[:16],
        group=f"{card.system}/{graph.end_of(subject)}",
        subject=subject,
        severity=_worst(f.severity for f in ordered),
        title=notes.title(subject, main),
        since=since,
        findings=tuple(_member(f, e) for f, e in zip(ordered, evidence, strict=True)),
        inherited_by=heirs,
        unchanged=unchanged,
        traces=tuple(dict.fromkeys(t for f in ordered for t in f.traces))[:3],
        note=notes.sentences(subject, since, ordered, heirs, unchanged),
        unknowns=notes.unknowns(subject, ordered, card),
        do_first=notes.do_first(subject, ordered, card),
    )
    return [*evidence, Draft(body=body, author=author, observed=main.window.end)]


def _extend(incident: Incident, root: str, fresh: Sequence[Finding], author: Author, graph: Graph) -> list[Draft]:
    ordered = _ordered(root, fresh)
    evidence = [_evidence(f, author) for f in ordered]
    body = ExtendIncident(
        number=incident.number,
        findings=tuple(_member(f, e) for f, e in zip(ordered, evidence, strict=True)),
        inherited_by=_heirs(incident.subject, ordered, graph),
        severity=_worst([incident.severity, *(f.severity for f in ordered)]),
    )
    return [*evidence, Draft(body=body, author=author, observed=ordered[0].window.end)]


def _ordered(subject: str, findings: Sequence[Finding]) -> list[Finding]:
    """The subject's own first, then by severity, then by how far beyond the tolerance."""
    return sorted(
        findings,
        key=lambda f: (f.about != subject, SEVERITIES.index(f.severity), -(f.effect or 0) / (f.tolerance or 1), f.key),
    )


def _evidence(finding: Finding, author: Author) -> Draft:
    body = AddEvidence(
        about=finding.about,
        metric=finding.signal,
        value=finding.value,
        unit=finding.unit,
        n=finding.n,
        reference=finding.reference,
        method=finding.method,
        one_in=finding.one_in,
        one_in_needed=finding.one_in_needed,
        p_value=finding.p_value,
        threshold=finding.threshold,
        window_start=finding.window.start,
        window_end=finding.window.end,
        traces=finding.traces,
        sampled=finding.sampled,
    )
    return Draft(body=body, author=author, observed=finding.window.end)


def _member(finding: Finding, evidence: Draft) -> IncidentFinding:
    return IncidentFinding(
        key=finding.key,
        about=finding.about,
        label=finding.label,
        unit=finding.unit,
        reference=finding.reference,
        value=finding.value,
        n=finding.n,
        evidence=evidence.digest,
        risk=finding.risk,
    )


def _heirs(subject: str, findings: Iterable[Finding], graph: Graph) -> tuple[str, ...]:
    """Parts with findings whose component lies downstream of the subject: they may only inherit it."""
    start = graph.end_of(subject)
    parts = {f.about for f in findings if f.about != subject}
    return tuple(sorted(p for p in parts if start in graph.upstream(graph.end_of(p))))


def _unchanged(subject: str, findings: Iterable[Finding], heirs: tuple[str, ...], graph: Graph) -> tuple[str, ...]:
    """Components that were looked at and show nothing."""
    seen = [f for f in findings if f.about in graph.components]
    off = {f.about for f in seen if f.state in (State.BREACH, State.WARN)} | {subject, *heirs}
    looked_at = {f.about for f in seen if f.state is State.OK}
    return tuple(sorted(looked_at - off))


def _worst(severities: Iterable[str]) -> str:
    return min(severities, key=SEVERITIES.index)


def _settle(
    card: Card,
    findings: Sequence[Finding],
    firing: Firing,
    quiet: dict[int, int],
    begun: set[str],
    author: Author,
) -> tuple[list[Draft], dict[int, int]]:
    """Count quiet windows of every open incident, and resolve those that were quiet for long enough."""
    states = {f.key: f.state for f in findings}
    owners = _owners(card) | dict.fromkeys(begun, 0)
    window = max((f.window for f in findings), key=lambda w: w.index, default=None)
    counted, drafts = dict(quiet), []
    for incident in card.incidents.values():
        if not incident.is_open or incident.number in quiet:
            continue
        keys = [f.key for f in incident.findings if owners.get(f.key) == incident.number]
        watched = [states.get(k, State.UNKNOWN if k in firing.configured else None) for k in keys]
        runs = _quiet_runs(watched, firing.quiet.get(incident.number, 0))
        counted[incident.number] = runs
        if runs >= RESOLVE_AFTER and window is not None:
            how = _how(incident, watched, keys, firing)
            drafts.append(_resolve(incident.number, how, window, author))
            del counted[incident.number]
    return drafts, counted


def _quiet_runs(states: Sequence[State | None], before: int) -> int:
    """One more quiet window if every signal is ok (a part that left the system has none).

    A warning or an unknown is not ok, and not a breach either: the count stands still.
    """
    if State.BREACH in states:
        return 0
    return before + 1 if all(s in (State.OK, None) for s in states) else before


def _how(incident: Incident, watched: Sequence[State | None], keys: Sequence[str], firing: Firing) -> str:
    """Why an incident is over: only `self_cleared` says that its signals came back."""
    if incident.number in firing.rebaselined:
        return "rebaselined"
    gone = [k for k, state in zip(keys, watched, strict=True) if state is None and not k.endswith(".undeclared")]
    return "no_longer_watched" if gone else "self_cleared"


def _resolve(number: int, how: str, window: Window, author: Author) -> Draft:
    body = MoveIncident(number=number, state="resolved", resolution=how)
    return Draft(body=body, author=author, observed=window.end)
