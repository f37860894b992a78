"""Spans as lines of OTLP/JSON, for recordings: one document a line, ids in hex, times where they are wanted."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

Document = dict[str, Any]
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_TIMES: Final = ("startTimeUnixNano", "endTimeUnixNano")
_LEFT_OUT: Final = frozenset({"exception.stacktrace"})
"""A stack trace names files of the machine that it came from."""


def document(spans: Sequence[ReadableSpan]) -> Document:
    """One ExportTraceServiceRequest in OTLP/JSON: enums as numbers, ids in hex, times in whole microseconds."""
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    found: Document = MessageToDict(encode_spans(ordered), use_integers_for_enums=True)
    for span in spans_of(found):
        for holder in (span, *span.get("links", ())):
            for key in _IDS:
                if key in holder:
                    holder[key] = base64.b64decode(holder[key]).hex()
        for key in _TIMES:
            span[key] = _whole(span[key])
        for event in span.get("events", ()):
            event["timeUnixNano"] = _whole(event["timeUnixNano"])
            event["attributes"] = [a for a in event.get("attributes", ()) if a["key"] not in _LEFT_OUT]
    return found


def _whole(nanoseconds: str) -> str:
    """Down to the microsecond, which is what syscard keeps."""
    return str(int(nanoseconds) // 1000 * 1000)


def spans_of(found: Document) -> Iterator[dict[str, Any]]:
    """The spans of a document, which may be changed in place."""
    return (s for group in found["resourceSpans"] for scope in group["scopeSpans"] for s in scope["spans"])


def starting_at(found: Document, start_ns: int) -> Document:
    """The document with every time moved by one constant, so that its first span starts at a moment."""
    by = start_ns - min(int(span["startTimeUnixNano"]) for span in spans_of(found))
    for span in spans_of(found):
        for key in _TIMES:
            span[key] = str(int(span[key]) + by)
        for event in span.get("events", ()):
            event["timeUnixNano"] = str(int(event["timeUnixNano"]) + by)
    return found


def end_of(found: Document) -> int:
    """When the last span ended, nanoseconds since 1970."""
    return max(int(span["endTimeUnixNano"]) for span in spans_of(found))


def line(found: Document) -> str:
    """One line, without a blank in it."""
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)
