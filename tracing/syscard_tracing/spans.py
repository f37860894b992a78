"""A span as it came in, whatever wire format brought it: the neutral value between decoding and normalising."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

Value: TypeAlias = "str | bool | int | float | list[Any] | dict[str, Any] | None"
Attributes: TypeAlias = dict[str, Value]

MAX_DEPTH: Final = 8
"""Nesting of attribute values that is read; what lies deeper becomes None."""
MAX_ATTRIBUTES: Final = 1024
"""Attributes of one span, event or resource that are read; the rest is left."""
MAX_TEXT: Final = 1_000_000
"""Characters of one string that are read."""
MAX_ITEMS: Final = 1024
"""Elements of one array that are read."""
MAX_KEY: Final = 256
"""Characters of an attribute key; an attribute with a longer one is left."""
MAX_EVENTS: Final = 256
MAX_STATE: Final = 512
"""Characters of a trace state that are read, as W3C bounds it."""
MAX_LINKS: Final = 8
"""Links of one span that are read; the rest is left."""

STATUS_UNSET, STATUS_OK, STATUS_ERROR = 0, 1, 2


class Event(NamedTuple):
    """Something that happened during a span."""

    name: str
    attributes: Attributes
    body: Value = None
    """Of a log record."""


class Link(NamedTuple):
    """Another span that a span names, by ids as in `RawSpan`."""

    trace_id: str
    span_id: str


class RawSpan(NamedTuple):
    """One span, decoded and not yet judged. It may hold personal data: it never reaches a disk."""

    trace_id: str
    """32 lower-case hex digits, not all zero."""
    span_id: str
    """16 lower-case hex digits, not all zero."""
    parent_span_id: str | None
    name: str
    kind: int
    start_ns: int
    """Nanoseconds since 1970, 0 where the sender gave none."""
    end_ns: int
    attributes: Attributes
    events: tuple[Event, ...]
    status_code: int
    status_message: str
    resource: Attributes
    scope: str
    links: tuple[Link, ...] = ()
    trace_state: str = ""
    event_operation: str = ""
    """What its one event does for its parent, where it is no span but an event that came by itself."""


class Decoded(NamedTuple):
    """The spans of one request, and how many were refused for which reason."""

    spans: list[RawSpan]
    rejected: Counter[str]


_ZEROS: Final = frozenset({"0" * 32, "0" * 16})
_HEX: Final = frozenset("0123456789abcdef")


def id_problem(what: str, value: str, digits: int) -> str | None:
    """Why an id (lower-case hex) cannot be used, or None."""
    if len(value) != digits:
        return f"{what} is not {digits // 2} bytes"
    if not _HEX.issuperset(value):
        return f"{what} is not hex"
    return f"{what} is all zero" if value in _ZEROS else None


def ids_problem(trace_id: str, span_id: str, parent_span_id: str) -> str | None:
    """Why a span's ids cannot be used, or None. A parent may be missing or all zero (a root)."""
    problem = id_problem("trace id", trace_id, 32) or id_problem("span id", span_id, 16)
    if problem or not parent_span_id or parent_span_id in _ZEROS:
        return problem
    return id_problem("parent span id", parent_span_id, 16)


def good_links(ids: Iterable[tuple[str, str]]) -> tuple[Link, ...]:
    """Links whose ids (lower-case hex) can be used, the first `MAX_LINKS` of them."""
    usable = (Link(trace, span) for trace, span in ids if ids_problem(trace, span, "") is None)
    return tuple(islice(usable, MAX_LINKS))


def parent_or_none(parent_span_id: str) -> str | None:
    """The parent's id; None on a root, however its sender spells that."""
    return None if not parent_span_id or parent_span_id in _ZEROS else parent_span_id
