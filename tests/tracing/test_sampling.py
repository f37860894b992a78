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
from syscard_tracing.sampling import POLICY, SAMPLER, SAMPLING, Sampling, sampling_of
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
    found = sampling_of(state, {})
    assert found.share == (share if share is None else pytest.approx(share, rel=1e-5))
    assert found.by == (None if share is None else "probability")


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
    assert sampling_of("", attributes).share == share


@pytest.mark.parametrize(
    ("attributes", "by"),
    [
        ({"sampling.probability": 0.2}, "probability"),
        ({"sampler.type": "probabilistic", "sampler.param": 0.05}, "probability"),
        ({"sampler.type": "ratelimiting", "sampler.param": 2}, "rate limit"),
        ({"sampler.type": "lowerbound", "sampler.param": 0.1}, "rate limit"),
        ({"sampler.type": "const", "sampler.param": True}, None),
        ({"SampleRate": 10}, None),
        ({POLICY: "http-error-policy"}, "tail errors"),
        ({POLICY: "failed requests"}, "tail errors"),
        ({POLICY: "SLOW"}, "tail slow requests"),
        ({POLICY: "default-policy"}, "tail"),
        ({POLICY: "preferred"}, "tail"),
        ({POLICY: 7}, None),
        ({POLICY: "jan@example.org", "SampleRate": 4}, "tail"),
        ({}, None),
    ],
)
def test_how_traces_were_chosen_is_told_in_our_words_never_in_the_senders(
    attributes: Attributes, by: str | None
) -> None:
    assert sampling_of("", attributes).by == by


def test_a_tail_sampler_may_say_both_how_many_and_which() -> None:
    assert sampling_of("ot=th:8", {POLICY: "errors"}) == Sampling(0.5, "tail errors")


def test_the_trace_state_goes_before_attributes() -> None:
    assert sampling_of("ot=th:8", {"SampleRate": 10}).share == 0.5


@given(st.text(max_size=60), st.text() | st.floats() | st.integers() | st.lists(st.integers()))
def test_whatever_they_say_a_share_lies_between_none_and_all(state: str, value: object) -> None:
    found = sampling_of(f"ot={state}", {"SampleRate": value, "sampling.ratio": value}).share  # type: ignore[dict-item]
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
        features = json.loads(reading.as_dict()["features"])
        assert (features[SAMPLING], features[SAMPLER]) == (0.25, "probability")


def test_what_a_tail_sampler_writes_on_the_scope_is_read_out_of_either_encoding(now: datetime) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    part = request.resource_spans.add().scope_spans.add()
    said = part.scope.attributes.add()
    said.key, said.value.string_value = POLICY, "errors"
    span = part.spans.add()
    span.trace_id, span.span_id = b"a" * 16, b"b" * 8
    plain = {"traceId": "a" * 32, "spanId": "b" * 16}
    scope = {"attributes": [{"key": POLICY, "value": {"stringValue": "errors"}}]}
    wire = decode_document({"resourceSpans": [{"scopeSpans": [{"scope": scope, "spans": [plain]}]}]})
    for decoded in (wire, decode_protobuf(request.SerializeToString())):
        (reading,) = Normaliser(TraceRules(), bytes(32)).read(decoded.spans, now)
        assert json.loads(reading.as_dict()["features"]) == {SAMPLER: "tail errors"}


def test_a_long_trace_state_is_cut() -> None:
    long = {"traceId": "a" * 32, "spanId": "b" * 16, "traceState": "x" * 9999}
    assert (
        len(decode_document({"resourceSpans": [{"scopeSpans": [{"spans": [long]}]}]}).spans[0].trace_state) == MAX_STATE
    )
