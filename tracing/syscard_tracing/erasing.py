"""Which spans of a trace id are on their way out: what the lake and the inbox are told."""

from __future__ import annotations

from typing import NamedTuple


class Going(NamedTuple):
    """Spans of one use of a trace id, on their way out."""

    trace_id: str
    low_us: int | None = None
    """Where the id was used again at another time: only spans with low <= start <= high."""
    high_us: int | None = None
