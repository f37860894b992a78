"""Whether somebody should say if an incident is serious: a suggestion on faces, never an edit."""

from __future__ import annotations

from typing import Any, Final

from syscard.applicability import applies

REGIMES: Final = ("eu_ai_act",)
"""Those of which `syscard.regimes` has the days."""
_BOUND: Final = ("yes", "unclear", "not stated")


def wants_assessment(card: dict[str, Any], incident: dict[str, Any]) -> bool:
    """It pages, reached requests, a regime may bind the system, and nobody has said it yet; the JSON of a card in."""
    reached = (incident.get("impact") or {}).get("requests", 0) > 0
    bound = any(applies(card["identity"], (name,))[0] in _BOUND for name in REGIMES)
    return incident.get("serious") is None and incident["severity"] == "page" and reached and bound
