"""Keeping the lake in order: fewer and sorted files, a short log, days and rows that leave it.

Every commit here may lose against a roll, and then does nothing: the next look tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from syscard.errors import LakeError
from syscard.observation import arrow_schema
from syscard_tracing.blanking import Blanking
from syscard_tracing.durable import forget_log_before, log_folder, make_durable, sync
from syscard_tracing.erasing import Going
from syscard_tracing.lake import NO_HOOKS, WRITTEN, Lake, files_of, rows_in
from syscard_tracing.persons import named_in

FILES_A_DAY: Final = 32
"""More small files than this in one day are made one."""
SMALL: Final = 16 * 1024 * 1024
"""Bytes up to which the files of a day that still grows are put together."""
LARGE: Final = 128 * 1024 * 1024
"""Bytes of the sorted files of a day that is over."""
CHECKPOINT_EVERY: Final = 100
LOOSE_SHARE: Final = 0.1
"""A past day is sorted when so much of it lies in files that overlap others."""
DAY_SETTLES: Final = timedelta(hours=26)
"""After the beginning of a day: two hours for spans that come late."""
_T = TypeVar("_T")
_IDS: Final = 5_000
"""Trace ids in one predicate: each commit writes the files that hold them anew."""
_BLANKED: Final = 500
"""Traces whose rows are held in memory at once."""
_RANGES: Final = 200
"""Trace ids with a range of time each in one predicate, which is a tree as deep as that."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SORT_MEMORY: Final = 512 * 1024 * 1024


class DaySize(NamedTuple):
    """What one day takes."""

    day: str
    files: int
    rows: int
    bytes: int


def day_sizes(lake: Lake) -> list[DaySize]:
    """Every day of the newest version, oldest first."""
    if not lake.exists():
        return []
    days = files_of(lake.open()).group_by("partition.day").agg(
        pl.len(), pl.col("num_records").sum(), pl.col("size_bytes").sum()
    )  # fmt: skip
    return sorted(DaySize(str(day), files, rows, size) for day, files, rows, size in days.iter_rows())


def newest_received(lake: Lake) -> int:
    """When the newest row was received, in microseconds since the epoch; 0 where there is none."""
    newest = lake.scan().select(pl.col("received").dt.epoch("us").max()).collect().item()
    return newest or 0


def oldest_received(lake: Lake) -> list[int]:
    """When the oldest row of each data file was received, in microseconds since the epoch, or a little before.

    By the statistics of the files, which may be cut to milliseconds; 0 for a file without.
    """
    if not lake.exists():
        return []
    files = files_of(lake.open()).filter(pl.col("num_records") > 0)
    if "min.received" not in files.columns:
        return [0] * files.height
    return files["min.received"].dt.epoch("us").fill_null(0).to_list()


