"""The bounds of an intake: bytes, requests, turns and decoding. What does not fit is told to come again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request

from syscard.clock import ReplayClock
from syscard.errors import BodyTooLarge, InboxFull
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.intake import THREADS, TURNS, Intake, Limits, _Room
from syscard_tracing.pipeline import Pipeline, Ready
from syscard_tracing.receiver import Page, Receiver
from syscard_tracing.rules import TraceRules
from syscard_tracing.signals import Signal


@asynccontextmanager
async def intake(home: Home, inbox: Inbox, clock: ReplayClock, **limits: Any) -> AsyncIterator[Intake]:
    found = Intake(Pipeline(home, inbox, TraceRules, clock), None, Limits(**limits))
    yield found
    await found.close()


async def test_bytes_in_flight_are_bounded_over_all_requests_and_given_back(
    home: Home, inbox: Inbox, clock: ReplayClock
) -> None:
    async with intake(home, inbox, clock, body=100, in_flight=150) as door:
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
    async with intake(home, inbox, clock, requests=1) as door:
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


async def test_a_body_that_does_not_arrive_is_told_so_and_gives_its_place_back(
    home: Home, inbox: Inbox, clock: ReplayClock
) -> None:
    parts = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> Any:
        if (part := next(parts, None)) is not None:
            return part
        return await asyncio.Event().wait()

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/traces", "headers": headers}
    async with intake(home, inbox, clock, read_s=0.01) as door:
        answer = await Receiver(door, dict, lambda: Page(b"", "text/plain"))._export(
            Signal.TRACES, Request(scope, receive)
        )
        assert (answer.status_code, answer.headers["connection"]) == (408, "close")
        assert json.loads(bytes(answer.body)) == {
            "code": 4,
            "message": "the body did not arrive in time: send smaller batches",
        }
        assert (door.requests, door.in_flight) == (0, 0)


class Hanging(Pipeline):
    """A disk that hangs until it is let go."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.disk = Future[None]()
        self.disk.set_running_or_notify_cancel()

    def keep(self, ready: Ready) -> Future[None]:
        super().keep(ready).result()
        return self.disk


async def test_a_sender_that_hangs_up_gives_its_turn_back_when_its_spans_are_stored_and_once(
    home: Home, inbox: Inbox, clock: ReplayClock
) -> None:
    pipeline = Hanging(home, inbox, TraceRules, clock)
    door = Intake(pipeline, None)
    sent = [asyncio.create_task(door.take(Signal.TRACES, b"{}", as_json=True)) for _ in range(TURNS)]
    while len(door._work) < TURNS:
        await asyncio.sleep(0.01)
    assert door._turns.locked()
    door.limits = Limits(wait_s=0.05)
    for task in sent:
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*sent, return_exceptions=True))
    with pytest.raises(InboxFull, match="wait for the disk"):  # what is under way still holds its turns
        await door.take(Signal.TRACES, b"{}", as_json=True)
    pipeline.disk.set_result(None)
    await door.close()
    assert door._turns._value == TURNS


async def test_a_disk_that_fails_is_told_to_the_sender_and_nobody_else(
    home: Home, inbox: Inbox, clock: ReplayClock
) -> None:
    pipeline = Hanging(home, inbox, TraceRules, clock)
    door = Intake(pipeline, None)
    gone, waits = (asyncio.create_task(door.take(Signal.TRACES, b"{}", as_json=True)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    pipeline.disk.set_exception(InboxFull("no space left"))
    with pytest.raises(InboxFull, match="no space left"):
        await waits
    await door.close()
    assert door._turns._value == TURNS


class Slow(Pipeline):
    """Reads nothing until it is let go."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.go = threading.Event()

    def read(self, signal: Signal, body: bytes, *, as_json: bool) -> Ready:
        assert self.go.wait(30)
        return super().read(signal, body, as_json=as_json)


async def test_who_would_wait_longer_than_told_for_a_thread_is_told_to_come_again(
    home: Home, inbox: Inbox, clock: ReplayClock
) -> None:
    pipeline = Slow(home, inbox, TraceRules, clock)
    door = Intake(pipeline, None, Limits(wait_s=0.05))
    sent = [asyncio.create_task(door.take(Signal.TRACES, b"{}", as_json=True)) for _ in range(TURNS)]
    await asyncio.sleep(0.5)
    refused = [task for task in sent if task.done()]
    assert len(refused) == TURNS - THREADS
    assert all(isinstance(task.exception(), InboxFull) for task in refused)
    pipeline.go.set()
    assert len([await task for task in sent if task not in refused]) == THREADS
    await door.close()
    assert door._turns._value == TURNS
