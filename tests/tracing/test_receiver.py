"""A real port: real exporters deliver, bad bodies get the right answer, and a 200 outlives the process."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from syscard.clock import ReplayClock
from syscard.errors import UsageError
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.receiver import serve
from syscard_tracing.roller import roll_all
from syscard_tracing.rules import TraceRules

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
Answer = tuple[int, dict[str, str], bytes]


def post(port: int, body: bytes, headers: dict[str, str], path: str = "/v1/traces") -> Answer:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> Answer:
    """An answer, whatever its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def finish(child: Any, number: int = signal.SIGTERM) -> tuple[int, str]:
    child.send_signal(number)
    errors = child.communicate(timeout=60)[1]
    return child.returncode, errors


def ended(connection: socket.socket) -> bool:
    """Whether the server hangs up within a time that no test of ours waits for."""
    connection.settimeout(30)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def peak_kib(pid: int) -> int:
    """The most memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    pytest.skip("this system does not tell how much memory a process had")


def test_requests_are_answered_as_otlp_asks(
    home: Home, children: Any, data: Path, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    child, port = children.serve(home)
    good = line_of(0)
    assert post(port, good, JSON)[::2] == (200, b"{}")
    status, headers, body = post(port, good, {"content-type": "application/json; charset=utf-8"})
    assert (status, headers["content-type"], body) == (200, "application/json", b"{}")
    assert post(port, gzip.compress(line_of(1)), {**JSON, "content-encoding": "gzip"})[0] == 200
    protobuf = (data / "otel-genai-langchain-latest-02.pb").read_bytes()
    status, headers, body = post(port, protobuf, PROTOBUF)
    assert (status, headers["content-type"], body) == (200, "application/x-protobuf", b"")
    assert post(port, b"", PROTOBUF)[0] == 200

    partial = json.loads(post(port, line_of(2, traceId="ab"), JSON)[2])["partialSuccess"]
    assert partial == {"rejectedSpans": "1", "errorMessage": "1 spans: trace id is not 16 bytes"}

    bad: list[tuple[int, bytes, dict[str, str]]] = [
        (400, b"{", JSON),
        (400, b"[]", JSON),
        (400, b"garbage", PROTOBUF),
        (400, gzip.compress(good)[:20], {**JSON, "content-encoding": "gzip"}),
        (413, gzip.compress(bytes(65 << 20), 1), {**JSON, "content-encoding": "gzip"}),
        (415, good, {"content-type": "text/plain"}),
        (415, good, {**JSON, "content-encoding": "zstd"}),
    ]
    for wanted, body, headers in bad:
        status, answered, told = post(port, body, headers)
        assert status == wanted
        if headers["content-type"] == "application/json":
            assert set(json.loads(told)) == {"code", "message"}
        else:
            assert Status.FromString(told).message
            assert answered["content-type"] == "application/x-protobuf"

    point = {"gauge": {"dataPoints": [{"asDouble": 1.0}, {"asInt": "2"}]}}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [point, {"name": "empty"}]}]}]}
    told = json.loads(post(port, json.dumps(metrics).encode(), JSON, "/v1/metrics")[2])["partialSuccess"]
    assert told == {"rejectedDataPoints": "2", "errorMessage": "2 metric data points dropped: metrics are not read"}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "a line"}}]}]}]}
    told = json.loads(post(port, json.dumps(logs).encode(), JSON, "/v1/logs")[2])["partialSuccess"]
    assert told["rejectedLogRecords"] == "1"
    assert post(port, b"[]", JSON, "/v1/metrics")[0] == post(port, b"{", JSON, "/v1/logs")[0] == 400
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as health:
        assert json.load(health)["ok"] is True
    assert finish(child) == (0, "")
    assert len(stored()) == 2 + 4


def test_a_wrong_path_or_method_is_told_in_a_status_of_the_requests_content_type(home: Home, children: Any) -> None:
    child, port = children.serve(home)
    for method, path, wanted, code in (
        ("POST", "/v1/trace", 404, 5),
        ("POST", "/v1/traces/", 404, 5),
        ("GET", "/", 404, 5),
        ("GET", "/v1/traces", 405, 12),
        ("PUT", "/v1/logs", 405, 12),
        ("POST", "/healthz", 405, 12),
        ("POST", "/metrics", 405, 12),
    ):
        status, headers, body = ask(port, method, path, JSON)
        told = json.loads(body)
        assert (status, headers["content-type"], told["code"]) == (wanted, "application/json", code)
        assert "/v1/traces" in told["message"], "it says what would be right"
        for others in (PROTOBUF, {}):
            status, headers, body = ask(port, method, path, others)
            assert (status, headers["content-type"]) == (wanted, "application/x-protobuf")
            assert Status.FromString(body) == Status(code=code, message=told["message"])
        assert ("allow" in headers) == (wanted == 405)
    assert finish(child) == (0, "")


def test_metrics_count_what_came_in_and_need_the_token_where_there_is_one(home: Home, children: Any) -> None:
    child, port = children.serve(home, token="s3cret")
    with_token = {"authorization": "Bearer s3cret"}
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, {"name": "no id"}]}]}]}).encode()
    assert post(port, body, JSON | with_token)[0] == 200
    status, headers, told = ask(port, "GET", "/metrics", with_token)
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert b'syscard_spans_received_total{signal="traces"} 1.0\n' in told
    assert b'syscard_spans_refused_total{signal="traces"} 1.0\n' in told
    assert b"\nsyscard_taking_spans 1.0\n" in told
    for wrong in ({}, {"authorization": "Bearer other"}):
        status, _, told = ask(port, "GET", "/metrics", wrong)
        assert (status, told) == (401, b"a token is needed: send Authorization: Bearer TOKEN\n")
    assert finish(child) == (0, "")


def test_a_number_of_five_thousand_digits_is_refused_in_our_words(home: Home, children: Any) -> None:
    child, port = children.serve(home)
    body = json.dumps({"resourceSpans": []}).replace("[]", "[" + "7" * 5000 + "]").encode()
    for path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
        status, _, told = post(port, body, JSON, path)
        assert status == 400
        assert json.loads(told) == {"code": 3, "message": "a number in the JSON has too many digits"}
    assert finish(child) == (0, "")


def test_a_body_over_the_limit_is_refused_while_it_arrives(home: Home, children: Any) -> None:
    child, port = children.serve(home)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while sent < 1 << 30:
            sent += 1 << 20
            yield bytes(1 << 20)

    try:
        connection.request("POST", "/v1/traces", endless(), JSON, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it hung up on us before we listened: also an answer
    finally:
        connection.close()
    assert sent < 1 << 29
    assert finish(child)[0] == 0


def test_a_real_exporter_delivers(home: Home, children: Any) -> None:
    child, port = children.serve(home)
    code = """
