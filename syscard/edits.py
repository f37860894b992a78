"""Edits: the only way in which a card changes. Append-only, each with its author, chained by digest.

An edit's own digest leaves out ids, host and recorded time, so the same events give the same digests on every machine;
its link in the chain adds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from syscard.approvals import Approve
from syscard.baseline import Degenerate, Halves
from syscard.digest import GENESIS, digest, iso
from syscard.disparity import CompareGroups
from syscard.finding import Sampling, Value
from syscard.gate_runs import RunGate
from syscard.incident_edits import Impact, IncidentBody
from syscard.incident_states import IncidentState
from syscard.risks import AssessRisks
from syscard.snapshots import Snapshot
from syscard.tags import TagVersion
from syscard.waivers import RevokeWaiver, Waive


class AuthorKind(StrEnum):
    """Who can write an edit."""

    HUMAN = "human"
    MONITOR = "monitor"
    IMPORT = "import"
    AGENT = "agent"


class Author(Value):
    """Who made an edit. The name is the OS user, a token's name, or the monitor's."""

    kind: AuthorKind
    name: str


class Declare(Value):
    """A part of system.yaml was added, changed or (`body` None) taken out."""

    kind: Literal["declare"] = "declare"
    section: Literal["system", "traces", "component", "interaction", "monitors", "claim", "risk", "unknown", "dataset"]
    ref: str
    body: dict[str, Any] | None


class SetBaseline(Value):
    """A reference window was set, by a human, under a name."""

    kind: Literal["baseline"] = "baseline"
    name: str
    start: datetime
    end: datetime
    requests: int
    data_digest: str
    approved_by: str
    agreement_p: float | None
    """Smallest p (Holm) over the signals when its halves are compared; None where none could be."""
    watched: tuple[str, ...]
    too_constant: tuple[str, ...]
    # Edits of earlier releases have none of these: their digests must stay what they are.
    split: str = Field(default="", exclude_if=lambda value: not value)
    """How it was cut into halves."""
    halves: tuple[Halves, ...] = Field(default=(), exclude_if=lambda value: not value)
    """How the halves agree, signal by signal, the least first."""
    degenerate: tuple[Degenerate, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Signals that say less than they seem to."""


class AddEvidence(Value):
    """One figure with everything needed to find it again."""

    kind: Literal["evidence"] = "evidence"
    about: str
    metric: str
    value: float | None
    unit: str = ""
    n: int
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    method: str | None = None
    one_in: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of so many looks without a change, one says as much; a figure of a monitor has it."""
    one_in_needed: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """What the false-alarm budget asked for."""
    p_value: float | None = None
    threshold: float | None = None
    window_start: datetime
    window_end: datetime
    traces: tuple[str, ...] = ()
    sampled: Sampling | None = Field(default=None, exclude_if=lambda value: value is None)
    """Where requests behind the figure are of a sample."""


class SliceStatus(Value):
    """The status of a claim for one slice of the traffic (`all`, or `age_band=45-54`)."""

    slice: str = "all"
    status: Literal["holds", "broken", "unknown", "stale"]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    needs: int | None = None
    why: str = ""
    evidence: str | None = None
    """Digest of the evidence edit."""
    sampled: Sampling | None = Field(default=None, exclude_if=lambda value: value is None)
    """As in the evidence."""


class SetClaim(Value):
    """The status of a claim changed, or its evidence was renewed."""

    kind: Literal["claim"] = "claim"
    claim: str
    slices: tuple[SliceStatus, ...]


class SetPart(Value):
    """The state of a component or edge changed."""

    kind: Literal["part"] = "part"
    ref: str
    state: Literal["ok", "broken", "inherited", "unknown"]
    why: str = ""
    incident: int | None = None


class Observe(Value):
    """Something of the system was seen for the first time, or seen to differ from what is declared."""

    kind: Literal["observed"] = "observed"
    what: Literal["component", "edge", "version", "model", "prompt"]
    ref: str
    value: str
    evidence_class: Literal["link", "tool_call", "value", "ancestor", "order", "span"]
    traces: int
    declared: bool
    # Edits of earlier releases have neither: their digests must stay what they are.
    examples: tuple[str, ...] = Field(default=(), exclude_if=lambda refs: not refs)
    """Some of the traces, as `trace_id@start`."""
    previous: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """What was seen in its place before, where this is a change."""


class IncidentFinding(Value):
    """One signal inside an incident."""

    key: str
    about: str
    label: str
    unit: str = ""
    reference: float | None = None
    value: float | None = None
    n: int
    evidence: str
    risk: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of the catalogue, where the signal is a risk."""


