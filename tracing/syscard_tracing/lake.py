"""The lake: a Delta table of observations, read and written here; `syscard_tracing.upkeep` keeps it in order.

These two are the only modules that import deltalake, and `syscard_tracing.persons` beside them polars.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from syscard.errors import LakeError, MissingExtra
from syscard.observation import arrow_schema
from syscard_tracing.durable import emptied, log_folder, make_durable, missing_entries, newest_entry

try:
    import polars as pl
    from deltalake import (
        CommitProperties,
        DeltaTable,
        PostCommitHookProperties,
        Transaction,
        WriterProperties,
        write_deltalake,
    )
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
except ImportError as error:
    raise MissingExtra("server", "the lake") from error

if TYPE_CHECKING:
    import pyarrow as pa

WRITTEN: Final = WriterProperties(compression="ZSTD", max_row_group_size=16_384)
"""Small row groups, in order of start: a look at one trace or five minutes opens one or two of them."""
NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": "start,received,trace_id,span_id,clock_suspect",
    "delta.logRetentionDuration": "interval 1 days",
}
_BEFORE: Final = timedelta(minutes=1)
_AFTER: Final = timedelta(minutes=5)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FARTHEST: Final = timedelta(hours=1)
_COLUMNS: Final = [field.name for field in arrow_schema()]
_IN_FILES: Final = pl.Schema({name: kind for name, kind in pl.Schema(arrow_schema()).items() if name != "day"})
SpanKey = tuple[str, str, int]
"""(trace id, span id, start in microseconds): ids alone come again where a host seeds `random`."""


class Rival(LakeError):
    """Another process has committed in between: look again."""


class LakeStats(NamedTuple):
    """How big the lake is."""

    files: int
    rows: int
    bytes: int
    version: int


class Writer:
    """One look at the lake and at most one commit to it, which fails if anything was committed since the look.

    That makes a decision taken on what was seen (which rows are new, how far this inbox has come) hold at the commit.
    """

    def __init__(self, lake: Lake, app_id: str) -> None:
        self._lake = lake
        self._app_id = app_id
        self._table = lake.open()
        self.version = self._table.version()
        self.done_seq = self._table.transaction_version(app_id) or 0

    def known(self, table: pa.Table) -> set[SpanKey]:
        """Spans of these traces that the lake holds, looked for within the table's own time range."""
        if self.version == 0:
            return set()
        frame = self._of_traces(table).filter(_within_ranges(table))
        return set(frame.select("trace_id", "span_id", pl.col("start").dt.epoch("us")).collect().iter_rows())

    def known_ids(self, table: pa.Table, received_us: int) -> set[tuple[str, str]]:
        """Ids of these traces that the lake had received by a moment, whatever their times."""
        if self.version == 0:
            return set()
        frame = self._of_traces(table).filter(pl.col("received").dt.epoch("us") <= received_us)
        return set(frame.select("trace_id", "span_id").collect().iter_rows())

    def _of_traces(self, table: pa.Table) -> pl.LazyFrame:
        wanted = pl.Series(table.column("trace_id").unique().to_pylist())
        return rows_in(self._lake.path, files_of(self._table)).filter(pl.col("trace_id").is_in(wanted.implode()))

    def append(self, table: pa.Table, last_seq: int) -> int:
        """Commit rows and how far this inbox has come, in one; the lake version that holds them. Not yet durable.

        Raises:
            Rival: somebody else has committed since the look.
            LakeError: the lake cannot be written.
        """
        try:
            write_deltalake(
                self._table,
                table.sort_by("start"),
                mode="append",
                writer_properties=WRITTEN,
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(self._app_id, last_seq)], max_commit_retries=0
                ),
                post_commithook_properties=NO_HOOKS,
            )
        except CommitFailedError as error:
            raise Rival(f"lake {self._lake.path}: another roller has committed") from error
        except (DeltaError, OSError) as error:
            raise LakeError(f"lake {self._lake.path} cannot be written: {error}") from error
        self.version = self._table.version()
        return self.version


