"""What materially changed with each version of a card: its edits folded again, version by version. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from syscard.card import Card
from syscard.diff import Change, material_diff
from syscard.edits import Edit
from syscard.fold import fold
from syscard.patch import TABLES


def changes_by_version(card: Card, edits: Iterable[Edit], *, since: int) -> tuple[Card, dict[int, tuple[Change, ...]]]:
    """The card behind some edits, and what changed with each version from `since` on.

    Args:
        card: what the edits follow.
        edits: in order; whole versions.
        since: earlier versions are folded, and not compared.
    """
    found: dict[int, tuple[Change, ...]] = {}
    before = card.model_dump(mode="json")
    # What is not compared is folded at once: to begin a fold costs as much as the card is large.
    for version, batch in groupby(edits, lambda edit: max(edit.version, since - 1)):
        earlier, card = card, fold(batch, start=card)
        after = _json(card, earlier, before)
        if version >= since:
            found[version] = material_diff(before, after)
        before = after
    return card, found


def _json(card: Card, earlier: Card, told: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a card, made of an earlier one's: a batch changes few rows, and a row is replaced, not edited."""
    kept = {name: getattr(earlier, name) for name in TABLES}
    new = {name: {k: v for k, v in getattr(card, name).items() if kept[name].get(k) is not v} for name in TABLES}
    made = card.model_copy(update=new).model_dump(mode="json")
    for name in TABLES:
        if rows := getattr(card, name):
            fresh, old = made.get(name, {}), told.get(name, {})
            made[name] = {key: fresh.get(key, old.get(key)) for key in map(str, rows)}
    return made
