"""Waivers: a failed rule of a gate that somebody answers for until a day. A waived rule is waived, never ok. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from syscard.finding import Value
from syscard.incident_edits import Name, Sha256
from syscard.people import same_person
from syscard.words import one_line

LONGEST_WAIVER: Final = timedelta(days=366)
"""Whatever a policy allows."""
MOST_COVERED: Final = 200
WaiverId = Annotated[str, StringConstraints(pattern=r"^W-[1-9][0-9]{0,8}$")]


class Waive(Value):
    """Somebody asks for a rule to be waived for a time, and somebody else grants it."""

    kind: Literal["waiver"] = "waiver"
    id: WaiverId
    rule: Name
    """Id of the policy's rule."""
    scope: Annotated[tuple[Name, ...], Field(max_length=MOST_COVERED)] = ()
    """What it covers: claims, incidents, parts or roles by name; none: the rule where it names nothing."""
    reason_sha256: Sha256
    control_sha256: Sha256
    """Of what is done meanwhile in its place."""
    requested_by: Name
    approver: Name
    starts: datetime
    expires: datetime

    @model_validator(mode="after")
    def _has_four_eyes_and_an_end(self) -> Self:
        if same_person(self.requested_by, self.approver):
            raise ValueError(
                f"who asks for a waiver does not grant it: {one_line(self.approver)} is who asks; name another"
            )
        if not timedelta(0) < self.expires - self.starts <= LONGEST_WAIVER:
            raise ValueError(f"a waiver ends after it began, at most {LONGEST_WAIVER.days} days later")
        return self


class RevokeWaiver(Value):
    """A waiver was taken back before its end."""

    kind: Literal["waiver.revoke"] = "waiver.revoke"
    id: WaiverId


class Revoked(Value):
    """When a waiver was taken back, and by whom."""

    at: datetime
    by: str


class Waiver(Value):
    """A waiver as it stands on the card."""

    id: str
    rule: str
    scope: tuple[str, ...]
    reason_sha256: str
    control_sha256: str
    requested_by: str
    approver: str
    starts: datetime
    expires: datetime
    revoked: Revoked | None = None
