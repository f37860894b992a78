"""What the ingest benchmark works out of what it saw."""

from __future__ import annotations

import os

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.ingest.bodies import Bodies
from benchmarks.ingest.load import Sent, percentiles_ms
from benchmarks.ingest.measure import Crash, Load, lags
from benchmarks.ingest.processes import cpu_seconds, memory_mib
from benchmarks.ingest.report import Column, table
from syscard_tracing.otlp import decode_json
from syscard_tracing.otlp_proto import decode_protobuf


def _spans(body: bytes) -> list[tuple[bytes, bytes, bytes]]:
    spans = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    return [(span.trace_id, span.span_id, span.parent_span_id) for span in spans]


def test_no_two_bodies_share_an_id_and_parents_stay_in_their_body() -> None:
    bodies = [_spans(body) for body in Bodies(16).take(400)]
    names = [span for spans in bodies for _, span, _ in spans]
    assert len(set(names)) == len(names) == 6400
    for spans in bodies:
        assert {parent for _, _, parent in spans if parent} <= {span for _, span, _ in spans}


def test_a_span_is_queryable_at_the_first_look_that_counts_it() -> None:
    sent = [Sent(0.0, 1.0, 200), Sent(1.0, 1.5, 503), Sent(2.0, 2.5, 200)]
    assert lags(sent, 10, 100, [(1.2, 100), (3.0, 110), (4.0, 119), (5.0, 120)]) == [3.0, 3.0]


def test_a_span_that_never_came_has_no_end_of_its_lag() -> None:
    assert lags([Sent(0.0, 1.0, 200)], 10, 0, [(2.0, 9)]) == [float("inf")]


def test_the_time_to_an_answer_begins_when_the_request_was_due() -> None:
    assert percentiles_ms([Sent(1.0, 1.25, 200)] * 9 + [Sent(1.0, 3.0, 200)]) == (250.0, 2000.0)


def test_the_tree_of_a_process_has_cpu_and_memory() -> None:
    assert cpu_seconds(os.getpid()) > 0
    assert memory_mib(os.getpid()) > 1


def test_the_table_tells_the_median_round_and_leaves_open_what_was_not_measured() -> None:
    loads = [Load(per_cpu, 50.0, 1.0, 2.0, 0.5, 0) for per_cpu in (900.0, 100.0, 500.0)]
    told = table([Column("x", 64, "1", loads=loads, crash=Crash(10, 7, 1.0)), Column("y", 64, "1")])
    assert "| **queryable spans per server-CPU-second** | 500 (100-900) | - |" in told
    assert "| **kept after kill -9** | 7 of 10 | - |" in told
    assert "| half load: lag p50 / max s | - | - |" in told


def test_json_bodies_say_what_protobuf_bodies_say() -> None:
    (binary,), (text,) = Bodies(12).take(1), Bodies(12, as_json=True).take(1)
    one, other = decode_protobuf(binary), decode_json(text)
    assert not one.rejected
    assert not other.rejected
    assert [(span.name, span.attributes) for span in one.spans] == [
        (span.name, span.attributes) for span in other.spans
    ]
