"""Tool-call ids: the same three facts out of every way in which dialects write them, and nothing else of the text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_tracing.files import requests
from syscard_tracing.normalise import Normaliser
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import Attributes
from syscard_tracing.toolcalls import ANSWERED, ASKED, CALL, MOST_IDS, tool_call_features

CALLS = [{"type": "tool_call", "id": "c-1", "name": "search", "arguments": {"q": "Ada Lovelace"}}]
SAID = json.dumps([{"role": "assistant", "parts": CALLS}])
NAMED = json.dumps({"tool_calls": [{"id": "c-1", "type": "function", "function": {"name": "search"}}]})
HANDED = json.dumps([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c-1", "response": "Ada"}]}])
MESSAGE = json.dumps({"type": "tool", "tool_call_id": "c-1", "content": "Ada"})


def plainly(value: str) -> str:
    return value


def of_model(**attributes: Any) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return tool_call_features(named, model=True, tool=False, mark=plainly)


@pytest.fixture
def features(data: Path, now: datetime) -> Callable[[str], list[tuple[str, dict[str, Any]]]]:
    def read(name: str) -> list[tuple[str, dict[str, Any]]]:
        spans = [span for request in requests(data / name) for span in request.decoded.spans]
        rows = [r.as_dict() for r in Normaliser(TraceRules(), bytes(32)).read(spans, now)]
        rows.sort(key=lambda row: row["start"])
        kept = [(r["component"], {k: v for k, v in json.loads(r["features"]).items() if k in (ASKED, ANSWERED, CALL)})
                for r in rows]  # fmt: skip
        return [(component, found) for component, found in kept if found]

    return read


@pytest.mark.parametrize("name", ["otel-genai-langchain-latest", "openinference-langchain", "mlflow-langchain"])
def test_an_agents_loop_is_tied_together_in_every_dialect(
    features: Callable[[str], list[tuple[str, dict[str, Any]]]], name: str
) -> None:
    found = features(f"{name}-02.json")
    ((_, asked), (_, called), (_, answered)) = found
    assert [component for component, _ in found] == [
        "chat:planner-llm",
        "execute_tool:recommend_items",
        "chat:planner-llm",
    ]
    (mark,) = asked[ASKED]
    assert (called, answered) == ({CALL: mark}, {ANSWERED: [mark]})
    assert mark.startswith("#"), "an id is somebody's word: it is kept as a keyed hash"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"gen_ai__output__messages": SAID}, id="messages"),
        pytest.param({"mlflow__spanOutputs": NAMED}, id="a list of calls"),
        pytest.param(
            {"ai__response__toolCalls": json.dumps([{"type": "tool-call", "toolCallId": "c-1"}])}, id="vercel"
        ),
        pytest.param({"llm__output_messages__0__message__tool_calls__0__tool_call__id": "c-1"}, id="flattened"),
        pytest.param({"gen_ai__completion__0__tool_calls__0__id": "c-1"}, id="flattened the older way"),
        pytest.param({"gen_ai__tool__call__id": "c-1"}, id="stated"),
    ],
)
def test_what_a_model_asks_for_is_in_what_it_said(attributes: Attributes) -> None:
    assert of_model(**attributes) == {ASKED: ["c-1"]}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"gen_ai__input__messages": HANDED}, id="messages"),
        pytest.param({"input__value": json.dumps({"messages": [json.loads(MESSAGE)]})}, id="a tool's message"),
        pytest.param({"llm__input_messages__3__message__tool_call_id": "c-1"}, id="flattened"),
        pytest.param({"gen_ai__prompt__2__tool_call_id": "c-1"}, id="flattened the older way"),
    ],
)
def test_the_answers_that_a_model_was_handed_are_in_its_input(attributes: Attributes) -> None:
    assert of_model(**attributes) == {ANSWERED: ["c-1"]}


def test_what_was_asked_before_is_history_not_a_question() -> None:
    assert of_model(gen_ai__input__messages=SAID) == {}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.tool.call.id": "c-1", "gen_ai.tool.call.result": MESSAGE.replace("c-1", "another")},
        {"tool_call_id": "c-1"},
        {"output.value": json.dumps({"update": MESSAGE})},
        {"gen_ai.tool.call.result": "content='[]' name='search' tool_call_id='c-1'"},
        {"gen_ai.tool.call.arguments": '{"kwargs": {"tool_call_id": "c-1"}}'},
    ],
)
def test_a_tool_says_which_call_it_answers(attributes: Attributes) -> None:
    assert tool_call_features(attributes, model=False, tool=True, mark=plainly) == {CALL: "c-1"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.tool.call.arguments": '{"tool_call_id": null}'},
        {"gen_ai.tool.call.id": ""},
        {"gen_ai.tool.call.id": "x" * 300},
        {"gen_ai.tool.call.id": 7},
        {"output.value": "the words tool_call_id alone"},
    ],
)
def test_a_tool_that_code_calls_directly_answers_nobodys_call(attributes: Attributes) -> None:
    assert tool_call_features(attributes, model=False, tool=True, mark=plainly) == {}


def test_other_spans_have_no_such_features() -> None:
    assert tool_call_features({"gen_ai.output.messages": SAID}, model=False, tool=False, mark=plainly) == {}


def test_only_so_many_ids_of_a_span_are_kept() -> None:
    many = json.dumps({"tool_calls": [{"id": f"c-{i}"} for i in range(3 * MOST_IDS)]})
    assert of_model(gen_ai__output__messages=many)[ASKED] == [f"c-{i}" for i in range(MOST_IDS)]


@pytest.mark.parametrize("text", ["[" * 5000 + "tool", "[1, tool", json.dumps([[["tool_call"]]] * 9)])
def test_text_that_only_looks_like_messages_gives_nothing(text: str) -> None:
    assert of_model(gen_ai__output__messages=text) == {}


_trees = st.recursive(
    st.none() | st.text(max_size=8) | st.sampled_from(["tool_call", "id", "tool_calls"]),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "type", "tool_calls", "tool_call_id", "x"]), below, max_size=4)
    ),
)


@given(_trees)
def test_whatever_stands_in_messages_ids_come_out_as_words_once_each(tree: Any) -> None:
    found = of_model(
        gen_ai__output__messages=json.dumps([tree, "tool"]), gen_ai__input__messages=json.dumps([tree, "tool"])
    )
    for ids in found.values():
        assert len(set(ids)) == len(ids)
        assert all(isinstance(i, str) and i for i in ids)
