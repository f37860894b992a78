"""The demo's recordings, laid end to end on one timeline that ends now."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import yaml

from syscard_configs import read_bytes, read_text

BASELINE: Final = 1_000
"""Normal requests that become the baseline; the rest of the recording is the normal traffic between two faults."""
BETWEEN: Final = 40
"""Normal requests after each fault: time to recover."""
GAP: Final = timedelta(seconds=3)
"""Between two recordings: as between two requests."""
AFTERWARDS: Final = timedelta(seconds=31)
"""A request counts as complete 30 s after its root ended."""


@dataclass(frozen=True)
class Fault:
    """Ground truth of one recording."""

    file: str
    name: str
    part: str
    done: str


@dataclass(frozen=True)
class Stretch:
    """A slice of a recording with its place on the timeline."""

    lines: tuple[bytes, ...]
    """OTLP/JSON, one request a line."""
    shift: timedelta
    """From recorded to replayed time."""
    end: datetime
    """Replayed end of the last request."""
    fault: Fault | None = None
    """None for normal traffic."""


@dataclass(frozen=True)
class Script:
    """What is replayed, in order."""

    baseline: Stretch
    again: Stretch
    faults: tuple[tuple[Stretch, Stretch | None], ...]
    """Each fault with the normal traffic after it (None after the last: it is still on)."""

    @property
    def requests(self) -> int:
        """Requests in all stretches."""
        return sum(len(s.lines) for s in self.stretches)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """All of them, in order."""
        pairs = (s for pair in self.faults for s in pair if s is not None)
        return (self.baseline, self.again, *pairs)


def recording(name: str) -> tuple[bytes, ...]:
    """The requests of one recording, a line each, in order of start."""
    return tuple(gzip.decompress(read_bytes("demo", f"{name}.otlp.jsonl.gz")).splitlines())


def faults() -> tuple[Fault, ...]:
    """What was really done, in the order of the demo."""
    return tuple(Fault(**entry) for entry in yaml.safe_load(read_text("demo", "faults.yaml")))


def script(now: datetime) -> Script:
    """Recordings on a timeline whose last request is complete now."""
    normal = recording("normal")
    listed = faults()
    pieces: list[tuple[tuple[bytes, ...], Fault | None]] = [
        (normal[:BASELINE], None),
        (recording("normal-again"), None),
    ]
    for i, fault in enumerate(listed):
        pieces.append((recording(fault.file), fault))
        if i < len(listed) - 1:
            pieces.append((normal[BASELINE + i * BETWEEN : BASELINE + (i + 1) * BETWEEN], None))
    placed = _placed(pieces, now - AFTERWARDS)
    return Script(placed[0], placed[1], tuple(_paired(placed[2:])))


def _paired(stretches: Sequence[Stretch]) -> list[tuple[Stretch, Stretch | None]]:
    return [(s, stretches[i + 1] if i + 1 < len(stretches) else None) for i, s in enumerate(stretches) if s.fault]


def _placed(pieces: Sequence[tuple[tuple[bytes, ...], Fault | None]], end: datetime) -> list[Stretch]:
    spans = [_times(lines) for lines, _ in pieces]
    total = sum((last - first for first, last in spans), timedelta()) + GAP * (len(pieces) - 1)
    at = end - total
    placed = []
    for (lines, fault), (first, last) in zip(pieces, spans, strict=True):
        placed.append(Stretch(lines, at - first, at + (last - first), fault))
        at += last - first + GAP
    return placed


def _times(lines: Sequence[bytes]) -> tuple[datetime, datetime]:
    """Start of the first request and end of the last; a slow one may end after the next has started."""
    first, _ = _request_times(lines[0])
    return first, max(_request_times(line)[1] for line in lines[-10:])


def _request_times(line: bytes) -> tuple[datetime, datetime]:
    groups = json.loads(line)["resourceSpans"]
    spans = [s for g in groups for scope in g["scopeSpans"] for s in scope["spans"]]
    starts, ends = ([int(s[key]) for s in spans] for key in ("startTimeUnixNano", "endTimeUnixNano"))
    return _moment(min(starts)), _moment(max(ends))


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1000 / 1_000_000, UTC)


def ended_by(stretch: Stretch, moment: datetime) -> int:
    """How many requests of a stretch had ended at a moment of the replayed time."""
    return sum(_request_times(line)[1] + stretch.shift <= moment for line in stretch.lines)
