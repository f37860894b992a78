"""What materially changed with each version of a card: its edits folded again, version by version. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from syscard.card import Card
from syscard.diff import Change, material_diff
from syscard.edits import Edit
from syscard.fold import fold


def changes_by_version(card: Card, edits: Iterable[Edit], *, since: int) -> tuple[Card, dict[int, tuple[Change, ...]]]:
    """The card behind some edits, and what changed with each version from `since` on.

    Args:
        card: what the edits follow.
        edits: in order; whole versions.
        since: earlier versions are folded, and not compared.
    """
    found: dict[int, tuple[Change, ...]] = {}
    before = card.model_dump(mode="json")
    for version, batch in groupby(edits, lambda edit: edit.version):
        card = fold(batch, start=card)
        if version < since - 1:
            continue
        after = card.model_dump(mode="json")
        if version >= since:
            found[version] = material_diff(before, after)
        before = after
    return card, found
