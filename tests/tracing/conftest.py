"""What the tests of spans share: a home, a clock that stands still, spans to order, and a served port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from syscard.clock import ReplayClock
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.normalise import microseconds
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import Attributes, RawSpan
from tests.tracing.nursery import Forked, Nursery

# Shared machines stall: how long an example takes says nothing.
settings.register_profile("syscard-tracing", deadline=None, database=None)
settings.load_profile("syscard-tracing")

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SERVER = """
import json, sys
from pathlib import Path
from syscard.clock import system_clock
from syscard.home import Home
from syscard_tracing import TraceRules, serve
from syscard_tracing.intake import Limits
from syscard_tracing.serving import check_tls
home, options = Home(Path(sys.argv[1])).create(), json.loads(sys.argv[2])
limits, files = Limits(**options.pop("limits", {})), options.pop("tls", (None, None))
try:
    serve(home, host="127.0.0.1", rules=TraceRules, clock=system_clock, limits=limits,
          tls=check_tls(*(file and Path(file) for file in files)), **options,
          on_ready=lambda ports: print(ports.http, ports.grpc or 0, flush=True))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


_SERVED = {"port": 0, "grpc_port": 0, "roll_every": 0.2, "token": ""}


class Children:
    """Child processes of a test; none outlives it."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._forked: list[Forked] = []
        self._fresh: list[subprocess.Popen[str]] = []

    def run(self, code: str, *arguments: object) -> Forked:
        """Start Python code in a child that has everything imported."""
        child = self._nursery.fork(code, *map(str, arguments))
        self._forked.append(child)
        return child

    def fresh(self, code: str, *arguments: object) -> subprocess.Popen[str]:
        """Start Python code in a new interpreter, as users do."""
        child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
        )
        self._fresh.append(child)
        return child

    def serve(
        self, home: Home, port: int = 0, roll_every: float = 0.2, token: str = "", **options: Any
    ) -> tuple[Any, int]:
        """A serving child and its port."""
        child, port, _grpc = self.serve_both(
            home, port=port, roll_every=roll_every, token=token, grpc_port=None, **options
        )
        return child, port

    def serve_both(self, home: Home, **options: Any) -> tuple[Any, int, int]:
        """A serving child, its port and that of gRPC (0: none)."""
        child = self.run(SERVER, home.root, json.dumps(_SERVED | options, default=str))
        line = child.stdout.readline()
        if not line:
            raise AssertionError(child.stderr.read())
        http, grpc = map(int, line.split())
        return child, http, grpc

    def refused(self, home: Home, port: int = 0, **options: Any) -> Forked:
        """A child that tries to serve."""
        return self.run(SERVER, home.root, json.dumps({"port": port, "token": None, **options}, default=str))

    def end(self) -> None:
        for forked in self._forked:
            forked.end()
        for child in self._fresh:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.communicate()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.end()


@pytest.fixture
def children(nursery: Nursery) -> Iterator[Children]:
    found = Children(nursery)
    yield found
    found.end()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(NOW)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def data() -> Path:
    return Path(__file__).parents[1] / "data" / "traces"


@pytest.fixture
def inbox(home: Home, clock: ReplayClock) -> Iterator[Inbox]:
    with Inbox(home.inbox, clock=clock) as found:
        yield found


@pytest.fixture
def lake(home: Home) -> Lake:
    return Lake(home.lake)


def _span(number: int, attributes: Attributes | None = None, **changes: Any) -> RawSpan:
    start = int((NOW - timedelta(minutes=5)).timestamp()) * 1_000_000_000 + number * 1_000_000
    span = RawSpan(
        trace_id=f"{number + 1:032x}",
        span_id=f"{number + 1:016x}",
        parent_span_id=None,
        name="call llm",
        kind=1,
        start_ns=start,
        end_ns=start + 5_000_000,
        attributes=attributes or {},
        events=(),
        status_code=0,
        status_message="",
        resource={"service.name": "shop"},
        scope="syscard_tracing",
    )
    return span._replace(**changes)


@pytest.fixture
def span() -> Callable[..., RawSpan]:
    """A span by number; attributes and fields to order."""
    return _span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What the SDK makes in this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def put(home: Home, inbox: Inbox, clock: ReplayClock) -> Callable[..., None]:
    """Store spans, given as numbers or as they are, in the inbox as one request."""
    pipeline = Pipeline(home, inbox, TraceRules, clock)

    def store(*spans: int | RawSpan, moved: bool = False) -> None:
        pipeline.store(
            [_span(s) if isinstance(s, int) else s for s in spans], moved_us=microseconds(clock()) if moved else 0
        )

    return store


@pytest.fixture
def stored(lake: Lake) -> Callable[[], list[int]]:
    """The numbers of the spans in the lake, sorted; a span that is there twice is listed twice."""
    return lambda: sorted(int(i, 16) - 1 for i in lake.scan().collect()["trace_id"])


@pytest.fixture
def request_of() -> Callable[..., dict[str, Any]]:
    """An OTLP/JSON request of numbered spans."""

    def build(*numbers: int, **fields: Any) -> dict[str, Any]:
        spans = []
        for s in map(_span, numbers):
            base = {"traceId": s.trace_id, "spanId": s.span_id, "name": s.name, "kind": 1}
            times = {"startTimeUnixNano": str(s.start_ns), "endTimeUnixNano": str(s.end_ns)}
            spans.append(base | times | fields)
        scope = {"name": "syscard_tracing"}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
        return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}

    return build


@pytest.fixture
def line_of(request_of: Callable[..., dict[str, Any]]) -> Callable[..., bytes]:
    """An OTLP/JSON request of numbered spans as bytes."""
    return lambda *numbers, **fields: json.dumps(request_of(*numbers, **fields)).encode()
