"""Dialect tables: golden readings of spans that nobody in this project wrote, and what the tables may hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from syscard_tracing.dialects import Kind, shipped_dialects
from syscard_tracing.files import requests
from syscard_tracing.normalise import Normaliser
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import Attributes, RawSpan
from syscard_tracing.tables import parse_table


@pytest.fixture
def read(data: Path, now: datetime) -> Callable[[str], list[dict[str, Any]]]:
    def rows(name: str) -> list[dict[str, Any]]:
        spans = [span for request in requests(data / name) for span in request.decoded.spans]
        readings = Normaliser(TraceRules(), bytes(32)).read(spans, now)
        assert not [key for reading in readings for key in reading.unread]
        return [reading.as_dict() for reading in readings]

    return rows


def _facts(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in names) for row in rows), key=str)


MODEL = ("chat:planner-llm", "planner-llm", "planner-llm-2026-05", "openai", 812, 23, True)
WHO = ("component", "model", "model_response", "provider", "input_tokens", "output_tokens", "counts_tokens")


def test_an_agent_in_opentelemetry_names_is_read(read: Callable[[str], list[dict[str, Any]]]) -> None:
    rows = read("otel-genai-langchain-latest-02.json")
    assert {row["dialect"] for row in rows} == {"otel-genai"}
    assert {row["service"] for row in rows} == {"shop-agent"}
    assert {row["environment"] for row in rows} == {"test"}
    assert _facts(rows, *WHO) == [
        MODEL,
        MODEL,
        ("execute_tool:recommend_items", None, None, None, None, None, False),
        ("invoke_agent:shop_agent", None, None, None, None, None, False),
    ]


def test_the_same_agent_in_openinference_names_reads_the_same(read: Callable[[str], list[dict[str, Any]]]) -> None:
    rows = read("openinference-langchain-02.pb")
    assert {row["dialect"] for row in rows} == {"openinference"}
    steps = [row for row in rows if row["operation"] == "step"]
    assert {row["component"] for row in steps} == {"step:model", "step:tools"}
    parts = [row for row in rows if row["operation"] != "step"]
    assert _facts(parts, *WHO) == _facts(read("otel-genai-langchain-latest-02.pb"), *WHO)


def test_the_same_agent_in_mlflows_names_reads_the_same_but_for_who_answered(
    read: Callable[[str], list[dict[str, Any]]],
) -> None:
    rows = read("mlflow-langchain-02.pb")
    assert {row["dialect"] for row in rows} == {"mlflow"}
    parts = [row for row in rows if row["operation"] != "step"]
    facts = ("component", "model", "provider", "input_tokens", "output_tokens", "counts_tokens")
    assert _facts(parts, *facts) == _facts(read("otel-genai-langchain-latest-02.pb"), *facts)
    assert {row["model_response"] for row in rows} == {None}


def test_texts_in_mlflows_names_are_counted_under_opentelemetrys_and_kept_nowhere(
    read: Callable[[str], list[dict[str, Any]]],
) -> None:
    rows = read("mlflow-langchain-02.json")
    assert all(row["features"].count("gen_ai.input.messages.") for row in rows)
    assert not [word for word in ("sneaker", "shopping", "u-4711", "tr-ef58") if word in str(rows)]


@pytest.mark.parametrize(
    ("value", "model"),
    [
        pytest.param('"m-1"', "m-1", id="in quotes"),
        pytest.param("m-1", "m-1", id="plain"),
        pytest.param('"m-1', "#", id="cut off"),
        pytest.param('"' * 70_000, "#", id="large"),
        pytest.param('"\\ud800"', "#", id="half a character"),
        pytest.param('["m-1"]', "#", id="no word"),
    ],
)
def test_what_stands_in_quotes_is_read_and_what_is_no_json_harms_nothing(
    value: str, model: str, span: Callable[..., RawSpan], now: datetime
) -> None:
    made = span(0, {"mlflow.spanType": '"LLM"', "mlflow.llm.model": value}, scope="mlflow.openai")
    (reading,) = Normaliser(TraceRules(), bytes(32)).read([made], now)
    row = reading.as_dict()
    assert row["operation"] == "chat"
    assert row["model"] == model or (model == "#" and re.fullmatch("#[0-9a-f]{12}", row["model"]))


def test_a_failed_model_has_an_error_and_no_answering_model(read: Callable[[str], list[dict[str, Any]]]) -> None:
    for name in ("otel-genai-langchain-latest-04.json", "openinference-langchain-04.json", "mlflow-langchain-04.json"):
        (row,) = read(name)
        assert row["model"] == "overloaded-llm"
        assert row["model_response"] is None
        assert row["error_type"] == "RateLimitError"
        assert json.loads(row["features"])["error.name"].endswith("OpenAIRateLimitError")
        assert "429" not in str(row)


def test_a_retrieval_is_read_in_both_dialects(read: Callable[[str], list[dict[str, Any]]]) -> None:
    for name in ("otel-genai-langchain-latest-05.json", "openinference-langchain-05.json", "mlflow-langchain-05.json"):
        assert [row["operation"] for row in read(name)].count("retrieval") == 1


def test_the_recorded_recommender_is_read(read: Callable[[str], list[dict[str, Any]]]) -> None:
    rows = read("recommender.otlp.jsonl.gz")
    assert len(rows) == 15
    assert {row["dialect"] for row in rows} == {"syscard"}
    assert [row["component"] for row in rows[:5]] == [
        "invoke_agent:invoke_agent recommender",
        "cf",
        "vlm",
        "vlm",
        "llm",
    ]
    failed = [row for row in rows if row["error_type"]]
    assert [(row["component"], row["error_type"], row["fallback"]) for row in failed] == [("llm", "TimeoutError", True)]
    assert all(row["segment"] != "nan" for row in rows)


def test_a_scope_decides_before_keys_that_others_have_added(span: Callable[..., RawSpan]) -> None:
    dialects = shipped_dialects()
    enriched: Attributes = {"syscard.component": "llm", "openinference.span.kind": "LLM"}
    found = dialects.of("openinference.instrumentation.langchain", enriched)
    assert found is not None
    assert found.name == "openinference"
    assert found.role("syscard.component").kind is Kind.COLUMN
    assert dialects.of("some.library", {"gen_ai.system": "x"}) is dialects.of(
        "opentelemetry.instrumentation.genai.x", {}
    )
    assert dialects.of("some.library", {"http.method": "GET"}) is None


def test_old_names_are_read_behind_new_ones(span: Callable[..., RawSpan], now: datetime) -> None:
    old = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 7,
           "gen_ai.usage.completion_tokens": 3, "gen_ai.request.model": "m"}  # fmt: skip
    new = old | {"gen_ai.provider.name": "azure", "gen_ai.usage.input_tokens": 9}
    first, second = Normaliser(TraceRules(), bytes(32)).read([span(0, old, scope="x"), span(1, new, scope="x")], now)
    assert (first.as_dict()["provider"], first.as_dict()["input_tokens"], first.as_dict()["output_tokens"]) == (
        "openai",
        7,
        3,
    )
    assert (second.as_dict()["provider"], second.as_dict()["input_tokens"]) == ("azure", 9)


def test_a_table_with_a_key_that_nobody_knows_is_refused() -> None:
    good = "{schema: syscard-dialect/1, name: x, order: 1, detect: {}, operation: {keys: []}}"
    assert parse_table(good).name == "x"
    with pytest.raises(ValidationError):
        parse_table(good.replace("order: 1", "order: 1, colour: red"))
    with pytest.raises(ValidationError):
        parse_table(good.replace("order: 1", "order: 1, columns: {shoe: []}"))


def test_flattened_messages_are_one_text_field() -> None:
    openinference = shipped_dialects().all[0]
    role = openinference.role("llm.input_messages.0.message.contents.1.message_content.text")
    assert role == (Kind.TEXT, "gen_ai.input.messages")


OLD_TRACELOOP: Attributes = {
    "llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "m", "llm.usage.total_tokens": 10,
    "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 3, "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "red shoes", "traceloop.association.properties.session_id": "s-1",
}  # fmt: skip
OLD_EMBEDDING: Attributes = {"llm.request.type": "embedding", "gen_ai.request.model": "e", "gen_ai.system": "langchain"}
OLD_VERCEL: Attributes = {
    "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.model.provider": "openai.responses",
    "ai.usage.promptTokens": 7, "ai.usage.completionTokens": 3, "ai.prompt.messages": "red shoes",
}  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "dialect", "facts"),
    [
        (OLD_TRACELOOP, "traceloop", ("chat", "m", "openai", 7, 3)),
        (OLD_EMBEDDING, "traceloop", ("embeddings", "e", None, None, None)),
        (OLD_VERCEL, "vercel-ai", ("chat", "m", "openai", 7, 3)),
        ({"langsmith.span.kind": "retriever", "gen_ai.operation.name": "embeddings"}, "langsmith",
         ("retrieval", None, None, None, None)),
        ({"gen_ai.operation.name": "CHAT", "gen_ai.request.model": "m"}, "otel-genai", ("chat", "m", None, None, None)),
        ({"gen_ai.workflow.name": "x"}, None, ("step", None, None, None, None)),
    ],
)  # fmt: skip
def test_older_versions_and_wrong_words_are_read_by_their_keys(
    attributes: Attributes, dialect: str | None, facts: tuple[Any, ...], span: Callable[..., RawSpan], now: datetime
) -> None:
    (reading,) = Normaliser(TraceRules(), bytes(32)).read([span(0, attributes, scope="some.scope")], now)
    row = reading.as_dict()
    names = ("operation", "model", "provider", "input_tokens", "output_tokens")
    assert row["dialect"] == dialect
    assert tuple(row[name] for name in names) == facts or dialect is None
    assert "red shoes" not in str(row)
    if "red shoes" in attributes.values():
        assert json.loads(row["features"])["gen_ai.input.messages.words"] == 2


def test_the_longest_scope_decides() -> None:
    dialects = shipped_dialects()
    scopes = {
        "opentelemetry.instrumentation.openai_v2": "otel-genai",
        "opentelemetry.instrumentation.openai.v1": "traceloop",
        "opentelemetry.instrumentation.genai.langchain": "otel-genai",
        "opentelemetry.instrumentation.langchain": "traceloop",
        "openlit.instrumentation.langgraph": "openlit",
        "logfire.openai": "pydantic-ai",
        "ai": "vercel-ai",
        "airflow": None,
        "gen_ai": "vercel-ai",
        "gen_ai.other": None,
    }
    found = {scope: dialect.name if (dialect := dialects.of(scope, {})) else None for scope in scopes}
    assert found == scopes
