"""Incidents as data: what `incident list --json` and `incident show --json` print, and the web answers."""

from __future__ import annotations

from typing import Any

from syscard.attribution_text import method_of
from syscard.errors import NotOnTheCard
from syscard.incident_faces import may_inherit, shows_on
from syscard.trace_links import links


def incident_row(raw: dict[str, Any]) -> dict[str, Any]:
    """One incident of a list, by its JSON on the card."""
    from syscard.risks import worst_of

    return {
        "number": raw["number"],
        "state": raw["state"],
        "severity": raw["severity"],
        "subject": raw["subject"],
        "title": raw["title"],
        "risk_id": worst_of(f["risk"] for f in raw["findings"] if f.get("risk")),
        "opened_at": raw["opened"],
        "since": raw["since"],
        "resolved_at": raw["resolved"],
        "attribution": {
            "first_changed": raw["subject"],
            "may_inherit": may_inherit(raw),
            "shows_on": shows_on(raw),
            "method": method_of(raw),
        },
    }


def incident_document(card: dict[str, Any], number: int) -> dict[str, Any]:
    """One incident as it stands on a card, with where its traces can be looked at.

    Raises:
        NotOnTheCard: names the incidents there are.
    """
    raw = card["incidents"].get(str(number))
    if raw is None:
        there = ", ".join(f"INC-{n}" for n in card["incidents"]) or "none"
        raise NotOnTheCard(f"no incident INC-{number} on this card; there is: {there}")
    found = links(card, list(raw["traces"]))
    return {**raw, **({"trace_links": found} if found else {})}
