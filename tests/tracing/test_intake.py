"""The bounds of an intake: bytes, requests, turns and decoding. What does not fit is told to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.errors import BodyTooLarge, InboxFull
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.intake import Intake, Limits, _Room
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.rules import TraceRules


@contextmanager
def intake(home: Home, inbox: Inbox, clock: ReplayClock, **limits: Any) -> Iterator[Intake]:
    found = Intake(Pipeline(home, inbox, TraceRules, clock), None, Limits(**limits))
    yield found
    found.close()


async def test_bytes_in_flight_are_bounded_over_all_requests_and_given_back(
    home: Home, inbox: Inbox, clock: ReplayClock
) -> None:
    with intake(home, inbox, clock, body=100, in_flight=150) as door:
        async with door.place() as first:
            first.hold(60)
            first.hold(40)
            with pytest.raises(InboxFull, match="try again"):
                async with door.place() as second:
                    second.hold(51)
            assert (door.requests, door.in_flight) == (1, 100)
            with pytest.raises(BodyTooLarge):
                first.hold(1)
        assert (door.requests, door.in_flight) == (0, 0)


async def test_places_are_bounded(home: Home, inbox: Inbox, clock: ReplayClock) -> None:
    with intake(home, inbox, clock, requests=1) as door:
        async with door.place():
            with pytest.raises(InboxFull, match="try again"):
                async with door.place():
                    pass
        async with door.place():
            pass


def test_only_so_much_is_decoded_at_one_time_and_what_is_larger_alone() -> None:
    room = _Room(100)
    with room.room(60, 0), room.room(40, 0), pytest.raises(InboxFull, match="try again"), room.room(1, 0.01):
        pass
    with room.room(1000, 0), pytest.raises(InboxFull), room.room(1, 0.01):
        pass
    with room.room(100, 0):
        pass
