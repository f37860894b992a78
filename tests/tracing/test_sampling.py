"""What a sender kept of its traces, in every way in which it may say so."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_tracing.normalise import Normaliser
from syscard_tracing.otlp import decode_document
from syscard_tracing.otlp_proto import decode_protobuf
from syscard_tracing.rules import TraceRules
from syscard_tracing.sampling import SAMPLING, kept_share
from syscard_tracing.spans import MAX_STATE, Attributes


@pytest.mark.parametrize(
    ("state", "share"),
    [
        ("ot=th:c", 0.25),
        ("ot=th:0", 1.0),
        ("ot=th:fd70a4", 0.01),
        ("vendor=x,ot=rv:abcdef12345678;th:8", 0.5),
        ("ot=p:3;r:5", 0.125),
        ("ot=p:63", None),
        ("ot=th:zz", None),
        ("ot=th:" + "f" * 15, None),
        ("other=th:8", None),
        ("", None),
    ],
)
def test_the_trace_state_says_how_many_were_kept(state: str, share: float | None) -> None:
    found = kept_share(state, {})
    assert found == (share if share is None else pytest.approx(share, rel=1e-5))


@pytest.mark.parametrize(
    ("attributes", "share"),
    [
        ({"SampleRate": 10}, 0.1),
        ({"sample_rate": "0.1"}, 0.1),
        ({"sampling.probability": 0.2}, 0.2),
        ({"_dd.rule_psr": 1}, 1.0),
        ({"sampler.type": "probabilistic", "sampler.param": 0.05}, 0.05),
        ({"sampler.type": "const", "sampler.param": 0.05}, None),
        ({"sampling.priority": 1}, None),
        ({"sampling.probability": 0}, None),
        ({"sampling.probability": "half"}, None),
        ({"SampleRate": True}, None),
        ({"SampleRate": float("nan")}, None),
        ({}, None),
    ],
)
def test_attributes_say_it_too(attributes: Attributes, share: float | None) -> None:
    assert kept_share("", attributes) == share


def test_the_trace_state_goes_before_attributes() -> None:
    assert kept_share("ot=th:8", {"SampleRate": 10}) == 0.5


@given(st.text(max_size=60), st.text() | st.floats() | st.integers() | st.lists(st.integers()))
def test_whatever_they_say_a_share_lies_between_none_and_all(state: str, value: object) -> None:
    found = kept_share(f"ot={state}", {"SampleRate": value, "sampling.ratio": value})  # type: ignore[dict-item]
    assert found is None or 0 < found <= 1


def test_it_is_read_out_of_either_encoding_and_kept_as_a_feature(now: datetime) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.trace_state = b"a" * 16, b"b" * 8, "ot=th:c"
    plain = {"traceId": "a" * 32, "spanId": "b" * 16, "traceState": "ot=th:c"}
    wire = decode_document({"resourceSpans": [{"scopeSpans": [{"spans": [plain]}]}]})
    for decoded in (wire, decode_protobuf(request.SerializeToString())):
        assert decoded.spans[0].trace_state == "ot=th:c"
        (reading,) = Normaliser(TraceRules(), bytes(32)).read(decoded.spans, now)
        assert json.loads(reading.as_dict()["features"])[SAMPLING] == 0.25


def test_a_long_trace_state_is_cut() -> None:
    long = {"traceId": "a" * 32, "spanId": "b" * 16, "traceState": "x" * 9999}
    assert (
        len(decode_document({"resourceSpans": [{"scopeSpans": [{"spans": [long]}]}]}).spans[0].trace_state) == MAX_STATE
    )
