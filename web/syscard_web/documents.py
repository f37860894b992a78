"""Documents for programs: the shape of each answer, of which the OpenAPI document is made, and how it is built."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from syscard.blindspots import Cell, blind_spots
from syscard.card import Card, ClaimCard, Incident
from syscard.crosswalks import CrosswalkRow, CrosswalkSummary
from syscard.diff import Change
from syscard.errors import NotOnTheCard
from syscard.faces import Overview, overview
from syscard.incident_documents import incident_document, incident_row
from syscard.live import Live
from syscard.render.crosswalks import crosswalk_document, summaries
from syscard.views import View
from syscard_web.reading import Version, some


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemRow(_Document):
    """One system of the home."""

    ref: str
    name: str
    verdict: Literal["BROKEN", "INCIDENT", "UNKNOWN", "OK"]
    card_version: int
    as_of: datetime
    incidents_open: int
    watcher_state: str


class Waived(_Document):
    """A rule that failed and is waived; it blocks again when that ends."""

    until: datetime | None
    waivers: list[str]
    reason: str


class GateNow(_Document):
    """The verdict of the gate as it stands on the view."""

    stage: str
    blocked: bool
    reasons: list[str]
    waived: list[Waived] = []


class GateDocument(GateNow):
    """The same, with what it was decided of."""

    card: str = Field(description="Digest of the card.")
    card_version: int


class CardDocument(_Document):
    """What `syscard card show --json` prints."""

    schema_: Literal["syscard.view/1"] = Field(alias="schema")
    written: datetime
    digest: str
    head: str
    edits: int
    card: Card
    live: Live | None
    texts: dict[str, str]
    gate: GateNow
    sources: dict[str, str] = Field(default={}, description="Edits that say figures without evidence of their own.")
    blind_spots: list[Cell]
    crosswalks: list[CrosswalkSummary]


class AttributionRow(_Document):
    """Where an incident began."""

    first_changed: str
    may_inherit: list[str]
    shows_on: list[str]
    method: str


class IncidentRow(_Document):
    """What `syscard incident list --json` prints of one."""

    number: int
    state: str
    severity: str
    subject: str
    title: str
    risk_id: str | None
    opened_at: datetime
    since: datetime
    resolved_at: datetime | None
    attribution: AttributionRow


class IncidentDocument(Incident):
    """What `syscard incident show --json` prints."""

    trace_links: dict[str, str] = {}


class VersionRow(_Document):
    """What `syscard card history --json` prints of one, with what materially changed."""

    version: int
    cause: str
    edits: int
    observed: datetime
    author: str
    link: str
    changes: list[Change]


class CrosswalkDocument(_Document):
    """What `syscard crosswalk --json` prints."""

    card: str
    card_version: int
    at: datetime
    limits: str
    frameworks: list[CrosswalkSummary]
    rows: list[CrosswalkRow]


class Error(_Document):
    """What is wrong and what to do."""

    error: str


class Health(_Document):
    """Whether the records can be read; a receiver on the same port also says how the spans go."""

    model_config = ConfigDict(extra="allow")

    ok: bool


SHAPES: Final[dict[str, TypeAdapter[Any]]] = {
    "Systems": TypeAdapter(list[SystemRow]),
    "Status": TypeAdapter(Overview),
    "Card": TypeAdapter(CardDocument),
    "Claims": TypeAdapter(list[ClaimCard]),
    "Claim": TypeAdapter(ClaimCard),
    "Incidents": TypeAdapter(list[IncidentRow]),
    "Incident": TypeAdapter(IncidentDocument),
    "History": TypeAdapter(list[VersionRow]),
    "Version": TypeAdapter(VersionRow),
    "Gate": TypeAdapter(GateDocument),
    "Crosswalk": TypeAdapter(CrosswalkDocument),
    "Error": TypeAdapter(Error),
    "Health": TypeAdapter(Health),
}
"""Every answer by its name in the OpenAPI document."""


def system_row(view: View, now: datetime) -> dict[str, Any]:
    """One row of `systems`."""
    face = overview(view, now)
    return {
        "ref": view["card"]["system"],
        "name": face.name,
        "verdict": face.verdict,
        "card_version": face.card_version,
        "as_of": face.as_of.isoformat(),
        "incidents_open": len(face.incidents),
        "watcher_state": face.watcher_state,
    }


def status_document(view: View, now: datetime) -> Any:
    """The first screen."""
    return SHAPES["Status"].dump_python(overview(view, now), mode="json")


def card_document(view: View, now: datetime) -> dict[str, Any]:
    """The whole view, with what watches what and the frameworks in figures."""
    maps = [one.model_dump(mode="json") for one in summaries(view, now)]
    return {**view, "blind_spots": [asdict(cell) for cell in blind_spots(view)], "crosswalks": maps}


def claims_document(view: View) -> list[dict[str, Any]]:
    """Every claim, as it stands on the card."""
    return list(view["card"]["claims"].values())


def claim_document(view: View, ref: str) -> dict[str, Any]:
    """One claim.

    Raises:
        NotOnTheCard: names the claims there are.
    """
    claims: dict[str, dict[str, Any]] = view["card"]["claims"]
    if ref not in claims:
        raise NotOnTheCard(f"no claim '{ref[:64]}'; there is: {some(claims)}")
    return claims[ref]


def incidents_document(view: View) -> list[dict[str, Any]]:
    """Every incident, in order of number."""
    return [incident_row(one) for one in view["card"]["incidents"].values()]


def incident_of(view: View, number: int) -> dict[str, Any]:
    """One incident."""
    return incident_document(view["card"], number)


def version_row(one: Version) -> dict[str, Any]:
    """One version."""
    return {**one.row, "changes": [asdict(change) for change in one.changes]}


def gate_document(view: View) -> dict[str, Any]:
    """The gate as it stands."""
    return {**view["gate"], "card": view["digest"], "card_version": view["card"]["version"]}


def crosswalks_document(view: View, now: datetime, framework: str | None) -> dict[str, Any]:
    """Every framework, or one."""
    return crosswalk_document(view, now, framework)