def compact_crowded(lake: Lake, limit: int = FILES_A_DAY) -> int:
    """Put the small files of crowded days together, durably; how many commits that took."""
    if not lake.exists():
        return 0
    # Half the size: what was put together once must not count as small for ever.
    small = files_of(lake.open()).filter(pl.col("size_bytes") < SMALL // 2)
    crowded = small.group_by("partition.day").len().filter(pl.col("len") > limit)
    return sum(_compacted(lake, str(day)) for day in sorted(crowded["partition.day"]))


def _compacted(lake: Lake, day: str) -> bool:
    return _committed(
        lake,
        lambda table: table.optimize.compact(
            partition_filters=[("day", "=", day)],
            target_size=SMALL,
            writer_properties=WRITTEN,
            post_commithook_properties=NO_HOOKS,
        ),
    )


def settle(lake: Lake, now: datetime) -> list[str]:
    """Write each day that is over as few files sorted by start; the days (ISO) that were."""
    if not lake.exists():
        return []
    over = pl.col("partition.day") < (now.astimezone(UTC) - DAY_SETTLES + timedelta(days=1)).date()
    groups = files_of(lake.open()).filter(over).group_by("partition.day")
    loose = sorted(str(day[0]) for day, files in groups if _is_unsettled(files))
    return [day for day in loose if _sorted(lake, day)]


def _is_unsettled(files: pl.DataFrame) -> bool:
    apart: list[tuple[Any, Any]] = []
    count = size = 0
    columns = files.select("min.start", "max.start", "size_bytes").sort("size_bytes", descending=True)
    for low, high, bytes_ in columns.iter_rows():
        if bytes_ >= SMALL // 2 and low is not None and all(high <= a or low >= b for a, b in apart):
            apart.append((low, high))
        else:
            count, size = count + 1, size + bytes_
    return count > 1 and (count > FILES_A_DAY or size >= LOOSE_SHARE * int(files["size_bytes"].sum()))


def _sorted(lake: Lake, day: str) -> bool:
    return _committed(
        lake,
        lambda table: table.optimize.z_order(
            ["start"],
            partition_filters=[("day", "=", day)],
            target_size=LARGE,
            max_concurrent_tasks=1,
            max_spill_size=_SORT_MEMORY,
            writer_properties=WRITTEN,
            post_commithook_properties=NO_HOOKS,
        ),
    )


def checkpoint(lake: Lake) -> bool:
    """Write a checkpoint every hundred versions, and drop log entries a day old, so that opening is quick."""
    table = lake.open()
    pointer = log_folder(lake.path) / "_last_checkpoint"
    if not table.version() or table.version() % CHECKPOINT_EVERY or _points_at(pointer, table.version()):
        return False
    _write_checkpoint(lake, table)
    table.cleanup_metadata()
    return True


def renew_checkpoint(lake: Lake) -> int:
    """Commit nothing, and write a checkpoint of that; its version.

    A version that has a checkpoint gets no second one, and no pointer to it.
    """
    _committed(lake, _commit_nothing)
    table = lake.open()
    _write_checkpoint(lake, table)
    return table.version()


def _write_checkpoint(lake: Lake, table: DeltaTable) -> None:
    table.create_checkpoint()
    folder = log_folder(lake.path)
    for path in (*folder.glob(f"{table.version():020d}.checkpoint*"), folder / "_last_checkpoint", folder):
        sync(path)


def vacuum(lake: Lake) -> int:
    """Delete data files that no version of the last day needs; how many.

    A day, for readers of an older version, and for a log entry lost to a power cut.
    """
    gone = lake.open().vacuum(
        retention_hours=24, dry_run=False, enforce_retention_duration=False, post_commithook_properties=NO_HOOKS
    )
    return len(gone)


class Lost(NamedTuple):
    """A data file that is gone."""

    path: str
    rows: int
    first: str
    last: str


def orphans(lake: Lake) -> list[str]:
    """Data files that no version of the last day names, and that nobody has written within a day."""
    table = lake.open()
    vacuum(lake)
    return sorted(table.vacuum(retention_hours=24, dry_run=True, enforce_retention_duration=False, full=True))


def forget_missing(lake: Lake, missing: Collection[str]) -> list[Lost]:
    """Let the lake forget data files that are gone; what was in them.

    Raises:
        LakeError: the lake cannot be written.
    """
    rows = files_of(lake.open()).filter(pl.col("path").is_in(sorted(missing)))
    lost = [
        Lost(path, count, str(first), str(last))
        for path, count, first, last in rows.select("path", "num_records", "min.start", "max.start").iter_rows()
    ]
    _committed(lake, lambda table: table.repair(post_commithook_properties=NO_HOOKS))
    return lost


def drop_day(lake: Lake, day: str, held: Collection[str]) -> int:
    """Take the spans of one day out of the lake, but for traces that are held; how many went.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    frame = _of_day(lake, day)
    going = frame.filter(~pl.col("trace_id").is_in(sorted(held))) if held else frame
    count = int(going.select(pl.len()).collect().item())
    if not count:
        return 0
    kept = f" and trace_id not in ({_quoted(held)})" if held else ""
    return count if _deleted(lake, f"day = '{date.fromisoformat(day)}'{kept}") else 0


def _of_day(lake: Lake, day: str) -> pl.LazyFrame:
    files = files_of(lake.open()).filter(pl.col("partition.day") == date.fromisoformat(day))
    return rows_in(lake.path, files)


def remove(lake: Lake, going: Sequence[Going], days: Iterable[str]) -> None:
    """Take traces out of the lake. Their bytes stay until `forget_history`.

    Raises:
        LakeError: the lake cannot be written.
    """
    within = f"day in ({_quoted(days)}) and "
    whole = sorted(g.trace_id for g in going if g.low_us is None)
    for ids in _parts(whole, _IDS):
        _deleted(lake, f"{within}trace_id in ({_quoted(ids)})")
    partly = sorted(g for g in going if g.low_us is not None)
    for some in _parts(partly, _RANGES):
        ranges = " or ".join(map(_range_of, some))
        _deleted(lake, f"{within}trace_id in ({_quoted(g.trace_id for g in some)}) and ({ranges})")


def _parts(values: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (values[i : i + size] for i in range(0, len(values), size))


def _range_of(one: Going) -> str:
    low, high = (_moment(us) for us in (one.low_us or 0, one.high_us or 0))
    return f"(trace_id = {_quoted([one.trace_id])} and start between {low} and {high})"


def blank(lake: Lake, blanking: Blanking) -> None:
    """Take the texts that hold a name out of the rows that do. Their bytes stay until `forget_history`.

    Each commit puts all rows of some traces of a day in their place: what dies in between has lost no row.

    Raises:
        LakeError: the lake cannot be written.
    """
    rows = named_in(lake.scan(), blanking).select("day", "trace_id", "features").collect()
    hit = rows.filter([blanking.blanked(features) is not None for features in rows["features"]])
    for (day,), of in hit.group_by("day"):
        ids = sorted(set(of["trace_id"]))
        for part in _parts(ids, _BLANKED):
            _committed(lake, partial(_replace, lake, str(day), part, blanking))


def _replace(lake: Lake, day: str, ids: Sequence[str], blanking: Blanking, table: DeltaTable) -> None:
    rows = _of_day(lake, day).filter(pl.col("trace_id").is_in(list(ids))).collect()
    features = [blanking.blanked(before) or before for before in rows["features"]]
    write_deltalake(
        table,
        rows.with_columns(pl.Series("features", features, pl.String)).to_arrow().cast(arrow_schema()),
        mode="overwrite",
        predicate=f"day = '{date.fromisoformat(day)}' and trace_id in ({_quoted(ids)})",
        writer_properties=WRITTEN,
        post_commithook_properties=NO_HOOKS,
    )


def _moment(us: int) -> str:
    return f"'{_EPOCH + timedelta(microseconds=us):%Y-%m-%dT%H:%M:%S.%fZ}'"


def forget_history(lake: Lake) -> None:
    """Leave nothing but the newest version: no older log entry, no data file that it does not name.

    Nobody may be committing: a data file on its way into the log would be taken for one that nobody needs.
    """
    if not lake.exists():
        return
    forget_log_before(lake.path, renew_checkpoint(lake))
    lake.open().vacuum(
        retention_hours=0,
        dry_run=False,
        enforce_retention_duration=False,
        full=True,
        post_commithook_properties=NO_HOOKS,
    )


def _commit_nothing(table: DeltaTable) -> None:
    """So that the newest entry, which has to stay, names no predicate and no row."""
    write_deltalake(table, arrow_schema().empty_table(), mode="append", post_commithook_properties=NO_HOOKS)


def _quoted(values: Iterable[str]) -> str:
    """Values in SQL; trace ids are hex digits by the time they are here, but nothing relies on it."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))


def _deleted(lake: Lake, predicate: str) -> bool:
    return _committed(
        lake,
        lambda table: table.delete(predicate, writer_properties=WRITTEN, post_commithook_properties=NO_HOOKS),
    )


def _committed(lake: Lake, commit: Callable[[DeltaTable], object]) -> bool:
    """One commit, made durable; False where a rival was first or there was nothing to do."""
    try:
        table = lake.open()
        before = table.version()
        commit(table)
    except CommitFailedError:
        return False
    except (DeltaError, OSError) as error:
        raise LakeError(f"lake {lake.path} cannot be written: {error}") from error
    for version in range(before + 1, table.version() + 1):
        make_durable(lake.path, version)
    return table.version() > before


def _points_at(pointer: Path, version: int) -> bool:
    return pointer.is_file() and f'"version":{version}' in pointer.read_text("utf-8").replace(" ", "")
