"""The queue: bounded, counted, alive after a fork, and over within seconds when nobody listens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from syscard_tracing.sdk_queue import Delivery, Queue


class Held(SpanExporter):
    """An exporter that takes nothing until it is let go, like a receiver that does not answer."""

    def __init__(self, result: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.asked, self.free, self.result = threading.Event(), threading.Event(), result

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.free.wait(30)
        return self.result


def queued(exporter: SpanExporter, size: int) -> tuple[TracerProvider, Queue]:
    queue = Queue(lambda: exporter, size)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    return provider, queue


def spans(provider: TracerProvider, count: int) -> None:
    for _ in range(count):
        provider.get_tracer("t").start_span("work").end()


def test_a_full_queue_drops_counts_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    held = Held()
    provider, queue = queued(held, 10)
    spans(provider, 10)
    assert held.asked.wait(10)  # the first batch is on its way: there is room again
    spans(provider, 1_000)
    assert queue.delivery() == Delivery(waiting=10, sending=10, sent=0, failed=0, dropped=990)
    held.free.set()
    provider.shutdown()
    assert queue.delivery() == Delivery(waiting=0, sent=20, failed=0, dropped=990)
    assert caplog.text.count("10 spans are waiting to be sent, and further ones are dropped") == 1
    assert "Queue full" not in caplog.text


@pytest.mark.parametrize("exporter", [Held(SpanExportResult.FAILURE), object()], ids=["refuses", "breaks"])
def test_what_the_exporter_could_not_deliver_is_counted(exporter: SpanExporter) -> None:
    if isinstance(exporter, Held):
        exporter.free.set()
    provider, queue = queued(exporter, 10)
    spans(provider, 3)
    assert queue.force_flush()
    assert queue.delivery() == Delivery(0, 0, 3, 0)
    queue.shutdown()


def test_a_span_that_cannot_be_written_down_costs_only_itself() -> None:
    """Encoding is the real one, which refuses half a surrogate pair."""
    sent: list[str] = []

    class Encoding(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            encoded = encode_spans(spans)
            sent.extend(s.name for r in encoded.resource_spans for scope in r.scope_spans for s in scope.spans)
            return SpanExportResult.SUCCESS

    provider, queue = queued(Encoding(), 100)
    for name in (*"abcde", "half \ud800", *"fgh"):
        provider.get_tracer("t").start_span(name).end()
    assert queue.force_flush()
    assert sent == list("abcdefgh")
    assert queue.delivery() == Delivery(waiting=0, sent=8, failed=1, dropped=0)
    queue.shutdown()


def test_a_batch_that_could_not_be_sent_is_tried_once() -> None:
    """Only what cannot be written down is tried in halves: a receiver that hangs would be asked a thousand times."""
    asked: list[int] = []

    class Hanging(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            asked.append(len(spans))
            raise TimeoutError

    provider, queue = queued(Hanging(), 100)
    spans(provider, 50)
    queue.force_flush()
    assert asked == [50]
    assert queue.delivery() == Delivery(waiting=0, sent=0, failed=50, dropped=0)
    queue.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_span_that_is_open_at_a_fork_is_sent_by_the_parent_alone() -> None:
    provider, queue = queued(Held(), 10)
    around = provider.get_tracer("t").start_span("around")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        around.end()
        provider.get_tracer("t").start_span("own", start_time=1).end()  # dated back, and begun here
        os.write(write, str(queue.delivery().waiting + queue.delivery().sending).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"1"
    around.end()
    assert queue.delivery().waiting + queue.delivery().sending == 1


def test_a_flush_takes_no_longer_than_it_is_given() -> None:
    held = Held()
    provider, queue = queued(held, 10)
    spans(provider, 1)
    assert queue.force_flush(10) is False
    held.free.set()
    assert queue.force_flush(10_000) is True
    queue.shutdown()


def test_the_end_of_a_program_does_not_wait_for_a_receiver_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("syscard_tracing.sdk_queue.PATIENCE_S", 0.2)
    held = Held()
    provider, _ = queued(held, 2)
    spans(provider, 2)
    assert held.asked.wait(10)
    spans(provider, 1)
    provider.shutdown()
    spans(provider, 1)
    assert "1 spans were not sent" in caplog.text
    assert not held.free.is_set()
    held.free.set()


class Receiver(ThreadingHTTPServer):
    """Takes OTLP, and remembers who sent which span."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.names: list[str] = []


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportTraceServiceRequest.FromString(body)
        assert isinstance(self.server, Receiver)
        for resource in request.resource_spans:
            self.server.names += [span.name for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


SETUP = """
import os, sys, warnings
warnings.simplefilter("ignore")
from syscard_tracing import component, delivery, instrument
provider = instrument("shop", endpoint=sys.argv[1], instrumentors="none")
def work(name):
    with component(name):
        pass
"""
FORKED = """
work("before")
provider.force_flush()  # the parent's connection is open
work("waiting")
for number in range(3):
    if os.fork() == 0:
        work(f"child-{number}")
        provider.shutdown()
        os._exit(0)
for _ in range(3):
    os.wait()
"""
POOLED = """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(work, ["child-0", "child-1", "child-2"], chunksize=1)
        pool.close()
        pool.join()
"""


def program(code: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SETUP + code, endpoint]
    env = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)


@pytest.mark.parametrize(
    ("code", "arrive"),
    [
        (FORKED, ["before", "child-0", "child-1", "child-2", "waiting"]),
        (POOLED, ["child-0", "child-1", "child-2"]),
        ("work('last')", ["last"]),
        ("work('last'); raise SystemExit(3)", ["last"]),
    ],
    ids=["after a fork", "in workers of multiprocessing", "at the end", "at an early end"],
)
def test_every_span_arrives_once(code: str, arrive: list[str], receiver: Receiver) -> None:
    done = program(code, f"http://127.0.0.1:{receiver.server_port}")
    assert done.stderr == ""
    assert sorted(receiver.names) == [f"call {name}" for name in arrive]


def test_a_program_with_a_dead_receiver_runs_on_in_bounded_memory_and_ends() -> None:
    """Nobody listens on port 9 of this machine; the program makes ten queues full of spans and ends."""
    code = """
import json, resource
from syscard_tracing import sdk_queue
sdk_queue.PATIENCE_S = 0.5
for _ in range(2048): work("llm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(10 * 2048): work("llm")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"grown_kib": grown, **delivery()._asdict()}))
"""
    done = program(code, "http://127.0.0.1:9")
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["waiting"] <= 2048
    assert said["waiting"] + said["sent"] + said["failed"] + said["dropped"] <= 11 * 2048
    assert said["dropped"] > 5 * 2048
    assert said["grown_kib"] < 16 * 1024
    assert done.stderr.count("further ones are dropped") == 1
