"""One application under twenty set-ups of real instrumentors is read the same, whatever dialect they speak."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import pytest

from tests.golden import EXPECTED, FOLDER, SETUPS, SetUp, as_said, leaves, read_setup, runs

PROMPTS = ("sneaker", "shopping", "Describe", "rationales", "u-4711", "u-404", "red shoes", "base64")


@cache
def _setup(name: str) -> SetUp:
    return read_setup(name)


@pytest.mark.parametrize("name", SETUPS)
def test_the_same_components_tokens_errors_and_tools_are_read(name: str) -> None:
    setup = _setup(name)
    read = [[as_said(row) for row in leaves(trace)] for trace in setup.traces]
    # Runs that ended at once may have begun in any order.
    assert sorted(trace for trace in read if trace) == sorted(setup.expected)


@pytest.mark.parametrize("name", SETUPS)
def test_the_same_agents_and_workflows_are_read_and_each_run_once(name: str) -> None:
    setup = _setup(name)
    assert sorted(row["component"] for row in runs(setup.rows)) == sorted(setup.runs)


@pytest.mark.parametrize("name", SETUPS)
def test_no_run_is_told_within_itself(name: str) -> None:
    """What two hooks of one instrumentor tell of is one component, not the caller of itself."""
    rows = {row["span_id"]: row for row in _setup(name).rows}
    for row in runs(list(rows.values())):
        above = rows.get(row["parent_span_id"])
        assert above is None or above["component"].partition(":")[2] != row["component"].partition(":")[2]


def test_where_a_set_up_tells_less_the_table_says_why() -> None:
    for name in SETUPS:
        said = EXPECTED["setups"][name]
        assert ("differs" in said, "runs_differ" in said) == ("why" in said, "runs_why" in said), name


@pytest.mark.parametrize("name", SETUPS)
def test_every_span_is_of_the_dialect_of_its_set_up_and_nothing_is_left_unread(name: str) -> None:
    setup = _setup(name)
    assert {row["dialect"] for row in setup.rows} == {setup.dialect}
    assert not setup.unread


@pytest.mark.parametrize("name", SETUPS)
def test_a_model_is_what_was_asked_for_and_who_answered_is_told_apart(name: str) -> None:
    for row in _setup(name).rows:
        if row["counts_tokens"] and row["model"]:
            assert row["component"] == f"{row['operation']}:{row['model']}"
            assert row["model_response"] in (None, row["model"], f"{row['model']}-2026-05")
            assert not (row["error_type"] and row["model_response"])


@pytest.mark.parametrize("name", SETUPS)
def test_a_framework_is_no_provider(name: str) -> None:
    said = {row["provider"] for row in _setup(name).rows} - {None}
    # A model that has none is called by its class; a vector store says itself.
    assert said <= {"openai", "fakelistchatmodel", "inmemoryvectorstore"}


@pytest.mark.parametrize("name", SETUPS)
def test_no_word_of_a_prompt_an_answer_or_a_user_is_kept(name: str) -> None:
    for row in _setup(name).rows:
        kept = json.dumps(row, default=str)
        assert not [word for word in PROMPTS if word in kept]


@pytest.mark.parametrize("name", SETUPS)
def test_texts_are_counted_under_opentelemetrys_names(name: str) -> None:
    counted = Counter(key for row in _setup(name).rows for key in json.loads(row["features"]) if key.endswith(".words"))
    silent = {"otel-genai-langchain", "otel-openai-v2"}  # content was not captured, or went to /v1/logs
    assert bool(counted["gen_ai.input.messages.words"] or counted["input.value.words"]) == (name not in silent)


def test_every_recording_has_an_expectation() -> None:
    assert {path.name.removesuffix(".jsonl.xz") for path in FOLDER.glob("*.jsonl.xz")} == set(SETUPS)


def test_users_are_hashed_alike_in_every_dialect_that_tells_them() -> None:
    known = [name for name in SETUPS if any(row["user_key"] for row in _setup(name).rows)]
    keys = {row["user_key"] for name in known for row in _setup(name).rows} - {None}
    assert len(keys) == 1
    assert {_setup(name).dialect for name in known} == {
        "openinference",
        "mlflow",
        "traceloop",
        "langsmith",
        "vercel-ai",
    }
