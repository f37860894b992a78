"""Whether a body of rules binds a system, as its card says that its team states it. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

Applies = Literal["no", "voluntary", "yes", "unclear", "not stated"]
_MEANS: Final[dict[str, Applies]] = {
    "no": "no",
    "not_applicable": "no",
    "voluntary": "voluntary",
    "high_risk": "yes",
    "applicable": "yes",
    "unclear": "unclear",
}


def applies(identity: Mapping[str, Any], regimes: Iterable[str]) -> tuple[Applies, str]:
    """What is stated of the first of these regimes of which anything is, and the reason that is given.

    Args:
        identity: of the JSON of a card.
        regimes: names as in system.yaml, the most exact first.
    """
    stated = identity.get("regimes") or {}
    for name in regimes:
        if name in stated:
            said = stated[name] if isinstance(stated[name], dict) else {"applies": stated[name]}
            return _MEANS.get(str(said.get("applies")), "unclear"), str(said.get("because") or "")
    return "not stated", ""
