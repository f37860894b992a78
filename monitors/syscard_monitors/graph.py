"""The declared graph: who lies upstream of whom, and how far what was seen of it agrees. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from syscard.card import Card
from syscard.system import EDGE, SYSTEM, edge_ends
from syscard_monitors.parts import SILENT, UNSHOWN


@dataclass(frozen=True)
class Graph:
    """Components and declared edges."""

    components: frozenset[str]
    edges: frozenset[tuple[str, str]]

    @cached_property
    def _sources(self) -> dict[str, frozenset[str]]:
        return {c: frozenset(u for u, d in self.edges if d == c) for c in self.components}

    def upstream(self, component: str) -> frozenset[str]:
        """Everything that can reach a component along edges, without itself; all of them are upstream of the system."""
        if component == SYSTEM:
            return self.components
        found: set[str] = set()
        waiting = list(self._sources.get(component, ()))
        while waiting:
            near = waiting.pop()
            if near not in found:
                found.add(near)
                waiting.extend(self._sources.get(near, ()))
        return frozenset(found - {component})

    def depth(self, component: str) -> int:
        """How many components lie upstream: the order in which blame is looked for."""
        return len(self.upstream(component))

    def end_of(self, part: str) -> str:
        """The component in which a finding about a part shows: itself, or the edge's target."""
        return edge_ends(part)[1] if EDGE.match(part) else part

    def related(self, one: str, other: str) -> bool:
        """Whether two components are the same or one lies upstream of the other."""
        return one == other or one in self.upstream(other) or other in self.upstream(one)

    def first_changed(self, part: str, changed: Iterable[str]) -> str | None:
        """The most upstream of the changed components that a part can have it from (itself included), else None."""
        end = self.end_of(part)
        reachable = [c for c in changed if c == end or c in self.upstream(end)]
        return min(reachable, key=lambda c: (self.depth(c), c), default=None)


@dataclass(frozen=True)
class GraphCheck:
    """How the declared graph and the observed one differ, by references of components and edges."""

    declared_not_seen: tuple[str, ...] = ()
    """Declared edges that no span has shown, and parts that no request reaches any more."""
    seen_not_declared: tuple[str, ...] = ()
    """Components and edges that spans show and nobody declared."""
    weak: tuple[str, ...] = ()
    """Declared edges of which only the order of the calls was seen: nothing shows that anything is handed on."""

    @property
    def agrees(self) -> bool:
        """Whether the declared graph may be reasoned with as it is; an edge seen weakly does not contradict it."""
        return not self.declared_not_seen and not self.seen_not_declared


def matches(card: Card) -> GraphCheck:
    """The declared graph against what spans have shown so far."""
    declared = {ref: part for ref, part in card.parts.items() if part.declared is not None}
    edges = {ref: edge for ref, edge in card.interactions.items() if ref in declared}
    silent = {ref for ref, part in declared.items() if part.state == "unknown" and part.why in (SILENT, UNSHOWN)}
    unseen = {ref for ref, edge in edges.items() if edge.evidence_class is None}
    return GraphCheck(
        declared_not_seen=tuple(ref for ref in declared if ref in silent | unseen),
        seen_not_declared=tuple(ref for ref in card.parts if ref not in declared),
        weak=tuple(ref for ref, edge in edges.items() if edge.evidence_class == "order"),
    )
