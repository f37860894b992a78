"""A card under a series of windows of findings, to test what becomes of incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from syscard.card import Card, Incident
from syscard.edits import AddEvidence, Body, Draft
from syscard.finding import Finding, State
from syscard.system import System
from syscard_monitors.graph import Graph
from syscard_monitors.incidents import NONE_SERVED, Firing, update
from syscard_monitors.reach import Served
from syscard_monitors.traces import moment
from syscard_monitors.window import AUTHOR
from tests.unit.build import HUMAN
from tests.unit.monitors.build import MINUTE, START_US, card_of, finding, graph, window, with_drafts

SINCE: Final = moment(START_US - MINUTE)


class Watch:
    """A card under a series of windows."""

    def __init__(self, system: System | None = None) -> None:
        self.card: Card = card_of(system)
        self.firing = Firing()
        self.configured: frozenset[str] = frozenset()
        self.rebaselined: frozenset[int] = frozenset()
        self.graph: Graph = graph(system)
        self.index = 0
        self.written: list[object] = []

    def window(
        self, *findings: Finding, begun: Sequence[str] | None = None, served: Served = NONE_SERVED
    ) -> list[object]:
        """One window; breaches have just persisted long enough unless it is said which have. Gives the edits."""
        moved = [f.model_copy(update={"window": window(self.index)}) for f in findings]
        keys = [f.key for f in moved if f.state is State.BREACH] if begun is None else begun
        starting: dict[str, datetime] = dict.fromkeys(keys, SINCE)
        firing = replace(self.firing, configured=self.configured, rebaselined=self.rebaselined)
        outcome = update(self.card, moved, starting, firing, self.graph, AUTHOR, served)
        self.card, self.firing = with_drafts(self.card, outcome.drafts), outcome.firing
        self.index += 1
        self.written = [d.body for d in outcome.drafts if not isinstance(d.body, AddEvidence)]
        return self.written

    def people(self, *bodies: Body) -> None:
        """What humans write, as of the end of the newest window."""
        at = window(self.index).start
        self.card = with_drafts(self.card, [Draft(body=body, author=HUMAN, observed=at) for body in bodies])

    @property
    def only(self) -> Incident:
        (incident,) = self.card.incidents.values()
        return incident

    @property
    def numbers(self) -> dict[int, str]:
        return {n: i.state for n, i in self.card.incidents.items()}


def ok(about: str = "vlm", signal: str = "agrees") -> Finding:
    """A signal that is as it should be."""
    return finding(about, State.OK, signal=signal)
