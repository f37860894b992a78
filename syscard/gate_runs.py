"""Runs of a gate as evidence: what was asked by which policy of which input, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from syscard.finding import Value
from syscard.incident_edits import Name, Sha256

RUNS_SHOWN: Final = 20
"""Newest runs that the card keeps; the edits hold all."""
MOST_CHECKS: Final = 200
MOST_ITEMS: Final = 20
"""Names that the record of a check keeps."""
Outcome = Literal["ok", "failed", "warned", "waived"]


class GateCheck(Value):
    """What one rule found."""

    rule: str
    outcome: Outcome
    value: float | None = None
    """None: no figure."""
    op: str
    threshold: float
    items: Annotated[tuple[str, ...], Field(max_length=MOST_ITEMS)] = ()
    """What it failed for, the first of it."""
    waivers: tuple[str, ...] = ()
    why: str = ""
    """Why there is no figure, or how it was taken."""


class RunGate(Value):
    """A gate was asked, and this is what it said."""

    kind: Literal["gate"] = "gate"
    stage: Name
    blocked: bool
    policy: Sha256
    """Digest of the policy."""
    input: Sha256
    """Digest of the facts that it was asked of, without the time of asking."""
    engine: Name
    checks: Annotated[tuple[GateCheck, ...], Field(max_length=MOST_CHECKS)]

    @model_validator(mode="after")
    def _follows_from_its_checks(self) -> Self:
        if self.blocked is not bool(self.failed):
            raise ValueError("a gate is blocked where a check failed, and nowhere else")
        return self

    @property
    def failed(self) -> tuple[str, ...]:
        """Rules that block."""
        return tuple(c.rule for c in self.checks if c.outcome == "failed")

    @property
    def waivers(self) -> tuple[str, ...]:
        """Waivers that it rests on."""
        return tuple(dict.fromkeys(w for c in self.checks for w in c.waivers))


class GateRun(Value):
    """One run as it stands on the card."""

    number: int
    stage: str
    at: datetime
    blocked: bool
    policy: str
    input: str
    engine: str
    failed: tuple[str, ...]
    waivers: tuple[str, ...]
    by: str
