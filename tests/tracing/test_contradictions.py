"""What instrumentors contradict each other in: each has its rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.system import Keep
from syscard_tracing.doctor import trace_file
from syscard_tracing.literals import LARGEST_REPR, literal, member, parsed
from syscard_tracing.normalise import ERROR_NAME, Normaliser
from syscard_tracing.redact import Redactor
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules
from syscard_tracing.spans import Event, RawSpan
from syscard_tracing.strays import strays
from tests.golden import FOLDER, read_setup

LANGCHAIN = ("mlflow-langchain", "openinference-langchain", "traceloop-langchain", "langsmith-langchain",
             "openlit-langchain", "otel-genai-langchain", "mlflow-genai-langchain")  # fmt: skip


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LANGCHAIN)
def test_the_tokens_of_every_set_up_add_up_to_the_same(name: str) -> None:
    counted = [row for row in read_setup(name).rows if row["counts_tokens"] and row["operation"] == "chat"]
    known = [row for row in counted if row["model"] and row["model"] != "FakeListChatModel"]
    assert sum(row["input_tokens"] or 0 for row in known) == 5 * 812 + 6 * 57
    assert sum(row["output_tokens"] or 0 for row in known) == 11 * 23


@pytest.mark.parametrize("nested", [True, False])
def test_a_call_that_two_instrumentors_tell_of_counts_once(
    nested: bool, span: Callable[..., RawSpan], now: datetime
) -> None:
    facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 57,
             "gen_ai.usage.output_tokens": 23, "gen_ai.usage.reasoning.output_tokens": 5}  # fmt: skip
    outer = span(0, facts, scope="opentelemetry.instrumentation.langchain", trace_id="a" * 32)
    inner = outer._replace(
        span_id="b" * 16, start_ns=outer.start_ns + 1000, end_ns=outer.end_ns - 1000,
        scope="opentelemetry.instrumentation.openai.v1", parent_span_id=outer.span_id if nested else None,
    )  # fmt: skip
    rows = [r.as_dict() for r in Normaliser(TraceRules(), bytes(32)).read([outer, inner], now)]
    assert [row["counts_tokens"] for row in rows] == [False, True]
    assert [row["output_tokens"] for row in rows] == [23, 23], "what is said stays to be seen"


# --- one run that two hooks tell of -----------------------------------------------------------------------------------


def _run(number: int, above: int | None, operation: str, name: str = "shop", **more: Any) -> RawSpan:
    """The span of an agent or a workflow; of a workflow in no dialect's own way, so that the tree alone speaks."""
    key = "gen_ai.agent.name" if operation == "invoke_agent" else "gen_ai.workflow.name"
    attributes = {"gen_ai.operation.name": operation, key: name, **more.pop("attributes", {})}
    resource = {"service.name": more.pop("service", "shop-agent")}
    return RawSpan(
        "a" * 32, f"{number:016x}", f"{above:016x}" if above else None, f"{operation} {name}", 1, 1_000 + number,
        9_000 - number, attributes, (), 0, "", resource, "opentelemetry.util.genai",
    )  # fmt: skip


def _told(*spans: RawSpan, rules: TraceRules | None = None) -> list[str]:
    readings = Normaliser(rules or TraceRules(), bytes(32)).read(spans, datetime(2026, 11, 28, tzinfo=UTC))
    return [reading.as_dict()["component"] for reading in readings]


GRAPH, AGENT = "invoke_workflow", "invoke_agent"


@pytest.mark.parametrize(
    ("outer", "inner", "told"),
    [
        (GRAPH, AGENT, "invoke_agent:shop"),
        (AGENT, GRAPH, "invoke_workflow:shop"),
        (AGENT, AGENT, "invoke_agent:shop"),
    ],
)
def test_a_run_within_itself_is_one_and_is_what_the_inner_span_says(outer: str, inner: str, told: str) -> None:
    spans = [_run(1, None, outer), _run(2, 1, inner)]
    assert _told(*spans) == [told, "step:shop"]
    assert _told(*reversed(spans)) == ["step:shop", told], "in whatever order they come"
    assert _told(*spans, *spans) == [told, "step:shop"] * 2, "and however often"


def test_a_run_that_three_hooks_tell_of_is_one() -> None:
    told = _told(_run(1, None, GRAPH), _run(2, 1, GRAPH), _run(3, 2, AGENT))
    assert told == ["invoke_agent:shop", "step:shop", "step:shop"]


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([_run(1, None, GRAPH), _run(2, 1, AGENT, "other")], id="another agent"),
        pytest.param([_run(1, None, GRAPH), _run(2, 1, AGENT), _run(3, 1, AGENT)], id="twice in a row"),
        pytest.param([_run(1, None, GRAPH), _run(2, 1, AGENT, service="backend")], id="across services"),
        pytest.param([_run(1, None, GRAPH), _run(2, 7, AGENT)], id="not right within"),
        pytest.param([_run(1, 2, AGENT), _run(2, 1, AGENT)], id="parents in a circle"),
        pytest.param([_run(1, 1, AGENT)], id="its own parent"),
    ],
)
def test_runs_of_two_things_stay_two(spans: list[RawSpan]) -> None:
    assert _told(*spans) == [f"{s.attributes['gen_ai.operation.name']}:{s.name.split()[1]}" for s in spans]


