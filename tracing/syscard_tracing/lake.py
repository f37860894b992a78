"""The lake: a Delta table of observations. The one module that imports deltalake and polars."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from syscard.errors import LakeError, MissingExtra
from syscard.observation import arrow_schema
from syscard_tracing.durable import emptied, log_folder, make_durable, newest_entry, sync

try:
    import polars as pl
    from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
except ImportError as error:
    raise MissingExtra("server", "the lake") from error

if TYPE_CHECKING:
    import pyarrow as pa

FILES_A_DAY: Final = 32
"""More files than this in one day are compacted into one."""
CHECKPOINT_EVERY: Final = 100
_NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": "start,received,trace_id,span_id,clock_suspect",
    "delta.logRetentionDuration": "interval 1 days",
}
_AROUND: Final = timedelta(hours=1)
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
        return _scan(self._table).filter(pl.col("trace_id").is_in(wanted.implode()))

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
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(self._app_id, last_seq)], max_commit_retries=0
                ),
                post_commithook_properties=_NO_HOOKS,
            )
        except CommitFailedError as error:
            raise Rival(f"lake {self._lake.path}: another roller has committed") from error
        except (DeltaError, OSError) as error:
            raise LakeError(f"lake {self._lake.path} cannot be written: {error}") from error
        self.version = self._table.version()
        return self.version


class Lake:
    """A lake in a local folder. Making one touches no disk; each call opens the table afresh: cheap and current."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
            raise LakeError(f"lake {self.path} cannot be read ({error}): run syscard doctor") from error

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
        frame = _scan(self.open())
        for bound in _bounds(since, until):
            frame = frame.filter(bound)
        if since is not None or until is not None:
            frame = frame.filter(~pl.col("clock_suspect"))
        return frame if services is None else frame.filter(pl.col("service").is_in(sorted(services)))

    def trace(self, trace_id: str, around: datetime | None = None) -> pl.DataFrame:
        """The spans of one trace by start; `around` (any time within an hour of it) makes it a look into one file."""
        near = (around - _AROUND, around + _AROUND) if around else (None, None)
        found = self.scan(*near).filter(pl.col("trace_id") == trace_id).collect()
        return found.sort("start", "span_id")

    def keys_in(self, since: datetime, until: datetime) -> set[tuple[str, str]]:
        """(trace_id, span_id) of spans with since <= start < until."""
        return set(self.scan(since, until).select("trace_id", "span_id").collect().iter_rows())

    def stats(self) -> LakeStats:
        """Files, rows and bytes of the newest version."""
        if not self.exists():
            return LakeStats(0, 0, 0, -1)
        table = self.open()
        files = _files(table)
        return LakeStats(len(files), int(files["num_records"].sum()), int(files["size_bytes"].sum()), table.version())

    def missing_files(self) -> list[str]:
        """Data files that the newest version names and that are not on the disk, or not whole."""
        if not self.exists():
            return []
        files = _files(self.open()).select("path", "size_bytes").iter_rows()
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

    def crowded_days(self, limit: int = FILES_A_DAY) -> list[str]:
        """Days (ISO) with more files than the limit."""
        if not self.exists():
            return []
        counts = _files(self.open()).group_by("partition.day").len().filter(pl.col("len") > limit)
        return sorted(str(day) for day in counts["partition.day"])

    def compact(self, days: Iterable[str]) -> int:
        """Write the files of each day as one, durably; how many commits that took. A rival ends it.

        The old files stay for a day: for readers of an older version, and for a log entry lost to a power cut.
        """
        commits = 0
        for day in days:
            try:
                table = self.open()
                before = table.version()
                table.optimize.compact(partition_filters=[("day", "=", day)], post_commithook_properties=_NO_HOOKS)
            except CommitFailedError:
                break
            if table.version() > before:
                make_durable(self.path, table.version())
                commits += 1
        if commits:
            self._forget_old_files()
        return commits

    def checkpoint(self) -> bool:
        """Write a checkpoint every hundred versions and drop log entries a day old, so that opening stays quick."""
        table = self.open()
        pointer = log_folder(self.path) / "_last_checkpoint"
        if table.version() == 0 or table.version() % CHECKPOINT_EVERY or _points_at(pointer, table.version()):
            return False
        table.create_checkpoint()
        for path in (*log_folder(self.path).glob(f"{table.version():020d}.checkpoint*"), pointer, pointer.parent):
            sync(path)
        table.cleanup_metadata()
        return True

    def _forget_old_files(self) -> None:
        self.open().vacuum(
            retention_hours=24, dry_run=False, enforce_retention_duration=False, post_commithook_properties=_NO_HOOKS
        )


def _scan(table: DeltaTable) -> pl.LazyFrame:
    return pl.scan_delta(table)


def _files(table: DeltaTable) -> pl.DataFrame:
    frame = pl.DataFrame(table.get_add_actions(flatten=True))
    return frame if "num_records" in frame.columns else frame.with_columns(pl.lit(0).alias("num_records"))


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _bounds(since: datetime | None, until: datetime | None) -> list[pl.Expr]:
    bounds: list[pl.Expr] = []
    if since is not None:
        bounds += [pl.col("day") >= since.date(), pl.col("start") >= since]
    if until is not None:
        bounds += [pl.col("day") <= until.date(), pl.col("start") < until]
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


def _points_at(pointer: Path, version: int) -> bool:
    return pointer.is_file() and f'"version":{version}' in pointer.read_text("utf-8").replace(" ", "")
