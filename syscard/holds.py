"""Evidence hold: which traces must outlive the day they lie in, why, and until when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from syscard.card import Card, Incident
from syscard.edits import Edit, Hold


class Held(NamedTuple):
    """One trace that is kept."""

    trace: str
    """`trace_id@start`, or a trace id."""
    why: str
    until: datetime | None
    """None: until what holds it lets go."""


def held(card: Card, edits: Iterable[Edit], now: datetime, retain: timedelta) -> tuple[Held, ...]:
    """Traces that claims, incidents and humans hold.

    Args:
        card: the newest card.
        edits: its edits; only holds are looked at.
        now: when it is asked.
        retain: for how long the traces of an incident are kept after it was closed.
    """
    holds = [edit for edit in edits if isinstance(edit.body, Hold)]
    gone = {edit.body.trace for edit in holds if isinstance(edit.body, Hold) and edit.body.erased}
    by_itself = (h for h in (*_of_claims(card), *_of_incidents(card, now, retain)) if h.trace not in gone)
    return tuple(sorted({*by_itself, *held_by_hand(holds, now)}, key=lambda h: (h.trace, h.why)))


def _of_claims(card: Card) -> Iterator[Held]:
    for claim in card.claims.values():
        for digest in {s.evidence for s in claim.slices if s.evidence}:
            yield from _of_evidence(card, digest, f"claim {claim.id} rests on it", None)


def _of_incidents(card: Card, now: datetime, retain: timedelta) -> Iterator[Held]:
    for incident in card.incidents.values():
        until = _until(incident, retain)
        if until is not None and until <= now:
            continue
        why = f"INC-{incident.number} {_why(incident)}"
        yield from (Held(trace, why, until) for trace in incident.traces)
        for finding in incident.findings:
            yield from _of_evidence(card, finding.evidence, why, until)


def _until(incident: Incident, retain: timedelta) -> datetime | None:
    """What may be serious is held until a human says that it is not: what is evaluated later must still be there."""
    return None if incident.is_live or _may_be_serious(incident) else _closed(incident) + retain


def _why(incident: Incident) -> str:
    if _may_be_serious(incident):
        return "may be serious: evidence hold"
    return "is open" if incident.is_open else "is held back" if incident.is_live else "was closed"


def _may_be_serious(incident: Incident) -> bool:
    return incident.serious is not None and incident.serious.serious != "no"


def _closed(incident: Incident) -> datetime:
    return incident.resolved or incident.events[-1].at


def _of_evidence(card: Card, digest: str, why: str, until: datetime | None) -> Iterator[Held]:
    evidence = card.evidence.get(digest)
    yield from (Held(trace, why, until) for trace in (evidence.figure.traces if evidence else ()))


def held_by_hand(edits: Iterable[Edit], now: datetime) -> Iterator[Held]:
    """Traces that a human holds at a moment: added, not lifted, not run out."""
    last = {edit.body.trace: edit for edit in edits if isinstance(edit.body, Hold)}
    for trace, edit in last.items():
        body = edit.body
        if isinstance(body, Hold) and not body.lifted and (body.until is None or body.until > now):
            yield Held(trace, f"held by {edit.draft.author.name}", body.until)
