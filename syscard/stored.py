"""Edits as the records hold them: written in one way only, read as today's kinds, and verified byte by byte.

A link is of what was written, not of what today's release makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from syscard.digest import GENESIS, digest, iso, plain
from syscard.edits import Draft, Edit, link_digest
from syscard.errors import ChainBroken
from syscard.upcast import STEPS, Step, upcast

_MEND: Final = "restore a backup of before (docs/keeping.md)"


@dataclass(frozen=True)
class Stored:
    """One row of the chain, as it lies there."""

    seq: int
    version: int
    cause: str
    draft: str
    """JSON: body, author, observed."""
    recorded: str
    previous: str
    link: str

    @property
    def name(self) -> str:
        """`edit 41 (v7)`."""
        return f"edit {self.seq} (v{self.version})"


def written(edit: Edit) -> Stored:
    """An edit as it is stored. Figures have the digits that its digest knows, so that every one of them is held."""
    return Stored(
        seq=edit.seq,
        version=edit.version,
        cause=edit.cause,
        draft=_text(plain(edit.draft.content())),
        recorded=iso(edit.recorded),
        previous=edit.previous,
        link=edit.link,
    )


def read(row: Stored, steps: Sequence[Step] = STEPS) -> Edit:
    """A stored edit as today's kind.

    Raises:
        ChainBroken: it is none that this or an earlier release wrote.
    """
    try:
        stored = json.loads(row.draft)
        newest = upcast(stored, steps)
        draft = Draft.model_validate(newest)
        if newest is not stored:
            draft.__dict__["digest"] = digest(stored)  # evidence is known by what was written
        return Edit(
            seq=row.seq,
            version=row.version,
            cause=row.cause,
            draft=draft,
            recorded=datetime.fromisoformat(row.recorded),
            previous=row.previous,
            link=row.link,
        )
    except (ValueError, AttributeError) as error:
        what = "it is no edit that was ever written, or one of a newer release"
        raise ChainBroken(f"{row.name}: {what}: upgrade syscard, or {_MEND}") from error


def verify(rows: Iterable[Stored]) -> int:
    """Recompute the whole chain.

    Returns:
        The number of edits.

    Raises:
        ChainBroken: names the first edit that does not follow, what about it does not, and what to do.
    """
    before: Stored | None = None
    count = 0
    for count, row in enumerate(rows, start=1):
        for wrong in _wrong(row, before, count):
            raise ChainBroken(f"{row.name}: {wrong}: nothing from here on can be trusted: {_MEND}")
        before = row
    return count


def _wrong(row: Stored, before: Stored | None, place: int) -> Iterator[str]:
    """What does not follow, the first thing first."""
    version = before.version if before else 0
    if row.seq != place or row.version not in (version, version + 1):
        yield "an edit is missing or out of place before it"
    if row.previous != (before.link if before else GENESIS):
        yield "it names another edit before it than the one that stands there"
    try:
        content, recorded = json.loads(row.draft), datetime.fromisoformat(row.recorded)
        link = link_digest(row.previous, digest(content), row.seq, row.version, row.cause, recorded)
        exact = (_text(content), iso(recorded)) == (row.draft, row.recorded)
    except (ValueError, OverflowError, RecursionError):
        yield "what is stored of it cannot be read"
        return
    if row.link != link:
        yield "its digest does not match its content"
    if not exact:
        yield "it is not written as edits are: a byte of it was changed"


def _text(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))
