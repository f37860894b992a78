"""The card: what is declared, what was observed, how the two compare. Frozen values; made only by `syscard.fold`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from syscard.approvals import Approval
from syscard.attribution import Attribution
from syscard.digest import digest
from syscard.edits import (
    AddEvidence,
    Change,
    IncidentFinding,
    PeriodicReport,
    ReportOnIncident,
    SetBaseline,
    SliceStatus,
)
from syscard.finding import Value
from syscard.gate_runs import GateRun
from syscard.incident_edits import AssessIncident, Impact, Silence
from syscard.incident_states import LIVE_STATES, OPEN_STATES, IncidentState
from syscard.risks import Assessment, Calibration, RiskState
from syscard.snapshots import SnapshotCard
from syscard.tags import Tag
from syscard.waivers import Waiver

ClaimStatus = Literal["holds", "broken", "unknown", "stale"]
PartState = Literal["ok", "broken", "inherited", "unknown"]
SEVERITIES = ("page", "ticket", "note")
"""Worst first."""
INCIDENTS_SHOWN = 50
REPORTS_SHOWN = 12
"""Newest incidents that keep their evidence on the card, open or not."""


class Evidence(Value):
    """A figure on the card, by the digest of the edit that brought it."""

    id: str
    """`E-1`, `E-2` ... in order of arrival."""
    digest: str
    observed: datetime
    figure: AddEvidence


class Observed(Value):
    """A version, model or prompt that spans were seen to carry."""

    what: str
    value: str
    declared: bool
    since: datetime
    traces: int
    previous: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """What was seen in its place before, where this is a change."""


class PartCard(Value):
    """What component cards and interaction cards have in common."""

    ref: str
    declared: dict[str, Any] | None
    """Its part of system.yaml; None where only spans know it."""
    state: PartState = "unknown"
    why: str = "nothing has been measured yet"
    since: datetime
    incident: int | None = None


class ComponentCard(PartCard):
    """One component."""

    observed: tuple[Observed, ...] = ()

    @property
    def owner(self) -> str:
        """Who answers for it."""
        return str((self.declared or {}).get("owner", "nobody"))


class InteractionCard(PartCard):
    """One edge between two components."""

    source: str
    target: str
    evidence_class: str | None = None
    traces: int = 0
    examples: tuple[str, ...] = Field(default=(), exclude_if=lambda refs: not refs)
    """Some of the traces that show it, as `trace_id@start`."""


class ClaimCard(Value):
    """One promise and how it stands."""

    id: str
    declared: dict[str, Any]
    slices: tuple[SliceStatus, ...]
    since: datetime
    """When the status of the whole claim last changed."""
    assessed: datetime | None = None

    @property
    def overall(self) -> SliceStatus:
        """The slice that speaks for the claim: `all`."""
        return self.slices[0]

    @property
    def status(self) -> ClaimStatus:
        """Broken if any slice is broken; else the status over all traffic."""
        return "broken" if any(s.status == "broken" for s in self.slices) else self.overall.status


class Compared(Value):
    """Whether the groups of one segment get as much of one metric, or the pipeline makes the lot of one worse."""

    state: Literal["even", "uneven", "unknown", "amplified", "not amplified"]
    since: datetime
    """When the state last changed."""
    evidence: str
    """Digest of the edit that holds the figures."""


class Frequency(Value):
    """In how many assessments a risk was seen."""

    seen: int
    looks: int
    overlap: int
    """How many in a row share requests."""
    evidence: str
    """Digest of the edit that counted them."""


class Assessed(Value):
    """How one risk of the catalogue stands in one place."""

    state: RiskState
    since: datetime
    """When the state last changed."""
    measured: datetime
    """Event time up to which the requests behind it reach."""
    evidence: str
    """Digest of the edit that holds it."""
    found: Assessment
    calibration: Calibration | None = Field(default=None, exclude_if=lambda calibration: calibration is None)
    """Where its threshold comes from; None without a baseline, and where the baseline does not know the risk."""
    frequency: Frequency | None = Field(default=None, exclude_if=lambda value: value is None)
    """None where nothing was counted: it never had a verdict, or an earlier release told it."""


class RiskCard(Value):
    """One risk that is declared and what was seen of it."""

    id: str
    declared: dict[str, Any]
    observed_in: tuple[int, ...] = ()
    says: tuple[str, ...] = ()


class IncidentEvent(Value):
    """One line of an incident's timeline."""

    at: datetime
    author: str
    what: str
    text_sha256: str | None = None


