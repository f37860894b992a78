"""Wire formats: what comes out must not depend on the encoding, and nothing bad gets further than here."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from syscard.errors import BadSpanData, BodyTooLarge, SyscardError, UnsupportedMedia
from syscard_tracing.inflate import inflate
from syscard_tracing.otlp import count_json_points, decode_document, decode_json, decode_json_logs
from syscard_tracing.otlp_attributes import REMEMBERED, AttributeReader
from syscard_tracing.otlp_proto import decode_protobuf, reply, status_body
from syscard_tracing.signals import Accepted, Signal
from syscard_tracing.spans import MAX_DEPTH, MAX_LINKS

SETUPS = ("otel-genai-langchain-latest", "openinference-langchain", "mlflow-langchain")
NAMES = [f"{setup}-{n}" for setup in SETUPS for n in ("02", "04", "05")]


@pytest.mark.parametrize("name", NAMES)
def test_json_and_protobuf_of_the_same_spans_decode_to_the_same(name: str, data: Path) -> None:
    from_json = decode_json((data / f"{name}.json").read_bytes())
    from_protobuf = decode_protobuf((data / f"{name}.pb").read_bytes())
    assert from_json.spans
    assert from_json == from_protobuf


def _one(attributes: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "attributes": attributes or [], **fields}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def _attribute(value: object) -> list[dict[str, Any]]:
    return [{"key": "k", "value": value}]


def test_ids_are_read_in_any_case() -> None:
    assert decode_document(_one(traceId="AB" * 16)).spans[0].trace_id == "ab" * 16


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("traceId", "", "trace id is not 16 bytes"),
        ("traceId", "ab", "trace id is not 16 bytes"),
        ("traceId", "0" * 32, "trace id is all zero"),
        ("traceId", "x" * 32, "trace id is not hex"),
        ("spanId", "ab" * 9, "span id is not 8 bytes"),
        ("spanId", "0" * 16, "span id is all zero"),
        ("parentSpanId", "ab", "parent span id is not 8 bytes"),
    ],
)
def test_a_bad_id_refuses_its_span_and_no_other(field: str, value: str, reason: str) -> None:
    request = _one()
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0][field] = value
    request["resourceSpans"] += _one()["resourceSpans"]
    decoded = decode_document(request)
    assert decoded.rejected == {reason: 1}
    assert len(decoded.spans) == 1


def test_bad_ids_are_refused_in_protobuf_too() -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=b"short", span_id=b"12345678")
    spans.add(trace_id=b"0123456789abcdef", span_id=b"12345678")
    decoded = decode_protobuf(request.SerializeToString())
    assert (len(decoded.spans), sum(decoded.rejected.values())) == (1, 1)


@pytest.mark.parametrize("parent", ["", "0" * 16, None])
def test_a_root_may_spell_its_missing_parent_in_three_ways(parent: str | None) -> None:
    assert decode_document(_one(parentSpanId=parent)).spans[0].parent_span_id is None


@pytest.mark.parametrize("number", ["42", 42, 42.0])
def test_64_bit_numbers_are_read_as_string_or_number(number: object) -> None:
    span = decode_document(_one(_attribute({"intValue": number}), startTimeUnixNano=number)).spans[0]
    assert (span.attributes["k"], span.start_ns) == (42, 42)


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert decode_document(_one(_attribute({"futureValue": 1}), fromTheFuture={"a": [1]})).spans[0].attributes == {
        "k": None
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"\xff\xfe",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": [5]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 7}]}]}]}',
        b"[" * 200_000,
        json.dumps(_one(kind="SPAN_KIND_SERVER")).encode(),
        json.dumps(_one(startTimeUnixNano="tomorrow")).encode(),
        json.dumps(_one(startTimeUnixNano="-1")).encode(),
        json.dumps(_one(startTimeUnixNano="--5")).encode(),
        json.dumps(_one(endTimeUnixNano=str(1 << 64))).encode(),
        json.dumps(_one(_attribute({"intValue": "9" * 19}))).encode(),
        json.dumps(_one(_attribute({"doubleValue": True}))).encode(),
        json.dumps(_one(_attribute("bare"))).encode(),
        json.dumps(_one([5])).encode(),  # type: ignore[list-item]
    ],
)
def test_what_is_no_otlp_json_is_bad_span_data(body: bytes) -> None:
    with pytest.raises(BadSpanData):
        decode_json(body)


NO_NUMBERS: list[object] = [[], {}, "", " ", "x", "1e3", "1" * 21, False, True, [1], {"low": 1}, 0.5, -1, "-1"]
NO_TEXTS: list[object] = [[], {}, 0, False, 7]


def _set(where: str, key: str, value: object) -> dict[str, Any]:
    """A request with a value in a span, or in the one event, link or status of a span."""
    if not where:
        return _one(None, **{key: value})
    inner: dict[str, Any] = {"traceId": "a" * 32, "spanId": "b" * 16} if where == "links" else {}
    return _one(None, **{where: inner | {key: value} if where == "status" else [inner | {key: value}]})


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(
    ("where", "key"),
    [
        ("", "startTimeUnixNano"), ("", "endTimeUnixNano"), ("", "flags"), ("links", "flags"),
        ("events", "timeUnixNano"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_bad_data_and_not_nought(where: str, key: str, value: object) -> None:
    with pytest.raises(BadSpanData, match=f"{key} must be an unsigned"):
        decode_document(_set(where, key, value))
    assert decode_document(_set(where, key, None)) == decode_document(_set(where, "fromTheFuture", 1))


@pytest.mark.parametrize("value", [[], {}, "", "1", False, True, 0.5, 1 << 31], ids=repr)
@pytest.mark.parametrize(("where", "key"), [("", "kind"), ("status", "code")])
def test_what_is_no_enum_is_bad_data(where: str, key: str, value: object) -> None:
    with pytest.raises(BadSpanData, match=f"{key} must be a number"):
        decode_document(_set(where, key, value))
    assert decode_document(_set(where, key, None)) == decode_document(_set(where, "fromTheFuture", 1))


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
@pytest.mark.parametrize(
    ("where", "key"), [("", "traceId"), ("", "spanId"), ("", "parentSpanId"), ("links", "traceId"), ("links", "spanId")]
)
def test_an_id_that_is_no_text_is_bad_data_and_not_missing(where: str, key: str, value: object) -> None:
    with pytest.raises(BadSpanData, match=f"{key} must be a string"):
        decode_document(_set(where, key, value))


@pytest.mark.parametrize("key", ["timeUnixNano", "observedTimeUnixNano", "flags"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_times_and_flags_of_log_records_are_numbers_too(key: str, value: object) -> None:
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{key: value}]}]}]}
    with pytest.raises(BadSpanData, match=f"{key} must be an unsigned"):
        decode_json_logs(json.dumps(body).encode())


@pytest.mark.parametrize(
    "body", [b"[" + b"7" * 5000 + b"]", b'{"resourceSpans": ' + b"7" * 5000 + b"}"], ids=["list", "object"]
)
def test_how_python_bounds_its_numbers_is_not_told(body: bytes) -> None:
    for decode in (decode_json, decode_json_logs, count_json_points):
        with pytest.raises(BadSpanData, match=r"^a number in the JSON has too many digits$"):
            decode(body)


@given(st.binary(max_size=200))
def test_random_bytes_decode_or_are_refused_and_never_crash(body: bytes) -> None:
    for decode in (decode_json, decode_protobuf):
        try:
            decoded = decode(body)
        except SyscardError:
            continue
        assert all(len(span.trace_id) == 32 for span in decoded.spans)


_KEYS = st.sampled_from(
    ["traceId", "attributes", "value", "key", "intValue", "arrayValue", "values", "events", "status", "code", "name"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(_JSON)
def test_any_json_in_the_place_of_a_span_decodes_or_is_refused(span: object) -> None:
    try:
        decoded = decode_document({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    except SyscardError:
        return
    assert len(decoded.spans) + sum(decoded.rejected.values()) == 1


def test_values_nested_too_deeply_are_cut_off_and_the_rest_is_read() -> None:
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(MAX_DEPTH + 5):
        value = {"arrayValue": {"values": [value]}}
    span = decode_document(_one([*_attribute(value), {"key": "n", "value": {"boolValue": True}}])).spans[0]
    assert span.attributes["n"] is True
    assert "deep" not in str(span.attributes)


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "deflate", "identity", "", "GZIP"]))
def test_inflating_gives_back_what_was_sent(body: bytes, encoding: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    packed = packers.get(encoding.lower(), bytes)(body)
    assert inflate(packed, encoding) == body


def test_several_gzip_members_are_one_body() -> None:
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip") == b"one two"


def test_gzip_members_without_end_are_refused_and_cost_little() -> None:
    """Each is twenty bytes, and nothing comes out of it: no limit on what comes out would ever be reached."""
    body = gzip.compress(b"") * 400_000
    with pytest.raises(BadSpanData, match="more than 1000 gzip members"):
        inflate(body, "gzip")


@given(st.binary(max_size=400), st.integers(1, 60), st.integers(1, 5))
def test_what_was_packed_comes_out_whole(piece: bytes, times: int, members: int) -> None:
    text = piece * times * 100
    assert inflate(gzip.compress(text) * members, "gzip") == text * members
    assert inflate(zlib.compress(text), "deflate") == text


@pytest.mark.parametrize("cut", [0, 1, 5, 12, -1])
def test_truncated_gzip_is_bad_span_data(cut: int) -> None:
    with pytest.raises(BadSpanData):
        inflate(gzip.compress(b"spans" * 1000)[:cut], "gzip")


def test_what_is_no_gzip_is_bad_span_data() -> None:
    with pytest.raises(BadSpanData):
        inflate(b"plain", "gzip")


def test_a_bomb_is_refused_at_the_limit() -> None:
    bomb = gzip.compress(bytes(1 << 24))
    with pytest.raises(BodyTooLarge):
        inflate(bomb, "gzip", limit=1 << 16)
    with pytest.raises(BodyTooLarge):
        inflate(bytes(11), "", limit=10)


def test_an_encoding_that_is_not_read_is_said() -> None:
    with pytest.raises(UnsupportedMedia, match="zstd"):
        inflate(b"", "zstd")


def test_replies_say_nothing_on_full_success_and_count_what_was_refused() -> None:
    nothing = Counter[str]()
    for signal in Signal:
        assert reply(Accepted(1, nothing, signal), as_json=False) == b""
        assert json.loads(reply(Accepted(1, nothing, signal), as_json=True)) == {}
    bad = Counter({"bad": 2})
    for signal, member, unit in (
        (Signal.TRACES, "rejectedSpans", "spans"),
        (Signal.LOGS, "rejectedLogRecords", "log records dropped"),
        (Signal.METRICS, "rejectedDataPoints", "metric data points dropped"),
    ):
        told = json.loads(reply(Accepted(1, bad, signal), as_json=True))
        assert told == {"partialSuccess": {member: "2", "errorMessage": f"2 {unit}: bad"}}
    assert (
        ExportTraceServiceResponse.FromString(reply(Accepted(1, bad), as_json=False)).partial_success.rejected_spans
        == 2
    )
    assert json.loads(status_body(3, "why", as_json=True)) == {"code": 3, "message": "why"}


LINKS: list[dict[str, Any]] = [
    {"traceId": "A" * 32, "spanId": "b" * 16, "attributes": _attribute({"stringValue": "not kept"})},
    {"traceId": "0" * 32, "spanId": "b" * 16},
    {"traceId": "a" * 32},
    {"traceId": "c" * 32, "spanId": "d" * 16},
]


def test_links_are_read_where_their_ids_can_be_used() -> None:
    assert decode_document(_one(links=LINKS)).spans[0].links == (("a" * 32, "b" * 16), ("c" * 32, "d" * 16))
    assert decode_document(_one()).spans[0].links == ()


def test_links_in_protobuf_are_the_same() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    for link in LINKS:
        trace, other = bytes.fromhex(link["traceId"]), bytes.fromhex(link.get("spanId", ""))
        span.links.add(trace_id=trace, span_id=other)
    assert (
        decode_protobuf(request.SerializeToString()).spans[0].links == decode_document(_one(links=LINKS)).spans[0].links
    )


def test_a_span_with_very_many_links_keeps_the_first_few() -> None:
    many = [{"traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}"} for i in range(100)]
    assert [int(link.span_id, 16) for link in decode_document(_one(links=many)).spans[0].links] == [
        *range(1, MAX_LINKS + 1)
    ]
    with pytest.raises(BadSpanData, match="links must be an array of objects"):
        decode_document(_one(links="many"))


SCALARS = st.one_of(
    st.text(max_size=200).map(lambda text: AnyValue(string_value=text)),
    st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: AnyValue(int_value=number)),
    st.integers(0, 300).map(lambda number: AnyValue(int_value=number)),
    st.floats(allow_nan=False).map(lambda number: AnyValue(double_value=number)),
    st.booleans().map(lambda truth: AnyValue(bool_value=truth)),
    st.binary(max_size=8).map(lambda data: AnyValue(bytes_value=data)),
    st.just(AnyValue()),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3).map(lambda items: AnyValue(array_value=ArrayValue(values=items)))


def _official(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_official(item) for item in value.array_value.values]
    return None if kind in (None, "bytes_value") else getattr(value, kind)


@given(st.lists(st.tuples(st.text(max_size=140), VALUES), max_size=6))
def test_an_attribute_says_what_protobufs_own_message_says(pairs: list[tuple[str, AnyValue]]) -> None:
    wire = [KeyValue(key=key, value=value).SerializeToString() for key, value in pairs]
    reader = AttributeReader()
    expected = {key: _official(value) for key, value in pairs if key}
    for _ in range(2):  # the second time from what is remembered
        found = reader.read(wire)
        assert found == expected
        assert {key: type(value) for key, value in found.items()} == {k: type(v) for k, v in expected.items()}


@given(st.binary(max_size=40))
def test_bytes_that_are_no_attribute_are_refused_as_protobuf_refuses_them(raw: bytes) -> None:
    body = ExportTraceServiceRequest()
    span = body.resource_spans.add().scope_spans.add().spans.add(trace_id=b"0123456789abcdef", span_id=b"12345678")
    wire = span.SerializeToString() + b"\x4a" + bytes([len(raw)]) + raw  # attributes = 9
    request = b"\x0a" + bytes([len(wire) + 4]) + b"\x12" + bytes([len(wire) + 2]) + b"\x12" + bytes([len(wire)]) + wire
    try:
        official = ExportTraceServiceRequest.FromString(request)
    except DecodeError:
        with pytest.raises(BadSpanData):
            decode_protobuf(request)
        return
    (attribute,) = official.resource_spans[0].scope_spans[0].spans[0].attributes
    expected = {attribute.key: _official(attribute.value)} if attribute.key else {}
    assert repr(decode_protobuf(request).spans[0].attributes) == repr(expected)


def test_what_is_remembered_of_attributes_is_bounded() -> None:
    reader = AttributeReader()
    for number in range(REMEMBERED + 10):
        reader.read([KeyValue(key=f"k{number}", value=AnyValue(int_value=number)).SerializeToString()])
    assert len(reader._pairs) <= REMEMBERED
    assert len(reader._keys) <= REMEMBERED


def test_the_same_resource_is_one_object_and_another_is_not() -> None:
    reader = AttributeReader()
    one, other = (
        Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=name))]).SerializeToString()
        for name in ("shop", "search")
    )
    assert reader.resource(one) is reader.resource(bytes(one))
    assert reader.resource(other) == {"service.name": "search"}
