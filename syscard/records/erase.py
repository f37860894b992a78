"""A person leaves the records: free texts, what monitors remember, what faces read. The chain stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, select

from syscard.digest import text_digest
from syscard.edits import AddEvidence, Author, Draft, Edit, Erasure, Hold
from syscard.holds import held
from syscard.live import Live
from syscard.records.store import Records
from syscard.records.tables import TextRow

_REASON = "what was held is gone: a person was erased"
_EVER = timedelta(days=36_500)
_ID = re.compile(r"(?=([0-9a-f]{32}))")
GONE = "~"
"""Stands for the id of an erased trace where something must stand; sorts behind every id."""


def erase_from(
    records: Records,
    names: Collection[str],
    traces: Collection[str],
    takes: Callable[[str], bool],
    erasure: Erasure,
    author: Author,
    recorded: datetime,
) -> None:
    """Take a person out of every system's records, and write down that it was done, once for each `reference`.

    Args:
        records: the home's records.
        names: what the person is called in free texts.
        traces: ids of their traces.
        takes: whether the spans of a trace reference are among what goes.
        erasure: the figures; texts, evidence and holds are counted here, system by system.
        author: who erased.
        recorded: now.

    Raises:
        RecordsError: the database refused; nothing was changed in the system at hand.
    """
    traces = frozenset(traces)
    for ref in records.systems():
        edits = list(records.edits(ref))
        if not any(isinstance(e.body, Erasure) and e.body.reference == erasure.reference for e in edits):
            _erase_system(records, ref, edits, names, traces, takes, erasure, author, recorded)


def _erase_system(
    records: Records,
    ref: str,
    edits: Iterable[Edit],
    names: Collection[str],
    traces: Collection[str],
    takes: Callable[[str], bool],
    erasure: Erasure,
    author: Author,
    recorded: datetime,
) -> None:
    held_still = sorted({h.trace for h in held(records.card(ref), edits, recorded, _EVER) if takes(h.trace)})
    with records.transaction() as transaction:
        texts = _erase_texts(transaction.session, ref, names, traces)
        evidence = sum(_names_trace(edit, traces) for edit in edits)
        transaction.set_watch(ref, without(transaction.watch(ref), traces))
        live = transaction.live(ref)
        scrubbed = Live.model_validate(without(live.model_dump(mode="json"), traces)) if live else None
        body = erasure.model_copy(update={"texts": texts, "evidence": evidence, "holds": len(held_still)})
        bodies = (body, *(_lifted(trace) for trace in held_still))
        drafts = [Draft(body=body, author=author, observed=recorded) for body in bodies]
        cause, reasons = "a person was erased", [_REASON] if held_still else []
        transaction.append(ref, drafts, cause=cause, recorded=recorded, live=scrubbed, texts=reasons)


def _lifted(trace: str) -> Hold:
    """The id is in the chain already, where whatever held the trace names it; it points to nothing now."""
    return Hold(trace=trace, reason_sha256=text_digest(_REASON), lifted=True, erased=True)


def _erase_texts(session: Session, ref: str, names: Collection[str], traces: Collection[str]) -> int:
    rows = session.exec(select(TextRow).where(TextRow.system == ref)).all()
    naming = [row for row in rows if any(name in row.body for name in names) or _names(row.body, traces)]
    for row in naming:
        session.delete(row)
    session.flush()
    return len(naming)


def _names_trace(edit: Edit, traces: Collection[str]) -> bool:
    body = edit.body
    return isinstance(body, AddEvidence) and any(trace.partition("@")[0] in traces for trace in body.traces)


def without(value: Any, traces: Collection[str]) -> Any:
    """JSON without the ids of some traces: a list of texts loses those that name one, elsewhere `GONE` stands."""
    if isinstance(value, str):
        return GONE if _names(value, traces) else value
    if isinstance(value, list):
        texts = all(isinstance(item, str) for item in value)
        return [without(item, traces) for item in value if not (texts and _names(item, traces))]
    if isinstance(value, Mapping):
        return {key: without(item, traces) for key, item in value.items() if not _names(key, traces)}
    return value


def _names(text: str, traces: Collection[str]) -> bool:
    """Whether a text holds the id of one of the traces. They may be very many: the text's own ids are looked up."""
    return any(found[1] in traces for found in _ID.finditer(text))
