"""Which edit says a figure that has no record of evidence of its own: counts of traces, reach, why there is no figure.

Kept beside the card in the view, by the place where the figure stands: a card is what was said, not where it was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.card import Card
from syscard.digest import iso

Sources = dict[str, str]
"""Digests of edits by place: `interactions/vlm->llm`, `incidents/12/impact`, `claims/grounded`."""


def sources(edits: Iterable[e.Edit], card: Card, known: Mapping[str, str] | None = None) -> Sources:
    """The edit that last said each such figure of a card.

    Args:
        edits: those that are not in `known` yet, in order.
        card: the card that all of them give.
        known: what was known before.
    """
    found = dict(known or {})
    for edit in edits:
        found.update(dict.fromkeys(_places(edit.body), edit.draft.digest))
    return {place: digest for place, digest in found.items() if _is_there(place, card)}


def _places(body: e.Body) -> Iterator[str]:
    match body:
        case e.Observe(what="edge"):
            yield f"interactions/{body.ref}"
        case e.Observe():
            yield f"components/{body.ref}/{body.what}/{body.value}"
        case e.SetClaim():
            yield f"claims/{body.claim}"
        case e.OpenIncident() if body.impact is not None:
            yield f"incidents/{body.number}/impact"
        case ie.ImpactIncident():
            yield f"incidents/{body.number}/impact"
        case ie.AttributeIncident():
            yield f"incidents/{body.number}/attribution"
        case e.PeriodicReport():
            yield f"reports/{iso(body.start)}"
        case _:
            return


def _is_there(place: str, card: Card) -> bool:
    """Whether the card still has what the place is of."""
    table, ref, *rest = place.split("/", 2)
    if table == "incidents":
        incident = card.incidents.get(int(ref))
        return incident is not None and getattr(incident, rest[0]) is not None
    if table == "components":
        component = card.components.get(ref)
        return component is not None and any(f"{o.what}/{o.value}" == rest[0] for o in component.observed)
    if table == "reports":
        return any(iso(report.start) == ref for report in card.reports)
    return ref in getattr(card, table)
