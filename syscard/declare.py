"""From `system.yaml` to edits and back: what a declared system changes on a card."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syscard.card import Card
from syscard.edits import Author, Declare, Draft
from syscard.system import SCHEMA, System

_Part = tuple[str, str, dict[str, Any]]


def declaring(card: Card, system: System, author: Author, at: datetime) -> tuple[Draft, ...]:
    """The edits that make a card say what the file says; none where it says so already."""
    before = {(section, ref): body for section, ref, body in _parts_of(card)}
    after = {(section, ref): body for section, ref, body in _parts(system)}
    changed = [Declare(section=s, ref=r, body=b) for (s, r), b in after.items() if before.get((s, r)) != b]
    gone = [Declare(section=s, ref=r, body=None) for s, r in before if (s, r) not in after]
    return tuple(Draft(body=body, author=author, observed=at) for body in (*changed, *gone))


def _parts(system: System) -> Iterator[_Part]:
    body = system.body()
    ref = system.system.ref
    yield "system", ref, body["system"]
    yield "traces", ref, body["traces"]
    yield "monitors", ref, body.get("monitors", {})
    yield from (("component", r, b) for r, b in body["components"].items())
    yield from (("interaction", r, b) for r, b in body.get("interactions", {}).items())
    yield from (("dataset", r, b) for r, b in body.get("datasets", {}).items())
    for section in ("claim", "risk", "unknown"):
        yield from ((section, b["id"], b) for b in body.get(f"{section}s", []))


def _parts_of(card: Card) -> Iterator[_Part]:
    for section, body in (("system", card.identity), ("traces", card.traces), ("monitors", card.monitors)):
        if body:
            yield section, card.system, body
    parts = (("component", card.components), ("interaction", card.interactions))
    for section, table in parts:
        yield from ((section, r, p.declared) for r, p in table.items() if p.declared is not None)
    yield from (("claim", r, c.declared) for r, c in card.claims.items())
    yield from (("risk", r, k.declared) for r, k in card.risks.items())
    yield from (("unknown", r, b) for r, b in card.unknowns.items())
    yield from (("dataset", r, b) for r, b in card.datasets.items())


def system_of(card: Card) -> System:
    """The declared system that a card holds.

    Raises:
        pydantic.ValidationError: the card was declared by a release whose shape this one does not read.
    """
    return System.model_validate(
        {
            "schema": SCHEMA,
            "system": card.identity,
            "traces": card.traces,
            "monitors": card.monitors,
            "components": {r: c.declared for r, c in card.components.items() if c.declared is not None},
            "interactions": {r: i.declared for r, i in card.interactions.items() if i.declared is not None},
            "claims": [c.declared for c in card.claims.values()],
            "risks": [r.declared for r in card.risks.values()],
            "unknowns": list(card.unknowns.values()),
            "datasets": card.datasets,
        }
    )


def describe(drafts: tuple[Draft, ...], card: Card) -> tuple[str, ...]:
    """What would change, a line an edit: `+ component vlm`, `~ claim grounded`, `- risk R-2`."""
    known = {(section, ref) for section, ref, _ in _parts_of(card)}
    return tuple(_line(draft.body, known) for draft in drafts if isinstance(draft.body, Declare))


def _line(body: Declare, known: set[tuple[str, str]]) -> str:
    mark = "-" if body.body is None else "~" if (body.section, body.ref) in known else "+"
    return f"{mark} {body.section} {body.ref}"