class Incident(Value):
    """What broke, where, since when."""

    number: int
    fingerprint: str
    group: str
    subject: str
    state: IncidentState
    severity: str
    title: str
    since: datetime
    opened: datetime
    resolved: datetime | None = None
    resolution: str | None = None
    acknowledged_by: str | None = None
    findings: tuple[IncidentFinding, ...]
    inherited_by: tuple[str, ...]
    unchanged: tuple[str, ...]
    traces: tuple[str, ...]
    note: tuple[str, ...]
    unknowns: tuple[str, ...]
    do_first: str
    events: tuple[IncidentEvent, ...]
    # Cards of earlier releases have none: their digests must stay what they are.
    reports: tuple[ReportOnIncident, ...] = Field(default=(), exclude_if=lambda reports: not reports)
    changed: tuple[Change, ...] = Field(default=(), exclude_if=lambda changes: not changes)
    """What changed before it began, the newest first."""
    owner: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Who was given it; None: whoever answers for its subject."""
    floor: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The worst that monitors found, where a human set a severity above it."""
    flapping: bool = Field(default=False, exclude_if=lambda value: not value)
    """It came and went so often that it is held open."""
    silence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """What suppresses it."""
    accepted_until: datetime | None = Field(default=None, exclude_if=lambda value: value is None)
    accepted_by: str | None = Field(default=None, exclude_if=lambda value: value is None)
    merged: tuple[int, ...] = Field(default=(), exclude_if=lambda numbers: not numbers)
    """Incidents that were merged into it."""
    merged_into: int | None = Field(default=None, exclude_if=lambda value: value is None)
    impact: Impact | None = Field(default=None, exclude_if=lambda value: value is None)
    gathered: int = Field(default=0, exclude_if=lambda value: not value)
    """Findings beyond those that are listed."""
    serious: AssessIncident | None = Field(default=None, exclude_if=lambda value: value is None)
    """What a human last said of it."""
    postmortems: tuple[str, ...] = Field(default=(), exclude_if=lambda digests: not digests)
    attribution: Attribution | None = Field(default=None, exclude_if=lambda value: value is None)
    """The newest."""
    attributed_by: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Digest of its evidence."""

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state in OPEN_STATES

    @property
    def is_live(self) -> bool:
        """Whether what breaks again belongs to it: it is open, or held back for a time."""
        return self.state in LIVE_STATES

    @property
    def least_severity(self) -> str:
        """What a human may not go below."""
        return self.floor or self.severity


def evidence_of(resting: ClaimCard | Incident) -> tuple[str, ...]:
    """Digests of the evidence that a claim or an incident rests on."""
    if isinstance(resting, ClaimCard):
        return tuple(s.evidence for s in resting.slices if s.evidence)
    found = (resting.attributed_by, *(finding.evidence for finding in resting.findings))
    return tuple(digest for digest in found if digest)


class SilenceCard(Value):
    """A silence and whether somebody ended it."""

    declared: Silence
    author: str
    ended: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it keeps incidents quiet at a moment: one that was ended never does."""
        return self.ended is None and self.declared.start <= at < self.declared.until


