"""The demo's recordings, laid end to end on one timeline that ends now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import yaml

from syscard.errors import UsageError
from syscard_configs import read_bytes, read_text

RECORDED_ON: Final = "2026-11-24"
THINNED: Final = 2
"""One request in so many of the normal day is the baseline; the others are the normal traffic between two faults."""
AGAIN: Final = slice(340, 640)
"""Requests of the other normal day, from ten o'clock on, as the faults."""
FAULTY: Final = 160
"""Requests of each fault and look-alike: the first ones of its recording."""
BETWEEN: Final = 60
"""Normal requests after each: an incident resolves after three windows in which all is well."""
BETWEEN_FROM: Final = 400
"""Place in the other half of the normal day from which they are taken: its afternoon."""
GAP: Final = timedelta(seconds=30)
"""Between two recordings."""
AFTERWARDS: Final = timedelta(seconds=31)
"""A request counts as complete 30 s after its root ended."""
_ROOT: Final = b'"name":"invoke_agent'
_TRACE: Final = re.compile(rb'"traceId":"([0-9a-f]{32})"')
_LINK: Final = re.compile(rb'"links":\[\{"traceId":"([0-9a-f]{32})"')
_TIME: Final = re.compile(rb'"(start|end)TimeUnixNano":"(\d+)"')
_US: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fault:
    """Ground truth of one recording."""

    file: str
    name: str
    part: str
    """The component that the fault is on; "" for a look-alike."""
    done: str


@dataclass(frozen=True)
class Line:
    """One line of a recording: a request, or what came of one."""

    body: bytes
    trace: bytes
    """Of the request, also on the line that says what came of it."""
    start: datetime
    end: datetime
    is_feedback: bool

    def moved(self, by: timedelta) -> Line:
        """The same at another time."""

        def later(match: re.Match[bytes]) -> bytes:
            return b'"%sTimeUnixNano":"%d"' % (match[1], int(match[2]) + by // _US * 1000)

        return Line(_TIME.sub(later, self.body), self.trace, self.start + by, self.end + by, self.is_feedback)


@dataclass(frozen=True)
class Stretch:
    """A slice of a recording with its place on the timeline."""

    requests: tuple[Line, ...]
    """As recorded."""
    feedback: tuple[Line, ...]
    """What came meanwhile of these requests and of earlier ones, at recorded times of this stretch."""
    shift: timedelta
    """From recorded to replayed time."""
    fault: Fault | None = None
    """None for normal traffic."""

    @property
    def lines(self) -> tuple[bytes, ...]:
        """OTLP/JSON, a trace a line."""
        return tuple(line.body for line in (*self.requests, *self.feedback))

    @property
    def end(self) -> datetime:
        """Replayed end of the last request."""
        return _last(self.requests) + self.shift


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
        return sum(len(s.requests) for s in self.stretches)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """All of them, in order."""
        pairs = (s for pair in self.faults for s in pair if s is not None)
        return (self.baseline, self.again, *pairs)


def recording(name: str) -> tuple[Line, ...]:
    """The lines of one recording, in order of start.

    Raises:
        UsageError: this Python cannot unpack it.
    """
    try:
        import lzma  # not every Python was built with it
    except ImportError as error:
        raise UsageError("the recordings are packed with xz, and this Python was built without lzma") from error
    return tuple(_line(text) for text in lzma.decompress(read_bytes("demo", f"{name}.otlp.jsonl.xz")).splitlines())


def faults() -> tuple[Fault, ...]:
    """What was really done, in the order of the demo."""
    labels = {label["file"]: label for label in yaml.safe_load(read_text("demo", "labels.yaml"))}
    return tuple(_fault(entry, labels[entry["file"]]) for entry in yaml.safe_load(read_text("demo", "story.yaml")))


def _fault(entry: dict[str, str], label: dict[str, Any]) -> Fault:
    return Fault(entry["file"], entry["name"], (label["parts"] or [""])[0], label["done"])


def script(now: datetime) -> Script:
    """Recordings on a timeline whose last request is complete now."""
    normal, again = recording("normal"), recording("normal-again")
    requests = _requests(normal)
    calm = [r for place, r in enumerate(requests) if place % THINNED][BETWEEN_FROM:]
    pieces = [_piece(normal, requests[::THINNED]), _piece(again, _requests(again)[AGAIN])]
    listed = faults()
    for number, fault in enumerate(listed):
        lines = recording(fault.file)
        pieces.append(_piece(lines, _requests(lines)[:FAULTY], fault))
        if number < len(listed) - 1:
            pieces.append(_piece(normal, calm[number * BETWEEN : (number + 1) * BETWEEN]))
    placed = _placed(pieces, now - AFTERWARDS)
    return Script(placed[0], placed[1], tuple(_paired(placed[2:])))


def ended_by(stretch: Stretch, moment: datetime) -> int:
    """How many requests of a stretch had ended at a moment of the replayed time."""
    return sum(request.end + stretch.shift <= moment for request in stretch.requests)


def _paired(stretches: Sequence[Stretch]) -> list[tuple[Stretch, Stretch | None]]:
    return [(s, stretches[i + 1] if i + 1 < len(stretches) else None) for i, s in enumerate(stretches) if s.fault]


@dataclass(frozen=True)
class _Piece:
    requests: tuple[Line, ...]
    feedback: tuple[Line, ...]
    fault: Fault | None


def _piece(lines: Sequence[Line], requests: Sequence[Line], fault: Fault | None = None) -> _Piece:
    """Some requests of a recording, with what came of them."""
    wanted = {request.trace for request in requests}
    came = tuple(line for line in lines if line.is_feedback and line.trace in wanted)
    return _Piece(tuple(requests), came, fault)


def _requests(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.is_feedback]


def _placed(pieces: Sequence[_Piece], end: datetime) -> list[Stretch]:
    """The pieces one after another; feedback goes to the stretch during which it arrives, and after the end to none."""
    lengths = [_last(piece.requests) - piece.requests[0].start for piece in pieces]
    at = end - sum(lengths, timedelta()) - GAP * (len(pieces) - 1)
    shifts, ends = [], []
    for piece, length in zip(pieces, lengths, strict=True):
        shifts.append(at - piece.requests[0].start)
        ends.append(at + length)
        at += length + GAP
    arrived = [line.moved(shift) for piece, shift in zip(pieces, shifts, strict=True) for line in piece.feedback]
    begins = [_EPOCH, *ends[:-1]]
    return [
        Stretch(
            piece.requests,
            tuple(line.moved(-shift) for line in arrived if begin < line.end <= until),
            shift,
            piece.fault,
        )
        for piece, shift, begin, until in zip(pieces, shifts, begins, ends, strict=True)
    ]


def _last(requests: Sequence[Line]) -> datetime:
    """End of the last request; a slow one may end after the next has started."""
    return max(line.end for line in requests[-10:])


def _line(text: bytes) -> Line:
    times = [int(found) for _, found in _TIME.findall(text)]
    link = _LINK.search(text)
    trace = link or _TRACE.search(text)
    return Line(text, trace[1] if trace else b"", _moment(min(times)), _moment(max(times)), _ROOT not in text)


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + nanoseconds // 1000 * _US
