"""The same application shows the same edges between its components, whichever instrumentor watches it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from syscard_monitors.assemble import Frontier, Request, assemble
from syscard_monitors.edges import seen_edges
from tests.golden import LEAVES, read_setup

TOOL, PLANNER, REASONS = "execute_tool:recommend_items", "chat:planner-llm", "chat:rationale-llm"
WATERMARK = 1 << 60
SETUPS = (
    "mlflow-langchain", "openinference-langchain", "traceloop-langchain", "langsmith-langchain", "openlit-langchain",
    "otel-genai-langchain", "otel-genai-langchain-latest", "mlflow-genai-langchain",
)  # fmt: skip
AGENTS = ("pydantic-ai-v2", "pydantic-ai-old", "pydantic-ai-v4", "vercel-ai", "vercel-ai-legacy")


def _requests(rows: list[dict[str, Any]]) -> tuple[Request, ...]:
    seen = [{**row, "start_us": row["start"], "received_us": row["received"]} for row in rows]
    return assemble(
        seen, root=None, frontier=Frontier(), watermark_us=WATERMARK, before_us=0,
        complete_after=timedelta(0), seen_before_us=0,
    ).complete  # fmt: skip


def _edges(name: str, declared: set[tuple[str, str]]) -> dict[str, int]:
    found = seen_edges(_requests(read_setup(name).rows), frozenset(declared))
    return {edge.ref: edge.traces for edge in found if {edge.source.split(":")[0], edge.target.split(":")[0]} <= LEAVES}


@pytest.mark.parametrize("name", SETUPS)
def test_the_graph_the_agent_and_the_retriever_have_the_same_edges(name: str) -> None:
    rows = read_setup(name).rows
    (retriever,) = {row["component"] for row in rows if row["operation"] == "retrieval"}  # not all of them name it
    declared = {("chat:vlm-mini", TOOL), (TOOL, REASONS), (PLANNER, TOOL), (TOOL, PLANNER), (retriever, REASONS)}
    assert _edges(name, declared) == {
        f"chat:vlm-mini->{TOOL}": 3,
        f"{TOOL}->{REASONS}": 2,
        f"{PLANNER}->{TOOL}": 1,
        f"{TOOL}->{PLANNER}": 1,
        f"{retriever}->{REASONS}": 1,
    }


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_of_another_framework_has_the_same_edges(name: str) -> None:
    failing = name not in ("vercel-ai",)  # it was not run with a failing tool
    back = 2 if name == "vercel-ai-legacy" else 1  # the model is told of the failure and goes on
    expected = {f"{PLANNER}->{TOOL}": 1 + failing, f"{TOOL}->{PLANNER}": back}
    assert _edges(name, {(PLANNER, TOOL), (TOOL, PLANNER)}) == expected


def test_tokens_of_a_sum_that_came_in_another_batch_do_not_count_again() -> None:
    """As they are stored when parent and child come in two requests: both of them counting."""
    rows = [row for row in read_setup("vercel-ai").rows if row["operation"] == "embeddings"]
    rows = [{**row, "counts_tokens": True, "input_tokens": 4} for row in rows]
    (request,) = _requests(rows)
    assert request.values["embeddings:embed-small.input_tokens"] == [4]