def test_a_tail_to_a_circle_of_parents_ends() -> None:
    assert sorted(_told(_run(1, 2, AGENT), _run(2, 1, AGENT), _run(3, 1, AGENT)))[0] == "invoke_agent:shop"


def test_who_names_the_component_says_what_it_tells() -> None:
    named = {"syscard.component": "front"}
    assert _told(_run(1, None, GRAPH, attributes=named), _run(2, 1, AGENT)) == ["front", "invoke_agent:shop"]
    assert _told(_run(1, None, GRAPH), _run(2, 1, AGENT, attributes=named)) == ["invoke_workflow:shop", "front"]


@pytest.mark.parametrize("inner", [GRAPH, AGENT])
def test_what_runs_right_within_a_named_agent_is_that_agent(inner: str) -> None:
    named = {"syscard.component": "front"}
    outer = _run(1, None, AGENT, attributes=named)
    assert _told(outer, _run(2, 1, inner, "graph")) == ["front", "step:graph"]
    assert _told(outer, _run(2, 1, inner, "graph"), _run(3, 1, inner, "other"))[1:] == [
        f"{inner}:graph",
        f"{inner}:other",
    ], "two runs within it are two parts"


def test_a_declared_agent_has_one_call_a_run() -> None:
    rule = ComponentRule("agent", (("syscard.component", "invoke_agent:shop"),), Keep.FEATURES)
    rules = TraceRules((SystemRule((), (rule,), (), None, Keep.FEATURES),))
    assert _told(_run(1, None, GRAPH), _run(2, 1, AGENT), rules=rules) == ["agent", "step:shop"]
    # What was remembered of spans of the same words is not given for another operation.
    normaliser = Normaliser(rules, bytes(32))
    now = datetime(2026, 11, 28, tzinfo=UTC)
    alone, within = [_run(2, None, AGENT)], [_run(1, None, AGENT), _run(2, 1, AGENT)]
    read = [[r.as_dict()["component"] for r in normaliser.read(spans, now)] for spans in (alone, within, alone)]
    assert read == [["agent"], ["agent", "step:shop"], ["agent"]]


def test_what_only_makes_an_agent_is_no_call_of_it() -> None:
    rule = ComponentRule("agent", (("gen_ai.agent.name", "shop"),), Keep.FEATURES)
    rules = TraceRules((SystemRule((), (rule,), (), None, Keep.FEATURES),))
    key = {"gen_ai.agent.name": "shop"}
    made = [_run(1, None, "create_agent", attributes=key), _run(2, None, AGENT)]
    assert _told(*made, rules=rules) == ["create_agent:shop", "agent"]
    stated = _run(3, None, "create_agent", attributes=key | {"syscard.component": "agent"})
    assert _told(stated, rules=rules) == ["agent"], "who says so itself is believed"


# --- names of failures -----------------------------------------------------------------------------------------------


def _raised(kind: str, message: str = "") -> tuple[Event, ...]:
    return (Event("exception", {"exception.type": kind, "exception.message": message}),)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"attributes": {"error.type": "RateLimitError"}}, None),
        ({"attributes": {"error.type": "openai.RateLimitError"}}, "openai.RateLimitError"),
        ({"attributes": {"error.type": "OpenAIRateLimitError"}}, "OpenAIRateLimitError"),
        ({"attributes": {"error.type": "langchain_openai.chat_models.base.OpenAIRateLimitError"}}, "langchain_openai."
         "chat_models.base.OpenAIRateLimitError"),
        ({"attributes": {"error.type": "429"}}, "429"),
        ({"events": _raised("pydantic_ai.x.ModelRateLimitError")}, "pydantic_ai.x.ModelRateLimitError"),
        ({"events": _raised("pydantic_ai.exceptions.ModelHTTPError", "status_code: 429, model_name: x")},
         "pydantic_ai.exceptions.ModelHTTPError"),
        ({"events": _raised("AI_APICallError"), "attributes": {"http.response.status_code": 429}}, "AI_APICallError"),
        ({"events": _raised("AI_APICallError", "Rate limit reached for x")}, "AI_APICallError"),
        ({"events": _raised("Exception", "OpenAIRateLimitError('Error code: 429 - bob')Traceback")}, "Exception"),
        ({"events": _raised("Exception", "Error code: 429 - bob")}, "Exception"),
        ({"status_message": "ModelRateLimitError: bob"}, None),
    ],
)  # fmt: skip
def test_many_names_of_one_429_are_one_class(
    fields: dict[str, Any], name: str | None, span: Callable[..., RawSpan], now: datetime
) -> None:
    made = span(0, scope="x", status_code=2, **{"attributes": {}, **fields})
    (reading,) = Normaliser(TraceRules(), bytes(32)).read([made], now)
    row = reading.as_dict()
    assert row["error_type"] == "RateLimitError"
    assert json.loads(row["features"]).get(ERROR_NAME) == name
    assert "bob" not in str(row)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("openai.APITimeoutError", "TimeoutError"),
        ("httpx.ReadTimeout", "TimeoutError"),
        ("TimeoutError", "TimeoutError"),
        ("openai.AuthenticationError", "AuthenticationError"),
        ("401", "AuthenticationError"),
        ("shop.errors.NoFactors", "NoFactors"),
        ("std::bad_alloc", "bad_alloc"),
        ("500", "500"),
        ("ValueError", "ValueError"),
        ("Exception", "Exception"),
    ],
)
def test_other_failures_are_of_their_last_name(
    said: str, kind: str, span: Callable[..., RawSpan], now: datetime
) -> None:
    made = span(0, {"error.type": said}, scope="x", status_code=2)
    (reading,) = Normaliser(TraceRules(), bytes(32)).read([made], now)
    assert reading.as_dict()["error_type"] == kind


