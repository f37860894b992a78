"""Edges: which component hands what to which, seen in spans, with the class of the evidence. Pure.

link > tool_call > value > ancestor > order. Order can only confirm a declared edge; an edge that nobody declared needs
something stronger, in `UNDECLARED_AFTER` traces. The root calling its components is orchestration and no edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from syscard_monitors.assemble import Request, SpanFacts

EvidenceClass = Literal["link", "tool_call", "value", "ancestor", "order"]
STRENGTH: Final[dict[str, int]] = {"order": 0, "ancestor": 1, "value": 2, "tool_call": 3, "link": 4}
UNDECLARED_AFTER: Final = 5
MOST_SPANS: Final = 200
"""Spans of one request that are compared with each other."""


@dataclass(frozen=True)
class SeenEdge:
    """An edge and the strongest evidence for it in some requests."""

    source: str
    target: str
    evidence: EvidenceClass
    traces: int
    """Requests that show it with this evidence."""

    @property
    def ref(self) -> str:
        """`cf->vlm`."""
        return f"{self.source}->{self.target}"


def seen_edges(requests: Iterable[Request], declared: frozenset[tuple[str, str]]) -> tuple[SeenEdge, ...]:
    """The edges that requests show: declared ones with any evidence, others only where it is strong and repeated."""
    counts: Counter[tuple[str, str, EvidenceClass]] = Counter()
    for request in requests:
        counts.update(set(_edges(request.spans, declared)))
    best: dict[tuple[str, str], SeenEdge] = {}
    for (source, target, evidence), traces in sorted(counts.items(), key=lambda c: STRENGTH[c[0][2]]):
        if (source, target) in declared or (traces >= UNDECLARED_AFTER and evidence != "order"):
            best[source, target] = SeenEdge(source, target, evidence, traces)
    return tuple(best[pair] for pair in sorted(best))


def _edges(
    spans: tuple[SpanFacts, ...], declared: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, str, EvidenceClass]]:
    """Spans are in order of start; of a request with very many, the first `MOST_SPANS` speak for it."""
    spans = spans[:MOST_SPANS]
    by_id = {s.span_id: s for s in spans}
    for i, span in enumerate(spans):
        if span.component is None:
            continue
        yield from _ancestor(span, by_id, declared)
        for earlier in spans[:i]:
            yield from _handed_on(earlier, span, declared)


def _ancestor(
    span: SpanFacts, by_id: dict[str, SpanFacts], declared: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, str, EvidenceClass]]:
    """A caller hands its arguments down; what was called hands its answer back."""
    parent = by_id.get(span.parent or "")
    while parent is not None and parent.component in (None, span.component):
        parent = by_id.get(parent.parent or "")
    if parent is None or parent.component is None or span.component is None:
        return
    down, back = (parent.component, span.component), (span.component, parent.component)
    for pair in (down, back):
        if pair in declared:
            yield (*pair, "ancestor")
    if parent.parent is not None and down not in declared and back not in declared:
        yield (*down, "ancestor")


def _handed_on(
    earlier: SpanFacts, later: SpanFacts, declared: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, str, EvidenceClass]]:
    if earlier.component in (None, later.component) or later.component is None or earlier.component is None:
        return
    if earlier.end_us > later.start_us:
        return
    pair = (earlier.component, later.component)
    if earlier.gives & later.tokens:
        yield (*pair, "value")
    elif pair in declared:
        yield (*pair, "order")
