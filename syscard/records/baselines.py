"""Every baseline that was ever set, and the way back to an older one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from syscard.card import Card
from syscard.edits import Author, Draft, Edit, SetBaseline
from syscard.errors import RecordsError, UsageError
from syscard.records.store import Records
from syscard.words import one_line

LEAST_DIGITS = 6
"""Of a digest, to name a baseline by its beginning."""


@dataclass(frozen=True)
class PastBaseline:
    """One time a baseline was set."""

    baseline: SetBaseline
    version: int
    """Of the card."""
    set_by: str
    set_at: datetime
    """Recorded time."""
    in_force: bool
    kept: bool
    """Whether its values are there and are what their digest says."""


def baselines(records: Records, ref: str) -> tuple[PastBaseline, ...]:
    """Every baseline of a system in the order in which they were set; the last is in force."""
    edits = [edit for edit in records.edits(ref) if isinstance(edit.body, SetBaseline)]
    return tuple(_past(records, edit, edit.body, in_force=edit is edits[-1]) for edit in edits
                 if isinstance(edit.body, SetBaseline))  # fmt: skip


def _past(records: Records, edit: Edit, body: SetBaseline, *, in_force: bool) -> PastBaseline:
    author = f"{edit.draft.author.kind}:{edit.draft.author.name}"
    return PastBaseline(body, edit.version, author, edit.recorded, in_force, _is_kept(records, body.data_digest))


def _is_kept(records: Records, data_digest: str) -> bool:
    try:
        records.baseline_data(data_digest)
    except RecordsError:
        return False
    return True


def use_baseline(records: Records, ref: str, named: str, author: Author, now: datetime) -> Card:
    """Put an older baseline in force again, as a human decides: an edit like any other.

    Args:
        records: the home's.
        ref: the system.
        named: its name (the newest of that name), or the beginning of its data digest.
        author: who decides.
        now: recorded time.

    Raises:
        UsageError: there is none of that name, several have that beginning, or it is in force already.
        RecordsError: its values are not kept any more, or were changed.
    """
    known = baselines(records, ref)
    found = _named(known, named)
    if known[-1].baseline.data_digest == found.baseline.data_digest:
        raise UsageError(f"baseline {one_line(found.baseline.name)} is in force already")
    records.baseline_data(found.baseline.data_digest)
    body = found.baseline
    with records.transaction() as transaction:
        card, _ = transaction.newest(ref)
        draft = Draft(body=body, author=author, observed=card.observed)
        return transaction.append(ref, [draft], cause=f"baseline {body.name} again", recorded=now)


def _named(known: tuple[PastBaseline, ...], named: str) -> PastBaseline:
    by_name = [past for past in known if past.baseline.name == named]
    if by_name:
        return by_name[-1]
    digests = {p.baseline.data_digest for p in known if p.baseline.data_digest.startswith(named)}
    if len(named) >= LEAST_DIGITS and len(digests) == 1:
        return next(p for p in reversed(known) if p.baseline.data_digest in digests)
    there = ", ".join(f"{one_line(p.baseline.name)} ({p.baseline.data_digest[:12]})" for p in known) or "none"
    raise UsageError(f"no one baseline is named by '{one_line(named)}'; there is: {there}")
