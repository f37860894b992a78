"""Interaction risks: the catalogue (what can go wrong between parts), and what was found of one risk in one place."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from syscard.errors import UsageError
from syscard.finding import Value

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
RiskId = Annotated[str, StringConstraints(pattern=r"^IR-\d\d$")]
RiskState = Literal["seen", "not seen", "unknown"]
Scale = Literal["share", "factor", "number"]
"""How an effect is told: a difference of shares, a factor (1 is no change), or a number of its own."""
CATALOGUE: Final = "catalogue.yaml"


class CatalogueRisk(Value):
    """One entry of the catalogue: a way in which parts go wrong together, and how it would show in spans."""

    id: RiskId
    name: Text
    edges: Text
    definition: Text
    signals: tuple[Text, ...] = Field(min_length=1)
    statistic: Text
    null: Text
    needs: tuple[Text, ...] = Field(min_length=1)
    """Attributes or keep levels, in words."""
    least: int = Field(ge=1)
    """Least number of requests, or of what the statistic counts."""
    threshold: float
    """Smallest effect that matters, in the unit of the statistic."""
    calibrated: bool
    """Whether the baseline's own windows may raise the threshold."""
    severity: Literal["page", "ticket", "note"]
    mitigation: Text
    references: tuple[Text, ...] = Field(min_length=1)


class Catalogue(Value):
    """The whole file."""

    risks: tuple[CatalogueRisk, ...] = Field(min_length=1)


def read_catalogue(text: str, name: str) -> dict[str, CatalogueRisk]:
    """The risks of a catalogue by id, in its order.

    Raises:
        UsageError: the text is no catalogue, or names a risk twice; names the file and the first thing wrong.
    """
    import yaml
    from pydantic import ValidationError

    try:
        found = Catalogue.model_validate(yaml.safe_load(text)).risks
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        raise UsageError(f"{name}:{line}: not YAML: mend the line") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top"
        raise UsageError(f"{name}: {where}: {first['msg'].lower()}: see docs/risks.md for the shape") from error
    twice = [risk.id for at, risk in enumerate(found) if risk.id in {known.id for known in found[:at]}]
    if twice:
        raise UsageError(f"{name}: {twice[0]} stands there twice: take one out")
    return {risk.id: risk for risk in found}


@cache
def catalogue() -> dict[str, CatalogueRisk]:
    """The catalogue that ships."""
    from syscard_configs import read_text

    return read_catalogue(read_text("risks", CATALOGUE), CATALOGUE)


def worst_of(risks: Iterable[str]) -> str | None:
    """The gravest of some risks: by the severity of the catalogue, then in its order; None of none."""
    order = list(catalogue())
    known = [risk for risk in risks if risk in order]
    severities = ("page", "ticket", "note")
    return min(known, key=lambda r: (severities.index(catalogue()[r].severity), order.index(r)), default=None)


class Calibration(Value):
    """Where a threshold comes from: the statistic over windows of the baseline's own requests."""

    risk: str
    about: str
    windows: int
    """Of the baseline, overlapping."""
    size: int
    """Requests of each."""
    quantile: float
    value: float | None
    """That quantile of the effects; None where there were too few windows."""
    default: float
    """As the catalogue has it."""
    threshold: float
    """What is asked for: the larger of the two."""
    method: str


class Assessment(Value):
    """What was found of one risk in one place."""

    risk: str
    about: str
    """A component, an edge, or `system`."""
    state: RiskState
    says: str = ""
    """What was measured, in words."""
    why: str = ""
    """Of an unknown: what is missing."""
    value: float | None = Field(default=None, exclude_if=lambda value: value is None)
    reference: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """The same in the baseline."""
    unit: str = Field(default="", exclude_if=lambda value: not value)
    effect: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """What is compared with the threshold."""
    low: float | None = Field(default=None, exclude_if=lambda value: value is None)
    high: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """95 % interval of the effect."""
    scale: Scale = Field(default="number", exclude_if=lambda value: value == "number")
    threshold: float | None = Field(default=None, exclude_if=lambda value: value is None)
    n: int = 0
    needs: int | None = Field(default=None, exclude_if=lambda value: value is None)
    """Least n, where there are fewer."""
    p_value: float | None = Field(default=None, exclude_if=lambda value: value is None)
    detectable: str = Field(default="", exclude_if=lambda value: not value)
    """The smallest effect that so many requests would have shown, in words."""
    share: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Share of the requests that it affects."""
    severity: str = Field(default="", exclude_if=lambda value: not value)
    """Of what is seen, from the catalogue and its impact."""
    traces: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)

    @property
    def name(self) -> str:
        """What it is known by: risk and place."""
        return f"{self.risk} {self.about}"


class RiskCount(Value):
    """In how many assessments against one baseline a risk was seen in a place."""

    name: str
    """Risk and place."""
    looks: int
    """Assessments that gave a verdict: those that were unknown are not among them."""
    seen: int


class AssessRisks(Value):
    """What is found of the risks: the assessments of one look that say something new, or that grew old."""

    kind: Literal["risks"] = "risks"
    baseline: str | None
    """Digest of the baseline's values; None where there is none."""
    requests: int
    """That were looked at: the newest."""
    told: tuple[Assessment, ...]
    assessed: tuple[str, ...]
    """Every risk in every place, by name; others are no longer."""
    calibrations: tuple[Calibration, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Where thresholds come from; told when risks are first looked at against a baseline."""
    counts: tuple[RiskCount, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Of every risk and place that ever had a verdict against this baseline."""
    overlap: int = Field(default=0, exclude_if=lambda value: not value)
    """How many assessments in a row share requests: so many count as one that is independent."""
