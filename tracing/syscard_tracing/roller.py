"""From the inbox into the lake, exactly once.

The lake's own record of how far this inbox has come is the truth; the inbox deletes only what a later, durable commit
has left behind. So a crash, a rival or a log entry emptied by a power cut makes rows roll again, never twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.errors import LakeError
from syscard.home import Home
from syscard_tracing.batch import from_bytes
from syscard_tracing.durable import make_durable, rolling, set_aside_emptied_tail
from syscard_tracing.inbox import Batch, Inbox

if TYPE_CHECKING:
    import pyarrow as pa

    from syscard_tracing.lake import Lake, Writer

STEPS: Final = ("repaired", "looked", "read", "deduplicated", "committed", "durable", "remembered", "deleted", "tidied")
"""Names of the steps of one roll, in order."""
SPANS_A_ROLL: Final = 100_000
LOST_RACES: Final = 100
"""Commits lost to rivals one after another before it is an error."""
_log = logging.getLogger("syscard.tracing")


class RollResult(NamedTuple):
    """What one roll did."""

    rows: int
    """Rows that are new in the lake."""
    duplicates: int
    """Spans that the lake or the batch already held."""
    version: int
    """Version of the lake afterwards."""
    looked_again: bool = False
    """A rival committed first: nothing was written, call again."""
    emptied: int | None = None
    """Version of a log entry that a power cut had emptied and that was set aside."""


def _ignore(_step: str) -> None:
    """Nobody watches the steps."""


def open_lake(home: Home) -> Lake:
    """The home's lake.

    Raises:
        MissingExtra: deltalake or polars is not installed.
    """
    from syscard_tracing.lake import Lake

    return Lake(home.lake)


def roll_once(inbox: Inbox, lake: Lake, on_step: Callable[[str], None] = _ignore) -> RollResult:
    """Move what waits in the inbox into the lake (at most about 100,000 spans).

    Raises:
        LakeError: the lake cannot be read or written; everything stays in the inbox.
        TraceError: the inbox cannot be read.
    """
    with rolling(lake.path):
        return _roll(inbox, lake, on_step)


def _roll(inbox: Inbox, lake: Lake, on_step: Callable[[str], None]) -> RollResult:
    from syscard_tracing.lake import Rival

    emptied = set_aside_emptied_tail(lake.path)
    if emptied is not None:
        _log.warning("lake %s: log entry %s was emptied (a power cut?); its spans are rolled again", lake.path, emptied)
    lake.create()
    on_step("repaired")
    writer = lake.writer(inbox.app_id)
    on_step("looked")
    batches = inbox.after(writer.done_seq, spans=SPANS_A_ROLL)
    on_step("read")
    if not batches:
        if inbox.progress().rolled != writer.done_seq:
            # A crash came between a commit and the note of it.
            inbox.remember(writer.done_seq, writer.version)
        return RollResult(0, 0, writer.version, emptied=emptied)
    fresh, duplicates = _only_new(writer, batches)
    on_step("deduplicated")
    done_before = writer.done_seq
    try:
        version = writer.append(fresh, batches[-1].seq)
    except Rival:
        return RollResult(0, 0, writer.version, looked_again=True, emptied=emptied)
    on_step("committed")
    make_durable(lake.path, version)
    on_step("durable")
    inbox.remember(batches[-1].seq, version)
    on_step("remembered")
    # One roll behind: should this very commit be lost, its rows are still here.
    inbox.delete_to(done_before)
    on_step("deleted")
    _tidy(lake)
    on_step("tidied")
    return RollResult(fresh.num_rows, duplicates, version, emptied=emptied)


def roll_all(inbox: Inbox, lake: Lake, on_step: Callable[[str], None] = _ignore) -> RollResult:
    """Roll until nothing waits; rows and duplicates are summed up.

    Raises:
        LakeError: the lake cannot be written, or rivals were first every time.
    """
    rows = duplicates = lost_races = 0
    emptied: int | None = None
    while True:
        result = roll_once(inbox, lake, on_step)
        lost_races = lost_races + 1 if result.looked_again else 0
        if lost_races > LOST_RACES:
            raise LakeError(f"lake {lake.path} takes no commit: does another process commit to it all the time?")
        rows, duplicates = rows + result.rows, duplicates + result.duplicates
        emptied = result.emptied if emptied is None else emptied
        if not (result.rows or result.duplicates or result.looked_again):
            return RollResult(rows, duplicates, result.version, emptied=emptied)


def _only_new(writer: Writer, batches: list[Batch]) -> tuple[pa.Table, int]:
    """The batches as one table without spans that the lake has or that came twice; how many those were.

    What an ingest moved in time is known by its ids alone, in all that was there when it began: in the lake, and in
    batches before it, such as those that an interrupted ingest has left.
    """
    table = from_bytes([batch.body for batch in batches])
    moved = [batch.moved_us for batch in batches for _ in range(batch.spans)]
    seen = writer.known(table)
    ids = {moment: writer.known_ids(table, moment) for moment in {*moved} if moment}
    keep: list[bool] = []
    received = _micros(table, "received") if ids else [0] * table.num_rows
    first: dict[
        tuple[str, str], tuple[int, int]
    ] = {}  # ids in this roll -> the ingest and the time that they came with
    for key, moment, at in zip(_keys(table), moved, received, strict=True):
        keep.append(key not in seen and not (moment and _is_known(key[:2], moment, ids[moment], first)))
        seen.add(key)
        if ids:
            first.setdefault(key[:2], (moment, at))
    if all(keep):
        return table, 0
    import pyarrow as pa

    fresh = table.filter(pa.array(keep))
    return fresh, table.num_rows - fresh.num_rows


def _is_known(
    names: tuple[str, str], moment: int, stored: set[tuple[str, str]], first: dict[tuple[str, str], tuple[int, int]]
) -> bool:
    """Whether ids had come by a moment, and not by the ingest that began then: it may bring ids twice."""
    ingest, received = first.get(names, (moment, 0))
    return names in stored or (ingest != moment and received <= moment)


def _keys(table: pa.Table) -> Iterator[tuple[str, str, int]]:
    traces, spans = (table.column(name).to_pylist() for name in ("trace_id", "span_id"))
    yield from zip(traces, spans, _micros(table, "start"), strict=True)


def _micros(table: pa.Table, column: str) -> list[int]:
    import pyarrow as pa

    found: list[Any] = table.column(column).cast(pa.int64()).to_pylist()
    return found


def _tidy(lake: Lake) -> None:
    """Compaction and checkpoints: nothing is lost if they fail, so a failure is said and not raised."""
    from syscard_tracing import upkeep

    try:
        upkeep.compact_crowded(lake)
        upkeep.checkpoint(lake)
    except (LakeError, OSError) as error:
        _log.warning("lake %s was not tidied: %s", lake.path, error)
