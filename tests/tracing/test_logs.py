"""Log records: GenAI events of a span are rows of their own that are no calls; the rest is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from syscard.clock import ReplayClock
from syscard.home import Home
from syscard.system import Keep
from syscard_tracing.dialects import shipped_dialects
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.logs import LogRecord, as_spans
from syscard_tracing.normalise import Normaliser
from syscard_tracing.otlp import decode_json_logs
from syscard_tracing.otlp_proto import decode_protobuf_logs
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.roller import roll_all
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules
from syscard_tracing.signals import Signal
from syscard_tracing.spans import Attributes

KEY = bytes(32)


def one_key(_time_ns: int) -> bytes:
    return KEY


SHIPPED = shipped_dialects()
TRACE, SPAN = "a" * 32, "b" * 16
AT = 1_795_000_000_000_000_000
JUDGED: Attributes = {
    "gen_ai.evaluation.name": "relevance",
    "gen_ai.evaluation.score.value": 0.75,
    "gen_ai.evaluation.score.label": "relevant",
    "gen_ai.evaluation.explanation": "Anna Smith asked for exactly this",
    "gen_ai.response.id": "resp-1",
    "syscard.component": "llm",
    "user.id": "anna",
}
SHOP: Attributes = {"service.name": "shop"}


def record(name: str, attributes: dict[str, Any] | None = None, body: Any = None, **changes: Any) -> LogRecord:
    found = LogRecord(TRACE, SPAN, AT, name, attributes or {}, body, SHOP, "judge")
    return found._replace(**changes)


def row_of(one: LogRecord, rules: TraceRules | None = None) -> dict[str, Any]:
    decoded = as_spans([one], SHIPPED, one_key)
    assert not decoded.rejected
    received = datetime.fromtimestamp(AT / 1e9, UTC)
    (reading,) = Normaliser(rules or TraceRules(), KEY).read(decoded.spans, received)
    row = reading.as_dict()
    return {**row, "features": json.loads(row["features"])}


def test_an_evaluation_is_a_row_below_its_span_that_is_no_call() -> None:
    row = row_of(record("gen_ai.evaluation.result", JUDGED))
    assert (row["trace_id"], row["parent_span_id"], row["operation"]) == (TRACE, SPAN, "evaluation")
    assert row["span_id"] != SPAN
    assert (row["component"], row["counts_tokens"], row["error_type"], row["user_key"]) == (None, False, None, None)
    assert (row["name"], row["duration_us"]) == ("gen_ai.evaluation.result", 0)
    features = row["features"]
    assert (features["evaluation.relevance.score"], features["evaluation.relevance.label"]) == (0.75, "relevant")
    assert features["gen_ai.evaluation.explanation.words"] == 6
    assert "Anna" not in str(row)


def test_a_rule_that_selects_by_service_does_not_take_an_event_for_its_component() -> None:
    component = ComponentRule("llm", (("service.name", "shop"),), Keep.FEATURES)
    rules = TraceRules((SystemRule((("service.name", "shop"),), (component,), (), None, Keep.FEATURES),))
    names = {name for dialect in SHIPPED.all for name in dialect.events}
    assert "gen_ai.evaluation.result" in names
    for name in names:
        said = {**JUDGED, "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.tool.name": "t"}
        said["gen_ai.input.messages"] = "hello"
        row = row_of(record(name, said, "hello"), rules)
        assert (row["component"], row["counts_tokens"]) == (None, False), name


def test_content_is_counted_and_kept_no_fuller_than_any_part_of_the_system_is() -> None:
    component = ComponentRule("llm", (("service.name", "shop"),), Keep.FEATURES)
    system = SystemRule((("service.name", "shop"),), (component,), (), None, Keep.FULL)
    said = {"gen_ai.input.messages": '[{"role":"user","content":"a secret wish"}]', "gen_ai.operation.name": "chat"}
    one = record("gen_ai.client.inference.operation.details", said)
    row = row_of(one, TraceRules((system,)))
    assert row["operation"] == "content"
    assert row["features"]["gen_ai.input.messages.words"] == 3
    assert "secret" not in str(row)
    full = replace(system, components=(replace(component, keep=Keep.FULL),))
    assert "secret" in str(row_of(one, TraceRules((full,))))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("gen_ai.system.message", "gen_ai.system_instructions"),
        ("gen_ai.user.message", "gen_ai.input.messages"),
        ("gen_ai.choice", "gen_ai.output.messages"),
    ],
)
def test_older_events_hold_their_message_in_the_body(name: str, field: str) -> None:
    assert row_of(record(name, None, {"content": "two words", "role": "user"}))["features"][f"{field}.words"] == 2
    assert row_of(record("", {"event.name": name}, "two words"))["features"][f"{field}.words"] == 2


def test_a_record_that_is_sent_again_after_the_key_was_changed_keeps_its_id() -> None:
    """The key is that of the record's own time; without one, it is the key in use."""
    changed = AT + 1

    def key_at(time_ns: int) -> bytes:
        return bytes(32) if 0 < time_ns < changed else bytes(31) + b"x"

    said = record("gen_ai.evaluation.result", JUDGED)
    before, after = (as_spans([said], SHIPPED, of).spans[0].span_id for of in (one_key, key_at))
    assert before == after
    later = said._replace(time_ns=changed)
    assert as_spans([later], SHIPPED, key_at).spans[0].span_id != as_spans([later], SHIPPED, one_key).spans[0].span_id


