"""Content and verdicts that travel as events are counted, redacted and named like those in attributes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from syscard_tracing.dialects import Dialect, shipped_dialects
from syscard_tracing.events import EventContent, read_event
from syscard_tracing.normalise import Normaliser
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import Attributes, Event, RawSpan, Value

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
IN, OUT, SYSTEM = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"


@pytest.fixture
def dialect() -> Dialect:
    found = shipped_dialects().of("opentelemetry.instrumentation.openai_v2", {})
    assert found is not None
    return found


@pytest.fixture
def features(span: Callable[..., RawSpan], now: datetime) -> Callable[..., dict[str, Any]]:
    def read(
        *events: Event, scope: str = "opentelemetry.instrumentation.genai.x", **attributes: Value
    ) -> dict[str, Any]:
        made = span(0, {**CHAT, **attributes}, scope=scope, events=events)
        (reading,) = Normaliser(TraceRules(), bytes(32)).read([made], now)
        assert reading.unread == ()
        assert "bob" not in str(reading)
        kept: dict[str, Any] = json.loads(reading.as_dict()["features"])
        return kept

    return read


@pytest.mark.parametrize(
    ("name", "attributes", "text", "words"),
    [
        ("gen_ai.content.prompt", {"gen_ai.prompt": '[{"role": "user", "content": "hi bob"}]'}, IN, 2),
        ("gen_ai.content.completion", {"gen_ai.completion": "hi bob there"}, OUT, 3),
        ("gen_ai.user.message", {"content": "hi bob", "gen_ai.system": "openai"}, IN, 2),
        ("gen_ai.user.message", {"gen_ai.event.content": '{"role": "user", "content": "hi bob"}'}, IN, 2),
        ("gen_ai.system.message", {"content": "you are bob"}, SYSTEM, 3),
        ("gen_ai.assistant.message", {"content": "bob"}, IN, 1),
        ("gen_ai.tool.message", {"content": "{'user': 'bob'}", "id": "call-1"}, IN, 1),
        ("gen_ai.choice", {"index": 0, "message": '{"role": "assistant", "content": "yes bob"}'}, OUT, 2),
        (
            "gen_ai.client.inference.operation.details",
            {OUT: '[{"role": "x", "content": "hi bob"}]', "x": "bob"},
            OUT,
            2,
        ),
    ],
)
def test_a_content_event_is_counted_under_todays_name(
    name: str, attributes: Attributes, text: str, words: int, features: Callable[..., dict[str, Any]]
) -> None:
    kept = features(Event(name, attributes))
    assert kept[f"{text}.words"] == words
    assert {key for key in kept if key.endswith(".words")} == {f"{text}.words"}


def test_events_add_up_and_a_text_that_the_span_says_is_not_counted_again(
    features: Callable[..., dict[str, Any]],
) -> None:
    asked = (Event("gen_ai.user.message", {"content": "hi bob"}), Event("gen_ai.user.message", {"content": "hi again"}))
    assert features(*asked)[f"{IN}.words"] == 4
    both = features(*asked, Event("gen_ai.choice", {"message": "yes"}), **{IN: "only these three"})
    assert (both[f"{IN}.words"], both[f"{OUT}.words"]) == (3, 1)


def test_a_verdict_becomes_features(features: Callable[..., dict[str, Any]]) -> None:
    said: Attributes = {"gen_ai.evaluation.name": "Answer relevance", "gen_ai.evaluation.score.value": 0.75,
            "gen_ai.evaluation.score.label": "pass", "gen_ai.evaluation.explanation": "bob is served well"}  # fmt: skip
    kept = features(Event("gen_ai.evaluation.result", said))
    assert kept["evaluation.answer_relevance.score"] == 0.75
    assert kept["evaluation.answer_relevance.label"] == "pass"
    assert kept["gen_ai.evaluation.explanation.words"] == 4


@pytest.mark.parametrize("name", ["what did bob ask, and why?", "", "   ", 7, "bob@example.org"])
def test_a_verdict_whose_name_is_no_label_is_left(name: Value, dialect: Dialect) -> None:
    said: Attributes = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": 1}
    assert not read_event(dialect, "gen_ai.evaluation.result", said)


def test_a_label_of_a_verdict_that_is_a_sentence_is_a_mark(features: Callable[..., dict[str, Any]]) -> None:
    said: Attributes = {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.label": "bob did not like it at all"}
    assert features(Event("gen_ai.evaluation.result", said))["evaluation.x.label"].startswith("#")


def test_the_body_of_a_log_record_is_read_like_attributes(dialect: Dialect) -> None:
    """As `/v1/logs` brings them."""
    user = read_event(dialect, "gen_ai.user.message", {"gen_ai.system": "openai"}, {"content": "hi", "role": "user"})
    assert user.texts == ((IN, "hi"),)
    choice = read_event(dialect, "gen_ai.choice", {}, {"index": 0, "message": {"role": "assistant", "content": "yes"}})
    assert choice.texts == ((OUT, {"role": "assistant", "content": "yes"}),)
    assert read_event(dialect, "gen_ai.choice", {}, "just words").texts == ((OUT, "just words"),)
    details = read_event(dialect, "gen_ai.client.inference.operation.details", {IN: "a"}, {OUT: "b", "other": "c"})
    assert set(details.texts) == {(IN, "a"), (OUT, "b")}
    assert read_event(dialect, "somebody.elses", {"content": "hi"}, "hi") == EventContent()


def test_events_that_an_attribute_lists_are_read(features: Callable[..., dict[str, Any]]) -> None:
    listed = [
        {"event.name": "gen_ai.user.message", "content": "hi bob"},
        {"event.name": "gen_ai.choice", "message": "yes"},
    ]
    kept = features(scope="pydantic-ai", events=json.dumps(listed))
    assert (kept[f"{IN}.words"], kept[f"{OUT}.words"]) == (2, 1)
    assert f"{IN}.words" not in features(scope="pydantic-ai", events="no list")
