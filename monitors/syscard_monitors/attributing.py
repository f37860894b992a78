"""Attribution of incidents: which part changed itself since one began, against the requests that the baseline keeps.

An incident is attributed when it opens and again when the requests since then have doubled. Where the test is
significant and confidence is not low, the part that is named first is the incident's subject from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from syscard.attribution import INPUTS, Attribution, component_of
from syscard.card import Card, Incident
from syscard.edits import AddEvidence, Draft
from syscard.finding import Window
from syscard.incident_edits import AttributeIncident
from syscard.system import SYSTEM
from syscard_monitors.assemble import Request, micros
from syscard_monitors.graph import Graph, matches
from syscard_monitors.joint import Column, columns_of, rows_of
from syscard_monitors.plan import Plan
from syscard_monitors.window import AUTHOR

if TYPE_CHECKING:
    from syscard_monitors.attribution import Table, Target

MOST_REQUESTS: Final = 1_000
FEW: Final = 100
"""Requests since an incident began, below which it keeps the name that the order of the graph gave it."""
NO_ROWS: Final = "the baseline keeps no requests side by side: set it anew with syscard baseline set"
Newest = Callable[[int], Sequence[Request]]
"""So many of the newest requests, oldest first."""


def attributing(
    card: Card, plan: Plan, quiet: Mapping[int, int], newest: Newest, window: Window, joint: Mapping[str, Any]
) -> list[Draft]:
    """The attributions that are due with a window.

    Args:
        card: with the incidents as they are after the window.
        plan: signals and graph.
        quiet: windows that incidents have been quiet for; only those that fire are looked at.
        newest: the newest requests.
        window: the one that is being closed.
        joint: the baseline's columns, by name.
    """
    drafts: list[Draft] = []
    for incident in card.live_incidents:
        if quiet.get(incident.number) or all(f.key.endswith(".undeclared") for f in incident.findings):
            continue
        if incident.attribution is not None and not incident.attribution.parts:
            continue
        since = micros(incident.since)
        requests = [r for r in newest(MOST_REQUESTS) if r.start_us >= since]
        if _due(incident, len(requests)):
            drafts += _edits(card, plan, incident, requests, window, joint)
    return drafts


def _due(incident: Incident, requests: int) -> bool:
    before = incident.attribution
    return before is None or (requests >= 2 * before.n_now and before.n_now < MOST_REQUESTS // 2)


def _edits(
    card: Card, plan: Plan, incident: Incident, requests: Sequence[Request], window: Window, joint: Mapping[str, Any]
) -> list[Draft]:
    found = attribution_of(card, plan, requests, joint)
    evidence = [_evidence(found, incident, window)] if found.first else []
    body = AttributeIncident(
        number=incident.number,
        attribution=found,
        subject=_subject(card, incident, found),
        evidence=evidence[0].digest if evidence else None,
    )
    return [*evidence, Draft(body=body, author=AUTHOR, observed=window.end)]


def attribution_of(card: Card, plan: Plan, requests: Sequence[Request], joint: Mapping[str, Any]) -> Attribution:
    """Who changed, of a system's parts, between the baseline and some requests."""
    if not joint:
        return Attribution(lowered_by=(NO_ROWS,), n_before=0, n_now=len(requests), method="order")
    # NumPy is loaded when there is an incident, not with the monitors.
    from syscard_monitors.attribution import attribute

    return attribute(*compared(card, plan, requests, joint))


def compared(
    card: Card, plan: Plan, requests: Sequence[Request], joint: Mapping[str, Any]
) -> tuple[Table, list[Target]]:
    """What an attribution is made from: the signals before and now with the graph, and the promises."""
    from syscard_monitors.attribution import Series, Table, Target

    columns = [c for c in columns_of(plan.system, plan.signals) if c.name in joint]
    now = rows_of(columns, requests)
    columns = [c for c in columns if _matters(c, now.get(c.name))]
    none = [None] * len(requests)
    series = [Series.of(c.name, c.part, joint[c.name], now.get(c.name, none)) for c in columns]
    parents = parents_of(plan.graph, {c.part for c in columns})
    silent = frozenset(plan.graph.components) - {c.part for c in columns}
    doubts = tuple(f"seen in spans, declared by nobody: {ref}" for ref in matches(card).seen_not_declared)
    targets = [Target(c.name, c.limit, above=c.above, says=c.says) for c in columns if c.limit is not None]
    return Table(series, parents, silent, doubts, outcomes=frozenset({SYSTEM})), targets


def parents_of(graph: Graph, parts: Iterable[str]) -> dict[str, frozenset[str]]:
    """Which parts act on which, in the order of the graph; what it all ends in is acted on by everything before it.

    A request waits for every part, and fails with any, whether or not an edge leads from it to the last one. What a
    component is given from outside goes by what the parts before it picked: which pictures, by which items.
    """
    inputs = frozenset(part for part in parts if part.startswith(INPUTS))
    order = sorted(graph.components, key=lambda c: (graph.depth(c), c))
    above = {f"{INPUTS}{d}": frozenset(u for u, e in graph.edges if e == d) for d in order}
    found: dict[str, frozenset[str]] = {part: above.get(part, frozenset()) for part in sorted(inputs)}
    for component in order:
        near = {u for u, d in graph.edges if d == component}
        if near and not any(u == component for u, _ in graph.edges):
            near |= graph.upstream(component)
        found[component] = frozenset({*near, *({f"{INPUTS}{component}"} & inputs)})
    if SYSTEM in parts:
        found[SYSTEM] = frozenset(order) | inputs
    return found


def _matters(column: Column, now: Sequence[Any] | None) -> bool:
    """Whether it says something of single requests: a figure of what is deployed (the age of its data) does not.

    How often a part is called does, also where it is always as often.
    """
    values = {v for v in now or () if v is not None}
    return column.factor is None or column.expr.endswith(".calls") or len(values) > 1


def _subject(card: Card, incident: Incident, found: Attribution) -> str | None:
    """Another part, where the test says so clearly.

    Where no damage to a promise is shared out, the first is the one with the largest effect, and how long a part takes
    moves with the machine's load: then something of the incident must have been found on that part as well.
    """
    if found.first is None or found.confidence == "low" or found.n_now < FEW:
        return None
    first, known = component_of(found.first), component_of(incident.subject)
    shown = bool(found.target) or any(component_of(f.about) == first for f in incident.findings)
    return first if first in card.components and first != known and shown else None


def _evidence(found: Attribution, incident: Incident, window: Window) -> Draft:
    first = next(p for p in found.parts if p.part == found.first)
    body = AddEvidence(
        about=component_of(first.part),
        metric=f"change of {first.part} given what reaches it",
        value=first.effect,
        n=first.n,
        low=None,
        high=None,
        method=found.method,
        p_value=first.p_adjusted,
        window_start=incident.since,
        window_end=window.end,
    )
    return Draft(body=body, author=AUTHOR, observed=window.end)
