"""What goes over each edge: calls, latency, errors, and what is found again of what was handed on. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from syscard.live import MOST_CARRIED, CarriedNow
from syscard.rotations import comparable
from syscard_monitors.assemble import Request
from syscard_monitors.edges import STRENGTH, sightings
from syscard_monitors.facts import SpanFacts, holds_words, names_things
from syscard_monitors.stats import quantile

Edge = tuple[str, str]
MOST_FIELDS: Final = 20
"""Fields of one part that are looked at for what they hand on."""
_Fields = Mapping[str, Mapping[str, frozenset[str]]]
"""Component -> field -> identifiers or fingerprints that it holds in one request."""


@dataclass
class Traffic:
    """What some requests show of one edge."""

    evidence: Counter[str] = field(default_factory=Counter)
    """Requests by class of evidence."""
    shown: list[bool] = field(default_factory=list)
    """Of every request in order, whether it shows the edge, by whatever evidence."""
    latencies_ms: list[float] = field(default_factory=list)
    """Of the calls by which something is handed on; of calls within one another, the outer one."""
    failed: int = 0
    """Of these calls."""
    carried: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Requests by (`ids` or `words`, field that made it, field that took it)."""
    things: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """What was handed on in all of them."""

    @property
    def classes(self) -> dict[str, int]:
        """Requests by class of evidence, the strongest first."""
        return {name: self.evidence[name] for name in sorted(self.evidence, key=lambda n: -STRENGTH[n])}

    @property
    def error_share(self) -> float | None:
        """Share of the calls that failed; None without a call."""
        return self.failed / len(self.latencies_ms) if self.latencies_ms else None

    def latency(self, q: float) -> float | None:
        """A quantile of the calls' latency in milliseconds; None without a call."""
        return quantile(self.latencies_ms, q) if self.latencies_ms else None

    @property
    def carries(self) -> tuple[CarriedNow, ...]:
        """What is handed on, the most frequent first."""
        most = sorted(self.carried, key=lambda name: (-self.carried[name], name))[:MOST_CARRIED]
        return tuple(
            CarriedNow.model_validate(
                {
                    "what": what,
                    "made_as": made,
                    "taken_as": taken,
                    "requests": self.carried[what, made, taken],
                    "things": self.things[what, made, taken],
                }
            )
            for what, made, taken in most
        )


def traffic(requests: Iterable[Request], edges: Collection[Edge]) -> dict[Edge, Traffic]:
    """What requests show of edges, of which any evidence counts; those that nothing shows are there, and empty."""
    found: dict[Edge, Traffic] = {edge: Traffic() for edge in edges}
    declared = frozenset(edges)
    for request in requests:
        ids, words = _fields(request, _identifiers), _fields(request, _words)
        shown = _shown(request, declared)
        for edge, told in found.items():
            told.shown.append(edge in shown)
        for edge, (classes, calls) in shown.items():
            told = found[edge]
            told.evidence.update(classes)
            told.latencies_ms += [(call.end_us - call.start_us) / 1000 for call in calls]
            told.failed += sum(call.failed for call in calls)
            if "value" in classes:
                _add_carried(told, edge, "ids", ids)
                if comparable(request.keys):
                    _add_carried(told, edge, "words", words)
    return found


def _shown(request: Request, edges: frozenset[Edge]) -> dict[Edge, tuple[set[str], list[SpanFacts]]]:
    classes: defaultdict[Edge, set[str]] = defaultdict(set)
    calls: defaultdict[Edge, dict[tuple[str, int], SpanFacts]] = defaultdict(dict)
    for seen in sightings(request.spans, edges):
        edge = seen.source, seen.target
        if edge in edges:
            classes[edge].add(seen.evidence)
            calls[edge][seen.call.span_id, seen.call.start_us] = seen.call
    return {edge: (found, _outer(calls[edge].values())) for edge, found in classes.items()}


def _outer(calls: Iterable[SpanFacts]) -> list[SpanFacts]:
    """Calls that lie in no other: two instrumentors may tell of one call."""
    outer: list[SpanFacts] = []
    for call in sorted(calls, key=lambda c: (c.start_us, -c.end_us)):
        if not outer or call.end_us > outer[-1].end_us:
            outer.append(call)
    return outer


def _fields(request: Request, held: Any) -> _Fields:
    found: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for name, values in request.values.items():
        component, _, of = name.partition(".")
        if of and len(found[component]) < MOST_FIELDS and (holds := held(of, values)):
            found[component][of] = holds
    return found


def _identifiers(name: str, values: Sequence[Any]) -> frozenset[str]:
    return frozenset(_strings(values)) if names_things(name) else frozenset()


def _words(name: str, values: Sequence[Any]) -> frozenset[str]:
    has_words = holds_words(name, taken=True) or holds_words(name, taken=False)
    return frozenset(_strings(values)) if has_words else frozenset()


def _strings(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, list):
            yield from (str(one) for one in value)
        elif isinstance(value, str):
            yield value


def _add_carried(told: Traffic, edge: Edge, what: str, fields: _Fields) -> None:
    """Words are looked for from what was made to what was given; identifiers from any field to any."""
    source, target = edge
    for made, given in fields.get(source, {}).items():
        for taken, got in fields.get(target, {}).items():
            right_way = what == "ids" or (holds_words(made, taken=False) and holds_words(taken, taken=True))
            if right_way and (both := len(given & got)):
                name = what, f"{source}.{made}", f"{target}.{taken}"
                told.carried[name] += 1
                told.things[name] += both
