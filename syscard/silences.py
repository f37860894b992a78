"""Silences and maintenance: which incident they keep quiet, and when that begins and ends. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from syscard.card import Card, Incident
from syscard.edits import Author, Draft, IncidentFinding, MoveIncident
from syscard.finding import Finding
from syscard.incident_edits import Matcher
from syscard.incident_keys import signal_of
from syscard.system import SYSTEM

Told = IncidentFinding | Finding
"""What a silence looks at: both have a key and a part."""


def silence_of(
    card: Card, subject: str, findings: Sequence[Told], inherited_by: Collection[str], at: datetime
) -> str | None:
    """The first silence that keeps an incident quiet at a moment: it must match every finding, or it hides too much."""
    for name, known in card.silences.items():
        if known.holds(at) and findings:
            matcher = known.declared.matcher
            if all(matches(matcher, subject, finding, inherited_by) for finding in findings):
                return name
    return None


def matches(matcher: Matcher, subject: str, finding: Told, inherited_by: Collection[str]) -> bool:
    """Whether a silence is about a finding. What may only be inherited from a part is about that part, too."""
    signal = signal_of(finding.key, finding.about)
    about = (finding.about, subject) if finding.about in inherited_by else (finding.about,)
    return (
        (matcher.about in (None, SYSTEM) or _any(matcher.about, about))
        and _any(matcher.signal, (signal, finding.key))
        and _any(matcher.risk, (signal,))
        and _any(matcher.subject, (subject,))
    )


def _any(pattern: str | None, names: Sequence[str]) -> bool:
    return pattern is None or any(fnmatchcase(name, pattern) for name in names)


def due_moves(card: Card, at: datetime, firing: Collection[int], author: Author) -> tuple[Draft, ...]:
    """Incidents that a silence covers now, and those that none covers any more and that still fire.

    Args:
        card: the newest card.
        at: when it is asked, by the clock of who asks.
        firing: numbers of the incidents that are firing.
        author: who carries out what the silences say.
    """
    found = [_due(card, incident, at, incident.number in firing) for incident in card.incidents.values()]
    return tuple(Draft(body=body, author=author, observed=at) for body in found if body is not None)


def _due(card: Card, incident: Incident, at: datetime, firing: bool) -> MoveIncident | None:
    if incident.state == "open":  # who has it knows of it: nobody is called
        name = silence_of(card, incident.subject, incident.findings, incident.inherited_by, at)
        return MoveIncident(number=incident.number, state="suppressed", silence=name) if name else None
    if incident.state == "suppressed" and firing:
        asked = _begun(card, incident, at)
        name = silence_of(card, incident.subject, incident.findings, incident.inherited_by, asked)
        return None if name else _again(incident, "the silence ended, or does not cover all of it")
    if incident.state == "accepted_risk" and firing and _has_run_out(incident, at):
        return _again(incident, "the acceptance ran out")
    return None


def _begun(card: Card, incident: Incident, at: datetime) -> datetime:
    """When to ask of what is quiet already: windows lag behind the clock by which people declare a silence."""
    known = card.silences.get(incident.silence or "")
    return max(at, known.declared.start) if known else at


def _again(incident: Incident, why: str) -> MoveIncident:
    return MoveIncident(number=incident.number, state="open", why=f"{why}, and it still fires")


def _has_run_out(incident: Incident, at: datetime) -> bool:
    return incident.accepted_until is None or incident.accepted_until <= at
