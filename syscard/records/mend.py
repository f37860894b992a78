"""The view of a system made anew from its edits, where the two differ. The chain itself is never touched."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from syscard.fold import fold
from syscard.live import Live
from syscard.records.store import Records
from syscard.records.tables import EditRow, TextRow, ViewRow
from syscard.sources import sources
from syscard.stored import verify


def rebuild_views(records: Records, recorded: datetime) -> list[str]:
    """Write the view of each system whose view is missing, damaged or not what its edits give; which those were.

    Raises:
        ChainBroken: a chain does not hold: there is nothing to rebuild from.
        RecordsError: the database refused.
    """
    with records.transaction() as transaction:
        systems = list(transaction.session.exec(select(EditRow.system).distinct().order_by(EditRow.system)))
    return [ref for ref in systems if _rebuilt(records, ref, recorded)]


def _rebuilt(records: Records, ref: str, recorded: datetime) -> bool:
    verify(records.stored(ref))
    edits = list(records.edits(ref))
    card = fold(edits, start=ref)
    with records.transaction() as transaction:
        row = transaction.session.get(ViewRow, ref)
        texts = {t.sha256: t.body for t in transaction.session.exec(select(TextRow).where(col(TextRow.system) == ref))}
        if row is not None and _says(row.body, card.model_dump(mode="json"), edits[-1].link, texts):
            return False
        transaction.write_view(card, _live(row), edits[-1], recorded, sources(edits, card))
    return True


def _says(body: str, card: dict[str, Any], head: str, texts: dict[str, str]) -> bool:
    try:
        view = json.loads(body)
        return bool((view["card"], view["head"], view["texts"]) == (card, head, texts))
    except (ValueError, KeyError, TypeError):
        return False


def _live(row: ViewRow | None) -> Live | None:
    """What monitors knew, if that much can be read: they say it anew with their next look."""
    try:
        found = json.loads(row.body)["live"] if row else None
        return Live.model_validate(found) if found else None
    except (ValueError, KeyError, TypeError):
        return None
