"""Observation rows as an Arrow table, and as bytes for the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syscard.errors import MissingExtra, TraceError
from syscard.observation import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa


def to_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows in the order of `COLUMNS` (times in microseconds, days since 1970) as an Arrow table.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    arrow = _pyarrow()
    schema = arrow_schema()
    if not rows:
        empty: pa.Table = schema.empty_table()
        return empty
    columns = [
        _column(arrow, values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    table: pa.Table = arrow.Table.from_arrays(columns, schema=schema)
    return table


def to_bytes(table: pa.Table) -> bytes:
    """The table as an Arrow IPC stream, lz4."""
    arrow = _pyarrow()
    sink = arrow.BufferOutputStream()
    # A request has few rows in many columns: a zstd context, or a thread's turn, for each costs more than the columns.
    options = arrow.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with arrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def from_bytes(bodies: Sequence[bytes]) -> pa.Table:
    """The tables of several inbox rows as one.

    Raises:
        TraceError: a body is no Arrow stream of observations.
    """
    arrow = _pyarrow()
    options = arrow.ipc.IpcReadOptions(use_threads=False)
    try:
        tables: pa.Table = arrow.concat_tables(
            [arrow.ipc.open_stream(body, options=options).read_all() for body in bodies]
        )
    except (arrow.ArrowInvalid, OSError) as error:
        raise TraceError(f"the inbox holds a batch that is not readable ({error}): run syscard doctor") from error
    return tables


def _column(arrow: Any, values: tuple[Any, ...], kind: Any) -> Any:
    if arrow.types.is_date32(kind):
        return arrow.array(values, arrow.int32()).cast(kind)
    return arrow.array(values, kind)


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise MissingExtra("server", "storing spans") from error
    return pa
