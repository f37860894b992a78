"""How severe a breach is, by how large it is and how many requests it concerns: a rule that is data. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Severity = Literal["page", "ticket", "note"]
WORST_FIRST: Final[tuple[Severity, ...]] = ("page", "ticket", "note")


class From(BaseModel):
    """From which breaches on a severity holds; at least one of the two is said."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    effect: Annotated[float, Field(gt=1)] | None = None
    """Effect in tolerances; of factors, what is above 1 counts."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the requests that were looked at that have a value."""

    @model_validator(mode="after")
    def _says_something(self) -> From:
        if self.effect is None and self.share is None:
            raise ValueError("say from which effect (in tolerances) or share of requests on")
        return self

    def holds(self, effect: float, share: float) -> bool:
        """Whether a breach is as large as that, and of as many requests."""
        return effect >= (self.effect or 0.0) and share >= (self.share or 0.0)

    def is_reached_before(self, other: From) -> bool:
        """Whether this holds of all that the other holds of."""
        return self.holds(other.effect or 0.0, other.share or 0.0)

    @property
    def words(self) -> str:
        """`from 2 times the tolerance on, with a value in 10% of the requests`."""
        said = [f"from {self.effect:g} times the tolerance on"] if self.effect is not None else []
        said += [f"with a value in {self.share:.0%} of the requests"] if self.share is not None else []
        return ", ".join(said)


class SeverityRule(BaseModel):
    """A severity, and what makes a breach a worse one."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    is_: Severity = Field(alias="is")
    page: From | None = None
    ticket: From | None = None

    @model_validator(mode="after")
    def _gets_worse(self) -> SeverityRule:
        for name, _ in self._steps():
            if WORST_FIRST.index(name) >= WORST_FIRST.index(self.is_):
                raise ValueError(f"{name} is no worse than is: {self.is_}")
        if self.page and self.ticket and self.page.is_reached_before(self.ticket):
            raise ValueError("whatever is a ticket is a page already: a ticket needs less effect, or less share")
        return self

    def of(self, effect: float, share: float) -> Severity:
        """How severe a breach is.

        Args:
            effect: in tolerances.
            share: share of the requests that have a value.
        """
        return next((name for name, step in self._steps() if step.holds(effect, share)), self.is_)

    @property
    def words(self) -> str:
        """`ticket; page from 2 times the tolerance on`."""
        return "; ".join([self.is_, *(f"{name} {step.words}" for name, step in self._steps())])

    def _steps(self) -> Iterator[tuple[Severity, From]]:
        """The worst first."""
        if self.page is not None:
            yield "page", self.page
        if self.ticket is not None:
            yield "ticket", self.ticket


def _rule(said: Any) -> Any:
    """A word is a rule without steps."""
    if isinstance(said, str):
        return {"is": said}
    if isinstance(said, dict | SeverityRule):
        return said
    raise ValueError("write a word, or a rule such as {is: ticket, page: {effect: 2, share: 0.1}}")


SaidSeverity = Annotated[SeverityRule, BeforeValidator(_rule)]
"""As packs have it: a word, or a rule."""
