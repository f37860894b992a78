"""What of a card is material: the digest of it changes wherever `syscard.diff.material_diff` has anything to tell.

What signing itself adds is left out (approvals, runs of gates, snapshots), and so are figures that cross nothing. An
approval keeps the digest of what it was for, so that a view alone tells whether it still counts.
"""

from __future__ import annotations

from typing import Any, Final

from syscard.diff import TOLD_OF_GROUPS
from syscard.digest import digest
from syscard.slices import claim_status

CardJson = dict[str, Any]
_DECLARED: Final = ("identity", "traces", "monitors", "unknowns", "baseline")


def material_digest(card: CardJson) -> str:
    """SHA-256 of what is material of a card, given as JSON."""
    told = {name: card.get(name) for name in _DECLARED}
    told |= {"datasets": card["datasets"]} if card.get("datasets") else {}  # older approvals know none
    parts = {ref: _part(part) for name in ("components", "interactions") for ref, part in card[name].items()}
    claims = {ref: _claim(claim) for ref, claim in card["claims"].items()}
    risks = {ref: [risk["declared"], risk["observed_in"]] for ref, risk in card["risks"].items()}
    incidents = {number: [one["state"], one["severity"]] for number, one in card["incidents"].items()}
    waivers = {ref: [one, one["revoked"] is not None] for ref, one in card.get("waivers", {}).items()}
    told |= _crossed(card)
    found = {"parts": parts, "claims": claims, "risks": risks, "incidents": incidents, "waivers": waivers}
    return digest({**told, **found})


def _crossed(card: CardJson) -> dict[str, Any]:
    """What of groups and of the catalogue's risks is out of bounds; nothing where nothing is."""
    groups = {ref: one["state"] for ref, one in card.get("groups", {}).items() if one["state"] in TOLD_OF_GROUPS}
    seen = sorted(ref for ref, one in card.get("assessed", {}).items() if one["state"] == "seen")
    return ({"groups": groups} if groups else {}) | ({"assessed": seen} if seen else {})


def _part(part: dict[str, Any]) -> list[Any]:
    seen = [[one["what"], one["value"], one["declared"]] for one in part.get("observed", ())]
    return [part["declared"], part["state"], seen]


def _claim(claim: dict[str, Any]) -> list[Any]:
    broken = sorted(s["slice"] for s in claim["slices"] if s["status"] == "broken")
    return [claim["declared"], claim_status(claim), broken]
