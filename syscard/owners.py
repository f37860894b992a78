"""Who answers for a part, and what to do first there, as the card has it declared. Standard library only."""

from __future__ import annotations

from typing import Any

from syscard.words import one_line


def owner_of(card: dict[str, Any], ref: str) -> str:
    """Who answers for a part: its own owner, else the system's team and its on-call channel."""
    part = card["components"].get(ref) or card["interactions"].get(ref) or {}
    target = card["components"].get(ref.split("->")[-1], {})
    team = card["identity"].get("owner", {})
    own = (part.get("declared") or {}).get("owner") or (target.get("declared") or {}).get("owner")
    return ", ".join(one_line(x) for x in (own or team.get("team"), team.get("on_call")) if x)


def runbook_of(card: dict[str, Any], subject: str) -> str:
    """Of the subject; for an edge, of the part that hands on."""
    declared = card["components"].get(subject.split("->")[0], {}).get("declared") or {}
    return one_line(declared.get("runbook") or "")
