"""OTLP over gRPC on a real port: the same answers as over HTTP, in gRPC's words."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from syscard.home import Home
from tests.tracing.test_receiver import ended, peak_kib

SERVICE = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
TRACES, LOGS, METRICS = (SERVICE.format(*n) for n in (("trace", "Trace"), ("logs", "Logs"), ("metrics", "Metrics")))
Said = tuple[str, str, dict[str, Any]]


class Client:
    """Bytes in, bytes or a refusal out: what no generated stub would send can be sent."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def send(self, body: bytes, method: str = TRACES, **more: Any) -> bytes:
        answer: bytes = self.start(body, method, **more).result()
        return answer

    def start(self, body: bytes, method: str = TRACES, **more: Any) -> Any:
        return self._channel.unary_unary(method).future(body, timeout=60, **more)

    def refused(self, body: bytes, method: str = TRACES, **more: Any) -> Said:
        with pytest.raises(grpc.RpcError) as told:
            self.send(body, method, **more)
        return said_by(told.value)


def said_by(error: Any) -> Said:
    return error.code().name, error.details(), dict(error.trailing_metadata() or ())


@contextmanager
def dial(port: int, compression: Any = grpc.Compression.NoCompression) -> Iterator[Client]:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options, compression) as channel:
        yield Client(channel)


def request(*numbers: int) -> bytes:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for n in numbers:
        spans.add(trace_id=(n + 1).to_bytes(16, "big"), span_id=(n + 1).to_bytes(8, "big"), name="s")
    body: bytes = message.SerializeToString()
    return body


def finish(child: Any) -> tuple[int, str]:
    child.terminate()
    return child.wait(60), child.communicate()[1]


def test_requests_are_answered_as_otlp_asks(
    home: Home, children: Any, data: Path, stored: Callable[[], list[int]]
) -> None:
    child, _, port = children.serve_both(home)
    with dial(port) as client:
        assert client.send(request(0, 1)) == b""
        assert client.send(b"") == b""
        with dial(port, grpc.Compression.Gzip) as zipped:
            assert zipped.send(request(2)) == b""
        partial = ExportTraceServiceRequest.FromString(request(3))
        partial.resource_spans[0].scope_spans[0].spans.add(trace_id=b"short", span_id=b"12345678")
        told = ExportTraceServiceResponse.FromString(client.send(partial.SerializeToString())).partial_success
        assert (told.rejected_spans, told.error_message) == (1, "1 spans: trace id is not 16 bytes")
        assert client.refused(b"garbage")[:2] == ("INVALID_ARGUMENT", "not an OTLP protobuf request")
        assert client.refused(b"", SERVICE.format("traces", "Nothing"))[0] == "UNIMPLEMENTED"
    assert finish(child) == (0, "")
    assert stored() == [0, 1, 2, 3]


def test_metrics_are_counted_and_said_to_be_dropped(home: Home, children: Any) -> None:
    _child, _, port = children.serve_both(home)
    metrics = ExportMetricsServiceRequest()
    found = metrics.resource_metrics.add().scope_metrics.add().metrics
    found.add(name="a").gauge.data_points.add()
    found.add(name="b").histogram.data_points.extend([found.add().histogram.data_points.add()] * 2)
    found.add(name="empty")
    with dial(port) as client:
        answer = ExportMetricsServiceResponse.FromString(client.send(metrics.SerializeToString(), METRICS))
        assert answer.partial_success.rejected_data_points == 4
        assert answer.partial_success.error_message == "4 metric data points dropped: metrics are not read"
        assert client.send(b"", METRICS) == client.send(b"", LOGS) == b""
        assert ExportLogsServiceResponse.FromString(client.send(b"", LOGS)).partial_success.error_message == ""
        assert client.refused(b"garbage", METRICS)[0] == client.refused(b"garbage", LOGS)[0] == "INVALID_ARGUMENT"


def test_a_message_over_the_limit_is_refused_also_when_it_is_small_before_inflating(home: Home, children: Any) -> None:
    child, _, port = children.serve_both(home, limits={"body": 1 << 20})
    with dial(port) as client, dial(port, grpc.Compression.Gzip) as zipped:
        assert client.refused(bytes((1 << 20) + 1))[0] == "RESOURCE_EXHAUSTED"
        assert zipped.refused(bytes(8 << 20))[0] == "RESOURCE_EXHAUSTED"
        assert client.send(request(0)) == b""
    assert finish(child)[0] == 0


def test_a_token_is_asked_for(home: Home, children: Any, stored: Callable[[], list[int]]) -> None:
    child, _, port = children.serve_both(home, token="s3cret")
    with dial(port) as client:
        assert client.refused(request(0))[:2] == (
            "UNAUTHENTICATED",
            "a token is needed: send Authorization: Bearer TOKEN",
        )
        assert client.refused(request(0), metadata=(("authorization", "Bearer wrong"),))[0] == "UNAUTHENTICATED"
        assert client.send(request(1), metadata=(("authorization", "Bearer s3cret"),)) == b""
    assert finish(child)[0] == 0
    assert stored() == [1]


