"""How a claim came to stand as it does: each time its status changed, and the looks in between. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from syscard import edits as e
from syscard.digest import iso
from syscard.fold import NEVER_ASSESSED
from syscard.units import parse_duration


@dataclass(frozen=True)
class ClaimStep:
    """One stretch in which the status of a claim was the same."""

    version: int
    """Of the card, with which it began."""
    observed: datetime
    """Event time of that look."""
    recorded: datetime
    status: str
    figure: e.SliceStatus
    """Of the slice that decided, at the first look."""
    looks: int
    """Assessments that were written down: when something changed, and when evidence grew old; 0: only declared."""

    def json(self) -> dict[str, Any]:
        """The same as JSON values."""
        shown = {**asdict(self), "observed": iso(self.observed), "recorded": iso(self.recorded)}
        return shown | {"figure": self.figure.model_dump(mode="json")}


def claim_steps(edits: Iterable[e.Edit], claim: str) -> tuple[ClaimStep, ...]:
    """Every stretch of one status since the claim came onto the card, the oldest first.

    A promise that is declared anew begins again from unknown, and one that was taken out has no past.
    """
    steps: tuple[ClaimStep, ...] = ()
    for edit in edits:
        body = edit.body
        if isinstance(body, e.Declare) and (body.section, body.ref) == ("claim", claim):
            steps = (*steps, _declared(edit)) if body.body is not None else ()
        elif isinstance(body, e.SetClaim) and body.claim == claim and steps:
            steps = (*steps[:-1], *_looked(steps[-1], edit, body))
    return steps


def _declared(edit: e.Edit) -> ClaimStep:
    waiting = e.SliceStatus(status="unknown", why=NEVER_ASSESSED)
    return ClaimStep(edit.version, edit.draft.observed, edit.recorded, "unknown", waiting, 0)


def _looked(last: ClaimStep, edit: e.Edit, body: e.SetClaim) -> tuple[ClaimStep, ...]:
    deciding = next((s for s in body.slices if s.status == "broken"), body.slices[0])
    if deciding.status == last.status and last.looks:
        return (replace(last, looks=last.looks + 1),)
    return (last, ClaimStep(edit.version, edit.draft.observed, edit.recorded, deciding.status, deciding, 1))


def valid_until(claim: dict[str, Any]) -> datetime | None:
    """Until when the newest look at a claim of a view's card counts; None before there was one."""
    try:
        return datetime.fromisoformat(claim["assessed"] or "") + parse_duration(claim["declared"]["valid_for"])
    except (KeyError, TypeError, ValueError):
        return None
