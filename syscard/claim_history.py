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
    latest: datetime
    """When the newest of its looks was recorded."""
    status: str
    figure: e.SliceStatus
    """Of the slice that decided, at the first look."""
    looks: int
    """Assessments that were written down; 0: it was only declared, or its evidence ran out and nothing was measured."""

    def json(self) -> dict[str, Any]:
        """The same as JSON values."""
        times = {"observed": iso(self.observed), "recorded": iso(self.recorded), "latest": iso(self.latest)}
        return {**asdict(self), **times, "figure": self.figure.model_dump(mode="json")}


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
    return _step(edit, "unknown", waiting, 0)


def _looked(last: ClaimStep, edit: e.Edit, body: e.SetClaim) -> tuple[ClaimStep, ...]:
    deciding = next((s for s in body.slices if s.status == "broken"), body.slices[0])
    if deciding.status == last.status and last.looks:
        return (replace(last, looks=last.looks + 1, latest=edit.recorded),)
    return (last, _step(edit, deciding.status, deciding, 0 if deciding.status == "stale" else 1))


def _step(edit: e.Edit, status: str, figure: e.SliceStatus, looks: int) -> ClaimStep:
    return ClaimStep(edit.version, edit.draft.observed, edit.recorded, edit.recorded, status, figure, looks)


def looked_at(claim: dict[str, Any], evidence: dict[str, Any]) -> datetime | None:
    """When a claim of a view's card was last measured; None before it was.

    What found its evidence expired stands as its newest assessment, and measured nothing: of a stale claim it is the
    time of its evidence.
    """
    if not any(s["status"] == "stale" for s in claim["slices"]):
        return datetime.fromisoformat(claim["assessed"]) if claim["assessed"] else None
    known = (evidence.get(s["evidence"] or "") for s in claim["slices"])
    return max((datetime.fromisoformat(one["observed"]) for one in known if one), default=None)


def valid_until(claim: dict[str, Any], evidence: dict[str, Any]) -> datetime | None:
    """Until when the newest look at a claim of a view's card counts; None before there was one."""
    looked = looked_at(claim, evidence)
    try:
        return looked + parse_duration(claim["declared"]["valid_for"]) if looked else None
    except (KeyError, TypeError, ValueError):
        return None