def test_while_the_disk_is_waited_for_senders_are_told_to_come_again(
    home: Home, children: Any, stored: Callable[[], list[int]]
) -> None:
    child, _, port = children.serve_both(home, roll_every=60, limits={"requests": 1, "wait_s": 0.2})
    disk = sqlite3.connect(home.inbox, isolation_level=None)
    disk.execute("begin immediate")
    with dial(port) as client:
        both = {n: client.start(request(n)) for n in (0, 1)}
        # The one that came first has the only place; none is acknowledged before the commit.
        while not any(answer.done() for answer in both.values()):
            time.sleep(0.01)
        (refused,) = (n for n, answer in both.items() if answer.done())
        waiting = both[1 - refused]
        code, details, trailers = said_by(both[refused].exception())
        assert (code, "try again" in details) == ("UNAVAILABLE", True)
        (packed,) = Status.FromString(trailers["grpc-status-details-bin"]).details
        retry = RetryInfo()
        assert packed.Unpack(retry)
        assert retry.retry_delay.seconds == 2
        assert not waiting.done()
        disk.execute("rollback")
        disk.close()
        assert waiting.result() == b""
        assert client.send(request(2)) == b""
    assert finish(child)[0] == 0
    assert stored() == [1 - refused, 2]


def test_a_taken_port_of_grpc_is_said_in_one_line(home: Home, children: Any, tmp_path: Path) -> None:
    _child, _, port = children.serve_both(home)
    refused = children.refused(Home(tmp_path / "other"), grpc_port=port)
    assert (refused.wait(60), refused.stderr.read().strip()) == (
        1,
        f"UsageError: port {port} on 127.0.0.1 is taken: choose another with --grpc-port",
    )


def test_without_the_extra_http_goes_on_and_says_so(tmp_path: Path, children: Any) -> None:
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "grpc":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from syscard_tui.main import main
sys.argv = ["syscard", "--home", sys.argv[1], "serve", "--port", "0", "--only", "receiver"]
main()
"""
    child = children.fresh(code, tmp_path / "home")
    said = [child.stderr.readline() for _ in range(2)]
    assert "takes spans on http://127.0.0.1:" in said[0]
    assert "gRPC on" not in said[0]
    assert said[1].strip() == (
        "no gRPC: OTLP over gRPC needs the extra 'grpc': pip install 'syscard[grpc]' (--no-grpc: none wanted)"
    )
    assert finish(child)[0] == 0


def test_streams_that_send_nothing_keep_no_sender_out(
    home: Home, children: Any, stored: Callable[[], list[int]]
) -> None:
    child, _, port = children.serve_both(home, limits={"wait_s": 30})
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    with dial(port) as client, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert client.send(request(0)) == b""
        idle = [channel.stream_unary(TRACES).future(nothing(), timeout=60) for _ in range(64)]
        time.sleep(0.5)
        assert client.send(request(1)) == b"", "answered, not told to come again"
        assert any(not stream.done() for stream in idle), "while idle ones still wait"
        assert client.send(request(2)) == client.send(request(3)) == b""
        while not (put_out := [stream for stream in idle if stream.done()]):
            time.sleep(0.01)
        code, details, trailers = said_by(put_out[0].exception())
        assert (code, "send again" in details) == ("UNAVAILABLE", True)
        assert "grpc-status-details-bin" in trailers
        silent.set()
    assert finish(child)[0] == 0
    assert stored() == [0, 1, 2, 3]


def test_a_message_that_does_not_arrive_is_told_so_though_nobody_waits(home: Home, children: Any) -> None:
    child, _, port = children.serve_both(home, limits={"read_s": 0.2})
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        idle = channel.stream_unary(TRACES).future(nothing(), timeout=60)
        assert said_by(idle.exception())[0] == "DEADLINE_EXCEEDED"
        silent.set()
    assert finish(child)[0] == 0


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""A connection of HTTP/2 that is ready, and brings no request."""


def test_connections_that_bring_nothing_are_closed_and_those_over_the_bound_at_once(
    home: Home, children: Any, stored: Callable[[], list[int]]
) -> None:
    child, _, port = children.serve_both(home, limits={"connections": 3, "header_s": 1, "idle_s": 2})
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(6)]
        for connection in connections[1:3]:
            connection.sendall(PREFACE)
        assert all(ended(connection) for connection in connections[3:])
        assert all(ended(connection) for connection in connections[:3])
        with dial(port) as client:
            assert client.send(request(0)) == b""
    assert finish(child)[0] == 0
    assert stored() == [0]


def test_a_sender_whose_idle_connection_was_closed_sends_on_another(
    home: Home, children: Any, stored: Callable[[], list[int]]
) -> None:
    child, _, port = children.serve_both(home, limits={"idle_s": 1})
    with dial(port) as client:
        for n in range(2):
            assert client.send(request(n)) == b""
            time.sleep(2.5 * (1 - n))
    assert finish(child)[0] == 0
    assert stored() == [0, 1]


def test_what_nobody_reads_yet_is_left_with_its_senders(home: Home, children: Any) -> None:
    child, _, port = children.serve_both(home, limits={"reading": 1, "patience_s": 60, "wait_s": 60, "read_s": 60})
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    own = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    with ExitStack() as stack:
        senders = [stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", own)) for _ in range(20)]
        idle = senders[0].stream_unary(TRACES).future(nothing(), timeout=60)
        time.sleep(0.5)
        before = peak_kib(child.pid)
        waiting = [Client(sender).start(bytes(8 << 20)) for sender in senders[1:]]
        time.sleep(2)
        assert peak_kib(child.pid) - before < 32 * 1024, "19 senders of 8 MiB each"
        assert not any(answer.done() for answer in (idle, *waiting))
        silent.set()
    assert finish(child)[0] == 0
