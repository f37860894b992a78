"""Any bytes at the door: an answer of OTLP's shape, never an internal error, and never more memory than the bound."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette

from syscard.clock import ReplayClock
from syscard.errors import BadSpanData, BodyTooLarge
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.inflate import inflate
from syscard_tracing.intake import Intake, Limits
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.receiver import Page, Receiver
from syscard_tracing.rules import TraceRules
from syscard_tracing.signals import Signal

DATA = Path(__file__).parents[1] / "data" / "traces"
REAL = [file.read_bytes() for file in sorted(DATA.glob("*-0[25].*")) if file.suffix in (".json", ".pb")]
RESPONSES: dict[Signal, Any] = {
    Signal.TRACES: ExportTraceServiceResponse,
    Signal.METRICS: ExportMetricsServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
}


class Door:
    """The receiver's own application, called as a web server calls it, without a port."""

    def __init__(self, home: Home) -> None:
        self._runner = asyncio.Runner()
        self._inbox = Inbox(home.inbox)
        pipeline = Pipeline(home, self._inbox, TraceRules, ReplayClock(datetime(2026, 11, 20, tzinfo=UTC)))
        self._intake = Intake(pipeline, None, Limits(body=1 << 20))
        self._app = Starlette(routes=Receiver(self._intake, dict, lambda: Page(b"", "text/plain")).routes())

    def close(self) -> None:
        self._runner.run(self._intake.close())
        self._inbox.close()
        self._runner.close()

    def send(self, signal: Signal, body: bytes, media: str, encoding: str) -> tuple[int, str, bytes]:
        """One request; its status, media type and body."""
        sent: list[dict[str, Any]] = []
        headers = [(b"content-type", media.encode()), (b"content-encoding", encoding.encode())]
        path = f"/v1/{signal.value}"
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": headers,
            "query_string": b"",
            "root_path": "",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        self._runner.run(self._app(scope, receive, send))
        media = dict(sent[0]["headers"])[b"content-type"].decode()
        return sent[0]["status"], media, b"".join(message.get("body", b"") for message in sent[1:])

    def held(self) -> tuple[int, int]:
        """Requests and bytes that are in flight."""
        return self._intake.requests, self._intake.in_flight


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    found = Door(Home(tmp_path_factory.mktemp("fuzz") / "home").create())
    yield found
    found.close()


def is_answered(door: Door, signal: Signal, body: bytes, media: str, encoding: str) -> None:
    status, told, answer = door.send(signal, body, media, encoding)
    assert told == media
    assert status in (200, 400, 413)
    if media == "application/json":
        members = set(json.loads(answer))
        assert members <= {"partialSuccess"} if status == 200 else members == {"code", "message"}
    else:
        (RESPONSES[signal] if status == 200 else Status).FromString(answer)
    assert door.held() == (0, 0)


MEDIA = st.sampled_from(["application/json", "application/x-protobuf"])
PLACE = st.floats(0, 1, exclude_max=True)
CHANGES = st.lists(st.tuples(st.sampled_from(["flip", "cut", "drop", "again"]), PLACE, st.integers(1, 255)), max_size=8)


def changed(body: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    """A real request that something on the way has harmed."""
    for kind, place, number in changes:
        at = int(place * len(body))
        if kind == "flip" and body:
            body = body[:at] + bytes([body[at] ^ number]) + body[at + 1 :]
        elif kind == "cut":
            body = body[:at]
        elif kind == "drop":
            body = body[:at] + body[at + number :]
        elif kind == "again":
            body = body[: at + number] + body[at:]
    return body


@settings(max_examples=150)
@given(real=st.sampled_from(REAL), changes=CHANGES, signal=st.sampled_from(Signal), zipped=st.booleans())
def test_real_requests_that_were_harmed_are_taken_or_refused(
    door: Door, real: bytes, changes: list[tuple[str, float, int]], signal: Signal, zipped: bool
) -> None:
    media = "application/json" if real[:1] == b"{" else "application/x-protobuf"
    if zipped:
        is_answered(door, signal, changed(gzip.compress(real, 1), changes), media, "gzip")
    is_answered(door, signal, changed(real, changes), media, "")


@settings(max_examples=150)
@given(
    body=st.binary(max_size=300), media=MEDIA, signal=st.sampled_from(Signal), encoding=st.sampled_from(["", "gzip"])
)
def test_any_bytes_are_taken_or_refused(door: Door, body: bytes, media: str, signal: Signal, encoding: str) -> None:
    is_answered(door, signal, body, media, encoding)


@given(st.binary(max_size=5000), st.integers(0, 6000), st.sampled_from([("gzip", 31), ("deflate", 15)]))
def test_what_was_deflated_is_inflated_up_to_the_bound_and_no_further(
    body: bytes, limit: int, kind: tuple[str, int]
) -> None:
    deflater = zlib.compressobj(wbits=kind[1])
    packed = deflater.compress(body) + deflater.flush()
    if len(body) <= limit:
        assert inflate(packed, kind[0], limit) == body
    else:
        with pytest.raises(BodyTooLarge):
            inflate(packed, kind[0], limit)


@given(st.binary(max_size=400), CHANGES)
def test_harmed_deflated_bytes_are_refused_or_come_out_within_the_bound(
    body: bytes, changes: list[tuple[str, float, int]]
) -> None:
    with suppress(BadSpanData, BodyTooLarge):
        assert len(inflate(changed(gzip.compress(body), changes), "gzip", 1000)) <= 1000
