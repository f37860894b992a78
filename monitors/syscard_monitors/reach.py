"""How far an incident reaches: requests that came while it fired, of how many, and of whom. Pure.

It is written down when it has doubled, and when the incident is over: few edits, and a figure that is never far off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from syscard.card import Incident
from syscard.finding import Finding
from syscard.incident_edits import MOST_GROUPS, GroupReached, Impact, ImpactIncident
from syscard.system import SYSTEM
from syscard_monitors.assemble import Request
from syscard_monitors.graph import Graph

OTHERS: Final = "(others)"
"""Stands for groups beyond `MOST_GROUPS`: spans can hold any label."""
Groups = Mapping[str, Mapping[str, int]]
"""Segment -> group -> requests."""


@dataclass(frozen=True)
class Served:
    """The requests of one window."""

    requests: Sequence[Request] = ()
    segments: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many."""
        return len(self.requests)

    def groups_through(self, part: str, graph: Graph) -> Groups:
        """Of each declared segment, how many requests of each group came to a part (to none: of all)."""
        call = f"{graph.end_of(part)}.call"
        through = [r for r in self.requests if part == SYSTEM or call in r.values] or self.requests
        return {segment: Counter(filter(None, (_group(r, segment) for r in through))) for segment in self.segments}


def _group(request: Request, segment: str) -> str | None:
    label = request.values.get(f"segment.{segment}", [None])[0]
    return None if label is None else str(label)


@dataclass(frozen=True)
class Reached:
    """What is counted of an incident between edits."""

    requests: int = 0
    of: int = 0
    gathered: int = 0
    """Findings that joined beyond those that are listed."""
    groups: Groups = field(default_factory=dict)

    def after(self, fired: Iterable[Finding], served: Served, groups: Groups, gathered: int = 0) -> Reached:
        """One window more; `fired` are its findings in breach."""
        hit = min(served.n, max((f.n for f in fired), default=0))
        return Reached(
            requests=self.requests + hit,
            of=self.of + served.n,
            gathered=self.gathered + gathered,
            groups=_added(self.groups, groups) if hit else self.groups,
        )

    def due(self, incident: Incident, *, over: bool) -> ImpactIncident | None:
        """The edit that is due: it reaches twice as far as its card says, or it is over and reaches further."""
        told = incident.impact.requests if incident.impact else 0
        factor = 1 if over else 2
        further = self.requests > told and self.requests >= factor * told
        more = self.gathered > incident.gathered and self.gathered >= factor * incident.gathered
        if not (further or more):
            return None
        return ImpactIncident(number=incident.number, impact=self.impact, gathered=self.gathered)

    @property
    def impact(self) -> Impact:
        """As it stands on the card."""
        named = [
            GroupReached(segment=segment, group=group, requests=n)
            for segment, found in sorted(self.groups.items())
            for group, n in sorted(found.items(), key=lambda one: (-one[1], one[0]))
        ]
        return Impact(requests=self.requests, of=self.of, groups=tuple(named))

    def body(self) -> list[Any]:
        """JSON form."""
        return [self.requests, self.of, self.gathered, {s: dict(found) for s, found in self.groups.items()}]


def reached_of(incident: Incident) -> Reached:
    """What its card says: where it was not counted before, or the incident comes back."""
    groups: dict[str, dict[str, int]] = {}
    told = incident.impact
    for group in told.groups if told else ():
        groups.setdefault(group.segment, {})[group.group] = group.requests
    return Reached(told.requests if told else 0, told.of if told else 0, incident.gathered, groups)


def read_reached(body: Sequence[Any]) -> Reached:
    """From its JSON form."""
    requests, of, gathered, groups = body
    return Reached(requests, of, gathered, groups)


def _added(known: Groups, new: Groups) -> Groups:
    return {s: _bounded(Counter(known.get(s, {})) + Counter(new.get(s, {}))) for s in {**known, **new}}


def _bounded(counts: Counter[str]) -> dict[str, int]:
    """The largest groups by name, the rest together."""
    if len(counts) <= MOST_GROUPS:
        return dict(counts)
    ordered = sorted(counts.items(), key=lambda one: (one[0] == OTHERS, -one[1], one[0]))
    kept, rest = ordered[: MOST_GROUPS - 1], ordered[MOST_GROUPS - 1 :]
    return {**dict(kept), OTHERS: sum(n for _, n in rest)}
