"""A finding: a monitor's verdict on one signal in one window. Monitors write findings, the card reads them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from syscard.digest import plain


class State(StrEnum):
    """The words for one signal in one window."""

    OK = "ok"
    WARN = "warn"
    BREACH = "breach"
    UNKNOWN = "unknown"
    ERROR = "error"


class Value(BaseModel):
    """Base of every value that travels: frozen, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def rounded(self) -> Self:
        """The same with the digits that a digest knows: what is shown and what is stored are then one figure."""
        return type(self).model_validate(plain(self.model_dump(mode="json")))

    def same_as(self, other: Value | None) -> bool:
        """Whether another says the same, to the digits that a digest knows: what was stored has no more."""
        if type(self) is not type(other) or other is None:
            return False
        return bool(plain(self.model_dump(mode="json")) == plain(other.model_dump(mode="json")))


class Window(Value):
    """A counted window of requests in event time."""

    index: int
    start: datetime
    end: datetime
    n: int
    """Requests in the window."""


class Sampling(Value):
    """Which of the requests behind a figure their senders had sampled, and how. Rates and counts are of the sample."""

    requests: int
    sampled: int
    """Requests that say that they are one of a sample."""
    kept: float | None
    """Share of such requests that was kept; None where nobody says it."""
    by: str | None = None
    """`probability`, `rate limit` or `tail` where all were chosen so; None where that is not known."""
    towards: str | None = None
    """What was kept more often than its share, where that can be seen: `errors`, `slow requests`."""


class Finding(Value):
    """What one monitor says of one signal in one window."""

    signal: str
    """Name in the pack, e.g. `agrees`."""
    about: str
    """The component or edge, e.g. `vlm` or `vlm->llm`."""
    label: str
    """A few plain words, e.g. `agrees with the catalogue`."""
    kind: str
    """`drift`, `rate`, `latency`, `volume`, `tokens`, `undeclared` or `risk`."""
    state: State
    window: Window
    n: int
    """Requests with a value for this signal."""
    value: float | None = None
    reference: float | None = None
    unit: str = ""
    """``, `ms`, `tokens`, `share`, `per min`."""
    effect: float | None = None
    """Size of the change in the unit of `tolerance`."""
    tolerance: float | None = None
    method: str | None = None
    """Name of the test; None where the effect alone decided."""
    one_in: float | None = None
    """Evidence: of so many looks without a change, one says as much."""
    one_in_needed: float | None = None
    """What the false-alarm budget asks for."""
    p_value: float | None = None
    """Of an exact test, or a second opinion by Evidently, which decides nothing."""
    threshold: float | None = None
    needs: int | None = None
    why: str = ""
    """For `unknown` and `error`: the reason in words."""
    traces: tuple[str, ...] = ()
    """Up to three example traces as `trace_id@start`."""
    severity: str = "ticket"
    sampled: Sampling | None = None
    risk: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of the catalogue, where the finding is of a risk."""

    @property
    def key(self) -> str:
        """`<about>.<signal>`: what persists from window to window."""
        return f"{self.about}.{self.signal}"