# --- Python where JSON belongs ---------------------------------------------------------------------------------------


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
                    max_leaves=12).filter(lambda tree: isinstance(tree, list | dict)))  # fmt: skip
def test_a_repr_says_what_json_says(tree: Any) -> None:
    assert literal(repr(tree)) == tree == parsed(json.dumps(tree))


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "[__import__('os')]", "{'a': open('x')}", "[" * 5000, "[" * 5000 + "]" * 5000, "{'a'", "7", "",
     "['" + "x" * LARGEST_REPR + "']", "[1 for x in (1,)]", "{**{}}", "[9**9**9]", "\0", "[\0]"],
)  # fmt: skip
def test_what_is_no_literal_is_not_run(text: str) -> None:
    assert literal(text) is None


def test_members_are_read_from_either() -> None:
    assert member("{'user': {'id': 'x'}, 'k': 3}", "k") == 3
    assert member('{"user": {"id": "x"}}', "user.id") == "x"
    assert member('{"user.id": "y"}', "user.id") == "y"
    assert member("{'user': ['x']}", "user") is None
    assert member(7, "user") is None


@pytest.mark.parametrize(
    "text",
    [
        '[{"role": "user", "content": "red shoes"}]',
        "[{'role': 'user', 'content': 'red shoes'}]",
        "{\"content\": \"{'role': 'user', 'content': 'red shoes'}\", \"role\": \"user\"}",
    ],
)
def test_keys_and_roles_of_a_repr_are_no_words(text: str) -> None:
    assert Redactor(bytes(32)).text("x", [text], Keep.FEATURES)["x.words"] == 2


# --- roots that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LANGCHAIN)
def test_the_calls_of_a_thread_pool_are_counted_and_never_merged(name: str) -> None:
    read = trace_file(FOLDER / f"{name}.jsonl.xz", TraceRules())
    pool = [stray for stray in read.strays if stray.component == "chat:rationale-llm"]
    assert len({stray.during for stray in pool}) == 1
    assert len(pool) == len({stray.trace_id for stray in pool}) == 2
    assert not any(stray.same_session for stray in pool), "a pool that passes no context on passes no session on"
    assert f"{len(read.strays)} calls are traces of their own" in read.summary
    assert len({span["trace_id"] for span in read.spans}) >= 11


def test_a_stray_is_of_the_same_service_and_time_and_of_no_other_session() -> None:
    def root(trace: str, operation: str, start: int, took: int, service: str = "shop") -> dict[str, Any]:
        return {"trace_id": trace, "parent_span_id": None, "operation": operation, "component": f"{operation}:x",
                "start": start, "duration_us": took, "service": service, "environment": None}  # fmt: skip

    rows = [root("r", "step", 0, 100), root("in", "chat", 10, 50), root("late", "chat", 90, 50),
            root("else", "chat", 10, 50, "other"), root("same", "chat", 20, 5), root("foreign", "chat", 20, 5),
            {**root("child", "chat", 20, 5), "parent_span_id": "p"}]  # fmt: skip
    found = strays(rows, {"r": "s1", "in": None, "same": "s1", "foreign": "s2"})
    assert [(s.trace_id, s.during, s.same_session) for s in found] == [("in", "r", False), ("same", "r", True)]


def test_a_summary_says_how_a_file_was_read(tmp_path: Path, data: Path) -> None:
    assert trace_file(data / "openinference-langchain-02.pb", TraceRules()).summary == (
        "7 spans, 1 dialect, 0 not recognised, 0 keys not understood"
    )
    odd = {"traceId": "00", "spanId": "1", "name": "x"}
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2",
            "attributes": [{"key": "shoe", "value": {"stringValue": "red"}}]}  # fmt: skip
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "y"}, "spans": [odd, span]}]}]}))
    summary = trace_file(file, TraceRules()).summary
    assert summary.startswith("1 span, 0 dialects, 1 not recognised, 1 key not understood; 1 refused (1 ")
