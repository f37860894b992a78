"""What spans tell of how a system behaves, whatever the instrumentor calls it: of a call, and of a whole request. Pure.

Of a call: `truncated`, `filtered`, `refused`, `empty`, `abstained`, `first_token_ms`, `cost`. Of a request:
`request.steps` (calls of components), `request.path` (components in order, several calls in a row as one),
`request.tools` (a set), `request.tool_error` (share of tool calls that failed), `request.tokens`, `request.cost`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from syscard.digest import digest
from syscard_monitors.traces import Row

TOOL: Final = "execute_tool"
LONGEST: Final = 120
"""Characters of a path or a set of tools that are told as they are; a longer one is told by its digest."""
_FINISH: Final = ("gen_ai.response.finish_reasons", "llm.finish_reason", "ai.response.finishReason")
_TRUNCATED: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"})
_FILTERED: Final = frozenset({"content_filter", "content-filter", "safety", "guardrail_intervened", "recitation"})
_REFUSED: Final = frozenset({"refusal"})
_CALLS_TOOL: Final = frozenset({"tool_call", "tool_calls", "tool-calls", "tool_use", "function_call"})
_MADE: Final = ("n_attributes", "n_tags")
"""Where a reader of pictures says how much it read."""
COST_KEYS: Final = ("gen_ai.usage.cost", "llm.cost.total", "operation.cost")
_FIRST_TOKEN: Final = {
    "gen_ai.response.time_to_first_chunk": 1000.0,
    "gen_ai.server.time_to_first_token": 1000.0,
    "ai.response.msToFirstChunk": 1.0,
}
"""Attribute -> milliseconds in its unit."""
_TOOL_NAMES: Final = ("gen_ai.tool.name", "tool.name")
_ANSWER: Final = "gen_ai.output.messages"
Features = Mapping[str, Any]


class Call(NamedTuple):
    """A span of a component, with what was kept beside its columns."""

    span: Row
    features: Features
    is_call: bool
    """Else another span tells of the same call."""
    counts: bool
    """Whether its tokens and cost add to those of the request."""


def of_call(features: Features) -> dict[str, Any]:
    """What the attributes of one span say of how the call went; nothing of what they do not say."""
    return {name: value for name, value in _of_call(features) if value is not None}


def _of_call(features: Features) -> Iterator[tuple[str, Any]]:
    reasons, chars = frozenset(_reasons(features)), features.get(f"{_ANSWER}.chars")
    declines = features.get(f"{_ANSWER}.declines")
    if reasons:
        yield "truncated", bool(reasons & _TRUNCATED)
        yield "filtered", bool(reasons & _FILTERED)
    if reasons & _REFUSED or declines is not None:
        yield "refused", bool(reasons & _REFUSED) or bool(declines)
    if isinstance(chars, int) and not reasons & _CALLS_TOOL:
        yield "empty", chars == 0
    made = next((n for key in _MADE if (n := _number(features.get(key))) is not None), None)
    yield "abstained", None if made is None else made == 0
    yield "cost", next((n for key in COST_KEYS if (n := _number(features.get(key))) is not None), None)
    for key, scale in _FIRST_TOKEN.items():
        if (n := _number(features.get(key))) is not None:
            yield "first_token_ms", n * scale
            return


def _reasons(features: Features) -> Iterator[str]:
    """Why the model stopped, in lower case."""
    for key in _FINISH:
        said = features.get(key)
        for word in said if isinstance(said, list) else [said]:
            if isinstance(word, str) and word:
                yield word.lower()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def of_request(calls: Sequence[Call]) -> dict[str, list[Any]]:
    """What the spans of one request say of all of it, in order of start."""
    told = [call for call in calls if call.is_call]
    tools = [call for call in told if call.span["operation"] == TOOL]
    counted = [call for call in calls if call.counts]
    found: dict[str, Any] = {
        "steps": float(len(told)) or None,
        "path": _named(">".join(name for name, _ in groupby(call.span["component"] for call in told))),
        "tools": _named("+".join(sorted({_tool(call) for call in tools}))),
        "tool_error": sum(c.span["error_type"] is not None for c in tools) / len(tools) if tools else None,
        "tokens": _sum(n for c in counted for n in (c.span["input_tokens"], c.span["output_tokens"])),
        "cost": _sum(of_call(call.features).get("cost") for call in counted),
    }
    return {f"request.{name}": [value] for name, value in found.items() if value is not None}


def _tool(call: Call) -> str:
    said = (call.features.get(key) for key in _TOOL_NAMES)
    return next((name for name in said if isinstance(name, str) and name), str(call.span["component"]))


def _named(text: str) -> str | None:
    return None if not text else text if len(text) <= LONGEST else f"#{digest(text)[:12]}"


def _sum(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) if known else None
