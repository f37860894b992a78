"""What the doctor can mend. Nothing that may be the only copy is deleted: it goes to `<home>/aside/<time>/`."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syscard.errors import SyscardError, TraceError
from syscard.home import Home
from syscard.modes import close_to_others
from syscard_tracing import journal
from syscard_tracing.batch import from_bytes
from syscard_tracing.durable import log_entries, log_folder, make_durable, set_aside_emptied_tail, standing_still, sync
from syscard_tracing.inbox import Inbox
from syscard_tracing.roller import open_lake
from syscard_tracing.serving import only_server

if TYPE_CHECKING:
    from syscard_tracing.lake import Lake

ASIDE: Final = "aside"
_LEFT_OVER_S: Final = 3600.0
"""A draft that nobody has finished for so long is nobody's."""
_DATABASES: Final = ("inbox.db", "records.db")


def repair(home: Home, now: datetime, *, forget_missing: bool = False) -> list[str]:
    """Mend what can be; what was done, in words.

    Args:
        home: the home, which nobody may be serving.
        now: names the folder for what is put aside.
        forget_missing: let the lake forget data files that are gone, so that the rest can be read.

    Raises:
        UsageError: the home is being served.
        LakeError, TraceError: something cannot be mended.
    """
    aside = home.root / ASIDE / f"{now:%Y%m%dT%H%M%SZ}"
    done: list[str] = []
    with only_server(home), standing_still(home.lake):
        steps: tuple[Callable[[Home, Path], Iterator[str]], ...] = (_modes, _drafts, _inbox, _log, _files, _rolled)
        for step in (*steps, *((_forget_missing,) if forget_missing else ())):
            done += step(home, aside)
    if done:
        journal.write(home, now, "repair", done=done)
    return done


def _put_aside(path: Path, home: Home, aside: Path) -> Path:
    """Move a file out of the way; a name that is taken is not written over."""
    target = aside / path.relative_to(home.root)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while target.exists():
        target = target.with_name(f"{target.name}.again")
    shutil.move(path, target)
    for folder in (target.parent, path.parent):
        sync(folder)
    return target


def _modes(home: Home, _aside: Path) -> Iterator[str]:
    for path in wrong_modes(home):
        close_to_others(path)
        yield f"{path} can now be read by its owner only"


def wrong_modes(home: Home) -> list[Path]:
    """Keys that others can read, and databases that they can reach."""
    found = [path for path in (home.keys, *home.keys.glob("*")) if path.exists() and path.stat().st_mode & 0o077]
    if home.root.stat().st_mode & 0o077:
        names = (f"{name}{end}" for name in _DATABASES for end in ("", "-wal"))
        found += [p for name in names if (p := home.root / name).exists() and p.stat().st_mode & 0o077]
    return found


def _drafts(home: Home, aside: Path) -> Iterator[str]:
    for path in left_over(home):
        yield f"{path} was left over by something that was cut off: it is in {_put_aside(path, home, aside)}"


def left_over(home: Home) -> list[Path]:
    """Drafts older than an hour."""
    patterns = ("*.tmp", "keys/*.key.*.*", "snapshots/**/.*.partial", "lake/_delta_log/_commit_*.tmp")
    found = {path for pattern in patterns for path in home.root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if time.time() - path.stat().st_mtime > _LEFT_OVER_S)


# -- inbox ---------------------------------------------------------------------------------------------


def _inbox(home: Home, aside: Path) -> Iterator[str]:
    if not home.inbox.exists():
        return
    try:
        with Inbox(home.inbox) as inbox:
            sound = inbox.integrity() == "ok"
            yield from _unreadable_batches(inbox, aside) if sound else ()
    except TraceError:
        sound = False
    if not sound:
        yield from _salvage(home, aside)


def _unreadable_batches(inbox: Inbox, aside: Path) -> Iterator[str]:
    """One batch that cannot be read would hold up all that came after it."""
    for batch in inbox.every():
        try:
            from_bytes([batch.body])
        except TraceError:
            aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = aside / f"inbox-batch-{batch.seq}.bin"
            path.write_bytes(batch.body)
            sync(path)
            inbox.replace(batch.seq, 0, b"")
            yield f"inbox: batch {batch.seq} ({batch.spans} spans) cannot be read: it is in {path}"


