"""The only module of the monitors that imports Polars: rows out of the lake, expressions over requests.

Expressions are Polars SQL (`pl.sql_expr`), which refuses files, sub-selects and unknown functions: a data-only
language. Field names may be written bare (`vlm.agrees`); they are quoted here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from syscard.errors import MonitorError
from syscard.observation import FEEDBACK
from syscard_monitors.assemble import Request
from syscard_monitors.functions import computed
from syscard_monitors.traces import Row

if TYPE_CHECKING:
    import polars as pl

MAX_EXPRESSION: Final = 500
NEEDED: Final = (
    "trace_id", "span_id", "parent_span_id", "name", "scope", "operation", "component", "duration_us", "error_type",
    "fallback",
    "input_tokens", "output_tokens", "counts_tokens", "component_version", "model", "model_response", "prompt_hash",
    "features", "service", "user_key",
)  # fmt: skip
"""Columns that requests are made of."""
_SURVEYED: Final = ("environment", "segment", "dialect")
MOST_SURVEYED: Final = 200_000
_MEMBER: Final = re.compile(r"^\s*([\w.]+)\s+(not\s+)?in\s+([\w.]+)\s*$")
# Not behind a digit: the e of 1e-6 is no field.
_TOKEN: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|(?<!\w)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_WORDS: Final = frozenset(
    ("and", "or", "not", "in", "is", "null", "true", "false", "like", "between", "case", "when", "then", "else", "end")
)
_REFUSED: Final = frozenset(("select", "from", "with", "exists"))


def rows(
    scan: pl.LazyFrame,
    *,
    services: Sequence[str],
    environment: str | None = None,
    limit: int,
    until_us: int | None = None,
) -> list[Row]:
    """The oldest observations of a system in a stretch of time, as rows with times in microseconds.

    Args:
        scan: observations (`syscard.observation.COLUMNS`).
        services: `service.name` values that belong to the system; empty takes all.
        environment: `deployment.environment.name`, None takes all.
        limit: most rows to take; exactly so many mean that there may be more.
        until_us: from this start on only feedback is taken, which comes late; None takes all.
    """
    import polars as pl

    # Where the clock is suspect event time says nothing, and would order requests wrongly.
    scan = _of_system(scan.filter(~pl.col("clock_suspect")), services, environment)
    if until_us is not None:
        until = datetime.fromtimestamp(until_us / 1_000_000, UTC)
        scan = scan.filter((pl.col("start") < until) | (pl.col("operation") == FEEDBACK))
    times = [pl.col(name).dt.epoch("us").alias(f"{name}_us") for name in ("start", "received")]
    return scan.select(*NEEDED, *times).bottom_k(limit, by="start_us").collect().to_dicts()


def suspects(scan: pl.LazyFrame, *, services: Sequence[str], environment: str | None, after_us: int) -> int:
    """How many spans of a system with a suspect clock were received after a moment."""
    import polars as pl

    after = datetime.fromtimestamp(after_us / 1_000_000, UTC)
    # They lie under the day on which they were received: files of days before are not opened.
    scan = scan.filter(pl.col("day") >= after.date(), pl.col("clock_suspect"))
    return int(
        _of_system(scan, services, environment).filter(pl.col("received") > after).select(pl.len()).collect().item()
    )


def sums(
    scan: pl.LazyFrame,
    *,
    services: Sequence[str],
    environment: str | None,
    start: datetime,
    end: datetime,
    cost: Sequence[str],
) -> dict[str, Any]:
    """Requests of a system that began in `[start, end)`, their cost, and the answers that came in it.

    Args:
        scan: observations from before the period on.
        services: as of `rows`.
        environment: as of `rows`.
        start: event time.
        end: event time.
        cost: attributes that say what a call cost; the first that is there counts.
    """
    import polars as pl

    ours = _of_system(scan.filter(~pl.col("clock_suspect"), pl.col("start") < end), services, environment)
    is_answer = (pl.col("operation") == FEEDBACK) & pl.col("component").is_null()
    told = pl.coalesce(*(_feature(key).cast(pl.Float64, strict=False) for key in cost))
    # Only of calls whose tokens count: what is told of a call twice was paid once.
    counted = pl.when(pl.col("counts_tokens")).then(told)
    calls = ours.filter(is_answer.is_null() | ~is_answer).group_by("trace_id")
    traces = calls.agg(pl.col("start").min(), counted.sum().alias("cost"), counted.count().alias("told"))
    began = traces.filter(pl.col("start") >= start)
    requests, paid, total = began.select(
        pl.len().alias("n"), (pl.col("told") > 0).sum().alias("told"), pl.col("cost").sum()
    ).collect().row(0)  # fmt: skip
    answered = ours.filter(is_answer, pl.col("start") >= start).select(_feature("feedback.accepted").alias("said"))
    answers, accepted = answered.select(
        pl.col("said").is_in(["true", "false"]).sum().alias("n"), (pl.col("said") == "true").sum().alias("yes")
    ).collect().row(0)  # fmt: skip
    return {
        "requests": requests, "cost": float(total) if paid else None, "with_cost": paid, "answers": answers,
        "accepted": accepted,
    }  # fmt: skip


def _feature(key: str) -> pl.Expr:
    """An attribute that is kept beside the columns, as text."""
    import polars as pl

    return pl.col("features").str.json_path_match(f"$['{key}']")


def _of_system(scan: pl.LazyFrame, services: Sequence[str], environment: str | None) -> pl.LazyFrame:
    import polars as pl

    if services:
        scan = scan.filter(pl.col("service").is_in(list(services)))
    return scan if environment is None else scan.filter(pl.col("environment") == environment)


def newest_rows(scan: pl.LazyFrame, limit: int = MOST_SURVEYED) -> list[Row]:
    """The newest observations whatever system they belong to, oldest first, with what tells systems apart."""
    import polars as pl

    times = [pl.col(name).dt.epoch("us").alias(f"{name}_us") for name in ("start", "received")]
    found = scan.filter(~pl.col("clock_suspect")).select(*NEEDED, *_SURVEYED, *times).top_k(limit, by="start_us")
    return found.sort("start_us", "trace_id", "span_id").collect().to_dicts()


@lru_cache(maxsize=1024)
def fields_of(expression: str) -> frozenset[str]:
    """Field names in an expression."""
    tokens = (t for t in _TOKEN.findall(expression) if not t.startswith("'"))
    return frozenset(t.strip('"') for t in tokens if t.lower() not in _WORDS and not _is_call(t, expression))


def _is_call(token: str, expression: str) -> bool:
    return "." not in token and re.search(rf"\b{re.escape(token)}\s*\(", expression) is not None


@lru_cache(maxsize=1024)
def quoted(expression: str) -> str:
    """The expression with every field name in double quotes, as SQL wants names with dots."""
    fields = fields_of(expression)

    def quote(match: re.Match[str]) -> str:
        token = match[0]
        return f'"{token}"' if token in fields else token

    return _TOKEN.sub(quote, expression)


def evaluate(requests: Sequence[Request], expression: str) -> list[Any] | None:
    """The value of an expression for every request; None where no request has all of its fields.

    Repeated calls of a component are reduced first: booleans and numbers to their mean, text to its first value.
    `a not in b` over lists gives the number of `a` that are not in `b`; `syscard_monitors.functions` has some more.

    Raises:
        MonitorError: the expression is none, or cannot be computed on these values.
    """
    if len(expression) > MAX_EXPRESSION:
        raise MonitorError(f"expression longer than {MAX_EXPRESSION} characters")
    told = computed(expression, requests)
    if told is not None:
        return None if all(value is None for value in told) else told
    member = _MEMBER.match(expression)
    if member:
        return _members(requests, member[1], member[3], negate=bool(member[2]))
    wanted = fields_of(expression)
    # Read first: what is no expression must not pass for one that no span carries.
    parsed = None if wanted == {expression} else _parsed(expression)
    columns = {name: _column(name, requests) for name in wanted}
    if any(all(v is None for v in column) for column in columns.values()):
        return None
    if parsed is None:
        return columns[expression]
    values = _computed(columns, parsed, expression)
    if len(values) != len(requests):
        raise MonitorError(f"{expression}: gives no value for each request")
    return values


def is_event(expression: str, about: str) -> bool:
    """Whether calls of a component say so only where it happened: of a fallback, silence means that there was none."""
    return expression == f"{about}.fallback"


def events(requests: Sequence[Request], expression: str, about: str) -> list[float | None]:
    """1 for a request in which it happened, 0 for one that reached the component, None for any other."""
    return [float(any(r.values.get(expression, ()))) if f"{about}.call" in r.values else None for r in requests]


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> pl.Expr:
    import polars as pl

    if _REFUSED & {t.lower() for t in _TOKEN.findall(expression)}:
        raise MonitorError(f"{expression}: only fields and functions of them, no sub-selects")
    try:
        return pl.sql_expr(quoted(expression)).alias("value")
    except pl.exceptions.PolarsError as error:
        raise MonitorError(f"{expression}: {str(error).splitlines()[0]}") from error


def _computed(columns: Mapping[str, list[Any]], parsed: pl.Expr, expression: str) -> list[Any]:
    import polars as pl

    try:
        return pl.DataFrame(columns, strict=False).select(parsed)["value"].to_list()
    except pl.exceptions.PolarsError as error:
        raise MonitorError(f"{expression}: {str(error).splitlines()[0]}") from error


def _column(name: str, requests: Sequence[Request]) -> list[Any]:
    """One value a request; where some requests have a mean of booleans, all are numbers."""
    column = [_reduced(name, r.values) for r in requests]
    if any(isinstance(v, float) for v in column):
        return [float(v) if isinstance(v, bool) else v for v in column]
    return column


def _reduced(name: str, values: Mapping[str, list[Any]]) -> Any:
    if name.endswith(".calls"):
        return float(len(values.get(f"{name.removesuffix('.calls')}.call", ())))
    calls = values.get(name)
    if not calls:
        return None
    if isinstance(calls[0], str | list):
        return calls[0] if isinstance(calls[0], str) else None
    if len(calls) == 1:
        return calls[0]
    try:
        return sum(map(float, calls)) / len(calls)
    except (TypeError, ValueError) as error:
        raise MonitorError(f"{name}: numbers beside something else in one request") from error


def _members(requests: Iterable[Request], item: str, collection: str, *, negate: bool) -> list[Any] | None:
    counts = [_count_members(r.values, item, collection, negate=negate) for r in requests]
    return None if all(c is None for c in counts) else counts


def _count_members(values: Mapping[str, list[Any]], item: str, collection: str, *, negate: bool) -> float | None:
    if item not in values or collection not in values:
        return None
    allowed = set(_flat(values[collection]))
    return float(sum((x in allowed) != negate for x in _flat(values[item])))


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value