class Change(Value):
    """Something of the system that changed: a version, what is declared, the baseline."""

    at: datetime
    """Event time."""
    about: str
    """A component, an edge or `system`."""
    says: str


class OpenIncident(Value):
    """Findings persisted: an incident opens."""

    kind: Literal["incident.open"] = "incident.open"
    number: int
    fingerprint: str
    group: str
    subject: str
    """The part that is named: `llm`, or `vlm->llm`."""
    severity: Literal["page", "ticket", "note"]
    title: str
    since: datetime
    findings: tuple[IncidentFinding, ...]
    inherited_by: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    """Sentences of the note, written from templates."""
    unknowns: tuple[str, ...] = ()
    do_first: str = ""
    # Edits of earlier releases have none: their digests must stay what they are.
    changed: tuple[Change, ...] = Field(default=(), exclude_if=lambda changes: not changes)
    """What changed before it began, the newest first; that is no proof of a cause."""
    # Edits of earlier releases have none of these: their digests must stay what they are.
    silence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The silence under which it opens, so that it calls nobody."""
    impact: Impact | None = Field(default=None, exclude_if=lambda value: value is None)
    gathered: int = Field(default=0, exclude_if=lambda value: not value)
    """Findings of it beyond those that are listed."""


class ExtendIncident(Value):
    """More signals joined an open incident, or what stands got worse."""

    kind: Literal["incident.extend"] = "incident.extend"
    number: int
    findings: tuple[IncidentFinding, ...]
    inherited_by: tuple[str, ...] = ()
    severity: Literal["page", "ticket", "note"]


class ReopenIncident(Value):
    """What a resolved incident was about broke again within a week: it is the same incident."""

    kind: Literal["incident.reopen"] = "incident.reopen"
    number: int
    since: datetime
    severity: Literal["page", "ticket", "note"]
    findings: tuple[IncidentFinding, ...]
    inherited_by: tuple[str, ...] = ()
    silence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """As of an incident that opens."""


class MoveIncident(Value):
    """An incident changed state; who may move it whither says `syscard.incident_states`."""

    kind: Literal["incident.state"] = "incident.state"
    number: int
    state: IncidentState
    resolution: str | None = None
    # Edits of earlier releases have none of these: their digests must stay what they are.
    why: str = Field(default="", exclude_if=lambda value: not value)
    """Of a monitor, in words."""
    text_sha256: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of what a human gave as the reason; the text is stored beside."""
    silence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of `suppressed`: by which."""
    until: datetime | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of `accepted_risk`: it is open again then, if it still fires."""
    approver: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of `accepted_risk`: who accepted it."""


class NoteOnIncident(Value):
    """A human wrote something down. The text is stored beside, under its digest, so that it can be erased."""

    kind: Literal["incident.note"] = "incident.note"
    number: int
    text_sha256: str


class ReportOnIncident(Value):
    """Evidently's report of an incident's signals was kept as evidence, in two files named by their digests."""

    kind: Literal["incident.report"] = "incident.report"
    number: int
    document_sha256: str
    """Of the JSON document, which holds the digest of the page."""
    page_sha256: str
    engine: str
    """What made it, with its version."""
    compared: int
    """Signals."""
    drifted: int


class PeriodicReport(Value):
    """Evidently's report of a period, made because system.yaml asks for one; or why there is none of it."""

    kind: Literal["report"] = "report"
    start: datetime
    """Event time, as is `end`."""
    end: datetime
    requests: int = 0
    document_sha256: str | None = None
    """Of the JSON document, which holds the digest of the page; None where there is none."""
    page_sha256: str | None = None
    engine: str = ""
    compared: int = 0
    """Signals."""
    drifted: int = 0
    why: str = ""
    """Why there is none."""


class RiskSeen(Value):
    """Observed evidence was added to a risk."""

    kind: Literal["risk"] = "risk"
    risk: str
    incident: int
    says: str