def _salvage(home: Home, aside: Path) -> Iterator[str]:
    """A damaged inbox goes aside, and what can be read of it into a new one; what the lake has is known there."""
    files = [p for end in ("", "-wal", "-shm") if (p := home.inbox.with_name(f"inbox.db{end}")).exists()]
    old = next(iter([_put_aside(path, home, aside) for path in files]))
    saved = spans = 0
    with Inbox(home.inbox) as inbox:
        for moved_us, body in _readable(old):
            try:
                table = from_bytes([body])
            except (TraceError, SyscardError):
                continue
            inbox.put(table, moved_us=moved_us)
            saved, spans = saved + 1, spans + table.num_rows
    yield f"inbox was damaged: it is in {old}; {saved} batches ({spans} spans) could be read and wait in a new one"


def _readable(path: Path) -> Iterator[tuple[int, bytes]]:
    """Batches of a damaged file, one look each: a bad page takes only what lies on it."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            last = connection.execute("select seq from sqlite_sequence where name = 'batch'").fetchone()
            for seq in range(1, (last[0] if last else 0) + 1):
                try:
                    row = connection.execute("select wide, body from batch where seq = ?", (seq,)).fetchone()
                except sqlite3.Error:
                    continue
                if row and isinstance(row[1], bytes):
                    yield int(row[0]), row[1]
    except (sqlite3.Error, TypeError, ValueError):
        return


def _rolled(home: Home, _aside: Path) -> Iterator[str]:
    """Where inbox and lake stand to each other."""
    if not home.inbox.exists():
        return
    lake = open_lake(home)
    with Inbox(home.inbox) as inbox:
        done = lake.done_seq(inbox.app_id)
        if done > inbox.last_seq():
            inbox.skip_to(done)
            yield f"inbox numbers its batches from {done + 1} on: the lake counts those up to {done} as rolled"
        if done and lake.exists() and not lake.missing_files():
            make_durable(lake.path, lake.version())
            if gone := inbox.delete_to(done):
                yield f"inbox: {gone} batches that the lake holds durably were deleted"


# -- lake ----------------------------------------------------------------------------------------------


def _log(home: Home, aside: Path) -> Iterator[str]:
    while (version := set_aside_emptied_tail(home.lake, aside / "lake")) is not None:
        yield f"lake: log entry {version} was empty: it is in {aside / 'lake'}; its spans roll again from the inbox"
    if log_entries(home.lake) and pointer_is_missing(home.lake):
        from syscard_tracing import upkeep

        upkeep.renew_checkpoint(open_lake(home))
        yield "lake: the pointer to the newest checkpoint was missing: a new checkpoint was written"


def pointer_is_missing(lake: Path) -> bool:
    """Whether there are checkpoints that nothing points at."""
    folder = log_folder(lake)
    return any(folder.glob("*.checkpoint*.parquet")) and not (folder / "_last_checkpoint").is_file()


def _files(home: Home, aside: Path) -> Iterator[str]:
    """Data files that no version of the last day names: a commit that was cut off, or lost to a power cut."""
    lake = open_lake(home)
    if not lake.exists():
        return
    from syscard_tracing import upkeep

    for path in upkeep.orphans(lake):
        yield f"lake: {path} belongs to no version: it is in {_put_aside(lake.path / path, home, aside)}"


def _rolls_again(home: Home, lake: Lake) -> Iterator[str]:
    """What the inbox still has of batches that the lake counts as rolled: spans that it has lost come from there."""
    if not home.inbox.exists():
        return
    with Inbox(home.inbox) as inbox:
        done = lake.done_seq(inbox.app_id)
        held = [batch for batch in inbox.every() if batch.seq <= done]
        for batch in held:
            inbox.put(from_bytes([batch.body]), moved_us=batch.moved_us)
        inbox.delete_to(done)
    if held:
        yield f"inbox: {len(held)} batches ({sum(b.spans for b in held)} spans) roll again: the lake may have lost some"


def _forget_missing(home: Home, aside: Path) -> Iterator[str]:
    lake = open_lake(home)
    missing = lake.missing_files()
    if not missing:
        return
    from syscard_tracing import upkeep

    yield from _rolls_again(home, lake)
    for path in missing:
        if (lake.path / path).exists():  # cut off: for the lake as good as gone
            _put_aside(lake.path / path, home, aside)
    for lost in upkeep.forget_missing(lake, missing):
        yield f"lake: {lost.path} is gone: up to {lost.rows} spans from {lost.first} to {lost.last} are lost"
