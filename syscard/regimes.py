"""Regimes: by when a serious incident must be reported, as data. Software counts days, people decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from syscard.card import Card
from syscard.errors import UsageError
from syscard.finding import Value
from syscard.incident_edits import AssessIncident
from syscard_configs import names, read_text

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Category(Value):
    """One kind of serious incident."""

    id: Name
    says: str
    article: str
    days: Annotated[int, Field(ge=1, le=365)]


class Regime(Value):
    """One body of rules."""

    regime: Name
    name: str
    source: str
    checked: date
    check: str
    days: Literal["calendar"]
    applies_from: date
    applies_note: str
    categories: Annotated[tuple[Category, ...], Field(min_length=1)]

    def category(self, name: str) -> Category:
        """One of its categories.

        Raises:
            UsageError: it has none of this name.
        """
        found = next((c for c in self.categories if c.id == name), None)
        if found is None:
            raise UsageError(f"--category {name}: {self.regime} has {', '.join(c.id for c in self.categories)}")
        return found


class Clock(Value):
    """By when one incident must be reported."""

    incident: int
    regime: str
    category: str
    article: str
    aware: datetime
    days: int
    due: datetime
    late: bool
    applies: bool
    """Whether the duty had begun when it became known."""
    check: str


def read_regime(text: str, name: str) -> Regime:
    """A regime from YAML.

    Raises:
        UsageError: the text is none.
    """
    import yaml

    try:
        return Regime.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise UsageError(f"{name}: it is no regime: {first}: see configs/syscard_configs/regimes") from error


@cache
def regimes() -> dict[str, Regime]:
    """The regimes that ship with syscard, by name."""
    found = (read_regime(read_text("regimes", file), f"regimes/{file}") for file in names("regimes"))
    return {regime.regime: regime for regime in found}


def regime_of(name: str) -> Regime:
    """A regime by name.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in regimes():
        raise UsageError(f"--regime {name}: there is {', '.join(regimes())}")
    return regimes()[name]


def clocks(card: Card, now: datetime) -> tuple[Clock, ...]:
    """Every clock that runs because a human said that an incident is serious, the first due first."""
    return clocks_of((one.serious for one in card.incidents.values() if one.serious), now)


def clocks_of(said: Iterable[AssessIncident], now: datetime) -> tuple[Clock, ...]:
    """The same, of what was last said of each incident."""
    found = (clock for one in said for clock in _clocks(one, now))
    return tuple(sorted(found, key=lambda clock: (clock.due, clock.incident)))


def _clocks(said: AssessIncident, now: datetime) -> Iterator[Clock]:
    if said.serious != "yes" or said.category is None or said.aware is None:
        return
    regime = regime_of(said.regime)
    category = regime.category(said.category)
    due = said.aware + timedelta(days=category.days)
    yield Clock(
        incident=said.number,
        regime=regime.regime,
        category=category.id,
        article=category.article,
        aware=said.aware,
        days=category.days,
        due=due,
        late=now > due,
        applies=said.aware.astimezone(UTC).date() >= regime.applies_from,
        check=regime.check,
    )
