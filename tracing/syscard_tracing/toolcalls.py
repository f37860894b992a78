"""Tool-call ids: which calls a model asked for, which answers it was handed, and which call a tool answers.

The id is the model's own, so it ties a tool's span to the model that asked for it however the spans are nested. It
stands in an attribute, in flattened messages, or inside the text of messages and results. That text is not kept; the
ids are, as keyed hashes. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from syscard_tracing.rules import plain
from syscard_tracing.spans import Attributes, Value

ASKED: Final = "tool_call.asked"
"""Feature of a model's span: calls that it asked for."""
ANSWERED: Final = "tool_call.answered"
"""Feature of a model's span: calls whose answers it was handed."""
CALL: Final = "tool_call.id"
"""Feature of a tool's span: the call that it answers."""
MOST_IDS: Final = 64
"""Ids kept of one span."""
LONGEST_ID: Final = 256
_NODES: Final = 5_000
_DEPTH: Final = 16
_OWN_KEYS: Final = ("gen_ai.tool.call.id", "tool_call_id", "tool_call.id", "ai.toolCall.id")
_OUT: Final = re.compile(r"output|completion|result|response", re.IGNORECASE)
_IN: Final = re.compile(r"input|prompt|arguments", re.IGNORECASE)
_FLAT_ASKED: Final = re.compile(r"\.message\.tool_calls\.\d+\.tool_call\.id$|\.tool_calls\.\d+\.id$")
_FLAT_ANSWERED: Final = re.compile(r"\.message\.tool_call_id$|\.\d+\.tool_call_id$")
_ASKS: Final = frozenset({"tool_call", "tool_use", "tool-call", "function_call"})
_ANSWERS: Final = frozenset({"tool_call_response", "tool_result", "tool-result", "function_call_output"})
_LISTS: Final = ("tool_calls", "toolCalls")
_ANSWERED_BY: Final = ("tool_call_id", "toolCallId", "tool_use_id", "call_id")
_WRITTEN: Final = re.compile(r"tool_call_id\\*['\"]?\s*[:=]\s*\\*['\"]([^'\"\\]{1,256})\\*['\"]")
"""In text that is no JSON: the `repr` of a message, or JSON within JSON."""
_NO_CALLS: Final = frozenset({"gen_ai.response.id", "gen_ai.output.type"})
_NO_MESSAGES: Final = frozenset({"model", "finish_reasons", "mime_type", "service_tier", "system_fingerprint"})
Mark = Callable[[str], str]


def tool_call_features(attributes: Attributes, *, model: bool, tool: bool, mark: Mark) -> dict[str, Value]:
    """Features that tie tools to models; empty where a span has none, or is neither.

    Args:
        attributes: of the span.
        model: its operation calls a model.
        tool: its operation runs a tool.
        mark: keyed hash of an id.
    """
    if model:
        found = {ASKED: _asked(attributes), ANSWERED: _answered(attributes)}
        return {name: [mark(i) for i in ids] for name, ids in found.items() if ids}
    if tool and (own := _own(attributes)):
        return {CALL: mark(own)}
    return {}


def may_tell(key: str) -> bool:
    """Whether an attribute of this name may hold ids of tool calls: most called input or output do not."""
    if key in _OWN_KEYS:
        return True
    if key in _NO_CALLS or key.endswith("tokens") or key.rpartition(".")[2] in _NO_MESSAGES:
        return False
    return bool(_OUT.search(key) or _IN.search(key) or "toolCalls" in key)


def _asked(attributes: Attributes) -> list[str]:
    """Ids in what the model said; some instrumentors state the one call of a model beside it."""
    said = (i for key, value in attributes.items() for i in _asked_in(key, value))
    return _first((*_stated(attributes), *said))


def _asked_in(key: str, value: Value) -> Iterator[str]:
    if not _OUT.search(key) and "toolCalls" not in key:
        return
    if _FLAT_ASKED.search(key):
        yield from _id(value)
    else:
        yield from (i for asks, i in _ids(_tree(value)) if asks)


def _answered(attributes: Attributes) -> list[str]:
    return _first(i for key, value in attributes.items() if _IN.search(key) for i in _answered_in(key, value))


def _answered_in(key: str, value: Value) -> Iterator[str]:
    if _FLAT_ANSWERED.search(key):
        yield from _id(value)
    else:
        yield from (i for asks, i in _ids(_tree(value)) if not asks)


def _own(attributes: Attributes) -> str | None:
    """The call that a tool's span answers: stated, else said by its result, else handed to it."""
    found = [*_stated(attributes)]
    for side in (_OUT, _IN):
        for key, value in attributes.items():
            if not found and side.search(key) and isinstance(value, str) and "tool_call_id" in value:
                found += _WRITTEN.findall(value)[:1]
    return next(iter(found), None)


def _stated(attributes: Attributes) -> Iterator[str]:
    for key in _OWN_KEYS:
        yield from _id(attributes.get(key))


def _id(value: Value) -> Iterator[str]:
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID:
        yield value


def _first(ids: Iterator[str] | tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(ids))[:MOST_IDS]


def _tree(value: Value) -> Value:
    """The JSON of a text in which a tool call may stand; anything else is not worth reading."""
    if not isinstance(value, str):
        return value
    if value[:1] not in ("[", "{") or not any(w in value for w in ("tool", "function_call")):
        return None
    try:
        read: Value = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return read


def _ids(tree: Value) -> Iterator[tuple[bool, str]]:
    """(whether it is asked for, id) for every call in a tree of messages, within bounds."""
    waiting: list[tuple[Value, int, bool]] = [(tree, 0, False)]
    for _ in range(_NODES):
        if not waiting:
            return
        node, depth, listed = waiting.pop()
        if isinstance(node, dict):
            yield from _ids_of(node, listed)
        if depth < _DEPTH:
            waiting += [(child, depth + 1, inside) for child, inside in reversed(_below(node, listed))]


def _below(node: Value, listed: bool) -> list[tuple[Value, bool]]:
    """Children that can hold calls, and whether they stand in a list of calls."""
    if isinstance(node, list):
        return [(child, listed) for child in node if isinstance(child, list | dict)]
    if isinstance(node, dict):
        return [(child, key in _LISTS) for key, child in node.items() if isinstance(child, list | dict)]
    return []


def _ids_of(node: dict[str, Value], listed: bool) -> Iterator[tuple[bool, str]]:
    kind = plain(node.get("type"))
    if listed or kind in _ASKS:
        yield from ((True, i) for key in ("id", "toolCallId", "call_id") for i in _id(node.get(key)))
    elif kind in _ANSWERS:
        yield from ((False, i) for key in ("id", *_ANSWERED_BY) for i in _id(node.get(key)))
    else:
        yield from ((False, i) for key in _ANSWERED_BY for i in _id(node.get(key)))
