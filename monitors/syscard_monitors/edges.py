"""Edges: which component hands what to which, seen in spans, with the class of the evidence. Pure.

link > tool_call > value > ancestor > order. Order can only confirm a declared edge; an edge that nobody declared needs
something stronger, in `UNDECLARED_AFTER` traces. The root calling its components is orchestration and no edge.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from syscard.observation import CREATION
from syscard_monitors.assemble import Request
from syscard_monitors.facts import SpanFacts, carries_words

EvidenceClass = Literal["link", "tool_call", "value", "ancestor", "order"]
STRENGTH: Final[dict[str, int]] = {"order": 0, "ancestor": 1, "value": 2, "tool_call": 3, "link": 4}
UNDECLARED_AFTER: Final = 5
MOST_SPANS: Final = 200
"""Spans of one request that are compared with each other."""
EXAMPLES: Final = 3
"""Requests that are named for an edge."""
PLUMBING: Final = ("step:", f"{CREATION}:")
"""What chains, graph nodes and the making of agents are called: no component, so evidence reaches through them."""
_Seen = tuple[str, str, EvidenceClass]


class Sighting(NamedTuple):
    """One pair of spans that shows an edge."""

    source: str
    target: str
    evidence: EvidenceClass
    call: SpanFacts
    """The call by which it is handed on: the target's, or of an answer that is handed back, the one that made it."""

    @property
    def seen(self) -> _Seen:
        """Without the spans."""
        return self.source, self.target, self.evidence


@dataclass(frozen=True)
class SeenEdge:
    """An edge and the strongest evidence for it in some requests."""

    source: str
    target: str
    evidence: EvidenceClass
    traces: int
    """Requests that show it with this evidence."""
    examples: tuple[str, ...] = field(default=(), compare=False)
    """The first of them, as `trace_id@start`."""

    @property
    def ref(self) -> str:
        """`cf->vlm`."""
        return f"{self.source}->{self.target}"


def seen_edges(requests: Iterable[Request], declared: frozenset[tuple[str, str]]) -> tuple[SeenEdge, ...]:
    """The edges that requests show: declared ones with any evidence, others only where it is strong and repeated."""
    best: dict[tuple[str, str], SeenEdge] = {}
    for edge in sorted(all_evidence(requests, declared), key=lambda e: STRENGTH[e.evidence]):
        pair = edge.source, edge.target
        if pair in declared or (edge.traces >= UNDECLARED_AFTER and edge.evidence != "order"):
            best[pair] = edge
    return tuple(best[pair] for pair in sorted(best))


def all_evidence(requests: Iterable[Request], declared: frozenset[tuple[str, str]]) -> tuple[SeenEdge, ...]:
    """Every class of evidence for every edge, however weak: an edge comes once a class."""
    counts: Counter[_Seen] = Counter()
    examples: defaultdict[_Seen, list[str]] = defaultdict(list)
    for request in requests:
        for seen in {sighting.seen for sighting in sightings(request.spans, declared)}:
            counts[seen] += 1
            if len(examples[seen]) < EXAMPLES:
                examples[seen].append(request.reference)
    return tuple(SeenEdge(*seen, traces, tuple(examples[seen])) for seen, traces in sorted(counts.items()))


def sightings(spans: tuple[SpanFacts, ...], declared: frozenset[tuple[str, str]]) -> Iterator[Sighting]:
    """All evidence of all edges in one request.

    Spans are in order of start; of a request with very many, the first `MOST_SPANS` speak for it.
    """
    spans = spans[:MOST_SPANS]
    by_id = {s.span_id: s for s in spans}
    for i, span in enumerate(spans):
        if _is_plumbing(span):
            continue
        yield from (Sighting(*seen, span) for seen in _ancestor(span, by_id, declared))
        yield from (Sighting(*seen, span) for seen in _linked(span, by_id, declared))
        for earlier in spans[:i]:
            yield from (Sighting(*seen, span) for seen in _handed_on(earlier, span, declared))


def _ancestor(span: SpanFacts, by_id: dict[str, SpanFacts], declared: frozenset[tuple[str, str]]) -> Iterator[_Seen]:
    """A caller hands its arguments down; what was called hands its answer back."""
    parent = _above(span, by_id)
    if parent is None or parent.component is None or span.component is None:
        return
    down, back = (parent.component, span.component), (span.component, parent.component)
    for pair in (down, back):
        if pair in declared:
            yield (*pair, "ancestor")
    if parent.parent is not None and down not in declared and back not in declared:
        yield (*down, "ancestor")


def _above(span: SpanFacts, by_id: dict[str, SpanFacts]) -> SpanFacts | None:
    """The nearest span above that is of another component; a circle of parents has none."""
    parent = by_id.get(span.parent or "")
    for _ in range(len(by_id)):
        if parent is None or (not _is_plumbing(parent) and parent.component != span.component):
            return parent
        parent = by_id.get(parent.parent or "")
    return None


def _is_plumbing(span: SpanFacts) -> bool:
    return span.component is None or span.component.startswith(PLUMBING)


def _linked(span: SpanFacts, by_id: dict[str, SpanFacts], declared: frozenset[tuple[str, str]]) -> Iterator[_Seen]:
    """A link names what a span came of. The root made everything: a link to it says no more than being below it."""
    for linked in span.links:
        cause = by_id.get(linked)
        if cause is not None and _are_two(cause, span):
            pair = (str(cause.component), str(span.component))
            if cause.parent is not None or pair in declared:
                yield (*pair, "link")


def _are_two(earlier: SpanFacts, later: SpanFacts) -> bool:
    """Whether two spans are of two components: repeated calls of one are no edge."""
    return not _is_plumbing(earlier) and not _is_plumbing(later) and earlier.component != later.component


def _handed_on(earlier: SpanFacts, later: SpanFacts, declared: frozenset[tuple[str, str]]) -> Iterator[_Seen]:
    if not _are_two(earlier, later):
        return
    pair = (str(earlier.component), str(later.component))
    if later.call in earlier.asked or earlier.call in later.answered:
        yield (*pair, "tool_call")
    if earlier.end_us > later.start_us:
        return
    if earlier.gives & later.tokens or carries_words(earlier, later):
        yield (*pair, "value")
    elif pair in declared:
        yield (*pair, "order")
