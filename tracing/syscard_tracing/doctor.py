"""What is wrong with the inbox and the lake of a home, in words; and how a trace file would be read."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from syscard.digest import iso
from syscard.errors import InboxFull, LakeError, TraceError, UsageError
from syscard.home import Home
from syscard.rotations import ended
from syscard_tracing.dialects import Dialects, shipped_dialects
from syscard_tracing.durable import emptied, log_entries, missing_entries
from syscard_tracing.erase import FILE as ERASING
from syscard_tracing.files import no_trace, refusals, requests
from syscard_tracing.inbox import Inbox
from syscard_tracing.journal import last as last_entry
from syscard_tracing.keys import FILE as KEY
from syscard_tracing.keys import ring
from syscard_tracing.normalise import Normaliser, moment
from syscard_tracing.own_tables import home_dialects
from syscard_tracing.pii import clean
from syscard_tracing.repair import left_over, pointer_is_missing, wrong_modes
from syscard_tracing.roller import open_lake
from syscard_tracing.rotation import oldest_received
from syscard_tracing.rules import TraceRules
from syscard_tracing.strays import Stray, session_of, strays

SHOWN: Final = (
    "trace_id", "span_id", "parent_span_id", "dialect", "operation", "component", "model", "model_response", "provider",
    "input_tokens", "output_tokens", "counts_tokens", "error_type", "segment",
)  # fmt: skip
_REPAIR: Final = "mend it with: syscard doctor --repair"
TRACE_REFERENCE: Final = re.compile(r"^([0-9a-f]{32})(?:@([0-9]{1,17}))?$")


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
    rest = (_check_files, _check_kept, _check_keys, _check_dialects)
    return [*_check_inbox(home), *found, *(finding for look in rest for finding in look(home))]


def _check_files(home: Home) -> Iterator[DoctorFinding]:
    for path in wrong_modes(home):
        # A home folder that somebody else made may be open on purpose; a key never is.
        yield DoctorFinding(ok=home.keys not in (path, path.parent), what=f"{path} can be read by others", do=_REPAIR)
    for path in left_over(home):
        yield _wrong(f"{path} was left over by something that was cut off", _REPAIR)
    if pointer_is_missing(home.lake):
        yield _wrong("lake: the pointer to the newest checkpoint is missing", _REPAIR)
    if (home.root / ERASING).is_file():
        yield _wrong("an erasure of a person was cut off", "finish it with: syscard erase --user-key K --yes")


def _check_keys(home: Home) -> Iterator[DoctorFinding]:
    try:
        found = ring(home.keys)
        oldest_us = oldest_received(home) if len(found) != 1 else None
    except LakeError:
        return  # said already
    except TraceError as error:
        yield _wrong(str(error))
        return
    if not found and oldest_us is not None:
        yield _wrong(
            f"key {home.keys / KEY} is gone and the home holds spans that it hashed: erase does not find persons",
            "put keys/ back from a backup, before serve or ingest make a new key",
        )
    for key in found[:-1]:
        until = iso(moment(key.until_us or 0))
        if key.secret is not None:
            yield _fine(f"keys: {key.name} was in use until {until}, and stays until no span from before is left")
        elif oldest_us is not None and oldest_us < (key.until_us or 0):
            yield _wrong(
                f"keys: spans from before {until} were hashed with a key that is gone: erase --user does not find them",
                f"put the key back from a copy of keys/, as {ended(home.keys, key.until_us or 0)}",
            )


def _check_kept(home: Home) -> Iterator[DoctorFinding]:
    try:
        days = open_lake(home).days()
    except LakeError:
        return  # said already
    if days:
        last = last_entry(home, "retention")
        gone = f"; last dropped at {last['at']}: {', '.join(d['day'] for d in last['days'])}" if last else ""
        yield _fine(f"lake: oldest day kept {days[0]}, newest {days[-1]}{gone}")


class TraceFile(NamedTuple):
    """How a file of spans would be read."""

    spans: list[dict[str, Any]]
    """One object a span: `SHOWN` and `unread`, the keys that no table knows."""
    refused: Counter[str]
    """Spans that cannot be taken, by reason."""
    strays: list[Stray]
    """Calls that are traces of their own while a request was under way."""

    @property
    def summary(self) -> str:
        """All of it in one line."""
        dialects = {span["dialect"] for span in self.spans} - {None}
        unknown = sum(span["dialect"] is None for span in self.spans)
        keys = {key for span in self.spans for key in span["unread"]}
        alike = sum(stray.same_session for stray in self.strays)
        parts = (
            f"{_many(len(self.spans), 'span')}, {_many(len(dialects), 'dialect')}, {unknown} not recognised,"
            f" {_many(len(keys), 'key')} not understood",
            refusals(self.refused),
            f"{len(self.strays)} calls are traces of their own while a request was under way,"
            f" {alike} of the same session: a thread pool? (nothing is merged)"
            if self.strays
            else "",
        )
        return "; ".join(part for part in parts if part)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def read_trace_file(path: Path, rules: TraceRules, dialects: Dialects | None = None) -> list[dict[str, Any]]:
    """The spans of `trace_file`.

    Raises:
        BadSpanData, BodyTooLarge, UsageError: the file cannot be read.
    """
    return trace_file(path, rules, dialects).spans


def trace_file(path: Path, rules: TraceRules, dialects: Dialects | None = None) -> TraceFile:
    """How a file of spans would be read.

    Raises:
        BadSpanData: the file cannot be read, or there is no trace in it.
        BodyTooLarge, UsageError: the file cannot be read.
    """
    # Users and fingerprints are not shown, and a mark (`#...`) needs only be none of the words: any key will do.
    normaliser = Normaliser(rules, os.urandom(32), dialects)
    decoded = [request.decoded for request in requests(path)]
    spans, refused = [s for part in decoded for s in part.spans], sum((p.rejected for p in decoded), Counter[str]())
    if not spans:
        raise no_trace(str(path), refused)
    readings = normaliser.read(spans, datetime.now(UTC))
    rows = [reading.as_dict() for reading in readings]
    sessions: dict[str, str | None] = {}
    for row in rows:
        sessions[row["trace_id"]] = sessions.get(row["trace_id"]) or session_of(json.loads(row["features"] or "{}"))
    return TraceFile(
        spans=[_shown(row, reading.unread) for row, reading in zip(rows, readings, strict=True)],
        refused=refused,
        strays=strays(rows, sessions),
    )


def read_stored_trace(home: Home, reference: str) -> list[dict[str, Any]]:
    """The spans of one trace in the lake, in order of start: what `read_trace_file` gives, with times and features.

    `reference` is `trace_id@start` (microseconds since the epoch), as findings and incidents name traces; the start may
    be left out, which makes it a look into every file.

    Raises:
        UsageError: the reference is none, or the lake has no such trace (any more).
    """
    match = TRACE_REFERENCE.match(reference)
    if not match:
        raise UsageError(f"'{reference}' is no trace: write its 32 hex digits, with @start behind it where it is known")
    around = datetime.fromtimestamp(int(match[2]) / 1_000_000, UTC) if match[2] else None
    rows = open_lake(home).trace(match[1], around).to_dicts()
    if not rows:
        raise UsageError(f"no span of trace {match[1]} is in the lake (any more)")
    return [_shown(row, ()) | _stored(row) for row in rows]


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    features = json.loads(row["features"] or "{}")
    return {"start": iso(row["start"]), "duration_ms": row["duration_us"] / 1000, "features": features}


def _fine(what: str, do: str = "") -> DoctorFinding:
    return DoctorFinding(ok=True, what=what, do=do)


def _wrong(what: str, do: str = "") -> DoctorFinding:
    return DoctorFinding(ok=False, what=what, do=do)


def _shown(row: dict[str, Any], unread: tuple[str, ...]) -> dict[str, Any]:
    # What was stored by an older version may hold line ends: one span is one line.
    facts = {name: clean(row[name]) if isinstance(row[name], str) else row[name] for name in SHOWN}
    return facts | {"unread": sorted(unread)}


def _check_inbox(home: Home) -> Iterator[DoctorFinding]:
    if not home.inbox.exists():
        yield _fine("inbox: none yet")
        return
    try:
        with Inbox(home.inbox) as inbox:
            integrity = inbox.integrity()
            if integrity != "ok":
                yield _wrong(f"inbox {home.inbox}: {integrity}", f"stop serve, and {_REPAIR}")
                return
            yield from _check_progress(home, inbox)
    except InboxFull as error:
        yield _wrong(str(error))  # says itself what to do: there is nothing to mend
    except (LakeError, TraceError) as error:
        yield _wrong(str(error), f"stop serve, and {_REPAIR}")


def _check_progress(home: Home, inbox: Inbox) -> Iterator[DoctorFinding]:
    progress = inbox.progress()
    try:
        lake = open_lake(home)
        done, version = lake.done_seq(inbox.app_id), lake.version()
    except (LakeError, TraceError) as error:
        yield _wrong(f"inbox: {inbox.pending()} spans wait and the lake cannot be read ({error})")
        return
    waiting = inbox.pending(done)
    yield _fine(
        f"inbox: {waiting} spans wait for the lake", "they roll with serve or the next ingest" if waiting else ""
    )
    if done > inbox.last_seq():
        yield _wrong(
            f"lake counts batches up to {done} of this inbox as rolled, its newest is {inbox.last_seq()}: "
            "new spans would be taken for old ones (a copy that was made file by file?)",
            _REPAIR,
        )
    if done < progress.rolled:
        yield DoctorFinding(
            ok=done >= progress.deleted,
            what=f"lake holds this inbox up to batch {done}, it has been at {progress.rolled}"
            f" (version {progress.lake_version}, now {version})",
            do="the next roll puts back what the inbox still has",
        )
    if done < progress.deleted:
        yield _wrong(f"batches {done + 1} to {progress.deleted} are in neither inbox nor lake", "send them again")


def _check_dialects(home: Home) -> Iterator[DoctorFinding]:
    try:
        read = home_dialects(home.dialects)
    except UsageError as error:
        yield _wrong(str(error))
        return
    if read is not shipped_dialects():
        yield _fine(f"dialects: the tables in {home.dialects} are read")


def _check_lake(home: Home) -> Iterator[DoctorFinding]:
    if not log_entries(home.lake):
        yield _fine("lake: none yet")
        return
    for path in emptied(home.lake):
        where = path.relative_to(home.lake)
        set_aside = path.parent != home.lake / "_delta_log"
        done = (
            "was set aside, its spans were rolled again" if set_aside else f"the next roll sets it aside, or: {_REPAIR}"
        )
        yield DoctorFinding(ok=set_aside, what=f"lake: log entry {where} is empty (a power cut?)", do=done)
    try:
        lake = open_lake(home)
        stats, missing = lake.stats(), lake.missing_files()
    except (LakeError, TraceError) as error:
        # A gap in the log says itself what to do.
        yield _wrong(str(error), "" if missing_entries(home.lake) else "keep the folder and report it")
        return
    if missing:
        yield _wrong(
            f"lake: {len(missing)} data files are missing or cut off, the first is {missing[0]}",
            "restore them from a copy, or forget them with: syscard doctor --repair --forget-missing",
        )
    yield _fine(f"lake: version {stats.version}, {stats.rows} spans in {stats.files} files, {stats.bytes} bytes")
