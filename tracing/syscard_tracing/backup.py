"""A copy of a home while it is in use, from which nothing acknowledged before its beginning is missing.

Records first: what monitors remember must not be ahead of the spans. Then, with no roll under way, the inbox and the
lake's version in one moment: were the inbox older than the lake, its next numbers would count as rolled; were it newer,
what was rolled and deleted in between would be in neither. Data files never change, so they are copied afterwards.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from syscard.errors import LakeError, TraceError, UsageError
from syscard.home import Home
from syscard.modes import close_to_others
from syscard_tracing.durable import log_folder, newest_entry, rolling, standing_still, sync
from syscard_tracing.inbox import Inbox
from syscard_tracing.roller import open_lake

_NOT_COPIED: Final = ("records.db", "inbox.db", "lake", "lake.lock", "keys.lock", "serve.lock", "aside")


class Backup(NamedTuple):
    """What a backup holds."""

    lake_version: int
    spans: int
    """Rows in its lake."""
    waiting: int
    """Spans in its inbox that roll at its first start."""
    bytes: int


def _ignore(_step: str) -> None:
    """Nobody watches the steps."""


def back_up(home: Home, to: Path, verify: Callable[[Home], None], on_step: Callable[[str], None] = _ignore) -> Backup:
    """Copy a home; `to` appears whole and verified, or not at all.

    Args:
        home: the home; it may be served meanwhile.
        to: a folder that is not there yet.
        verify: raises if the records of the copy do not hold.
        on_step: told of `records`, `pinned`, `files`, `verified`.

    Raises:
        UsageError: the place is taken, or within the home.
        LakeError, TraceError: a file cannot be read or the copy is not sound.
    """
    to = to.absolute()
    if to.exists():
        raise UsageError(f"{to} is there already: name a folder that is not")
    if to.resolve().is_relative_to(home.root.resolve()):
        raise UsageError(f"{to} is inside the home: name a folder outside, best on another disk")
    draft = to.with_name(f".{to.name}.{os.getpid()}.partial")
    copy = Home(draft)
    try:
        draft.mkdir(mode=0o700, parents=True)
        found = _copied(home, copy, on_step)
        verify(copy)
        on_step("verified")
        for folder, _, names in os.walk(draft):
            for path in (*(Path(folder) / name for name in names), Path(folder)):
                close_to_others(path)  # copies have the modes of what was copied
                sync(path)
        _name(draft, to)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return found


def _name(draft: Path, to: Path) -> None:
    try:
        draft.rename(to)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise UsageError(f"{to} is there by now: another backup was quicker") from error
        raise
    sync(to.parent)


def _copied(home: Home, copy: Home, on_step: Callable[[str], None]) -> Backup:
    _copy_database(home.records, copy.records)
    on_step("records")
    with standing_still(home.lake):
        _copy_database(home.inbox, copy.inbox)
        files = _copy_log(home.lake, copy.lake)
    on_step("pinned")
    with rolling(home.lake):
        _copy_data(home.lake, copy.lake, files)
    _copy_rest(home, copy)
    on_step("files")
    return _checked(copy)


def _copy_database(source: Path, target: Path) -> None:
    if not source.is_file():
        return
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        if "full" in str(error):
            raise TraceError(
                f"no room for a copy of {source} on the disk of {target.parent}: free some space"
            ) from error
        raise TraceError(f"{source} cannot be copied ({error}): run syscard doctor") from error


def _copy_log(lake: Path, to: Path) -> list[str]:
    """The newest checkpoint and the log behind it; the data files that they name."""
    newest = newest_entry(lake)
    if newest is None:
        return []
    if not newest.size:
        raise LakeError(f"lake {lake}: its newest log entry is empty: run syscard doctor --repair first")
    log_folder(to).mkdir(parents=True)
    for path in log_folder(lake).iterdir():
        number = path.name.partition(".")[0]
        if path.name == "_last_checkpoint" or (number.isdigit() and int(number) >= _base(lake)):
            shutil.copy2(path, log_folder(to) / path.name)
    from syscard_tracing.lake import Lake, files_of

    return [str(path) for path in files_of(Lake(to).open())["path"]]


def _base(lake: Path) -> int:
    """Version of the checkpoint that the pointer names; the log from there on is enough."""
    pointer = log_folder(lake) / "_last_checkpoint"
    if not pointer.is_file():
        return 0
    import json

    try:
        return int(json.loads(pointer.read_text("utf-8"))["version"])
    except (ValueError, KeyError, TypeError):
        return 0


def _copy_data(lake: Path, to: Path, files: list[str]) -> None:
    for path in files:
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(lake / path, to / path)
        except FileNotFoundError as error:
            raise LakeError(f"lake {lake}: data file {path} is missing: run syscard doctor") from error


def _copy_rest(home: Home, copy: Home) -> None:
    """Keys, snapshots, reports, packs, settings and whatever else stands in the home."""
    for path in sorted(home.root.iterdir()):
        left_out = path.name in _NOT_COPIED or path.name.startswith(("records.db-", "inbox.db-", "."))
        if path.is_dir() and not left_out:
            shutil.copytree(path, copy.root / path.name)
        elif path.is_file() and not left_out:
            shutil.copy2(path, copy.root / path.name)


def _checked(copy: Home) -> Backup:
    lake = open_lake(copy)
    missing, stats = lake.missing_files(), lake.stats()
    if missing:
        raise LakeError(f"the copy is not whole: {missing[0]} is missing or cut off: try again")
    rows = lake.count()
    if rows != stats.rows:
        raise LakeError(f"the copy has {rows} spans and its log says {stats.rows}: run syscard doctor on the home")
    waiting = 0
    if copy.inbox.is_file():
        with Inbox(copy.inbox) as inbox:
            if (said := inbox.integrity()) != "ok":
                raise TraceError(f"the copy of the inbox is not sound ({said}): run syscard doctor on the home")
            waiting = inbox.pending(lake.done_seq(inbox.app_id))
    size = sum(path.stat().st_size for path in copy.root.rglob("*") if path.is_file())
    return Backup(stats.version, rows, waiting, size)
