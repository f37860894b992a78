"""Approvals: somebody signs for a card in a role. They count while nothing material has changed since. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from syscard.finding import Value
from syscard.incident_edits import Sha256

APPROVALS_SHOWN: Final = 50
"""Newest decisions that the card keeps; the edits hold all."""
ROLE: Final = re.compile(r"^[a-z][a-z0-9_-]{0,63}$")
Role = Annotated[str, StringConstraints(pattern=ROLE)]
Decision = Literal["approve", "reject"]


class Approve(Value):
    """Somebody approved a card or rejected it, in a role. Who it was is the author of the edit."""

    kind: Literal["approval"] = "approval"
    role: Role
    decision: Decision = "approve"
    over: Sha256
    """Digest of the card that was looked at."""
    version: int = Field(ge=1)
    material: Sha256
    """Of what that card says, by `syscard.material`: while the newest card has the same, the decision counts."""
    comment_sha256: Sha256 | None = None
    signature: str | None = Field(default=None, max_length=2000)


class Approval(Value):
    """One decision as it stands on the card."""

    role: str
    person: str
    decision: Decision
    over: str
    version: int
    at: datetime
    material: str
    comment_sha256: str | None = None
    signature: str | None = None
