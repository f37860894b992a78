"""Where findings that begin together go: into an incident that is there, back into one that was, or into a new one.

Incidents are bounded, however many findings there are: beyond `MOST_OPEN` at a time and `MOST_A_DAY` new ones a day of
event time, one incident of the system gathers the rest. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from syscard.card import SEVERITIES, Card, Incident
from syscard.edits import IncidentFinding
from syscard.finding import Finding
from syscard.incident_keys import overflow_fingerprint, signal_of
from syscard.incident_states import REOPEN_WITHIN
from syscard.system import SYSTEM
from syscard_monitors.graph import Graph
from syscard_monitors.settling import ROLLOUT, is_quiet

MOST_OPEN: Final = 20
"""Incidents of a system that are open or held back, beside the one that gathers the rest."""
MOST_A_DAY: Final = 30
"""New incidents of a system in 24 hours of event time."""
MOST_LISTED: Final = 50
"""Findings that an incident lists, with their evidence; the others are counted."""
_DAY: Final = timedelta(days=1)


def are_risks(findings: Iterable[Finding | IncidentFinding]) -> bool:
    """Whether all are risks of the catalogue, which look back over many windows."""
    return all(f.risk for f in findings)


@dataclass(frozen=True)
class Begun:
    """Findings that begin together."""

    root: str
    """The part that they are named after."""
    members: tuple[Finding, ...]
    """Its own first, then the worst."""
    fingerprint: str

    @property
    def rank(self) -> int:
        """By the worst of them."""
        return min(SEVERITIES.index(f.severity) for f in self.members)


@dataclass
class Placed:
    """Where the findings go that begin in a window."""

    joining: dict[int, list[Finding]] = field(default_factory=dict)
    """By the incident that they join."""
    again: list[tuple[Incident, Begun]] = field(default_factory=list)
    anew: list[Begun] = field(default_factory=list)


@dataclass(frozen=True)
class Placing:
    """What decides where findings go, as of one window."""

    card: Card
    quiet: Mapping[int, int]
    """Incident -> windows running in which nothing of it was in breach."""
    graph: Graph
    at: datetime

    @cached_property
    def live(self) -> tuple[Incident, ...]:
        """Incidents that still take findings, the newest first."""
        return tuple(sorted(self.card.live_incidents, key=lambda i: -i.number))

    @property
    def room(self) -> tuple[int, int]:
        """How many more incidents may be live, and how many may be new."""
        live = sum(i.fingerprint != self._overflow for i in self.live)
        today = sum(i.opened > self.at - _DAY for i in self.card.incidents.values() if i.fingerprint != self._overflow)
        return max(0, MOST_OPEN - live), max(0, MOST_A_DAY - today)

    @cached_property
    def _overflow(self) -> str:
        return overflow_fingerprint(self.card.system)

    def host(self, root: str, members: Sequence[Finding], fingerprint: str) -> Incident | None:
        """The incident that findings belong to: the same, one burning on their path, or one that inhibits them.

        A risk is seen late, so it joins one that is quiet already; and where only risks are in one, it stands too long
        for a signal that begins to belong to it.
        """
        same = next((i for i in self.live if i.fingerprint == fingerprint), None)
        if same is not None and self.is_burning(same):
            return same
        late = are_risks(members)
        burning = (i for i in self._others if (late or self._burns(i)) and self._is_near(i, root, members))
        above = (i for i in self._others if self._inhibits(i, root))
        return next(burning, None) or same or next(above, None)

    def returning(self, fingerprint: str) -> Incident | None:
        """The incident with this fingerprint that was resolved within a week, the newest if there are several."""
        known = [i for i in self.card.incidents.values() if i.fingerprint == fingerprint and i.state == "resolved"]
        lately = [i for i in known if i.resolved is not None and self.at - i.resolved < REOPEN_WITHIN]
        return max(lately, key=lambda i: i.number, default=None)

    def gathering(self) -> Incident | None:
        """The incident that gathers what there is no room for, where it is live."""
        return next((i for i in self.live if i.fingerprint == self._overflow), None)

    def is_burning(self, incident: Incident) -> bool:
        """Whether something of it was in breach in the window before."""
        return self.quiet.get(incident.number) == 0

    def _burns(self, incident: Incident) -> bool:
        return self.is_burning(incident) and not are_risks(incident.findings)

    @cached_property
    def _others(self) -> tuple[Incident, ...]:
        """What merely had no room lies on no path, and what only a risk keeps open is over for all else."""
        return tuple(i for i in self.live if i.fingerprint != self._overflow and not self._is_over(i))

    def _is_over(self, incident: Incident) -> bool:
        return is_quiet(incident, self.quiet.get(incident.number, 0))

    def _is_near(self, incident: Incident, root: str, members: Sequence[Finding]) -> bool:
        """Whether what begins lies on the path of an incident; parts that nobody declared lie on none of it."""
        if SYSTEM in (incident.subject, root):
            keys = [*(f.key for f in incident.findings), *(f.key for f in members)]
            strangers = {key.endswith(".undeclared") for key in keys}
            return incident.subject == root if strangers == {True} else strangers == {False}
        return self.graph.related(self.graph.end_of(incident.subject), self.graph.end_of(root))

    def _inhibits(self, incident: Incident, root: str) -> bool:
        """Whether an incident upstream pages already and is not over, or tells of a rollout of this very component."""
        end = self.graph.end_of(root)
        if any(f.about == end and signal_of(f.key, f.about) == ROLLOUT for f in incident.findings):
            return True
        pages = incident.severity == "page" and incident.number in self.quiet
        return pages and self.graph.end_of(incident.subject) in self.graph.upstream(end)


def placed(placing: Placing, groups: Sequence[Begun]) -> Placed:
    """Where each group goes; where there is no room for all of them, the worst have it."""
    found = Placed()
    beyond: list[Finding] = []
    live, new = placing.room
    for one in groups if len(groups) <= min(live, new) else sorted(groups, key=lambda one: one.rank):
        host, back = placing.host(one.root, one.members, one.fingerprint), placing.returning(one.fingerprint)
        if host is not None:
            found.joining.setdefault(host.number, []).extend(one.members)
        elif live and back is not None:
            found.again.append((back, one))
            live -= 1
        elif live and new:
            found.anew.append(one)
            live, new = live - 1, new - 1
        else:
            beyond += one.members
    if beyond:
        _gather(placing, found, beyond)
    return found


def _gather(placing: Placing, found: Placed, beyond: Sequence[Finding]) -> None:
    """What there is no room for becomes one incident of the system."""
    gathering, fingerprint = placing.gathering(), overflow_fingerprint(placing.card.system)
    members = tuple(sorted(beyond, key=lambda f: SEVERITIES.index(f.severity)))
    back, one = placing.returning(fingerprint), Begun(SYSTEM, members, fingerprint)
    if gathering is not None:
        found.joining.setdefault(gathering.number, []).extend(members)
    elif back is not None:
        found.again.append((back, one))
    else:
        found.anew.append(one)
