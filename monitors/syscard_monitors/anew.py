"""The attribution of one incident made anew, from the lake and the baseline. Looks only: nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from syscard.attribution import Attribution
from syscard.card import Card, Incident
from syscard.errors import NoRequests
from syscard.incident_edits import AttributeIncident
from syscard.records.store import Records
from syscard_monitors.assemble import Request
from syscard_monitors.attributing import MOST_REQUESTS, attribution_of, compared
from syscard_monitors.look import Scan, sampled
from syscard_monitors.memory import recall
from syscard_monitors.plan import Plan
from syscard_monitors.traces import moment

if TYPE_CHECKING:
    from syscard_monitors.attribution.question import Question


@dataclass(frozen=True)
class Anew:
    """What was found again, and of what."""

    incident: Incident
    until: datetime
    """End of the last request that may count."""
    found: Attribution
    sampled: bool
    """Whether there were so many spans that a sample of the requests was taken."""
    question: Question | None
    """For another library; None where nothing could be compared."""


def anew(
    records: Records, plan: Plan, card: Card, number: int, scan: Scan, now_us: int, rotated: tuple[int, ...]
) -> Anew:
    """Who changed since an incident began: up to the newest closed window, or if it is over, as its card has it.

    Raises:
        NoRequests: none of them is in the lake any more.
    """
    incident = card.incidents[number]
    until = _until(records, card.system, incident)
    stretch, some = sampled(scan, plan.system, incident.since, until, now_us, rotated)
    requests = stretch.requests[-MOST_REQUESTS:]
    if not requests:
        raise NoRequests(f"no request of INC-{number} is in the lake: spans are kept for a time only")
    found = attribution_of(card, plan, requests, plan.joint)
    return Anew(incident, until, found, some, _question(card, plan, requests))


def _until(records: Records, ref: str, incident: Incident) -> datetime:
    newest = moment(recall(records.watch(ref)).frontier.end_us)
    if incident.is_live:
        return newest
    made = [
        edit.draft.observed
        for edit in records.edits(ref)
        if isinstance(edit.draft.body, AttributeIncident) and edit.draft.body.number == incident.number
    ]
    return made[-1] if made else incident.resolved or newest


def _question(card: Card, plan: Plan, requests: tuple[Request, ...]) -> Question | None:
    if not plan.joint:
        return None
    from syscard_monitors.attribution.question import question_of

    return question_of(*compared(card, plan, requests, plan.joint))