class Lake:
    """A lake in a local folder. Making one touches no disk; each call sees the newest version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading = _Reading(path)

    def create(self) -> None:
        """Make the table where there is none, durably.

        Raises:
            LakeError: it cannot be made.
        """
        if self.exists():
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                self.path, arrow_schema(), mode="ignore", partition_by=["day"], configuration=_CONFIGURATION
            )
            make_durable(self.path, 0)
        except (DeltaError, OSError) as error:
            if self.exists():
                return  # a rival was first
            raise LakeError(f"lake {self.path} cannot be made: {error}") from error

    def open(self) -> DeltaTable:
        """A fresh handle.

        Raises:
            LakeError: there is no lake, or its log cannot be read.
        """
        try:
            return DeltaTable(self.path)
        except TableNotFoundError as error:
            raise LakeError(f"no lake at {self.path}: nothing was ingested yet") from error
        except (DeltaError, OSError, ValueError) as error:
            if missing := missing_entries(self.path):
                raise LakeError(
                    f"lake {self.path} cannot be read: its log lacks {_named(missing)}; the data files are untouched, "
                    "no span is lost: put that back from a backup, into the same folder"
                ) from error
            raise LakeError(f"lake {self.path} cannot be read ({_said(error)}): run syscard doctor") from error

    def exists(self) -> bool:
        """Whether there is a lake."""
        return newest_entry(self.path) is not None

    def writer(self, app_id: str) -> Writer:
        """A look at the lake for one commit of one inbox."""
        return Writer(self, app_id)

    def append(self, table: pa.Table, app_id: str, last_seq: int) -> int:
        """Commit rows and make them durable; the version. See `Writer.append` for the errors."""
        version = self.writer(app_id).append(table, last_seq)
        make_durable(self.path, version)
        return version

    def version(self) -> int:
        """Newest version, -1 where there is no lake."""
        return self.open().version() if self.exists() else -1

    def done_seq(self, app_id: str) -> int:
        """How far an inbox has come in this lake, 0 before its first roll."""
        return (self.open().transaction_version(app_id) or 0) if self.exists() else 0

    def scan(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        services: Collection[str] | None = None,
    ) -> pl.LazyFrame:
        """Observations with since <= start < until, lazily; whole files and days outside are not read.

        With a bound, rows whose clock is suspect are left out: their event time says nothing. Else they are in.
        """
        if not self.exists():
            return pl.LazyFrame(schema=pl.Schema(arrow_schema()))
        frame = rows_in(self.path, _overlapping(self._files(), since, until))
        for bound in _bounds(since, until):
            frame = frame.filter(bound)
        if since is not None or until is not None:
            frame = frame.filter(~pl.col("clock_suspect"))
        return frame if services is None else frame.filter(pl.col("service").is_in(sorted(services)))

    def trace(self, trace_id: str, around: datetime | None = None) -> pl.DataFrame:
        """The spans of one trace by start.

        `around`, the start of the trace, makes it a look into one or two row groups: a minute before and five minutes
        after, and on from there while the trace runs on, at most an hour. Any other time within an hour of it will do,
        and takes longer: the whole hour to each side is read.
        """
        if around is None:
            return self._of_trace(trace_id, None, None)
        since, until = around - _BEFORE, around + _AFTER
        while True:
            found = self._of_trace(trace_id, since, until)
            wider = _wider(found, around, since, until)
            if wider == (since, until):
                return found
            since, until = wider

    def _of_trace(self, trace_id: str, since: datetime | None, until: datetime | None) -> pl.DataFrame:
        return self.scan(since, until).filter(pl.col("trace_id") == trace_id).collect().sort("start", "span_id")

    def _files(self) -> pl.DataFrame:
        try:
            return self._reading.files()
        except (DeltaError, OSError, ValueError):
            return files_of(self.open())

    def keys_in(self, since: datetime, until: datetime) -> set[tuple[str, str]]:
        """(trace_id, span_id) of spans with since <= start < until."""
        return set(self.scan(since, until).select("trace_id", "span_id").collect().iter_rows())

    def days(self) -> list[str]:
        """Days (ISO) of which there are spans, oldest first."""
        return sorted(str(day) for day in files_of(self.open())["partition.day"].unique()) if self.exists() else []

    def count(self) -> int:
        """Rows, counted in the data files themselves."""
        return int(self.scan().select(pl.len()).collect().item())

    def stats(self) -> LakeStats:
        """Files, rows and bytes of the newest version."""
        if not self.exists():
            return LakeStats(0, 0, 0, -1)
        table = self.open()
        files = files_of(table)
        return LakeStats(len(files), int(files["num_records"].sum()), int(files["size_bytes"].sum()), table.version())

    def missing_files(self) -> list[str]:
        """Data files that the newest version names and that are not on the disk, or not whole."""
        if not self.exists():
            return []
        files = files_of(self.open()).select("path", "size_bytes").iter_rows()
        return [path for path, size in files if not _is_whole(self.path / path, size)]

    def health(self) -> list[str]:
        """What is wrong with the lake, in words; empty when all is well. Touches nothing."""
        found = [
            f"log entry {path.relative_to(self.path)} is empty (a power cut?): its spans roll again from the inbox"
            for path in emptied(self.path)
        ]
        try:
            missing = self.missing_files()
        except LakeError as error:
            return [*found, str(error)]
        if missing:
            found.append(
                f"{len(missing)} data files are missing or cut off, the first is {missing[0]}: their spans are lost"
            )
        return found


class _Reading:
    """A handle that is kept between looks. Catching up takes a tenth of the time that opening the table does.

    A log entry that a power cut emptied is set aside, and its version comes again with other content: the handle is
    good only while the entry that it stands on is the same file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None
        self._stands_on: tuple[int, int, int] | None = None
        self._known = pl.DataFrame()

    def files(self) -> pl.DataFrame:
        """Data files of the newest version, with their statistics."""
        with self._lock:
            table = self._table
            if table is None or self._stands_on != _identity(self._path, table.version()):
                return self._open_anew()
            before = table.version()
            try:
                table.update_incremental()
            except (DeltaError, OSError, ValueError):
                return self._open_anew()
            return self._known if table.version() == before else self._note(table)

    def _open_anew(self) -> pl.DataFrame:
        self._table = None
        table = DeltaTable(self._path)
        found = self._note(table)
        self._table = table
        return found

    def _note(self, table: DeltaTable) -> pl.DataFrame:
        self._known = files_of(table)
        self._stands_on = _identity(self._path, table.version())
        return self._known


