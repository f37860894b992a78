"""Durations and expectations as people write them: `30s`, `1d`, `>= 0.90`, `<= 3s`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)\s*$")
_EXPECT: Final = re.compile(r"^\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w|%)?\s*$")
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


def parse_duration(text: object) -> timedelta:
    """A duration such as `30s`, `5m`, `1d`, `50ms`.

    Raises:
        ValueError: the text is not a number with a unit, or longer than a duration can be.
    """
    if isinstance(text, timedelta):
        return text
    match = _DURATION.match(str(text))
    if not match:
        raise ValueError(f"'{text}' is no duration; write a number and a unit, e.g. 30s, 5m, 1d")
    try:
        # In whole microseconds, not in seconds: a float has no room for both decades and microseconds.
        return timedelta(microseconds=round(Fraction(match[1]) * _microseconds(match[2])))
    except (OverflowError, ValueError):
        raise ValueError(f"'{text}' is too long for a duration; write a shorter one, e.g. 365d") from None


def _microseconds(unit: str) -> int:
    return round(_SECONDS[unit] * 1_000_000)


def parse_day(value: object) -> date:
    """A calendar day such as `2027-02-01`; a bare number is never read as a timestamp.

    Raises:
        ValueError: not a day of the calendar in that form.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError(f"'{value}' is no day; write year-month-day, e.g. 2027-02-01") from None


def duration_text(value: timedelta) -> str:
    """The shortest exact spelling: `timedelta(days=1)` -> `1d`."""
    microseconds = value // timedelta(microseconds=1)
    for unit in ("d", "h", "m", "s", "ms"):
        size = _microseconds(unit)
        if microseconds and microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    return f"{microseconds}us"


Day = Annotated[date, BeforeValidator(parse_day)]
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION.pattern.replace("\\s", " ")}),
]


@dataclass(frozen=True)
class Expectation:
    """What a claim promises of its metric: an operator and a limit."""

    op: str
    limit: float
    """In the metric's unit; durations in seconds, percentages as shares."""
    text: str

    def holds_for(self, value: float) -> bool:
        """Whether one number keeps the promise."""
        return _OPERATORS[self.op](value, self.limit)

    @property
    def is_never(self) -> bool:
        """`== 0`: one event breaks it."""
        return self.op == "==" and self.limit == 0


def parse_expectation(text: str) -> Expectation:
    """Read `>= 0.90`, `<= 3s`, `== 0`, `>= 90%`.

    Raises:
        ValueError: no operator, no number, or an unknown unit.
    """
    match = _EXPECT.match(text)
    if not match:
        raise ValueError(f"'{text}' is no expectation; write an operator and a number, e.g. '>= 0.90', '<= 3s', '== 0'")
    return Expectation(match[1], _limit(float(match[2]), match[3]), " ".join(text.split()))


def _limit(number: float, unit: str | None) -> float:
    if not math.isfinite(number):
        raise ValueError("the limit is too large to compare with; write a smaller number")
    # Divided, not multiplied by 0.01: 57 % must be the same number as 0.57.
    return number / 100 if unit == "%" else number * _SECONDS.get(unit or "", 1.0)