import random, sys
random.seed(1)
from syscard_tracing import component, instrument
provider = instrument("shop", endpoint=f"http://127.0.0.1:{sys.argv[1]}", version="1", environment="test")
with component("agent", kind="invoke_agent"):
    with component("llm", kind="chat", version="v2") as span:
        span.set(grounded=0.5, label="good")
        span.fallback("timeout")
provider.shutdown()
"""
    for _ in range(2):
        sender = children.fresh(code, port)
        assert sender.wait(60) == 0, sender.stderr.read()
    assert finish(child) == (0, "")
    rows = Lake(home.lake).scan().sort("component").collect().to_dicts()
    assert [row["component"] for row in rows] == ["agent", "agent", "llm", "llm"]
    assert len({row["trace_id"] for row in rows}) == 2
    llm = rows[-1]
    assert (llm["service"], llm["environment"], llm["operation"], llm["component_version"]) == (
        "shop",
        "test",
        "chat",
        "v2",
    )
    assert (llm["fallback"], llm["fallback_reason"]) == (True, "timeout")
    assert json.loads(llm["features"]) == {"grounded": 0.5, "label": "good"}


@pytest.mark.parametrize("roll_every", [0.02, 60.0])
def test_what_was_acknowledged_survives_a_kill(
    roll_every: float, home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    child, port = children.serve(home, roll_every=roll_every)
    for n in range(40):
        assert post(port, line_of(n), JSON)[0] == 200
    assert finish(child, signal.SIGKILL)[0] == -signal.SIGKILL
    with Inbox(home.inbox) as inbox:
        roll_all(inbox, Lake(home.lake))
    assert stored() == list(range(40))


def test_spans_are_in_the_lake_soon_after_the_answer(
    home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    _child, port = children.serve(home)
    post(port, line_of(0), JSON)
    deadline = time.monotonic() + 30
    while not stored() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert stored() == [0]


def test_one_home_is_served_once_and_a_taken_port_is_said(home: Home, children: Any, tmp_path: Path) -> None:
    child, port = children.serve(home)
    second = children.refused(home)
    assert (second.wait(60), second.stderr.read().strip()) == (
        1,
        f"UsageError: home {home.root} is already served by process {child.pid}",
    )
    other = children.refused(Home(tmp_path / "other"), port)
    assert (other.wait(60), other.stderr.read().strip()) == (
        1,
        f"UsageError: port {port} on 127.0.0.1 is taken: choose another with --port",
    )
    finish(child, signal.SIGKILL)
    children.serve(home)


def test_a_host_that_others_reach_needs_a_token_and_tls(home: Home) -> None:
    clock = ReplayClock(datetime(2026, 1, 1, tzinfo=UTC))
    for token, wanted in ((None, "give a token"), ("t", "give --tls-cert and --tls-key")):
        with pytest.raises(UsageError, match=wanted):
            serve(home, host="0.0.0.0", port=0, token=token, rules=TraceRules, clock=clock)


def test_a_token_is_asked_for(home: Home, children: Any, line_of: Callable[..., bytes]) -> None:
    _child, port = children.serve(home, token="s3cret")
    assert post(port, line_of(0), JSON)[0] == 401
    assert post(port, line_of(0), {**JSON, "authorization": "Bearer wrong"})[0] == 401
    assert post(port, line_of(0), {**JSON, "authorization": "Bearer s3cret"})[0] == 200


def test_a_full_disk_is_503_with_retry_after_and_goes_on_later(
    home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    import resource

    child, port = children.serve(home, roll_every=60)
    assert post(port, line_of(0), JSON)[0] == 200
    before = resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    status, headers, body = post(port, line_of(1), JSON)
    assert (status, headers["retry-after"]) == (503, "2")
    assert "free some space" in json.loads(body)["message"]
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, before)
    assert post(port, line_of(2), JSON)[0] == 200
    assert finish(child)[0] == 0
    assert stored() == [0, 2]
