"""Waivers, approvals and runs of gates as every face shows them. Pure; standard library only, but for approvals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from syscard.views import View
from syscard.words import moment, one_line

WaiverState = Literal["holds", "waits", "over", "revoked"]


@dataclass(frozen=True)
class WaiverRow:
    """One waiver."""

    id: str
    rule: str
    scope: tuple[str, ...]
    state: WaiverState
    """`over`: it ended by itself, and the rule counts again."""
    starts: str
    expires: str
    requested_by: str
    approver: str
    reason: str | None
    """None where the text was erased; likewise `control`."""
    control: str | None
    revoked_at: str | None
    revoked_by: str | None

    @property
    def words(self) -> str:
        """`holds until 2026-12-31`."""
        if self.state == "revoked":
            return f"revoked {(self.revoked_at or '')[:10]} by {self.revoked_by}"
        word = {"holds": "holds until", "waits": f"from {self.starts[:10]} until", "over": "OVER since"}[self.state]
        return f"{word} {self.expires[:10]}"


@dataclass(frozen=True)
class ApprovalRow:
    """The newest decision of one role."""

    role: str
    person: str
    decision: str
    at: str
    version: int
    over: str
    counts: bool
    """It is an approval, and nothing material has changed since the card that it is for."""
    comment: str | None
    signed_by: str
    """`signed by 0f3a...` (the key that its signature names; `card verify` checks it), or `unsigned`."""

    @property
    def words(self) -> str:
        """`approved v12`, and whether that still counts."""
        if self.decision == "reject":
            return f"REJECTED v{self.version}"
        return f"approved v{self.version}" + ("" if self.counts else ", NO LONGER COUNTS: the card has changed since")


def waiver_rows(view: View, at: datetime | None = None) -> tuple[WaiverRow, ...]:
    """Every waiver of a card, as of a moment: when the view was written where none is given."""
    now = at or moment(view["written"])
    return tuple(_waiver(one, view["texts"], now) for one in view["card"].get("waivers", {}).values())


def _waiver(one: dict[str, Any], texts: dict[str, str], now: datetime | None) -> WaiverRow:
    revoked = one["revoked"] or {}
    return WaiverRow(
        id=one["id"],
        rule=one_line(one["rule"]),
        scope=tuple(map(one_line, one["scope"])),
        state=waiver_state(one, now),
        starts=one["starts"],
        expires=one["expires"],
        requested_by=one_line(one["requested_by"]),
        approver=one_line(one["approver"]),
        reason=_text(one["reason_sha256"], texts),
        control=_text(one["control_sha256"], texts),
        revoked_at=revoked.get("at"),
        revoked_by=one_line(revoked["by"]) if revoked else None,
    )


def waiver_state(one: dict[str, Any], now: datetime | None) -> WaiverState:
    """How a waiver stands at a moment."""
    starts, expires = moment(one["starts"]), moment(one["expires"])
    if one["revoked"]:
        return "revoked"
    if now is None or starts is None or expires is None or now >= expires:
        return "over"
    return "holds" if starts <= now else "waits"


def _text(key: str | None, texts: dict[str, str]) -> str | None:
    return one_line(texts[key]) if key in texts else None


def waived(view: View, item: str, at: datetime | None = None) -> str:
    """`waived until 2026-12-31 (W-1)`, where a waiver that holds covers an item: a flag beside its status."""
    now = at or moment(view["written"])
    for ref, one in view["card"].get("waivers", {}).items():
        if item in one["scope"] and waiver_state(one, now) == "holds":
            return f"waived until {one['expires'][:10]} ({ref})"
    return ""


def approval_rows(view: View) -> tuple[ApprovalRow, ...]:
    """The newest decision of every role, the oldest first."""
    from syscard.material import material_digest

    approvals = view["card"].get("approvals", ())
    newest = {one["role"]: one for one in approvals}
    now = material_digest(view["card"]) if newest else ""
    return tuple(_approval(one, view["texts"], now) for one in sorted(newest.values(), key=lambda one: one["at"]))


def _approval(one: dict[str, Any], texts: dict[str, str], material: str) -> ApprovalRow:
    from syscard.approval_signatures import named_signer

    return ApprovalRow(
        role=one["role"],
        person=one_line(one["person"]),
        decision=one["decision"],
        at=one["at"],
        version=one["version"],
        over=one["over"],
        counts=one["decision"] == "approve" and one["material"] == material,
        comment=_text(one["comment_sha256"], texts),
        signed_by=named_signer(one["signature"]),
    )


def gate_reasons(view: View, at: datetime) -> tuple[str, ...]:
    """Why the gate of a view is blocked at a moment: a waiver that has run out since holds nothing back any more."""
    gate = view["gate"]
    over = (one for one in gate.get("waived", ()) if (end := moment(one["until"])) is None or end <= at)
    rearmed = (f"{one['reason']}, no longer waived ({', '.join(one['waivers'])})" for one in over)
    return (*gate["reasons"], *rearmed)


def run_lines(view: View) -> Iterator[str]:
    """The newest runs of gates, the newest first, a line each."""
    for run in reversed(view["card"].get("gate_runs", ())):
        failed = f": {', '.join(map(one_line, run['failed']))}" if run["failed"] else ""
        by = f"  resting on {', '.join(run['waivers'])}" if run["waivers"] else ""
        word = "BLOCKED" if run["blocked"] else "open"
        stage, asked = one_line(run["stage"]), f"{one_line(run['engine'])}, by {one_line(run['by'])}"
        yield f"{run['number']}  {run['at'][:16]}Z  {stage} {word}{failed}{by}  ({asked})"
