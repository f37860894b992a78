"""What a team may write down of its system beyond what monitors need: for readers of the card, and for assessments.

None of it is obligatory, none of it is measured: every face says `declared` beside it. Lists that are left out are not
written, so that what was declared before they existed keeps its digest.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from syscard.units import Day, Duration

MOST_LINES: Final = 50
MOST_DATASETS: Final = 200
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Ref = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Lines = Annotated[tuple[Text, ...], Field(max_length=MOST_LINES)]
Sha256Text = Annotated[str, StringConstraints(pattern=r"^(sha256:)?[0-9a-f]{64}$")]
Level = Literal["low", "medium", "high"]
Status = Literal["draft", "in_review", "approved", "deployed", "retired"]


class Declared(BaseModel):
    """Base of everything declared: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


def _left_out(value: object) -> bool:
    return not value


class Review(Declared):
    """When a human looks at something again."""

    every: Duration
    next: Day


class SystemDocs(Declared):
    """Of the system as a whole."""

    status: Status | None = None
    provider: Text | None = None
    """Who places it on the market or puts it into service."""
    use_cases: Lines = Field(default=(), exclude_if=_left_out)
    foreseeable_misuse: Lines = Field(default=(), exclude_if=_left_out)
    affected_groups: Lines = Field(default=(), exclude_if=_left_out)
    """People whom it concerns without using it."""
    deployment_forms: Lines = Field(default=(), exclude_if=_left_out)
    """In which forms it is made available: a service, a package, inside another product."""
    hardware: Text | None = None
    interface: Text | None = None
    """What its users see."""
    instructions_for_use: Text | None = None
    """Or where they stand."""
    autonomy_level: Text | None = None
    design_rationale: Text | None = None
    planned_changes: Text | None = None
    """What may change without a new assessment."""
    licences: Lines = Field(default=(), exclude_if=_left_out)
    standards: Lines = Field(default=(), exclude_if=_left_out)
    declaration_ref: Text | None = None
    """Where a declaration of conformity stands."""
    post_market_plan: Text | None = None
    references: Lines = Field(default=(), exclude_if=_left_out)
    citations: Lines = Field(default=(), exclude_if=_left_out)


class RegistryRef(Declared):
    """Where a model registry has a component."""

    uri: Text
    alias: Text | None = None
    digest: Sha256Text | None = None


class ComponentDocs(Declared):
    """Of one component."""

    base_model: Text | None = None
    """What it was made from, and by whom."""
    licence: Text | None = None
    architecture: Text | None = None
    task: Text | None = None
    inputs: Lines = Field(default=(), exclude_if=_left_out)
    outputs: Lines = Field(default=(), exclude_if=_left_out)
    datasets: Annotated[tuple[Ref, ...], Field(max_length=MOST_LINES)] = Field(default=(), exclude_if=_left_out)
    """Of the section `datasets`."""
    hyperparameters: Annotated[dict[Ref, Text], Field(max_length=MOST_LINES)] = Field(default={}, exclude_if=_left_out)
    tradeoffs: Lines = Field(default=(), exclude_if=_left_out)
    environmental: Text | None = None
    """Energy and emissions, and how they were found."""
    registry_ref: RegistryRef | None = None
    review: Review | None = None


class InteractionDocs(Declared):
    """Of one edge."""

    review: Review | None = None


class Dataset(Declared):
    """Data that components were made from or are tested with."""

    name: Text
    owner: Text
    """Who answers for it."""
    steward: Text | None = None
    custodian: Text | None = None
    version: Text | None = None
    licence: Text | None = None
    source: Text | None = None
    """Where it comes from, and how it was collected."""
    sensitive: Lines = Field(default=(), exclude_if=_left_out)
    """Which personal or protected data is in it."""
    used_by: Annotated[tuple[Ref, ...], Field(max_length=MOST_LINES)] = Field(default=(), exclude_if=_left_out)
    """Components; those that name it under `datasets` need not be here."""
    limitations: Lines = Field(default=(), exclude_if=_left_out)
    review: Review | None = None


class RiskDocs(Declared):
    """Of one risk."""

    kind: Literal["component", "interaction", "system", "unknown"] | None = None
    """`unknown`: whether it is one is an open question, with a day by which it is answered."""
    answer_by: Day | None = None
    category: Text | None = None
    """In words of a taxonomy: NIST AI 600-1, OWASP, or one's own."""
    harms: Lines = Field(default=(), exclude_if=_left_out)
    groups_at_risk: Lines = Field(default=(), exclude_if=_left_out)
    controls: Lines = Field(default=(), exclude_if=_left_out)
    likelihood: Level | None = None
    """As judged by its owner, like `magnitude`: no figure."""
    magnitude: Level | None = None
    residual: Level | None = None
    """What stays with the controls."""
    review: Review | None = None

    @model_validator(mode="after")
    def _open_questions_end(self) -> Self:
        if self.kind == "unknown" and self.answer_by is None:
            raise ValueError("a risk of kind unknown needs a day by which it is answered; write answer_by: 2027-01-15")
        return self
