"""What spans show of the system itself: components, edges, versions, models, prompts, compared with the card. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from syscard.card import Card, ComponentCard
from syscard.edits import Author, Draft, Observe
from syscard.finding import Finding, State, Window
from syscard.system import EDGE
from syscard_monitors.assemble import Request
from syscard_monitors.edges import PLUMBING, STRENGTH, UNDECLARED_AFTER, SeenEdge, seen_edges

MOST_VALUES = 20
"""Versions, models and prompts remembered of one component: spans can hold anything."""
MOST_PARTS = 200
MOST_UNDECLARED = 20
"""Findings about undeclared parts in one window: a sender can make up any number of names."""
_IDENTITY = {"version": "version", "model": "model", "model_response": "model", "prompt": "prompt"}


def observing(card: Card, requests: Sequence[Request], author: Author, window: Window) -> tuple[Draft, ...]:
    """Edits for what was not seen before."""
    bodies = [*_components(card, requests), *_edges(card, requests), *_identities(card, requests)]
    return tuple(Draft(body=body, author=author, observed=window.end) for body in bodies)


def _components(card: Card, requests: Sequence[Request]) -> Iterator[Observe]:
    room = MOST_PARTS - len(card.components)
    for ref, traces in sorted(_seen_components(requests).items())[: max(0, room)]:
        if ref not in card.components and traces >= UNDECLARED_AFTER:
            yield Observe(what="component", ref=ref, value=ref, evidence_class="span", traces=traces, declared=False)


def _seen_components(requests: Sequence[Request]) -> Counter[str]:
    """Requests by component. Plumbing (chains, graph nodes, the making of agents) is no component."""
    named = ({s.component for s in r.spans if s.component is not None} for r in requests)
    return Counter(c for found in named for c in found if not c.startswith(PLUMBING))


def _edges(card: Card, requests: Sequence[Request]) -> Iterator[Observe]:
    declared = frozenset((e.source, e.target) for e in card.interactions.values() if e.declared is not None)
    for edge in _named(seen_edges(requests, declared)):
        known = card.interactions.get(edge.ref)
        before = STRENGTH.get(known.evidence_class or "", -1) if known else -1
        if STRENGTH[edge.evidence] > before and len(card.interactions) < MOST_PARTS:
            yield Observe(
                what="edge",
                ref=edge.ref,
                value=edge.ref,
                evidence_class=edge.evidence,
                traces=edge.traces,
                declared=(edge.source, edge.target) in declared,
                examples=edge.examples,
            )


def _named(edges: Sequence[SeenEdge]) -> Iterator[SeenEdge]:
    """Edges whose ends have names that a reference can be made of."""
    return (e for e in edges if EDGE.match(e.ref))


def _identities(card: Card, requests: Sequence[Request]) -> Iterator[Observe]:
    for ref, component in card.components.items():
        known = {(o.what, o.value) for o in component.observed}
        declared = str(((component.declared or {}).get("version") or {}).get("declared", ""))
        before = _before(component, requests)
        for (what, value), traces in sorted(_values(ref, requests).items()):
            if (what, value) not in known and len(known) < MOST_VALUES:
                known.add((what, value))
                previous = before.get((what, value))
                as_declared = value == declared or (what != "version" and previous is None)
                yield Observe(
                    what=what,
                    ref=ref,
                    value=value,
                    evidence_class="span",
                    traces=traces,
                    declared=as_declared,
                    previous=previous,
                )


def _before(component: ComponentCard, requests: Sequence[Request]) -> dict[tuple[str, str], str]:
    """(what, value) -> what stood there until now: a version, or who answered for the same requested model.

    Components are never told apart by who answered, so another answerer is a change of the one that is there.
    """
    ref, seen = component.ref, component.observed
    asked = {str(v) for r in requests for v in r.values.get(f"{ref}.model", ())}
    last = {
        "version": next((o.value for o in reversed(seen) if o.what == "version"), None),
        "model_response": next((o.value for o in reversed(seen) if o.what == "model" and o.value not in asked), None),
        "prompt": next((o.value for o in reversed(seen) if o.what == "prompt"), None),
    }
    return {
        (_IDENTITY[name], str(value)): before
        for name, before in last.items()
        for r in requests
        for value in r.values.get(f"{ref}.{name}", ())
        if before is not None and str(value) not in asked
    }


def _values(ref: str, requests: Sequence[Request]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for request in requests:
        found = {(what, str(v)) for name, what in _IDENTITY.items() for v in request.values.get(f"{ref}.{name}", ())}
        counts.update(found)
    return counts


def undeclared(card: Card, requests: Sequence[Request], window: Window) -> tuple[Finding, ...]:
    """A finding for every component or edge that spans show and nobody declared."""
    refs = [(ref, n) for ref, n in _seen_components(requests).items() if _nobodys(card.components.get(ref)) and n >= 5]
    declared = frozenset((e.source, e.target) for e in card.interactions.values() if e.declared is not None)
    edges = [(e.ref, e.traces) for e in _named(seen_edges(requests, declared)) if (e.source, e.target) not in declared]
    traces = tuple(r.reference for r in requests[:3])
    named = sorted({**dict(refs), **dict(edges)}.items())[:MOST_UNDECLARED]
    return tuple(_finding(ref, n, window, traces) for ref, n in named)


def _nobodys(part: object) -> bool:
    return part is None or getattr(part, "declared", None) is None


def _finding(ref: str, n: int, window: Window, traces: tuple[str, ...]) -> Finding:
    return Finding(
        signal="undeclared",
        about=ref,
        label="seen in spans, declared by nobody",
        kind="undeclared",
        state=State.BREACH,
        window=window,
        n=n,
        value=float(n),
        reference=0.0,
        unit="requests",
        traces=traces,
    )
