"""Time is passed in: a clock is a function that says what time it is, in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class ReplayClock:
    """A clock that stands still until it is moved: for replays and for tests."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        """The time it stands at."""
        return self._now

    def move_to(self, now: datetime) -> None:
        """Set the time; a replay never runs backwards."""
        self._now = max(self._now, now)

    def advance(self, by: timedelta) -> None:
        """Move the time on."""
        self._now += by
