"""What is wrong with the inbox and the lake of a home, in words; and how a trace file would be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from syscard.errors import SyscardError
from syscard.home import Home
from syscard_tracing.durable import emptied, log_entries
from syscard_tracing.files import requests
from syscard_tracing.inbox import Inbox
from syscard_tracing.normalise import Normaliser
from syscard_tracing.roller import open_lake
from syscard_tracing.rules import TraceRules

SHOWN: Final = (
    "trace_id", "span_id", "parent_span_id", "dialect", "operation", "component", "model", "model_response", "provider",
    "input_tokens", "output_tokens", "counts_tokens", "error_type", "segment",
)  # fmt: skip


class DoctorFinding(NamedTuple):
    """One thing the doctor looked at."""

    ok: bool
    what: str
    do: str = ""

    def __str__(self) -> str:
        return f"{'ok' if self.ok else '! '}  {self.what}{f': {self.do}' if self.do else ''}"


def check(home: Home) -> list[DoctorFinding]:
    """Everything known about the inbox and the lake; changes nothing."""
    found = list(_check_lake(home))
    return [*_check_inbox(home), *found]


def read_trace_file(path: Path, rules: TraceRules) -> list[dict[str, Any]]:
    """One object a span of a file, as it would be read: `SHOWN` and `unread`, the keys that no table knows.

    Raises:
        BadSpanData, BodyTooLarge, UsageError: the file cannot be read.
    """
    # Nothing keyed is shown, so any key will do.
    normaliser = Normaliser(rules, os.urandom(32))
    spans = [span for request in requests(path) for span in request.decoded.spans]
    readings = normaliser.read(spans, datetime.now(UTC))
    return [_shown(reading.as_dict(), reading.unread) for reading in readings]


def _fine(what: str, do: str = "") -> DoctorFinding:
    return DoctorFinding(ok=True, what=what, do=do)


def _wrong(what: str, do: str = "") -> DoctorFinding:
    return DoctorFinding(ok=False, what=what, do=do)


def _shown(row: dict[str, Any], unread: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in SHOWN} | {"unread": sorted(unread)}


def _check_inbox(home: Home) -> Iterator[DoctorFinding]:
    if not home.inbox.exists():
        yield _fine("inbox: none yet")
        return
    try:
        with Inbox(home.inbox) as inbox:
            integrity = inbox.integrity()
            if integrity != "ok":
                yield _wrong(f"inbox {home.inbox}: {integrity}", "stop serve and put the file aside")
                return
            yield from _check_progress(home, inbox)
    except SyscardError as error:
        yield _wrong(str(error), f"put {home.inbox} aside: what it still held is lost, the lake is not")


def _check_progress(home: Home, inbox: Inbox) -> Iterator[DoctorFinding]:
    progress = inbox.progress()
    try:
        lake = open_lake(home)
        done, version = lake.done_seq(inbox.app_id), lake.version()
    except SyscardError as error:
        yield _wrong(f"inbox: {inbox.pending()} spans wait and the lake cannot be read ({error})")
        return
    waiting = inbox.pending(done)
    yield _fine(
        f"inbox: {waiting} spans wait for the lake", "they roll with serve or the next ingest" if waiting else ""
    )
    if done < progress.rolled:
        yield _wrong(
            f"lake holds this inbox up to batch {done}, it has been at {progress.rolled}"
            f" (version {progress.lake_version}, now {version})",
            "the next roll puts back what the inbox still has",
        )
    if done < progress.deleted:
        yield _wrong(f"batches {done + 1} to {progress.deleted} are in neither inbox nor lake", "send them again")


def _check_lake(home: Home) -> Iterator[DoctorFinding]:
    if not log_entries(home.lake):
        yield _fine("lake: none yet")
        return
    for path in emptied(home.lake):
        where = path.relative_to(home.lake)
        set_aside = path.parent != home.lake / "_delta_log"
        done = "was set aside, its spans were rolled again" if set_aside else "the next roll sets it aside"
        yield DoctorFinding(ok=set_aside, what=f"lake: log entry {where} is empty (a power cut?)", do=done)
    try:
        lake = open_lake(home)
        stats, missing = lake.stats(), lake.missing_files()
    except SyscardError as error:
        yield _wrong(str(error), "keep the folder and report it")
        return
    if missing:
        yield _wrong(
            f"lake: {len(missing)} data files are missing or cut off, the first is {missing[0]}",
            "restore them from a copy",
        )
    yield _fine(f"lake: version {stats.version}, {stats.rows} spans in {stats.files} files, {stats.bytes} bytes")