class Hold(Value):
    """A human keeps a trace from being dropped with its day, or (`lifted`) no longer does."""

    kind: Literal["hold"] = "hold"
    trace: str
    """`trace_id@start`, or a trace id."""
    reason_sha256: str
    until: datetime | None = None
    lifted: bool = False
    erased: bool = Field(default=False, exclude_if=lambda value: not value)
    """The trace is gone with a person: whatever held it, claims and incidents too, holds it no longer."""


class Erasure(Value):
    """A person was erased from the home. Says how much went, never who it was."""

    kind: Literal["erasure"] = "erasure"
    reference: str
    """Made at random: the same erasure is written down once, however often it is taken up again."""
    traces: int
    spans: int
    days: dict[str, int]
    """Spans by UTC day."""
    texts: int = 0
    """Free texts of this system that named the person."""
    evidence: int = 0
    """Records of evidence of this system whose example traces are gone."""
    # Edits of earlier releases have none of these: their digests must stay what they are.
    holds: int = Field(default=0, exclude_if=lambda value: not value)
    """Holds of this system that were lifted, because what they held is gone."""
    blanked: int = Field(default=0, exclude_if=lambda value: not value)
    """Spans of others that lost a text in which the person's id stood."""


Body = Annotated[
    Declare
    | SetBaseline
    | AddEvidence
    | CompareGroups
    | SetClaim
    | SetPart
    | Observe
    | OpenIncident
    | ExtendIncident
    | ReopenIncident
    | MoveIncident
    | NoteOnIncident
    | ReportOnIncident
    | PeriodicReport
    | RiskSeen
    | AssessRisks
    | Hold
    | Erasure
    | Snapshot
    | Waive
    | RevokeWaiver
    | TagVersion
    | Approve
    | RunGate
    | IncidentBody,
    Field(discriminator="kind"),
]


class Draft(Value):
    """An edit before it has a place in the chain."""

    body: Body
    author: Author
    observed: datetime
    """When what it says was so: event time."""

    @cached_property
    def digest(self) -> str:
        """What the edit says, without ids, host and recorded time."""
        return digest(self.content())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, without the digest of what it was copied from."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("digest", None)
        return copied

    def content(self) -> dict[str, Any]:
        """The JSON value under the digest."""
        return {
            "body": self.body.model_dump(mode="json"),
            "author": self.author.model_dump(mode="json"),
            "observed": iso(self.observed),
        }


class Edit(Value):
    """A draft with its place in the chain."""

    seq: int
    """1, 2, 3 ... over the whole history of one system."""
    version: int
    """Version of the card that this edit is part of: one version = one batch of one cause."""
    cause: str
    draft: Draft
    recorded: datetime
    previous: str
    """Link of the edit before, or 64 zeros."""
    link: str

    @property
    def body(self) -> Body:
        """What the edit says."""
        return self.draft.body


def chain(drafts: Iterable[Draft], *, head: Edit | None, cause: str, recorded: datetime) -> tuple[Edit, ...]:
    """Give a batch of drafts their places behind `head`: one new version of the card."""
    version = (head.version if head else 0) + 1
    edits: list[Edit] = []
    last = head
    for draft in drafts:
        last = _linked(draft, last, version, cause, recorded)
        edits.append(last)
    return tuple(edits)


def _linked(draft: Draft, last: Edit | None, version: int, cause: str, recorded: datetime) -> Edit:
    seq = (last.seq if last else 0) + 1
    previous = last.link if last else GENESIS
    link = link_digest(previous, draft.digest, seq, version, cause, recorded)
    return Edit(seq=seq, version=version, cause=cause, draft=draft, recorded=recorded, previous=previous, link=link)


def provisional(drafts: Iterable[Draft], at: datetime) -> tuple[Edit, ...]:
    """Drafts as edits without a place in the chain: to see what a card would be, never to be kept."""
    return tuple(
        Edit(seq=0, version=0, cause="", draft=draft, recorded=at, previous=GENESIS, link=GENESIS) for draft in drafts
    )


def link_digest(previous: str, content: str, seq: int, version: int, cause: str, recorded: datetime) -> str:
    """A link of the chain: the edit's digest with its place, its cause and its recorded time."""
    return digest(
        {
            "previous": previous,
            "content": content,
            "seq": seq,
            "version": version,
            "cause": cause,
            "recorded": iso(recorded),
        }
    )
