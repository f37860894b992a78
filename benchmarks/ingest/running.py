"""A server that runs: started, watched, killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.ingest.bodies import PROTOBUF
from benchmarks.ingest.load import Connection, Door
from benchmarks.ingest.processes import cpu_seconds, memory_mib
from benchmarks.ingest.subjects import ROOT, Subject

_START_S: Final = 180.0
_STILL_S: Final = 60.0
"""Without a new row for so long, no more will come."""
_POLL_S: Final = 0.2


class Failed(Exception):
    """A server did not do what it should."""


class Running:
    """One subject over a folder of its own."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self.folder = folder / subject.package
        self._process: subprocess.Popen[bytes] | None = None
        self.door = Door(0, subject.headers)
        subject.prepare(self.folder)

    def start(self, body: bytes) -> float:
        """Start it, and send one request until it is taken; the seconds from the start to the first 200."""
        ports = _free_ports()
        self.door = Door(ports[0], self.subject.headers)
        command, added = self.subject.command(self.folder, ports), self.subject.environment(self.folder, ports)
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        begin = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command, env=kept | added, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        while time.monotonic() - begin < _START_S and self._process.poll() is None:
            connection = Connection(self.door, PROTOBUF)
            taken = connection.post(body)
            connection.close()
            if taken.status == 200:
                return taken.answered - begin
            time.sleep(0.02)
        raise Failed(f"{self.subject.name} does not take spans; what it says:\n{self.log.read_text()[-2000:]}")

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder.with_suffix(".log")

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        if self._process is None:
            raise Failed(f"{self.subject.name} does not run")
        return self._process.pid

    def cpu(self) -> float:
        """Seconds so far, all its processes."""
        return cpu_seconds(self.pid)

    def memory(self) -> float:
        """MiB now, all its processes."""
        return memory_mib(self.pid)

    def rows(self) -> int:
        """Spans that a query finds now."""
        return self.subject.rows(self.folder)

    def wait_for(self, rows: int) -> float:
        """Until so many rows are there, or no more come; when the last one came (monotonic seconds)."""
        seen, when = self.rows(), time.monotonic()
        while seen < rows and time.monotonic() - when < _STILL_S:
            time.sleep(_POLL_S)
            if (now := self.rows()) > seen:
                seen, when = now, time.monotonic()
        return when

    def settle(self, at_most: float = 60.0) -> None:
        """Wait until it is idle: some go on starting long after their first answer."""
        end, before = time.monotonic() + at_most, self.cpu()
        while time.monotonic() < end:
            time.sleep(2)
            if (now := self.cpu()) - before < 0.2:
                return
            before = now

    def disk(self) -> int:
        """Bytes of its folder."""
        return sum(place.stat().st_size for place in self.folder.rglob("*") if place.is_file())

    def kill(self) -> None:
        """End all its processes at once, by SIGKILL."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
