"""Canaries in everything that a sender can put into a request, good or bad: none is in the home, a log or a face."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syscard.home import Home
from tests.functional.helpers import JSON_TYPE, PROTOBUF_TYPE, Server, as_json, as_protobuf, recorded, spans_of, syscard
from tests.tracing.leaks import every_byte

WORD = "zebrakoekje"
SENTENCE = f"My neighbour {WORD} takes insulin every day, she says."
HEADERS = {
    "user-agent": SENTENCE,
    "x-note": SENTENCE,
    "cookie": f"id={WORD}",
    "authorization": f"Bearer {WORD}0123456789",
}


@pytest.fixture
def server(declared: Path) -> Iterator[Server]:
    found = Server(declared, "--port", 0, "--only", "receiver").ready()
    yield found
    found.end()


def _said(line: bytes, **changes: Any) -> bytes:
    """A recorded request in which every span says the sentence wherever it can."""
    document = json.loads(line)
    note = {"key": "note", "value": {"stringValue": SENTENCE}}
    for span in spans_of(document):
        span["attributes"] += [note, {"key": "gen_ai.input.messages", "value": {"stringValue": SENTENCE}}]
        span["events"] = [{"name": SENTENCE, "timeUnixNano": "1", "attributes": [note]}]
        span["status"] = {"code": 2, "message": SENTENCE}
        span["traceState"] = SENTENCE
        span.update(changes)
    return json.dumps(document).encode()


def _bodies() -> Iterator[tuple[int, bytes, dict[str, str]]]:
    good = [_said(line) for line in recorded("normal")[:3]]
    yield 200, as_json(good), JSON_TYPE
    yield 200, gzip.compress(as_protobuf(good)), PROTOBUF_TYPE | {"content-encoding": "gzip"}
    yield 200, _said(recorded("normal")[4], traceId=WORD, spanId="", name=SENTENCE), JSON_TYPE  # refused one by one
    yield 400, f'{{"resourceSpans": [{{"{SENTENCE}": '.encode(), JSON_TYPE
    yield 400, json.dumps({"resourceSpans": [{"scopeSpans": SENTENCE}]}).encode(), JSON_TYPE
    yield 400, _said(recorded("normal")[5], startTimeUnixNano=SENTENCE), JSON_TYPE
    yield 400, SENTENCE.encode(), PROTOBUF_TYPE
    yield 415, SENTENCE.encode(), {"content-type": f"text/{WORD}"}
    yield 415, SENTENCE.encode(), JSON_TYPE | {"content-encoding": WORD}


def _post(server: Server, path: str, body: bytes) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", body, JSON_TYPE | HEADERS, method="POST")
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        error.close()


@pytest.mark.endurance
def test_nothing_that_a_request_says_is_kept_logged_or_shown(declared: Path, server: Server, tmp_path: Path) -> None:
    for status, body, headers in _bodies():
        assert server.post(body, headers | HEADERS) == status
    for path in (f"/v1/traces?note={WORD}", f"/{WORD}", "/v1/logs", "/v1/metrics"):
        _post(server, path, json.dumps({"resourceMetrics": [{"name": WORD}], "body": SENTENCE}).encode())
    assert server.stop() == 0
    file = tmp_path / "bad.jsonl"
    file.write_bytes(
        _said(recorded("normal")[6]) + b'\n{"resourceSpans": [{"scopeSpans": "' + WORD.encode() + b'"}]}\n'
    )
    faces = [
        syscard("--home", declared, *command)
        for command in (
            ("ingest", file), ("monitor", "--once"), ("status",), ("status", "--json"), ("card", "show"), ("doctor",),
            ("doctor", "trace", file), ("incident", "list", "--json"),
        )
    ]  # fmt: skip
    assert faces[0].code == 2
    assert faces[1].code == 0
    said = {f"face {n}": (ran.out + ran.err).encode() for n, ran in enumerate(faces)}
    everything = every_byte(Home(declared)) | said | {"log": server.said.encode()}
    assert not [name for name, content in everything.items() if WORD.encode() in content.lower()]
    assert not [name for name, content in everything.items() if b"neighbour" in content]
    assert any(b"als-f16-a4-r50" in content for name, content in everything.items() if name.endswith("(inflated)"))
