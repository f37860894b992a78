"""Which spans are a person's: by their key, by a session that is theirs alone; and where they are named."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from syscard_tracing.blanking import Blanking
from syscard_tracing.erasing import Going
from syscard_tracing.strays import SESSIONS

if TYPE_CHECKING:
    import pyarrow as pa

APART_US: Final = 3_600_000_000
"""Uses of one trace id that lie so far apart are not one request."""
_SESSION: Final = pl.coalesce(
    *(pl.col("features").str.extract(rf'"{name.replace(".", "[.]")}":"([0-9a-f]{{32}})"') for name in SESSIONS)
)
_US: Final = pl.col("start").dt.epoch("us")


class Found(NamedTuple):
    """Traces of a person, what they take, and what is said of them elsewhere."""

    going: tuple[Going, ...]
    days: dict[str, int]
    """Spans that go, by day."""
    by_session: int = 0
    """Traces that go and name no user: their session is the person's alone."""
    shared: int = 0
    """Traces that stay and name no user: their session is the person's and somebody else's."""
    nameless: int = 0
    """Traces of the same days that stay and name neither user nor session: nobody can tell whose they are."""
    texts: int = 0
    """Spans that stay, with a text that holds the person's id."""


def find(rows: pl.LazyFrame, keys: Collection[str], blanking: Blanking) -> Found:
    """What of the observations is a person's.

    Args:
        rows: observations.
        keys: user keys of the person.
        blanking: knows what the person is called in texts.
    """
    named = pl.col("user_key").is_in(sorted(keys))
    for key in sorted(keys):
        named |= pl.col("features").str.contains(f'"{key}"', literal=True)
    mine = _rows_of(rows, _ids(rows.filter(named)), named)
    sessions = mine.filter(pl.col("named"))["session"].drop_nulls().unique().sort().to_list()
    same = _SESSION.is_in(sessions)
    near = _rows_of(rows, _ids(rows.filter(same)) - set(mine["trace_id"]), same)
    alone, shared = _attributed(near)
    leaving = pl.concat([mine, near.filter(pl.col("trace_id").is_in(sorted(alone)))])
    going = _going(leaving)
    gone = _marked(leaving.lazy(), going).filter("goes").collect()
    days = {str(day): count for day, count in gone.group_by("day").len().sort("day").iter_rows()}
    nameless = _nameless(rows.filter(pl.col("day").is_in(gone["day"].unique().implode())))
    return Found(going, days, len(alone), len(shared), nameless, _texts(rows, going, blanking))


def observations(lake: pl.LazyFrame, waiting: Iterable[pa.Table]) -> pl.LazyFrame:
    """The rows of the lake, and those that wait in the inbox."""
    return pl.concat([lake, *(pl.DataFrame(pl.from_arrow(table)).lazy() for table in waiting)])


def named_in(rows: pl.LazyFrame, blanking: Blanking) -> pl.LazyFrame:
    """Rows whose features may hold one of the names."""
    hints = "|".join(pl.escape_regex(hint) for hint in blanking.hints)
    return rows.filter(pl.col("features").str.contains(f"(?i){hints}" if hints else "^\\b$"))


def _marked(rows: pl.LazyFrame, going: Collection[Going]) -> pl.LazyFrame:
    """Rows (with `us`) and whether each `goes`: one join, however many traces there are."""
    schema = {"trace_id": pl.String, "low_us": pl.Int64, "high_us": pl.Int64, "known": pl.Boolean}
    ids = pl.LazyFrame([(*one, True) for one in going], schema, orient="row")
    within = pl.col("low_us").is_null() | pl.col("us").is_between("low_us", "high_us")
    return rows.join(ids, on="trace_id", how="left").with_columns(
        (pl.col("known").fill_null(value=False) & within).alias("goes")
    )


def _ids(rows: pl.LazyFrame) -> set[str]:
    return set(rows.select("trace_id").unique().collect()["trace_id"])


def _rows_of(rows: pl.LazyFrame, ids: Collection[str], named: pl.Expr) -> pl.DataFrame:
    """What has to be known of the rows of some traces."""
    return rows.filter(pl.col("trace_id").is_in(sorted(ids))).select(
        "trace_id", "day", "user_key", "clock_suspect",
        _US.alias("us"), _SESSION.alias("session"), named.fill_null(value=False).alias("named"),
    ).collect()  # fmt: skip


def _attributed(near: pl.DataFrame) -> tuple[set[str], set[str]]:
    """Traces that name no user: those of a session of the person alone, and those of one that others have too."""
    owned = set(near.filter(pl.col("user_key").is_not_null())["trace_id"])
    theirs = pl.col("trace_id").is_in(sorted(owned))
    others = near.filter(theirs)["session"].drop_nulls().unique().sort().to_list()
    keyless = near.filter(~theirs)
    shared = set(keyless.filter(pl.col("session").is_in(others))["trace_id"])
    return set(keyless["trace_id"]) - shared, shared


def _going(rows: pl.DataFrame) -> tuple[Going, ...]:
    """Whole ids, unless one was used again more than an hour away from the person's spans; in order."""
    timed = ~pl.col("clock_suspect")
    hers = pl.col("us").filter(pl.col("named") & timed)
    ranges = rows.group_by("trace_id").agg((hers.min() - APART_US).alias("low"), (hers.max() + APART_US).alias("high"))
    again = rows.join(ranges, on="trace_id").filter(timed & ~pl.col("us").is_between("low", "high"))
    ranges = ranges.with_columns(pl.col("trace_id").is_in(again["trace_id"].unique().implode()).alias("again"))
    found = ranges.sort("trace_id").select("trace_id", "low", "high", "again").iter_rows()
    return tuple(Going(trace, low, high) if twice else Going(trace) for trace, low, high, twice in found)


def _nameless(rows: pl.LazyFrame) -> int:
    traces = rows.group_by("trace_id").agg(
        pl.col("user_key").is_not_null().any().alias("user"), _SESSION.is_not_null().any().alias("session")
    )
    unknown = traces.filter(~pl.col("user") & ~pl.col("session"))
    return int(unknown.select(pl.len()).collect().item())


def _texts(rows: pl.LazyFrame, going: Collection[Going], blanking: Blanking) -> int:
    named = named_in(rows.with_columns(_US.alias("us")), blanking)
    maybe = _marked(named, going).filter(~pl.col("goes")).select("features").collect()
    return sum(blanking.blanked(features) is not None for features in maybe["features"])
