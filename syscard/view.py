"""The view: one JSON document per system, from which every face reads. Written by the fold, read by `syscard.views`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from syscard.card import Card
from syscard.digest import digest, iso
from syscard.gates import Policy, Verdict, decide
from syscard.live import Live
from syscard.sources import Sources

SCHEMA: Final = "syscard.view/1"


def build_view(
    card: Card,
    live: Live | None,
    *,
    gate: Policy,
    head: str,
    edits: int,
    texts: dict[str, str],
    written: datetime,
    sources: Sources | None = None,
) -> dict[str, Any]:
    """The view of one card version.

    Args:
        card: the newest version.
        live: what the monitors know; None before they ran once.
        gate: the policy whose verdict the faces print.
        head: link of the newest edit.
        edits: length of the chain.
        texts: free text by digest, as far as it was not erased.
        written: recorded time.
        sources: which edits say the figures that have no evidence of their own; None: none is known.
    """
    card_json = card.model_dump(mode="json")
    view: dict[str, Any] = {
        "schema": SCHEMA,
        "digest": digest(card_json),
        "head": head,
        "edits": edits,
        "card": card_json,
        "texts": texts,
        "sources": sources or {},
    }
    return with_live(view, live.model_dump(mode="json") if live else None, gate, written)


def with_live(view: dict[str, Any], live: dict[str, Any] | None, gate: Policy, written: datetime) -> dict[str, Any]:
    """The same card with other live values: what most windows change is only these."""
    verdict = verdict_json(decide(gate, view["card"], live, written))
    return {**view, "written": iso(written), "live": live, "gate": verdict}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A gate's verdict as a view keeps it; what is waived says until when, as it blocks again then."""
    waived = [{"until": c.waived_until, "waivers": list(c.waivers), "reason": c.reason} for c in verdict.waived]
    known = {"stage": verdict.stage, "blocked": verdict.blocked, "reasons": list(verdict.reasons)}
    return {**known, "waived": waived} if waived else known
