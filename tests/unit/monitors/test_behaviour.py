"""What spans tell of how a system behaves, whatever an instrumentor calls it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from syscard_monitors.assemble import Frontier, Request, assemble
from syscard_monitors.behaviour import LONGEST, of_call
from syscard_monitors.traces import Row
from tests.golden import SETUPS, readings_of
from tests.unit.monitors.build import MINUTE, SECOND, START_US, span


def request_of(*rows: Row) -> Request:
    """The request that a root and these spans make."""
    (found,) = assemble(
        [span(duration_us=30 * SECOND), *rows],
        root=None,
        frontier=Frontier(),
        watermark_us=START_US + 10 * MINUTE,
        before_us=0,
        complete_after=timedelta(seconds=30),
        seen_before_us=0,
    ).complete
    return found


def called(component: str, number: int = 1, **changes: Any) -> Row:
    """A call that starts so many seconds after the request."""
    changes = {"parent_span_id": "s", "start_us": START_US + number * SECOND, **changes}
    return span(span_id=f"{component}{number}", component=component, **changes)


@pytest.mark.parametrize(
    ("reason", "fact"),
    [
        ("length", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("content_filter", "filtered"),
        ("SAFETY", "filtered"),
        ("refusal", "refused"),
        ("stop", None),
        ("tool_calls", None),
    ],
)
def test_why_a_model_stopped_is_one_fact_whatever_its_provider_calls_it(reason: str, fact: str | None) -> None:
    found = of_call({"gen_ai.response.finish_reasons": [reason]})
    assert [name for name in ("truncated", "filtered", "refused") if found.get(name)] == ([fact] if fact else [])


@pytest.mark.parametrize("key", ["gen_ai.response.finish_reasons", "llm.finish_reason", "ai.response.finishReason"])
def test_a_reason_is_found_under_every_name_that_instrumentors_have_for_it(key: str) -> None:
    assert of_call({key: "length"})["truncated"] is True


def test_nothing_is_said_of_what_a_span_does_not_say() -> None:
    assert of_call({"rationale.words": 12}) == {}
    assert of_call({"gen_ai.response.finish_reasons": [], "gen_ai.usage.cost": "much"}) == {}


@pytest.mark.parametrize(("chars", "reason", "empty"), [(0, "stop", True), (9, "stop", False), (0, "tool_calls", None)])
def test_an_answer_without_a_character_is_empty_unless_it_calls_a_tool(
    chars: int, reason: str, empty: bool | None
) -> None:
    features = {"gen_ai.output.messages.chars": chars, "gen_ai.response.finish_reasons": [reason]}
    assert of_call(features).get("empty") is empty


@pytest.mark.parametrize(("features", "abstained"), [({"n_tags": 0}, True), ({"n_attributes": 3, "n_tags": 0}, False)])
def test_a_picture_of_which_nothing_is_read_is_an_abstention(features: dict[str, int], abstained: bool) -> None:
    assert of_call(features)["abstained"] is abstained


def test_an_answer_that_declines_by_its_words_is_a_refusal_like_one_that_the_provider_calls_so() -> None:
    said = {"gen_ai.output.messages.declines": True, "gen_ai.response.finish_reasons": ["stop"]}
    assert of_call(said)["refused"] is True
    assert of_call({"gen_ai.output.messages.declines": False})["refused"] is False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.25),
        ("gen_ai.server.time_to_first_token", 0.25),
        ("ai.response.msToFirstChunk", 250),
    ],
)
def test_the_time_to_the_first_token_is_in_milliseconds(key: str, value: float) -> None:
    assert of_call({key: value})["first_token_ms"] == pytest.approx(250)


@pytest.mark.parametrize("key", ["gen_ai.usage.cost", "llm.cost.total", "operation.cost"])
def test_the_cost_of_a_request_is_that_of_the_calls_whose_tokens_count(key: str) -> None:
    counted = called("llm", 1, counts_tokens=True, input_tokens=10, output_tokens=5, features={key: 0.25})
    again = called("agent", 2, counts_tokens=False, input_tokens=10, output_tokens=5, features={key: 0.25})
    found = request_of(counted, again).values
    assert (found["request.cost"], found["request.tokens"]) == ([0.25], [15.0])


def test_a_request_without_prices_or_tokens_has_neither_cost_nor_tokens() -> None:
    assert not {"request.cost", "request.tokens"} & request_of(called("cf")).values.keys()


def test_a_path_is_the_parts_in_order_and_a_loop_over_one_is_no_other_path() -> None:
    once = request_of(called("cf", 1), called("vlm", 2), called("llm", 4))
    twice = request_of(called("cf", 1), called("vlm", 2), called("vlm", 3), called("llm", 4))
    other = request_of(called("cf", 1), called("llm", 2), called("vlm", 4))
    assert once.values["request.path"] == twice.values["request.path"] == ["cf>vlm>llm"]
    assert other.values["request.path"] == ["cf>llm>vlm"]
    assert (once.values["request.steps"], twice.values["request.steps"]) == ([3.0], [4.0])


def test_a_long_path_is_told_by_its_digest() -> None:
    long = [called(f"component-{i % 2}", i) for i in range(1, 25)]
    (path,) = request_of(*long).values["request.path"]
    assert path.startswith("#")
    assert len(path) <= LONGEST
    assert request_of(*long[:-1]).values["request.path"] != [path]


def test_tools_are_a_set_and_their_failures_a_share() -> None:
    tool = {"operation": "execute_tool"}
    found = request_of(
        called("t", 1, **tool, features={"gen_ai.tool.name": "search"}),
        called("t", 2, **tool, features={"gen_ai.tool.name": "search"}, error_type="TimeoutError"),
        called("basket", 3, **tool),
    ).values
    assert found["request.tools"] == ["basket+search"]
    assert found["request.tool_error"] == [pytest.approx(1 / 3)]
    assert "request.tools" not in request_of(called("cf")).values


def test_a_team_s_own_word_for_a_fact_stands() -> None:
    said = called("llm", features={"truncated": True, "gen_ai.response.finish_reasons": ["stop"]})
    assert request_of(said).values["llm.truncated"] == [True]


def _chats(name: str) -> Iterable[dict[str, Any]]:
    rows = (reading.as_dict() for reading in readings_of(name))
    chats = (row for row in rows if row["operation"] == "chat" and not row["error_type"])
    return [of_call(json.loads(row["features"] or "{}")) for row in chats]


@pytest.mark.parametrize("name", [n for n in SETUPS if not n.startswith(("mlflow", "langsmith", "pydantic-ai-old"))])
def test_every_instrumentor_that_says_why_a_model_stopped_is_understood(name: str) -> None:
    assert any(chat.get("truncated") is False for chat in _chats(name))
