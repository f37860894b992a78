"""What becomes of incidents that are there: they get worse, stay quiet, flap, resolve, or their silence ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from syscard.card import SEVERITIES, Card, Incident
from syscard.edits import Body, IncidentFinding, MoveIncident
from syscard.finding import Finding, State
from syscard.incident_edits import HoldIncident
from syscard.incident_keys import signal_of

RESOLVE_AFTER: Final = 3
"""Windows running in which every signal of an incident must be ok before it resolves by itself."""
HELD_AFTER: Final = 12
"""The same of an incident that flaps."""
FLAPS: Final = 4
"""Openings and resolutions within `FLAP_SPAN` from which an incident is held open."""
FLAP_SPAN: Final = timedelta(hours=1)
ROLLOUT: Final = "IR-14"
"""The risk that a component runs what nobody declared, or changed itself under the same name."""
_TRANSITIONS: Final = ("opened", "reopened", "resolved")


@dataclass(frozen=True)
class Seen:
    """One window as incidents look at it."""

    states: Mapping[str, State]
    """Of every finding, by key."""
    owners: Mapping[str, int]
    """Signal -> the newest live incident that has it; one that has just begun belongs to none of those before."""
    configured: frozenset[str]
    """Signals that watch the system now: one of them without a finding is not quiet, it is unknown."""
    loose: bool
    """Whether something is in breach that no incident lists: it may be one of those that are only counted."""
    at: datetime
    off: frozenset[str] = frozenset()
    """What is in breach and more than a note, by key."""

    def keys(self, incident: Incident) -> list[str]:
        """What its quiet windows are counted by: its signals; a risk that joined them looks back for longer."""
        told = [f for f in incident.findings if not f.risk] or incident.findings
        return [f.key for f in told if self.owners.get(f.key) == incident.number]

    def watched(self, incident: Incident) -> list[State | None]:
        """How those stand; None for what nobody watches any more."""
        unknown = dict.fromkeys(self.configured, State.UNKNOWN)
        return [self.states.get(key, unknown.get(key)) for key in self.keys(incident)]

    def holds(self, incident: Incident) -> bool:
        """Whether something of it is in breach: a risk that joined signals, which are calm before it is gone."""
        told = [f for f in incident.findings if not _is_its_own(incident, f)]
        return any(f.key in self.off and self.owners.get(f.key) == incident.number for f in told)

    def quiet_runs(self, incident: Incident, before: int) -> int:
        """One more quiet window if every signal is ok (a part that left the system has none).

        A warning or an unknown is not ok, and not a breach either: the count stands still.
        """
        states = self.watched(incident)
        if State.BREACH in states or (incident.gathered and self.loose):
            return 0
        return before + 1 if all(s in (State.OK, None) for s in states) else before


def _is_its_own(incident: Incident, finding: IncidentFinding) -> bool:
    """Whether a finding may only repeat what the incident's attribution says: that is over with the incident."""
    found = incident.attribution
    return found is not None and found.first == finding.about and signal_of(finding.key, finding.about) == ROLLOUT


def owners(card: Card) -> dict[str, int]:
    """Signal key -> the newest live incident that has it: one that broke again belongs to the new incident only."""
    waiting = sorted(card.live_incidents, key=lambda i: i.number)
    return {f.key: incident.number for incident in waiting for f in incident.findings}


def worse(incident: Incident, firing: Iterable[Finding]) -> str | None:
    """A severity above what stands, or above what a human may not go below; None where it is no worse."""
    found = min((f.severity for f in firing), key=SEVERITIES.index, default=None)
    if found is None or SEVERITIES.index(found) >= SEVERITIES.index(incident.least_severity):
        return None
    return found


def ended(incident: Incident, runs: int, seen: Seen, rebaselined: frozenset[int]) -> Body | None:
    """What its quiet windows make of an incident: it is resolved, or held open because it comes and goes."""
    if not is_quiet(incident, runs) or seen.holds(incident) or _is_accepted(incident, seen.at):
        return None
    if not incident.flapping and (count := transitions(incident, seen.at) + 1) >= FLAPS:
        return HoldIncident(number=incident.number, transitions=count)
    return MoveIncident(number=incident.number, state="resolved", resolution=_how(incident, seen, rebaselined))


def is_quiet(incident: Incident, runs: int) -> bool:
    """Whether its signals have been calm for so many windows that only a risk that is still seen keeps it open."""
    return runs >= (HELD_AFTER if incident.flapping else RESOLVE_AFTER)


def _is_accepted(incident: Incident, at: datetime) -> bool:
    """What was accepted stays so until its time: nobody decides it anew meanwhile."""
    until = incident.accepted_until
    return incident.state == "accepted_risk" and until is not None and at < until


def transitions(incident: Incident, at: datetime) -> int:
    """How often it was opened or resolved within `FLAP_SPAN` before a moment."""
    return sum(e.what.split(":")[0] in _TRANSITIONS and at - e.at <= FLAP_SPAN for e in incident.events)


def _how(incident: Incident, seen: Seen, rebaselined: frozenset[int]) -> str:
    """Why an incident is over: only `self_cleared` says that its signals came back."""
    if incident.number in rebaselined:
        return "rebaselined"
    states = zip(seen.keys(incident), seen.watched(incident), strict=True)
    gone = [key for key, state in states if state is None and not key.endswith(".undeclared")]
    return "no_longer_watched" if gone else "self_cleared"
