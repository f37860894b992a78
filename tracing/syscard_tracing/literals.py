"""JSON in a string, and Python's repr where an instrumentor wrote that instead. Nothing is ever evaluated."""

from __future__ import annotations

import ast
import json
from typing import Any, Final

from syscard_tracing.spans import MAX_DEPTH, Value

LARGEST: Final = 65_536
"""Characters of JSON in a string that are read for a member."""
LARGEST_REPR: Final = 32_768
"""Characters of Python that are parsed: the parser takes some hundred bytes for each."""
DEEPEST: Final = 4 * MAX_DEPTH
_OPEN: Final = frozenset("[{(")
_CLOSE: Final = frozenset("]})")
_BEGINS: Final = ("{'", "[{'", "['", "[(", "({", "('")


def parsed(text: str) -> Value:
    """What a string that begins like JSON or like a Python container holds; None where it holds neither.

    >>> parsed('{"k": 3}'), parsed("{'k': 3, 'on': True}"), parsed("[1")
    ({'k': 3}, {'k': 3, 'on': True}, None)
    """
    try:
        found: Value = json.loads(text)
    except (ValueError, RecursionError):
        return literal(text)
    return found


def literal(text: str) -> Value:
    """The lists, dicts and scalars of a Python literal; None where it is none, or too large or deep."""
    if not is_repr(text):
        return None
    try:
        return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def is_repr(text: str) -> bool:
    """Whether a text may be the repr of a container, by its size, its depth and its beginning."""
    if len(text) > LARGEST_REPR or text[:1] not in _OPEN:
        return False
    depth = deepest = 0
    for char in text:
        depth += (char in _OPEN) - (char in _CLOSE)
        deepest = max(deepest, depth)
    return deepest <= DEEPEST


def nested(text: str) -> bool:
    """Whether a string inside a document looks like a repr: JSON never begins so."""
    return text.startswith(_BEGINS)


def member(value: Value, path: str) -> Value:
    """A scalar in an object held in a string, by its name or by a dotted path; None where it is not there."""
    if not isinstance(value, str) or len(value) > LARGEST or value[:1] not in _OPEN:
        return None
    found: Any = parsed(value)
    if isinstance(found, dict) and path in found:
        found = found[path]
    else:
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, str | int | float) else None


def _plain(value: Any) -> Value:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | bool | int | float) else None
