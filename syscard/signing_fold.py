"""What waivers, approvals and runs of gates do to the card. Pure; `syscard.fold` calls the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from syscard import edits as e
from syscard.approvals import APPROVALS_SHOWN, Approval, Approve
from syscard.card import Card
from syscard.gate_runs import RUNS_SHOWN, GateRun, RunGate
from syscard.incident_fold import author_name
from syscard.waivers import Revoked, RevokeWaiver, Waive, Waiver

Changes = dict[str, Any]


def _waive(card: Card, body: Waive, _edit: e.Edit) -> Changes:
    return {"waivers": {**card.waivers, body.id: Waiver(**body.model_dump(exclude={"kind"}))}}


def _revoke(card: Card, body: RevokeWaiver, edit: e.Edit) -> Changes:
    known = card.waivers.get(body.id)
    if known is None or known.revoked is not None:
        return {}
    revoked = Revoked(at=edit.draft.observed, by=author_name(edit))
    return {"waivers": {**card.waivers, body.id: known.model_copy(update={"revoked": revoked})}}


def _approve(card: Card, body: Approve, edit: e.Edit) -> Changes:
    new = Approval(person=author_name(edit), at=edit.draft.observed, **body.model_dump(exclude={"kind"}))
    return {"approvals": (*card.approvals, new)[-APPROVALS_SHOWN:]}


def _run(card: Card, body: RunGate, edit: e.Edit) -> Changes:
    new = GateRun(
        number=card.gate_runs[-1].number + 1 if card.gate_runs else 1,
        at=edit.draft.observed,
        by=author_name(edit),
        failed=body.failed,
        waivers=body.waivers,
        **body.model_dump(include={"stage", "blocked", "policy", "input", "engine"}),
    )
    return {"gate_runs": (*card.gate_runs, new)[-RUNS_SHOWN:]}


RULES: Final[dict[str, Callable[[Card, Any, e.Edit], Changes]]] = {
    "waiver": _waive,
    "waiver.revoke": _revoke,
    "approval": _approve,
    "gate": _run,
}
