"""A claim's slices in words: which one decides, its figures, or why there are none. Standard library only."""

from __future__ import annotations

import re
from typing import Any, Final

from syscard.samples import beside
from syscard.words import figure, one_line

_DURATION_LIMIT: Final = re.compile(r"\d\s*(us|ms|s|m|h|d|w)\s*$")


def claim_status(raw: dict[str, Any]) -> str:
    """Status of a claim of a view's card: broken if any slice is, else that of all traffic."""
    return str(telling_slice(raw)["status"])


def telling_slice(raw: dict[str, Any]) -> dict[str, Any]:
    """The slice that decides the status: the first broken one, else all traffic."""
    slices: list[dict[str, Any]] = raw["slices"]
    return next((s for s in slices if s["status"] == "broken"), slices[0])


def claim_unit(declared: dict[str, Any]) -> str:
    """Unit of a claim's figures: seconds where it promises a duration, a count where it counts."""
    if declared.get("metric", "").startswith("count("):
        return "count"
    return "s" if _DURATION_LIMIT.search(declared.get("expect", "")) else ""


def slice_text(part: dict[str, Any], declared: dict[str, Any]) -> str:
    """`0.30 [0.27, 0.33]  promised >= 0.85  n 1,204`; without figures, the reason. A sample is marked beside them."""
    promised = f"promised {one_line(declared.get('expect', '?'))}"
    if part["value"] is None:
        return f"{beside(missing_text(part), part.get('sampled'))}  {promised}"
    why = f"  {one_line(part['why'])}" if part["why"] else ""
    return f"{beside(figures_text(part, declared), part.get('sampled'))}  {promised}  n {part['n']:,}{why}"


def figures_text(part: dict[str, Any], declared: dict[str, Any]) -> str:
    """`0.30 [0.27, 0.33]`; a dash where there is no figure."""
    unit = claim_unit(declared)
    if part["value"] is None or part["low"] is None or part["high"] is None:
        return figure(part["value"], unit)
    return f"{figure(part['value'], unit)} [{figure(part['low'], unit)}, {figure(part['high'], unit)}]"


def missing_text(part: dict[str, Any]) -> str:
    """Why there is no figure."""
    if part["why"]:
        return one_line(part["why"])
    return f"needs n {part['needs']:,}, has {part['n']:,}" if part["needs"] else "no evidence"
