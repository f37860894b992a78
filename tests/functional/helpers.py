"""Tools of the functional tests: the command line as it is, recorded requests, real servers. Nothing is mocked."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from syscard_configs import read_bytes
from syscard_tui import main as entry

REF = "shop-recommender"
SYSCARD = (sys.executable, "-m", "syscard_tui")
JSON_TYPE = {"content-type": "application/json"}
PROTOBUF_TYPE = {"content-type": "application/x-protobuf"}
PATIENCE_S = 90
"""How long something may take that happens by itself: shared machines stall."""


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def environment() -> dict[str, str]:
    """The environment of children: bytecode may be kept, no home is named."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "SYSCARD_HOME", "SYSCARD_TOKEN", "SYSCARD_TOKEN_FILE", "SYSCARD_DATABASE",
                "COLUMNS")  # fmt: skip
    return {key: value for key, value in os.environ.items() if key not in left_out}


def syscard(*arguments: object) -> Ran:
    """Run a command in this process, by the entry point that the installed script calls."""
    out, err = io.StringIO(), io.StringIO()
    before, code = sys.argv, 0
    sys.argv = ["syscard", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            entry.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = before
    return Ran(code, out.getvalue(), err.getvalue())


def syscard_process(*arguments: object, cwd: Path, env: dict[str, str] | None = None, **how: Any) -> Ran:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [*SYSCARD, *map(str, arguments)],
        cwd=cwd, env=env or environment(), capture_output=True, text=True, timeout=300, **how,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def one_line(ran: Ran, *words: str, code: int = 2) -> None:
    """The answer is a status and one line on standard error (warnings aside) that holds some words."""
    lines = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
    assert ran.code == code, (ran.code, ran.out, ran.err)
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("syscard: ")
    for word in words:
        assert word in lines[0], lines[0]


def sound(home: Path) -> None:
    """What was stored is whole: the doctor says so, and so does the chain, where there is one."""
    doctor = syscard("--home", home, "doctor")
    assert doctor.code == 0, doctor
    if (home / "records.db").is_file():
        assert "verified: ok" in syscard("--home", home, "card", "verify").out


# --- recorded requests -----------------------------------------------------------------------------------------------


def recorded(name: str) -> tuple[bytes, ...]:
    """The requests of one recording, a line each, without what came of them."""
    return tuple(line for line in recorded_lines(name) if b'"name":"feedback"' not in line)


def recorded_lines(name: str) -> tuple[bytes, ...]:
    """Every line of one recording: requests, and what came of them."""
    return tuple(lzma.decompress(read_bytes("demo", f"{name}.otlp.jsonl.xz")).splitlines())


def spans_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The spans of a request, which may be changed in place."""
    return [s for group in document["resourceSpans"] for scope in group["scopeSpans"] for s in scope["spans"]]


def times(lines: Sequence[bytes]) -> tuple[int, int]:
    """First start and last end, nanoseconds."""
    found = [s for line in lines for s in spans_of(json.loads(line))]
    return min(int(s["startTimeUnixNano"]) for s in found), max(int(s["endTimeUnixNano"]) for s in found)


def shifted(line: bytes, by_ns: int) -> bytes:
    """A request at another time."""
    document = json.loads(line)
    for span in spans_of(document):
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            span[key] = str(int(span[key]) + by_ns)
        for event in span.get("events", ()):
            event["timeUnixNano"] = str(int(event["timeUnixNano"]) + by_ns)
    return json.dumps(document, separators=(",", ":")).encode()


def ending_at(lines: Sequence[bytes], end: datetime) -> list[bytes]:
    """Requests whose last span ends at a moment."""
    by = int(end.timestamp() * 1e9) - times(lines)[1]
    return [shifted(line, by) for line in lines]


def merged(lines: Sequence[bytes]) -> dict[str, Any]:
    """Several requests in one document."""
    return {"resourceSpans": [group for line in lines for group in json.loads(line)["resourceSpans"]]}


def as_json(lines: Sequence[bytes]) -> bytes:
    """One OTLP/JSON body."""
    return json.dumps(merged(lines)).encode()


def as_protobuf(lines: Sequence[bytes]) -> bytes:
    """One OTLP protobuf body. In OTLP/JSON ids are hex; protobuf's own JSON takes base64."""
    from google.protobuf import json_format  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    document = merged(lines)
    for span in spans_of(document):
        for holder in (span, *span.get("links", ())):
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in holder:
                    holder[key] = base64.b64encode(bytes.fromhex(holder[key])).decode()
    body: bytes = json_format.ParseDict(document, ExportTraceServiceRequest()).SerializeToString()
    return body


# --- homes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Demo:
    """A demo that was replayed, and what it said."""

    folder: Path
    """Where it was started."""
    out: str
    err: str

    @property
    def home(self) -> Path:
        """Its home."""
        return self.folder / ".demo"


# --- servers ---------------------------------------------------------------------------------------------------------


class Server:
    """A `syscard serve` in a process group of its own."""

    def __init__(self, home: Path, *arguments: object) -> None:
        self._log = (home.parent / f"serve-{time.monotonic_ns()}.log").open("w+")
        self.process = subprocess.Popen(
            [*SYSCARD, "--home", str(home), "serve", *map(str, arguments)],
            stdout=self._log, stderr=self._log, env=environment(), start_new_session=True,
        )  # fmt: skip
        self.port = 0

    def ready(self) -> Server:
        """Wait until it takes spans."""
        wait_for(lambda: "takes spans on" in self.said or self.process.poll() is not None)
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1/traces", self.said)
        assert found, self.said
        self.port = int(found[1])
        return self

    @property
    def said(self) -> str:
        """Everything it wrote so far."""
        return Path(self._log.name).read_text()

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Send one body; returns the HTTP status."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/traces", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)

    def children(self) -> list[int]:
        """Processes that it started."""
        return descendants(self.process.pid)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        for pid in (*self.children(), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


def descendants(pid: int) -> list[int]:
    """Children of a process, whichever of its threads started them, and theirs."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    direct = [int(n) for children in lists for n in children.read_text().split()]
    return [*direct, *(below for child in direct for below in descendants(child))]


def running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)
