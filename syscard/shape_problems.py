"""What pydantic found wrong with a YAML file in plain words: each with its line and with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from syscard.errors import Problem
from syscard.system_checks import Place, known_keys, line_of, nearest, shown, where
from syscard.yaml_tree import Tree

_WANTS: Final = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "finite": "a number",
    "tuple": "a list",
    "dict": "keys with values",
    "model": "keys with values",
}


def _unsaid(_place: Place) -> tuple[str, str] | None:
    return None


@dataclass(frozen=True)
class Shape:
    """What a kind of file looks like, for messages."""

    root: type[BaseModel]
    examples: Mapping[str, str]
    """A line that would be right, by the whole path of keys or by the last of them."""
    names: Mapping[str, tuple[str, str]]
    """By pattern: what fits it, and an example."""
    unread: Callable[[Place], tuple[str, str] | None] = _unsaid
    """Special words for a key that is not read at a place, and what to write."""

    def problems(self, error: ValidationError, tree: Tree) -> Iterator[Problem]:
        """Everything that is wrong with the shape."""
        for detail in error.errors(include_url=False):
            place = _place(detail["loc"], tree)
            # A list is also called too short when its entries are wrong; those are told one by one.
            cascade = detail["type"] == "too_short" and bool(detail["input"])
            if place not in tree.blames and not cascade:
                what, write = self._words(detail, place)
                yield Problem(_line_of(detail, place, tree), where(place, tree.values), what, write)

    def _words(self, detail: ErrorDetails, place: Place) -> tuple[str, str]:
        """What is wrong and what to write, for one thing that pydantic found."""
        kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
        if kind == "missing":
            return "is missing", self._example(place)
        if kind == "extra_forbidden":
            return self._unknown_key(place)
        if given is None or given in ("", [], {}):
            return "is empty", self._example(place)
        if kind in ("literal_error", "enum"):
            return _choice(str(given), re.findall(r"'([^']*)'", context["expected"]))
        if kind == "string_pattern_mismatch":
            what, write = self.names[context["pattern"]]
            return f"'{shown(given)}' does not fit: {what}", write
        if kind == "value_error":
            what, _, write = str(context["error"]).partition("; write ")
            return shown(what, 300), shown(write, 300)
        return _wrong(kind, given, context), self._example(place)

    def _unknown_key(self, place: Place) -> tuple[str, str]:
        if special := self.unread(place):
            return special
        known = known_keys(place[:-1], self.root)
        meant = nearest(str(place[-1]), known)
        if meant in known:
            return f"is not a key that is read here; did you mean {meant}?", meant
        return "is not a key that is read here", meant

    def _example(self, place: Place) -> str:
        """A line that would be right here, by the whole path first and by the last key next."""
        keys = [step for step in place if isinstance(step, str)]
        if not keys:
            return ""
        return self.examples.get(".".join(keys)) or self.examples.get(keys[-1], "")


def _place(loc: Place, tree: Tree) -> Place:
    """Where pydantic points; it marks a key, as against its value, by one more step."""
    return loc[:-1] if loc[-1:] == ("[key]",) and loc not in tree.lines else loc


def _line_of(detail: ErrorDetails, place: Place, tree: Tree) -> int:
    about_key = detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
    return line_of(place, tree.key_lines if about_key else tree.lines)


def _choice(given: str, known: list[str]) -> tuple[str, str]:
    meant = nearest(given, known)
    if len(known) > 1 and meant in known:
        return f"'{shown(given)}' is not one of {', '.join(known)}; did you mean {meant}?", meant
    return f"'{shown(given)}' is not known here", meant if len(known) > 1 else known[0]


def _wrong(kind: str, given: object, context: dict[str, Any]) -> str:
    """Words for a value of the wrong type or size."""
    if kind == "string_too_short":
        return "is empty"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters"
    if kind == "too_long":
        return f"has more than {context['max_length']} entries"
    if kind.startswith("greater_than"):
        return f"must be {'at least' if 'ge' in context else 'more than'} {next(iter(context.values())):g}"
    wants = _WANTS.get(kind.split("_", 1)[0], "another kind of value")
    if wants == "text" and isinstance(given, dict):
        return "wants text; a colon and a space make it a key with a value: quote it"
    return f"wants {wants}, has {_kind_of(given)}"


def _kind_of(given: object) -> str:
    if isinstance(given, dict):
        return "keys with values"
    return "a list" if isinstance(given, list) else f"'{shown(given)}'"
