"""What deltalake leaves out: making a commit survive a power cut, and finding what a power cut has left behind."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from syscard.errors import LakeError

ASIDE: Final = "_emptied"
"""Folder beside the log for emptied log entries; Delta readers skip names with an underscore."""


class LogEntry(NamedTuple):
    """One file of the Delta log."""

    version: int
    path: Path
    size: int


def log_folder(lake: Path) -> Path:
    """The Delta log of a lake."""
    return lake / "_delta_log"


def log_entries(lake: Path) -> list[LogEntry]:
    """The log's entries, oldest first; empty where there is no lake."""
    files = (path for path in log_folder(lake).glob("*.json") if path.stem.isdigit())
    return sorted(LogEntry(int(path.stem), path, path.stat().st_size) for path in files)


def newest_entry(lake: Path) -> LogEntry | None:
    """The log's newest entry, without a look at each of the others: a busy lake has tens of thousands."""
    folder = log_folder(lake)
    if not folder.is_dir():
        return None
    while True:
        names = (entry.name for entry in os.scandir(folder))
        newest = max((name for name in names if name.endswith(".json") and name[:-5].isdigit()), default=None)
        if newest is None:
            return None
        try:
            return LogEntry(int(newest[:-5]), folder / newest, (folder / newest).stat().st_size)
        except FileNotFoundError:
            continue  # a rival has set it aside since


def missing_entries(lake: Path) -> list[Path]:
    """Entries that the log needs behind its newest checkpoint, or from its beginning, and that are not there."""
    folder, versions = log_folder(lake), {entry.version for entry in log_entries(lake)}
    names = (path.name.partition(".")[0] for path in folder.glob("*.checkpoint*.parquet"))
    base = max((int(name) for name in names if name.isdigit()), default=-1)
    needed = range(base + 1, max(versions, default=-1) + 1)
    return [folder / f"{version:020d}.json" for version in needed if version not in versions]


def make_durable(lake: Path, version: int) -> None:
    """Sync one commit to the disk: its data files, their folders, its log entry, the log's folder.

    Raises:
        LakeError: a file of the commit is not there or not whole, or the disk refuses.
    """
    entry = log_folder(lake) / f"{version:020d}.json"
    try:
        actions = [json.loads(line) for line in entry.read_text("utf-8").splitlines()]
        added = {lake / a["add"]["path"]: a["add"]["size"] for a in actions if "add" in a}
        for path in (*added, *{p.parent for p in added}, entry, entry.parent, lake):
            sync(path)
        cut = next((path for path, size in added.items() if path.stat().st_size != size), None)
    except OSError as error:
        raise LakeError(f"lake {lake}: version {version} could not be synced: {error.strerror}") from error
    except ValueError as error:
        raise LakeError(f"lake {lake}: log entry {version} is cut off: run syscard doctor --repair") from error
    if cut is not None:
        raise LakeError(f"lake {lake}: data file {cut.relative_to(lake)} is cut off: run syscard doctor --repair")


def set_aside_emptied_tail(lake: Path, folder: Path | None = None) -> int | None:
    """Move a newest log entry that is empty or cut off out of the log; its version, or None where there is none.

    It goes to `folder`, else to one beside the log.

    A power cut can empty the newest entry, never an older one: each is synced before the next is trusted. The lock
    makes sure that no rival roller has put a good entry under the same name between the look and the move.
    """
    newest = newest_entry(lake)
    if newest is None or _is_whole(newest):
        return None
    with locked(lake / ".repair.lock"):
        newest = newest_entry(lake)
        if newest is None or _is_whole(newest):
            return None
        aside = folder or lake / ASIDE
        aside.mkdir(parents=True, exist_ok=True)
        newest.path.rename(_free_name(aside / newest.path.name))
        for folder in (aside, newest.path.parent):
            sync(folder)
    return newest.version


def emptied(lake: Path) -> list[Path]:
    """Log entries that were set aside; those that are empty, and a newest one that is cut off, in the log."""
    broken = {e.path for e in log_entries(lake) if not e.size}
    newest = newest_entry(lake)
    if newest is not None and not _is_whole(newest):
        broken.add(newest.path)
    return sorted((lake / ASIDE).glob("*.json*")) + sorted(broken)


def _is_whole(entry: LogEntry) -> bool:
    """Whether an entry is lines of JSON to its end."""
    try:
        lines = entry.path.read_text("utf-8").splitlines()
        return bool([json.loads(line) for line in lines])
    except FileNotFoundError:
        return True  # a rival has set it aside since
    except ValueError:
        return False


def _free_name(path: Path) -> Path:
    if not path.exists():
        return path
    return path.with_name(f"{path.name}.{len(list(path.parent.iterdir()))}")


def sync(path: Path) -> None:
    """Fsync of a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when the process ends, however it ends."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def rolling(lake: Path) -> AbstractContextManager[None]:
    """Held, together with others, by whoever commits to the lake or reads files of a version that may grow old."""
    return locked(_lock_file(lake), shared=True)


def standing_still(lake: Path) -> AbstractContextManager[None]:
    """Held alone: no roll and no compaction is under way anywhere on this machine, inbox and lake stay as they are."""
    return locked(_lock_file(lake))


def _lock_file(lake: Path) -> Path:
    lake.parent.mkdir(parents=True, exist_ok=True)
    return lake.with_name(f"{lake.name}.lock")


def forget_log_before(lake: Path, version: int) -> None:
    """Delete log entries and checkpoints older than a version that has a checkpoint of its own.

    Entries name their commit's predicate and hold statistics of rows that may have been erased since.
    """
    folder = log_folder(lake)
    for path in folder.iterdir():
        number = path.name.lstrip("._").partition(".")[0]
        if number.isdigit() and int(number) < version:
            path.unlink(missing_ok=True)
    sync(folder)