def test_everything_else_is_counted_by_reason() -> None:
    judged = record("gen_ai.evaluation.result", JUDGED)
    decoded = as_spans(
        [
            record("", None, "a line of a log"),
            record("user.login"),
            judged._replace(trace_id="", span_id=""),
            judged._replace(attributes={"gen_ai.evaluation.name": "Was Anna Smith of Berlin happy with all of it?"}),
            record("gen_ai.user.message"),
            judged,
        ],
        SHIPPED,
        one_key,
    )
    assert len(decoded.spans) == 1
    assert decoded.rejected == {
        "only evaluation and content events that a dialect names are read": 2,
        "trace id is not 16 bytes, so the event belongs to no span": 1,
        "the event says nothing": 2,
    }


def test_an_event_sent_again_has_the_same_id_and_another_has_not() -> None:
    judged = record("gen_ai.evaluation.result", JUDGED)
    others = [
        judged,
        judged._replace(time_ns=AT + 1),
        judged._replace(attributes=JUDGED | {"gen_ai.evaluation.score.value": 0.5}),
        judged._replace(span_id="c" * 16),
    ]
    first, again = (tuple(s.span_id for s in as_spans(others, SHIPPED, one_key).spans) for _ in range(2))
    assert first == again
    assert len(set(first)) == 4
    (elsewhere,) = as_spans([judged], SHIPPED, lambda _: bytes(31) + b"x").spans
    assert elsewhere.span_id != first[0], "or the id would give the content away"


OWN = """
schema: syscard-dialect/1
name: acme
order: 5
detect: {scopes: [acme.]}
operation: {keys: [acme.kind]}
events:
  acme.verdict:
    text: {acme.why: acme.why}
    evaluation: {name: [acme.judge], score: [acme.points]}
  acme.said: {text: {body: gen_ai.output.messages}}
"""


@pytest.mark.parametrize("scope", ["acme.sdk", "somebody.elses"])
def test_an_event_that_a_dialect_of_ones_own_names_is_read(scope: str, home: Home, inbox: Inbox, lake: Lake) -> None:
    home.dialects.mkdir(parents=True)
    (home.dialects / "acme.yaml").write_text(OWN, encoding="utf-8")
    said = [("acme.judge", {"stringValue": "tone"}), ("acme.points", {"intValue": "4"}),
            ("acme.why", {"stringValue": "Anna was rude"}), ("acme.private", {"stringValue": "secret"})]  # fmt: skip
    verdict = EVENT | {"eventName": "acme.verdict", "attributes": [{"key": k, "value": v} for k, v in said]}
    words = EVENT | {"eventName": "acme.said", "attributes": [], "body": {"stringValue": "one two three"}}
    clock = ReplayClock(datetime.fromtimestamp(AT / 1e9, UTC))
    body = json.dumps(wire(verdict, words, EVENT, EVENT | {"eventName": "acme.other"})).replace('"judge"', f'"{scope}"')
    accepted = Pipeline(home, inbox, TraceRules, clock).accept(body.encode(), as_json=True, signal=Signal.LOGS)
    assert (accepted.rows, sum(accepted.rejected.values())) == (3, 1)
    roll_all(inbox, lake)
    rows = {row["name"]: row for row in lake.scan().collect().to_dicts()}
    judged, spoken = (json.loads(rows[name]["features"]) for name in ("acme.verdict", "acme.said"))
    assert (judged["evaluation.tone.score"], judged["acme.why.words"]) == (4, 3)
    assert spoken["gen_ai.output.messages.words"] == 3
    assert {name: row["operation"] for name, row in rows.items()} == {
        "acme.verdict": "evaluation", "acme.said": "content", "gen_ai.evaluation.result": "evaluation"}  # fmt: skip
    assert {row["component"] for row in rows.values()} == {None}
    assert "Anna" not in str(rows)
    assert "secret" not in str(rows)


def wire(*records: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {
        "resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": "judge"}, "logRecords": [*records]}]}]
    }


EVENT = {
    "traceId": TRACE.upper(),
    "spanId": SPAN,
    "observedTimeUnixNano": str(AT),
    "eventName": "gen_ai.evaluation.result",
    "attributes": [
        {"key": "gen_ai.evaluation.name", "value": {"stringValue": "relevance"}},
        {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.75}},
    ],
    "body": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "7"}}]}},
}


def test_json_and_protobuf_decode_to_the_same_record() -> None:
    message = ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_logs.add()
    scope.scope.name = "judge"
    one = scope.log_records.add(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), observed_time_unix_nano=AT)
    one.event_name = "gen_ai.evaluation.result"
    one.attributes.add(key="gen_ai.evaluation.name").value.string_value = "relevance"
    one.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = 0.75
    one.body.kvlist_value.values.add(key="k").value.int_value = 7
    wanted = [record(
        "gen_ai.evaluation.result",
        {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.75},
        {"k": 7},
    )]  # fmt: skip
    assert decode_protobuf_logs(message.SerializeToString()) == wanted
    assert decode_json_logs(json.dumps(wire(EVENT)).encode()) == wanted


def test_a_retried_request_of_logs_counts_once(
    home: Home, inbox: Inbox, lake: Lake, clock: ReplayClock, stored: Callable[[], list[int]]
) -> None:
    pipeline = Pipeline(home, inbox, TraceRules, clock)
    body = json.dumps(wire(EVENT, {"body": {"stringValue": "a line"}})).encode()
    for _ in range(2):
        accepted = pipeline.accept(body, as_json=True, signal=Signal.LOGS)
        assert (accepted.rows, accepted.message) == (
            1,
            "1 log records dropped: only evaluation and content events that a dialect names are read",
        )
        roll_all(inbox, lake)
    (row,) = lake.scan().collect().to_dicts()
    assert (row["operation"], json.loads(row["features"])["evaluation.relevance.score"]) == ("evaluation", 0.75)
