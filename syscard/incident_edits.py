"""What people and monitors do to an incident beyond moving it, as edits: owners, severity, silences, reviews, reach."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from syscard.attribution import Attribution
from syscard.finding import Value

LONGEST_SILENCE: Final = timedelta(days=90)
MOST_GROUPS: Final = 20
"""Groups of one segment that the reach of an incident names."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
SilenceId = Annotated[str, StringConstraints(pattern=r"^S-[1-9][0-9]{0,8}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class GroupReached(Value):
    """How many requests of one group came while an incident fired."""

    segment: str
    group: str
    requests: int


class Impact(Value):
    """How far an incident reaches, over the windows since it began."""

    requests: int
    """Requests with a value of a signal in breach, in windows in which it fired."""
    of: int
    """All requests of the windows since then."""
    groups: tuple[GroupReached, ...] = Field(default=(), exclude_if=lambda groups: not groups)
    """For whom: of declared segments, the largest groups first, at most `MOST_GROUPS` of each."""


class ImpactIncident(Value):
    """An incident reaches twice as many requests as when that was last written down."""

    kind: Literal["incident.impact"] = "incident.impact"
    number: int
    impact: Impact
    gathered: int = Field(default=0, exclude_if=lambda value: not value)
    """Findings of it beyond those that it lists."""


class AssignIncident(Value):
    """Somebody has an incident now."""

    kind: Literal["incident.assign"] = "incident.assign"
    number: int
    owner: Name


class MergeIncident(Value):
    """A human says that an incident is part of another, which takes its findings and keeps the worse severity."""

    kind: Literal["incident.merge"] = "incident.merge"
    number: int
    into: int

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.number == self.into:
            raise ValueError("an incident is merged into another, not into itself")
        return self


class SetSeverity(Value):
    """A human set the severity of an incident: never below what monitors found."""

    kind: Literal["incident.severity"] = "incident.severity"
    number: int
    severity: Literal["page", "ticket", "note"]
    text_sha256: Sha256
    """Of the reason."""


class HoldIncident(Value):
    """An incident came and went too often within an hour: it stays open until it has been calm for long."""

    kind: Literal["incident.flapping"] = "incident.flapping"
    number: int
    transitions: int


class AssessIncident(Value):
    """A human says whether an incident is serious in the sense of a regime. Software never does."""

    kind: Literal["incident.serious"] = "incident.serious"
    number: int
    serious: Literal["assess", "no", "yes"]
    regime: str
    category: str | None = None
    aware: datetime | None = None
    """When the provider became aware: the clocks start then."""

    @model_validator(mode="after")
    def _has_a_clock(self) -> Self:
        if self.serious == "yes" and (self.category is None or self.aware is None):
            raise ValueError("a serious incident has a category, and a time at which it became known")
        return self


class AttachPostmortem(Value):
    """A postmortem was written; the file is kept by the team, its digest here."""

    kind: Literal["incident.postmortem"] = "incident.postmortem"
    number: int
    sha256: Sha256
    name: Name
    """Of the file, without its folder."""


class Matcher(Value):
    """Which findings a silence is about; what is not said matches all. `*` stands for any characters."""

    about: Name | None = None
    signal: Name | None = None
    """The name, or `<about>.<name>`."""
    risk: Name | None = None
    subject: Name | None = None

    @property
    def words(self) -> str:
        """`about=vlm, signal=agrees`, or `everything`."""
        said = self.model_dump(exclude_none=True)
        return ", ".join(f"{key}={value}" for key, value in said.items()) or "everything"


class Silence(Value):
    """A human keeps incidents from calling anybody for a time. What they are about is recorded all the same."""

    kind: Literal["silence"] = "silence"
    id: SilenceId
    matcher: Matcher
    start: datetime
    until: datetime
    reason_sha256: Sha256
    maintenance: bool = Field(default=False, exclude_if=lambda value: not value)
    """Planned work on a part, or on the whole system."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if not timedelta(0) < self.until - self.start <= LONGEST_SILENCE:
            raise ValueError(f"a silence ends after it began, at most {LONGEST_SILENCE.days} days later")
        if not self.maintenance and self.matcher == Matcher():
            raise ValueError("a silence says what it is about; for the whole system declare maintenance")
        return self


class EndSilence(Value):
    """A human ended a silence before its time."""

    kind: Literal["silence.end"] = "silence.end"
    id: SilenceId


class AttributeIncident(Value):
    """Which part changed itself since an incident began, and whose the damage is; again as requests double."""

    kind: Literal["incident.attribution"] = "incident.attribution"
    number: int
    attribution: Attribution
    subject: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The part that is named from now on, where that is another."""
    evidence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Digest of the edit with the figure of the part that is first."""


IncidentBody = (
    AttributeIncident
    | ImpactIncident
    | AssignIncident
    | MergeIncident
    | SetSeverity
    | HoldIncident
    | AssessIncident
    | AttachPostmortem
    | Silence
    | EndSilence
)
"""All of them."""