class Card(Value):
    """One version of the system card."""

    system: str
    version: int
    observed: datetime
    """Event time of the newest edit."""
    identity: dict[str, Any] = {}
    traces: dict[str, Any] = {}
    monitors: dict[str, Any] = {}
    components: dict[str, ComponentCard] = {}
    interactions: dict[str, InteractionCard] = {}
    claims: dict[str, ClaimCard] = {}
    risks: dict[str, RiskCard] = {}
    unknowns: dict[str, dict[str, Any]] = {}
    datasets: dict[str, dict[str, Any]] = Field(default={}, exclude_if=lambda datasets: not datasets)
    """As in system.yaml, like `unknowns`."""
    baseline: SetBaseline | None = None
    incidents: dict[int, Incident] = {}
    # Cards of earlier releases have none: their digests must stay what they are.
    silences: dict[str, SilenceCard] = Field(default={}, exclude_if=lambda silences: not silences)
    evidence: dict[str, Evidence] = {}
    """By digest: what a claim, an open incident or one of the newest `INCIDENTS_SHOWN` incidents rests on. The edits
    hold everything there was."""
    # Cards of earlier releases have none: their digests must stay what they are.
    groups: dict[str, Compared] = Field(default={}, exclude_if=lambda groups: not groups)
    """By `metric by segment`, in the order of the pipeline."""
    assessed: dict[str, Assessed] = Field(default={}, exclude_if=lambda assessed: not assessed)
    """Risks of the catalogue by `IR-13 agent->cf`, in the order of the catalogue."""
    evidence_count: int = 0
    """Evidence that has arrived, so that `E-7` stays `E-7` when `E-1` to `E-6` are no longer here."""

    # Cards of earlier releases have none: their digests must stay what they are.
    reports: tuple[PeriodicReport, ...] = Field(default=(), exclude_if=lambda reports: not reports)
    """The newest `REPORTS_SHOWN` of those that are made every so often, oldest first."""
    snapshots: tuple[SnapshotCard, ...] = Field(default=(), exclude_if=lambda snapshots: not snapshots)
    """The newest `SNAPSHOTS_SHOWN`, oldest first."""
    waivers: dict[str, Waiver] = Field(default={}, exclude_if=lambda waivers: not waivers)
    """Every one that was granted, by `W-1`, whether it still holds or not."""
    approvals: tuple[Approval, ...] = Field(default=(), exclude_if=lambda approvals: not approvals)
    """The newest decisions on this card and on those before it, oldest first."""
    gate_runs: tuple[GateRun, ...] = Field(default=(), exclude_if=lambda runs: not runs)
    """The newest of those that were written down, oldest first."""
    tags: dict[str, Tag] = Field(default={}, exclude_if=lambda tags: not tags)
    """Names that people gave to versions."""

    @property
    def digest(self) -> str:
        """What the card says, without recorded times and hosts: equal events give equal digests."""
        return digest(self.model_dump(mode="json"))

    @property
    def parts(self) -> dict[str, PartCard]:
        """Components and interactions by reference, components first."""
        return {**self.components, **self.interactions}

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """Incidents that wait for somebody, worst and oldest first."""
        waiting = [i for i in self.incidents.values() if i.is_open]
        return tuple(sorted(waiting, key=lambda i: (SEVERITIES.index(i.severity), i.number)))

    @property
    def live_incidents(self) -> tuple[Incident, ...]:
        """Incidents that still take findings, in order of number: open ones, and those held back for a time."""
        return tuple(i for i in self.incidents.values() if i.is_live)

    @property
    def rests_on(self) -> frozenset[str]:
        """Digests of the evidence that is still needed to read this card."""
        newest = frozenset(sorted(self.incidents)[-INCIDENTS_SHOWN:])
        shown = [i for n, i in self.incidents.items() if i.is_live or n in newest]
        resting: list[ClaimCard | Incident] = [*self.claims.values(), *shown]
        return frozenset(digest for one in resting for digest in evidence_of(one))

    def evidence_id(self, digest_or_none: str | None) -> str | None:
        """`E-7` for an evidence digest."""
        found = self.evidence.get(digest_or_none or "")
        return found.id if found else None
