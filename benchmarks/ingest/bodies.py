"""Bodies of requests with ids of their own, cheaply: what `benchmarks.spans` makes, marked anew for each use."""

from __future__ import annotations

import random
import time
from typing import Any, Final

import orjson
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.spans import request

_SPANS_MADE: Final = 5_120
"""Made one by one (about 0.1 ms each); more are these again, with other ids and times."""
PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Bodies:
    """An endless supply of requests of one size, no two with an id in common."""

    def __init__(self, spans: int, *, texts: bool = False, as_json: bool = False) -> None:
        self.spans = spans
        self.kind = JSON if as_json else PROTOBUF
        self._made_at = time.time_ns()
        count = max(_SPANS_MADE // spans, 4)
        self._made = [request(i, spans, self._made_at, texts=texts) for i in range(count)]
        self._rng = random.SystemRandom()

    def take(self, count: int) -> list[bytes]:
        """So many bodies, their spans starting now."""
        return [self.one(self._made[i % len(self._made)]) for i in range(count)]

    def one(self, made: ExportTraceServiceRequest | None = None) -> bytes:
        """One body."""
        message = ExportTraceServiceRequest()
        message.CopyFrom(made or self._rng.choice(self._made))
        self._mark(message.resource_spans[0].scope_spans[0].spans)
        return _as_json(message) if self.kind == JSON else message.SerializeToString()

    def _mark(self, spans: Any) -> None:
        trace, span, later = self._rng.getrandbits(128), self._rng.getrandbits(64), time.time_ns() - self._made_at
        for each in spans:
            each.trace_id = _xor(each.trace_id, trace, 16)
            each.span_id = _xor(each.span_id, span, 8)
            if each.parent_span_id:
                each.parent_span_id = _xor(each.parent_span_id, span, 8)
            each.start_time_unix_nano += later
            each.end_time_unix_nano += later


def _xor(name: bytes, mask: int, size: int) -> bytes:
    return (int.from_bytes(name, "big") ^ mask).to_bytes(size, "big")


def _as_json(message: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: ids in hex, enums as numbers."""
    found = MessageToDict(message, use_integers_for_enums=True)
    rows = found["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for row, span in zip(rows, message.resource_spans[0].scope_spans[0].spans, strict=True):
        row["traceId"], row["spanId"] = span.trace_id.hex(), span.span_id.hex()
        if span.parent_span_id:
            row["parentSpanId"] = span.parent_span_id.hex()
    return orjson.dumps(found)
