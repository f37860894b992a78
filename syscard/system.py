"""What a team declares of its system: the values that `system.yaml` holds.

These models are strict: an unknown key, a wrong type or a missing owner is an error. Reading the file, with line
numbers and every problem at once, is `syscard.system_file`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from syscard.blindspots import Topic
from syscard.documented import (
    MOST_DATASETS,
    ComponentDocs,
    Dataset,
    Declared,
    InteractionDocs,
    Review,
    RiskDocs,
    SystemDocs,
    Text,
)
from syscard.documented import Ref as Ref
from syscard.metric import parse_metric
from syscard.risks import RiskId
from syscard.stated_regimes import Regime
from syscard.trace_links import checked_template
from syscard.units import Day, Duration, parse_duration, parse_expectation

SCHEMA: Final = "syscard/1"
EDGE: Final = re.compile(r"^([a-z][a-z0-9_-]*)->([a-z][a-z0-9_-]*)$")

SYSTEM: Final = "system"
"""What is about the system as a whole is about this; no component can be called so."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
EdgeRef = Annotated[str, StringConstraints(pattern=EDGE.pattern)]
About = Annotated[str, StringConstraints(pattern=r"^(system|[a-z][a-z0-9_-]*(->[a-z][a-z0-9_-]*)?)$")]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\-/]{0,126}\*?$")]
"""An attribute of a span; `shop.*` is every one that starts with `shop.`."""
AttributeMatch = dict[str, str]
ComponentKind = Literal["vision-language", "ranking", "llm", "agent", "retriever", "tool", "guard", "service"]
ResourceKey = Literal["service.name", "deployment.environment.name"]
"""What a system's spans can be selected by: columns that the lake keeps of every span."""


def _metric_text(text: str) -> str:
    return parse_metric(text).text


def _expectation_text(text: str) -> str:
    return parse_expectation(text).text


TraceUrl = Annotated[str, AfterValidator(checked_template)]
MetricText = Annotated[str, AfterValidator(_metric_text)]
ExpectationText = Annotated[str, AfterValidator(_expectation_text)]
VersionText = Annotated[
    str,
    BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v),
    WithJsonSchema({"type": ["string", "number"]}),
]


class Keep(StrEnum):
    """How much of a span's text is kept."""

    FEATURES = "features"
    FINGERPRINTS = "fingerprints"
    MASKED = "masked"
    FULL = "full"


class Owner(Declared):
    """Who answers for the system."""

    team: Text
    on_call: Text | None = None
    accountable: Text


class Identity(SystemDocs):
    """What the system is and what it is for."""

    ref: Ref
    name: Text
    version: VersionText
    owner: Owner
    intended_use: Text
    users: tuple[Text, ...] = Field(min_length=1)
    out_of_scope: tuple[Text, ...] = Field(min_length=1)
    limitations: tuple[Text, ...] = Field(min_length=1)
    oversight: Text | None = None
    regimes: dict[str, Regime] = {}
    review: Review


class RequestRule(Declared):
    """What one request is: its root span, and how long to wait for the rest."""

    root: Text | None = None
    complete_after: Duration = parse_duration("30s")


SKEW: Final = parse_duration("50ms")
"""What is tolerated between the clocks of two services where nothing is declared."""


class Traces(Declared):
    """Which spans are ours, and what is kept of them."""

    select: Annotated[dict[ResourceKey, str], Field(min_length=1)]
    request: RequestRule = RequestRule()
    segments: dict[Ref, Text] = {}
    user: Text | None = None
    """Attribute that holds the user; only a keyed hash of it is kept."""
    keep: Keep = Keep.FEATURES
    redaction: Literal["presidio"] | None = None
    """What looks for personal data beside the built-in rules."""
    retain: Duration | None = None
    """Days that are older are dropped; None: never."""
    trace_url: TraceUrl | None = None
    """Where the team's traces can be looked at: an address with `{trace_id}`, `{start_ms}` or `{start_iso}` in it."""
    clock_skew: Duration | None = None
    """How much may lie between the clocks of two services; None: `SKEW`."""

    @property
    def clock_tolerance(self) -> timedelta:
        """What is tolerated between two clocks."""
        return SKEW if self.clock_skew is None else self.clock_skew


class Version(Declared):
    """Where a component's version is seen, and the one that is declared."""

    declared: VersionText | None = None
    source: Text | None = Field(default=None, alias="from")
    prompt: Text | None = None


class Embed(Declared):
    """What makes vectors of what a component answers."""

    model: Text
    """`fingerprints`, `minilm`, a directory, or the name of a model on a hub."""
    network: bool = False
    """Whether a model that is not on the machine may be fetched from the hub; else only what is there is used."""


class Component(ComponentDocs):
    """One part of the system."""

    kind: ComponentKind
    name: Text | None = None
    version: Version = Version()
    supplier: Text | None = None
    owner: Text
    select: AttributeMatch = Field(min_length=1)
    runbook: Text | None = None
    limitations: tuple[Text, ...] = ()
    keep: Keep | None = None
    text: tuple[Text, ...] = ()
    """More attributes that hold free text, beside those the dialect tables name."""
    allow: tuple[AttributeName, ...] | None = None
    """Attributes that are kept whatever their shape, masked; a user among them stays a keyed hash."""
    only: tuple[AttributeName, ...] | None = None
    """Where stated, every other attribute is left out, uncounted; columns are filled all the same."""
    embed: Embed | None = None
    """Whether a small vector and the grounding of its answers are kept; None: neither."""


class Interaction(InteractionDocs):
    """One edge: what a component hands to another."""

    carries: tuple[Text, ...] = ()
    contract: Text | None = None
    order: Literal["before"] | None = None
    allowed_data: tuple[Text, ...] = ()
    owner: Text | None = None


