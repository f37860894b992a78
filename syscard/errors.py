"""Every error that syscard raises on purpose, in one tree.

::

    SyscardError                 one line for a human; the command line exits with `exit_code`
    ├── UsageError               a flag or argument that cannot be used as given
    │   ├── NoRequests           there was no traffic in the time that was asked for
    │   └── HomeNotFound         no home was named and none was found upwards
    ├── MissingExtra             an optional part is not installed; names the extra
    ├── SystemFileError          system.yaml has problems; carries all of them
    │   └── PolicyError          the policy of a gate has problems; likewise
    ├── GateError                a gate could not be asked: an engine is not there, or gives no verdict
    ├── TraceError               spans that cannot be taken
    │   ├── BadSpanData          not decodable as what it says it is      (HTTP 400)
    │   ├── BodyTooLarge         over the limit after inflating           (HTTP 413)
    │   ├── UnsupportedMedia     content type or encoding we do not read  (HTTP 415)
    │   └── InboxFull            no room or no disk: try again later      (HTTP 503)
    ├── LakeError                the lake cannot be read or written
    ├── RecordsError             the records cannot be read or written
    │   ├── ChainBroken          an edit does not follow from the one before
    │   └── NothingDeclared      no system has been applied to this home yet
    ├── NotOnTheCard             a claim, incident or version that the card does not have
    ├── NotComparable            words that were hashed under two keys: their finding is `unknown`
    └── MonitorError             a monitor could not run (its finding is `error`, not `ok`)
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ANSWER_IS_NO: Final = 1
COULD_NOT_RUN: Final = 2


class SyscardError(Exception):
    """What is wrong, where, and what to do, in one line."""

    exit_code: int = COULD_NOT_RUN


class UsageError(SyscardError):
    """A flag or argument that cannot be used as given."""


class NoRequests(UsageError):
    """There is no complete request in the time that was asked for."""


class HomeNotFound(UsageError):
    """No home was named and none was found upwards from here."""


class MissingExtra(SyscardError):
    """An optional part of syscard is not installed."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(extra, needed_for)
        self.extra = extra
        self.needed_for = needed_for

    def __str__(self) -> str:
        return f"{self.needed_for} needs the extra '{self.extra}': pip install 'syscard[{self.extra}]'"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file: where, what, and what to write instead."""

    line: int
    where: str
    what: str
    write: str = ""

    def text(self, path: str) -> str:
        """`file:line: where: what (write: ...)`."""
        hint = f" (write: {self.write})" if self.write else ""
        return f"{path}:{self.line}: {self.where}: {self.what}{hint}"


class SystemFileError(SyscardError):
    """`system.yaml` has problems; `str()` lists every one of them, a line each."""

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(p.text(path) for p in problems))
        self.path = path
        self.problems = problems


class PolicyError(SystemFileError):
    """The policy of a gate has problems; `str()` lists every one of them, a line each."""


class GateError(SyscardError):
    """A gate could not be asked: its engine is not there, is not the one that it must be, or gives no verdict."""


class TraceError(SyscardError):
    """Spans that cannot be taken."""


class BadSpanData(TraceError):
    """The bytes are not what they say they are."""


class BodyTooLarge(TraceError):
    """The body is over the limit after inflating."""


class UnsupportedMedia(TraceError):
    """A content type or content encoding that is not read."""


class InboxFull(TraceError):
    """The inbox has no room or the disk is full: the sender should try again."""


class LakeError(SyscardError):
    """The lake cannot be read or written."""


class RecordsError(SyscardError):
    """The records cannot be read or written."""


class ChainBroken(RecordsError):
    """An edit does not follow from the one before it."""

    exit_code = ANSWER_IS_NO


class NothingDeclared(RecordsError):
    """No system has been applied to this home yet."""


class NotOnTheCard(SyscardError):
    """A claim, incident or version that the card does not have."""


class NotComparable(SyscardError):
    """Words that were hashed under two keys."""


class MonitorError(SyscardError):
    """A monitor could not run."""


def place_of(error: BaseException) -> str:
    """An error that nobody foresaw, by its type and where it was raised. Its own words may be a span's."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return f"{type(error).__name__} at " + " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