def _named(missing: list[Path]) -> str:
    more = f" and {len(missing) - 1} more behind it" if len(missing) > 1 else ""
    return f"entry {missing[0].name}{more}"


def _said(error: Exception) -> str:
    """The library's error without the backtrace that it brings along."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _identity(lake: Path, version: int) -> tuple[int, int, int] | None:
    try:
        found = (log_folder(lake) / f"{version:020d}.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def files_of(table: DeltaTable) -> pl.DataFrame:
    """Data files of a version: `path`, `size_bytes`, `num_records`, `partition.day`, `min.start`, `max.start`."""
    frame = pl.DataFrame(table.get_add_actions(flatten=True))
    missing = [pl.lit(0).alias("num_records")] if "num_records" not in frame.columns else []
    moment = pl.Datetime("us", "UTC")
    missing += [pl.lit(None, moment).alias(name) for name in ("min.start", "max.start") if name not in frame.columns]
    return frame.with_columns(missing)


def rows_in(lake: Path, files: pl.DataFrame) -> pl.LazyFrame:
    """The rows of some data files, lazily."""
    if files.is_empty():
        return pl.LazyFrame(schema=pl.Schema(arrow_schema()))
    return pl.scan_parquet(
        [str(lake / path) for path in files["path"]],
        glob=False,
        cache=False,
        schema=_IN_FILES,
        hive_partitioning=True,
        hive_schema={"day": pl.Date},
        missing_columns="insert",
    ).select(_COLUMNS)


def _overlapping(files: pl.DataFrame, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """Files that may hold a start in the range; one without statistics may."""
    if since is not None:
        # Statistics may be cut to milliseconds.
        files = files.filter((pl.col("max.start") >= since - _MILLISECOND) | pl.col("max.start").is_null())
        files = files.filter(pl.col("partition.day") >= since.astimezone(UTC).date())
    if until is not None:
        files = files.filter((pl.col("min.start") < until) | pl.col("min.start").is_null())
        files = files.filter(pl.col("partition.day") <= until.astimezone(UTC).date())
    return files


def _wider(found: pl.DataFrame, around: datetime, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The range to look at, so that a minute of quiet lies behind what was found."""
    widest = around - _FARTHEST, around + _FARTHEST
    top = found.head(1).select("start", "parent_span_id").rows()
    if top != [(around, None)]:  # not the trace's own start
        return widest
    ends = found.select((pl.col("start") + pl.duration(microseconds="duration_us")).max()).item()
    return since, min(max(until, ends + _BEFORE), widest[1])


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _bounds(since: datetime | None, until: datetime | None) -> list[pl.Expr]:
    bounds: list[pl.Expr] = []
    if since is not None:
        bounds.append(pl.col("start") >= since)
    if until is not None:
        bounds.append(pl.col("start") < until)
    return bounds


def _within_ranges(table: pa.Table) -> pl.Expr:
    """The time ranges of the table's rows; rows with a suspect clock have one of their own.

    No predicate on `day`: a span with a suspect clock lies under the day of its receipt, and may come again later.
    """
    frame = pl.DataFrame(pl.from_arrow(table.select(["start", "clock_suspect"])))
    ranges = frame.group_by("clock_suspect").agg(
        pl.col("start").min().alias("low"), pl.col("start").max().alias("high")
    )
    found: list[pl.Expr] = [
        (pl.col("start") >= row["low"]) & (pl.col("start") <= row["high"]) for row in ranges.iter_rows(named=True)
    ]
    return pl.any_horizontal(found)