class Baseline(Declared):
    """The reference that drift is measured against."""

    name: Ref
    approved_by: Text


class Objective(Declared):
    """Latency objectives, by quantile: each is watched by how fast its error budget goes."""

    p50: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None


class Tune(Declared):
    """What this system changes about one signal of a pack."""

    tolerance: float | None = Field(default=None, gt=0)
    min_n: int | None = Field(default=None, ge=1)
    severity: Literal["page", "ticket", "note"] | None = None
    objective: Objective | None = None
    off: bool = False


class FalseAlarms(Declared):
    """The false-alarm budget of the whole system."""

    at_most: float = Field(gt=0)
    per: Duration


class Reports(Declared):
    """A report of Evidently's every so often, and how many pages are kept."""

    every: Duration
    keep: int = Field(default=12, ge=1)
    """Pages; those of open incidents stay beside them."""


class Snapshots(Declared):
    """A signed snapshot every so often, of a release and of an incident that calls somebody; how many are kept."""

    every: Duration
    keep: int = Field(default=52, ge=1)
    """Of older ones only the signed envelope stays."""


HowSoon = Literal["at_once", "digest"]


class MessageBudget(Declared):
    """So many messages at most in any stretch of time as long as `per`."""

    at_most: int = Field(default=6, ge=1, le=1000)
    per: Duration = parse_duration("1d")


class Notify(Declared):
    """When people are told of incidents. Whom is not declared: an address holds a password, and this file is in git."""

    page: HowSoon = "at_once"
    ticket: HowSoon = "digest"
    note: HowSoon = "digest"
    budget: MessageBudget = MessageBudget()
    digest: Duration = parse_duration("1d")
    """From one digest to the next."""
    repeat: Duration = parse_duration("4h")
    """From one message to the next about a page that nobody has acknowledged."""
    group_wait: Duration = parse_duration("30s")
    """How long the first message of a group waits for others."""
    group_interval: Duration = parse_duration("5m")
    """At least so long from one message of a group to the next."""
    quiet: Duration | None = None
    """Without a span for so long people are told; None: once a hundred requests should have come at the last rate."""

    def how_soon(self, severity: str) -> HowSoon:
        """When an incident of a severity is told; a severity that is not known counts as a page."""
        return {"ticket": self.ticket, "note": self.note}.get(severity, self.page)


class Monitors(Declared):
    """Which packs watch the system, and how they are tuned."""

    packs: tuple[Ref, ...] = ()
    baseline: Baseline | None = None
    tune: dict[str, Tune] = {}
    false_alarms: FalseAlarms | None = None
    report: Reports | None = None
    """None: no report but of incidents and where one is asked for, and no page is let go."""
    snapshots: Snapshots | None = None
    """None: only those that somebody asks for, and none is let go."""
    notify: Notify | None = None
    """None: as `Notify` has it."""


class ClaimWindow(Declared):
    """How far back a claim looks and how many requests it needs."""

    last: Duration
    min_n: int = Field(ge=1)


class Claim(Declared):
    """One promise: a predicate on a metric."""

    id: Identifier
    says: Text
    about: About
    metric: MetricText
    expect: ExpectationText
    window: ClaimWindow
    by: tuple[Ref, ...] = ()
    topic: Topic | None = None
    """What it is about; None: as its metric says (`syscard.blindspots.topic_of`)."""
    burn: bool | None = None
    """Whether an incident opens where its error budget goes too fast."""
    valid_for: Duration


class Risk(RiskDocs):
    """One known risk and what is done about it."""

    id: Identifier
    about: About
    says: Text
    owner: Text
    treatment: Literal["mitigate", "accept", "avoid", "transfer"]
    until: Day | None = None
    watch: tuple[Identifier, ...] = ()
    catalogue: RiskId | None = None
    """The risk of the catalogue that it is; None: those that its words name (`IR-05`), if any."""

    @model_validator(mode="after")
    def _accepted_risks_end(self) -> Risk:
        if self.treatment == "accept" and self.until is None:
            raise ValueError("an accepted risk needs an end; write until: 2027-02-01")
        return self


class Unknown(Declared):
    """An open question: who answers it, and by when."""

    id: Identifier
    says: Text
    owner: Text
    answer_by: Day


class System(Declared):
    """Everything in one `system.yaml`."""

    schema_: Literal["syscard/1"] = Field(alias="schema")
    system: Identity
    traces: Traces
    components: dict[Ref, Component] = Field(min_length=1)
    interactions: dict[EdgeRef, Interaction] = {}
    datasets: Annotated[dict[Ref, Dataset], Field(max_length=MOST_DATASETS)] = Field(
        default={}, exclude_if=lambda value: not value
    )
    monitors: Monitors = Monitors()
    claims: tuple[Claim, ...] = ()
    risks: tuple[Risk, ...] = ()
    unknowns: tuple[Unknown, ...] = ()

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Declared edges as (from, to)."""
        return tuple(edge_ends(ref) for ref in self.interactions)

    def owner_of(self, about: str) -> str:
        """Who answers for a component, an edge (else for the component that takes) or the system: its team."""
        edge = self.interactions.get(about)
        part = self.components.get(about.rpartition("->")[2])
        return (edge.owner if edge else None) or (part.owner if part else self.system.owner.team)

    def body(self) -> dict[str, Any]:
        """Plain JSON values, as they go into edits."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def edge_ends(ref: str) -> tuple[str, str]:
    """`cf->llm` as (`cf`, `llm`).

    Raises:
        ValueError: the reference is not an edge.
    """
    match = EDGE.match(ref)
    if not match:
        raise ValueError(f"'{ref}' is no edge; write from->to")
    return match[1], match[2]
