"""Values that their names give away, out of documents and out of text in which pieces of documents stand.

`{"password": "hunter2"}` has no shape that a rule could find, but a name. Messages travel as JSON in a string, often as
JSON in JSON, as Python's repr, cut off, or quoted in a sentence: what parses is walked, what does not is searched.
"""

from __future__ import annotations

import re
from typing import Final

from syscard_tracing.literals import literal, nested, parsed
from syscard_tracing.names import Names, named
from syscard_tracing.spans import Value

EVERY: Final = frozenset(Names)
SECRETS: Final = frozenset({Names.SECRET})
_DEEPEST: Final = 32
_SHORTEST_IMAGE: Final = 128
_IMAGE: Final = re.compile(rf"data:[^,\s\"']{{0,200}},[A-Za-z0-9+/=%_-]*|[A-Za-z0-9+/_-]{{{_SHORTEST_IMAGE},}}={{0,2}}")
_IMAGE_TYPES: Final = frozenset({"blob", "image", "image_url", "input_image", "binary", "audio", "video", "file"})
_NAME: Final = r"[A-Za-z][\w .-]{0,62}"
# "name": and "name" => and ["name", as headers are listed, and name="password" value=; quotes may be escaped.
_HEAD: Final = re.compile(
    rf"(?P<open>[\[(]\s{{0,3}})?(?P<quote>\\{{0,7}}[\"'])(?P<name>{_NAME})(?P=quote)\s{{0,16}}"
    r"(?P<sign>:|=>|[,\s]\s{0,3}(?P<inner>\\{0,7}[\"'])?(?i:value)(?(inner)(?P=inner))\s{0,3}[:=]|(?(open),|(?!)))\s{0,16}"
)
_LONGEST: Final = 4_000
"""Characters of one value that are taken out; it may be cut off before its quote."""
_QUOTED: Final = {quote: re.compile(rf"(?:\\.|[^\\{quote}]){{0,{_LONGEST}}}", re.DOTALL) for quote in ('"', "'")}
_INSIDE: Final = re.compile(rf"[\[{{][^\]}}]{{0,{_LONGEST}}}")
_BARE: Final = re.compile(r"-?[\w.+-]{1,200}(?:\((?:[^()]|\([^()]{0,200}\)){0,2000}\))?")
"""A word, or what Python's repr shows as a call: `SecretStr('...')`."""
_NO_VALUE: Final = ("true", "false", "null", "None", "True", "False", "")


class Search:
    """Goes through values and takes out what has a name of `hide`, which it counts, and pictures."""

    def __init__(self, hide: frozenset[Names]) -> None:
        self._hide = hide
        self.hits = 0

    def without(self, value: Value, depth: int = 0) -> Value:
        """The value with a placeholder such as `[secret]` where something was; a document in a string as a document."""
        if depth > _DEEPEST:
            return None
        if isinstance(value, str):
            inner = _document(value)
            return self._text(value) if inner is None else self.without(inner, depth + 1)
        if isinstance(value, list):
            return self._pairs(value, depth) or [self.without(item, depth + 1) for item in value]
        if isinstance(value, dict):
            if value.get("type") in _IMAGE_TYPES:
                return {"type": value["type"]}
            return {
                name: self._shown(name, item) or self.without(item, depth + 1) for name, item in _told(value).items()
            }
        return value

    def _pairs(self, items: list[Value], depth: int) -> list[Value] | None:
        """Headers, listed as name and value in turns, without the secrets; other names are often just listed."""
        if len(items) % 2:
            return None
        shown = {
            at: told
            for at, name, item in zip(range(1, len(items), 2), items[::2], items[1::2], strict=True)
            if isinstance(name, str) and named(name) is Names.SECRET and (told := self._shown(name, item))
        }
        if not shown:
            return None
        # Two words beside each other, `pin, sent`, may be no name and its value: taken out, but no sign of a secret.
        self.hits -= sum(_is_plain_word(items[at]) for at in shown)
        return [shown.get(at) or self.without(item, depth + 1) for at, item in enumerate(items)]

    def _text(self, text: str) -> str:
        if len(text) >= _SHORTEST_IMAGE or "data:" in text:
            text = _IMAGE.sub("[image]", text)
        if '"' not in text and "'" not in text:
            return text
        pieces: list[str] = []
        done = 0
        for head in _HEAD.finditer(text):
            if head.start() < done or (found := self._value(text, head)) is None:
                continue
            begin, end, shown = found
            pieces += [text[done:begin], shown]
            done = end
        return "".join((*pieces, text[done:]))

    def _value(self, text: str, head: re.Match[str]) -> tuple[int, int, str] | None:
        """Begin and end of the value behind a name, and what stands for it; None where it stays."""
        names = named(head["name"])
        if names not in self._hide or (head["sign"] == "," and names is not Names.SECRET):
            return None
        if names is not Names.SECRET and text[head.end() : head.end() + 1] in ("[", "{"):
            return None
        begin, end = _extent(text, head.end(), head["quote"])
        said: Value = text[begin:end]
        if said in _NO_VALUE or (head["sign"] == "," and begin == head.end()):  # a list goes on with a word in quotes
            return None
        is_inside = begin == head.end() and text[begin] in "[{"
        shown = self._shown(head["name"], {"": said} if is_inside else said)
        return None if shown is None else (begin, end, shown)

    def _shown(self, name: str, item: Value) -> str | None:
        """What stands for a value of this name; None where it stays. Below the name of a secret everything is one."""
        names = named(name)
        if names is None or names not in self._hide or isinstance(item, bool) or item in (None, "", [], {}):
            return None
        if names is not Names.SECRET and not is_plain(item):
            return None
        # A chat is also written as {"user": ..., "assistant": ...}: who somebody is has no blanks.
        if names is Names.USER and isinstance(item, str) and " " in item:
            return None
        self.hits += 1
        return f"[{names.value}]"


def _is_plain_word(item: Value) -> bool:
    return isinstance(item, str) and item.isalpha() and item.islower()


def _extent(text: str, at: int, quote: str) -> tuple[int, int]:
    """Where a value begins and ends: in quotes like its name's or plain ones, in brackets, or bare."""
    if text.startswith(quote, at) and len(quote) > 1:
        begin = at + len(quote)
        end = text.find(quote, begin, begin + _LONGEST)
        return begin, end if end >= 0 else min(begin + _LONGEST, len(text))
    if inner := _QUOTED.get(text[at : at + 1]):
        match = inner.match(text, at + 1)
        return at + 1, match.end() if match else at + 1
    match = _INSIDE.match(text, at) or _BARE.match(text, at)
    return at, match.end() if match else at


def _document(text: str) -> Value:
    """The object or list that a string is when it is read as JSON or as Python's repr; None where it is none."""
    text = text.lstrip()
    if text[:1] in ("[", "{", '"'):  # a document may also be written as a string, and that as JSON
        return parsed(text)
    return literal(text) if nested(text) else None


def _told(tree: dict[str, Value]) -> dict[str, Value]:
    """`{"name": "password", "value": ...}` with the value under its name."""
    small = {key.lower(): key for key in tree}
    name = next((tree[small[key]] for key in ("name", "key", "header") if key in small), None)
    if "value" not in small or not isinstance(name, str) or named(name) is None:
        return tree
    return {name if key == small["value"] else key: item for key, item in tree.items()}


def is_plain(item: Value) -> bool:
    """A word, a number or a list of them: what a name can be the name of."""
    if isinstance(item, list):
        return all(is_plain(i) for i in item)
    return isinstance(item, str | int | float) and not isinstance(item, bool)
