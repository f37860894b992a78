"""Findings into incidents: which open, which grow, which resolve by themselves. Pure.

Findings that start in the same window and lie on one path of the declared graph are one incident, named after the most
upstream component that changed. That is an order, not a test of cause, and the incident says so. Where they go says
`syscard_monitors.placing`, what becomes of incidents that are there `syscard_monitors.settling`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from syscard.card import SEVERITIES, Card, Incident
from syscard.edits import (
    AddEvidence,
    Author,
    Body,
    Draft,
    ExtendIncident,
    IncidentFinding,
    MoveIncident,
    OpenIncident,
    ReopenIncident,
    provisional,
)
from syscard.finding import Finding, State
from syscard.fold import fold
from syscard.incident_edits import HoldIncident
from syscard.incident_fold import worst
from syscard.incident_keys import fingerprint_of, group_key, overflow_fingerprint
from syscard.silences import Told, due_moves, silence_of
from syscard.system import SYSTEM
from syscard_monitors import notes
from syscard_monitors.graph import Graph
from syscard_monitors.placing import MOST_LISTED, Begun, Placing, are_risks, placed
from syscard_monitors.reach import Reached, Served, reached_of
from syscard_monitors.settling import FLAPS, Seen, ended, owners, transitions, worse

NONE_SERVED: Final = Served()


@dataclass(frozen=True)
class Firing:
    """What is remembered between windows."""

    quiet: Mapping[int, int] = field(default_factory=dict)
    """Live incident -> windows running in which nothing of it was in breach."""
    configured: frozenset[str] = frozenset()
    """Signals that watch the system now: one of them without a finding is not quiet, it is unknown."""
    rebaselined: frozenset[int] = frozenset()
    """Incidents that were open when the baseline changed."""
    reached: Mapping[int, Reached] = field(default_factory=dict)
    """Live incident -> how far it reaches."""


@dataclass(frozen=True)
class Outcome:
    """What one window does to the incidents."""

    drafts: tuple[Draft, ...]
    firing: Firing


@dataclass(frozen=True)
class _Window:
    """One window of findings, and what is needed to write about it."""

    card: Card
    findings: Sequence[Finding]
    starting: Mapping[str, datetime]
    graph: Graph
    author: Author
    served: Served
    at: datetime

    def draft(self, body: Body) -> Draft:
        """An edit of this window."""
        return Draft(body=body, author=self.author, observed=self.at)

    def since(self, begun: Begun) -> datetime:
        """Start of the first window in which one of them was off."""
        return min(self.starting[f.key] for f in begun.members)

    def reached(self, before: Reached, subject: str, fired: Sequence[Finding], gathered: int) -> Reached:
        """How far an incident reaches after this window."""
        groups = self.served.groups_through(subject, self.graph) if fired else {}
        return before.after(fired, self.served, groups, gathered)


@dataclass
class _Story:
    """What is said of the incidents, and what will be remembered of them."""

    drafts: list[Draft] = field(default_factory=list)
    quiet: dict[int, int] = field(default_factory=dict)
    reached: dict[int, Reached] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    """What a risk that joined keeps open, whether or not the rest is quiet."""

    def fires(self, number: int, reached: Reached, drafts: Iterable[Draft]) -> None:
        """An incident of which something is in breach."""
        self.quiet[number], self.reached[number] = 0, reached
        self.drafts += drafts


def update(
    card: Card,
    findings: Sequence[Finding],
    starting: Mapping[str, datetime],
    firing: Firing,
    graph: Graph,
    author: Author,
    served: Served = NONE_SERVED,
) -> Outcome:
    """The edits that one window of findings makes.

    Args:
        card: the newest card.
        findings: every finding of the window.
        starting: keys whose breach has just persisted long enough, each with the start of its first window.
        firing: what was remembered of the window before.
        graph: the declared graph.
        author: who writes the edits.
        served: the requests of the window.
    """
    at = max((f.window.end for f in findings), default=card.observed)
    begun = [f for f in findings if f.key in starting and f.severity != "note"]
    window = _Window(card, findings, starting, graph, author, served, at)
    groups = _grouped(card.system, begun, _changed(findings, graph), graph)
    goes = placed(Placing(card, firing.quiet, graph, at), groups)
    told = _Story()
    for number, one in enumerate(goes.anew, start=max(card.incidents, default=0) + 1):
        _open(window, number, one, told)
    for incident, one in goes.again:
        _reopen(window, incident, one, told)
    _continue(window, goes.joining, firing, told)
    if findings:
        _settle(window, {f.key for f in begun}, firing, told)
    told.drafts += _silenced(window, told, goes.joining)
    return Outcome(tuple(told.drafts), Firing(told.quiet, reached=told.reached))


def _changed(findings: Iterable[Finding], graph: Graph) -> frozenset[str]:
    """Components with a breach of their own. A risk looks back over many windows: it says not who changes now."""
    off = (f.about for f in findings if f.state is State.BREACH and f.severity != "note" and not f.risk)
    return frozenset(about for about in off if about in graph.components)


def _grouped(system: str, begun: Iterable[Finding], changed: frozenset[str], graph: Graph) -> list[Begun]:
    groups: dict[str, list[Finding]] = {}
    for finding in begun:
        root = graph.first_changed(finding.about, changed) or finding.about
        groups.setdefault(root, []).append(finding)
    return [_begun(system, root, found) for root, found in _one_for_many(groups).items()]


def _one_for_many(groups: dict[str, list[Finding]]) -> dict[str, list[Finding]]:
    """Parts that nobody declared and that appear together are one incident of the system, not one each."""
    alone = [root for root, found in groups.items() if all(f.kind == "undeclared" for f in found)]
    if len(alone) <= 1:
        return groups
    together = [f for root in alone for f in groups[root]]
    others = {root: found for root, found in groups.items() if root not in alone}
    return {**others, SYSTEM: [*others.get(SYSTEM, ()), *together]}


def _begun(system: str, root: str, found: Sequence[Finding]) -> Begun:
    ordered = tuple(_ordered(root, found))
    return Begun(root, ordered, fingerprint_of(system, ordered[0]))


def _open(window: _Window, number: int, begun: Begun, told: _Story) -> None:
    card, graph, subject = window.card, window.graph, begun.root
    listed = begun.members[:MOST_LISTED]
    evidence = [_evidence(f, window.author) for f in listed]
    heirs = _heirs(subject, listed, graph)
    unchanged = _unchanged(subject, window.findings, heirs, graph)
    reached = window.reached(Reached(), subject, begun.members, len(begun.members) - len(listed))
    body = OpenIncident(
        number=number,
        fingerprint=begun.fingerprint,
        group=group_key(card.system, graph.end_of(subject), card.traces),
        subject=subject,
        severity=worst(f.severity for f in begun.members),
        since=window.since(begun),
        findings=tuple(_member(f, e) for f, e in zip(listed, evidence, strict=True)),
        inherited_by=heirs,
        unchanged=unchanged,
        traces=tuple(dict.fromkeys(t for f in listed for t in f.traces))[:3],
        silence=silence_of(card, subject, begun.members, heirs, window.at),
        impact=reached.impact if window.served.n else None,
        gathered=reached.gathered,
        **_words(window, begun, heirs, unchanged),
    )
    told.fires(number, reached, [*evidence, window.draft(body)])


def _words(window: _Window, begun: Begun, heirs: tuple[str, ...], unchanged: tuple[str, ...]) -> dict[str, Any]:
    """What is said of what begins."""
    subject, members, card = begun.root, begun.members[:MOST_LISTED], window.card
    if begun.fingerprint == overflow_fingerprint(card.system):
        return notes.gathered(window.since(begun), begun.members)
    return {
        "title": notes.title(subject, members[0]),
        "note": notes.sentences(subject, window.since(begun), members, heirs, unchanged),
        "unknowns": notes.unknowns(subject, members, card),
        "do_first": notes.do_first(subject, members, card),
    }


def _reopen(window: _Window, incident: Incident, begun: Begun, told: _Story) -> None:
    """The same broke again within a week: it keeps its number, and what it was about before."""
    known = {f.key for f in incident.findings}
    room = max(0, MOST_LISTED - len(incident.findings))
    listed = [f for f in begun.members if f.key in known]
    new = [f for f in begun.members if f.key not in known]
    listed += new[:room]
    evidence = [_evidence(f, window.author) for f in listed]
    heirs = _heirs(incident.subject, listed, window.graph)
    every: list[Told] = [*(f for f in incident.findings if f.key not in window.starting), *begun.members]
    body = ReopenIncident(
        number=incident.number,
        since=window.since(begun),
        severity=worst(f.severity for f in begun.members),
        findings=tuple(_member(f, e) for f, e in zip(listed, evidence, strict=True)),
        inherited_by=heirs,
        silence=silence_of(window.card, incident.subject, every, (*incident.inherited_by, *heirs), window.at),
    )
    reached = window.reached(reached_of(incident), incident.subject, begun.members, len(new[room:]))
    drafts = [*evidence, window.draft(body)]
    count = transitions(incident, window.at) + 1
    if count >= FLAPS and not incident.flapping:
        drafts.append(window.draft(HoldIncident(number=incident.number, transitions=count)))
    told.fires(incident.number, reached, drafts)


def _continue(window: _Window, joining: Mapping[int, Sequence[Finding]], firing: Firing, told: _Story) -> None:
    """What joins live incidents, what makes them worse, and how far they reach now."""
    own = owners(window.card)
    fired: dict[int, list[Finding]] = {}
    for finding in window.findings:
        if finding.state is State.BREACH and finding.severity != "note" and finding.key in own:
            fired.setdefault(own[finding.key], []).append(finding)
    for incident in window.card.live_incidents:
        number = incident.number
        fresh = [f for f in joining.get(number, ()) if own.get(f.key) != number]
        listed = fresh[: max(0, MOST_LISTED - len(incident.findings))]
        burning = [*fired.get(number, ()), *fresh]
        before = firing.reached.get(number) or reached_of(incident)
        reached = window.reached(before, incident.subject, burning, len(fresh) - len(listed))
        told.reached[number] = reached
        told.drafts += _extend(window, incident, listed, worse(incident, burning))
        if due := reached.due(incident, over=False):
            told.drafts.append(window.draft(due))
        if not are_risks(joining.get(number, ())):  # risks look back for longer: they keep nothing burning
            told.quiet[number] = 0


def _extend(window: _Window, incident: Incident, listed: Sequence[Finding], severity: str | None) -> Iterator[Draft]:
    if not listed and severity is None:
        return
    evidence = [_evidence(f, window.author) for f in listed]
    body = ExtendIncident(
        number=incident.number,
        findings=tuple(_member(f, e) for f, e in zip(listed, evidence, strict=True)),
        inherited_by=_heirs(incident.subject, listed, window.graph),
        severity=severity or incident.least_severity,
    )
    yield from (*evidence, window.draft(body))


def _settle(window: _Window, begun: set[str], firing: Firing, told: _Story) -> None:
    """Count quiet windows of every live incident, and end those that were quiet for long enough."""
    own = owners(window.card) | dict.fromkeys(begun, 0)
    off = frozenset(f.key for f in window.findings if f.state is State.BREACH and f.severity != "note")
    seen = Seen(
        states={f.key: f.state for f in window.findings},
        owners=own,
        configured=firing.configured,
        loose=any(key not in own for key in off),
        at=window.at,
        off=off,
    )
    for incident in window.card.live_incidents:
        number = incident.number
        if number in told.quiet:
            continue
        told.quiet[number] = seen.quiet_runs(incident, firing.quiet.get(number, 0))
        told.held |= {number} if seen.holds(incident) else set()
        body = ended(incident, told.quiet[number], seen, firing.rebaselined)
        if isinstance(body, MoveIncident):
            last = told.reached.pop(number).due(incident, over=True)
            told.drafts += map(window.draft, (*((last,) if last else ()), body))
            del told.quiet[number]
        elif body is not None:
            told.drafts.append(window.draft(body))


def _silenced(window: _Window, told: _Story, joining: Container[int]) -> Sequence[Draft]:
    """What silences and acceptances that begin or end change; what has just been joined may be more than they cover."""
    card = window.card
    if not card.silences and all(i.state != "accepted_risk" for i in card.live_incidents):
        return ()
    after = fold(provisional(told.drafts, window.at), start=card)
    firing = {n for n, runs in told.quiet.items() if not runs or n in joining or n in told.held}
    return due_moves(after, window.at, firing, window.author)


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
