"""YAML as plain values that know their lines: what somebody writes by hand is read here, whatever it declares.

The text becomes a tree of nodes (nothing is constructed, so no tag can run anything), the tree becomes plain values
with the line of each beside them. Scalars are taken *as written*: version 1.10 is not the number 1.1, a day stays a day
and `no` stays a word, whatever YAML would make of them. A key that is written twice is a problem: YAML takes the last.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

from syscard.errors import Problem
from syscard.system_checks import Place, shown, where

MAX_DEPTH: Final = 24
MAX_NODES: Final = 20_000

_YAML: Final = "tag:yaml.org,2002:"
_SCALARS: Final = frozenset(_YAML + kind for kind in ("str", "int", "float", "bool", "timestamp", "value", "merge"))
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SWALLOWED: Final = re.compile(r"\s*(#[^\s#].*?)\s*$")
"""What YAML takes for a comment although somebody wrote it as a value: `on_call: #discovery`."""
_LOST_IN_GROUP: Final = re.compile(r"[:,\[]\s*(#[^\s#,}\]]+)")


class Unreadable(Exception):
    """A file cannot be read any further: there is one problem and no tree."""

    def __init__(self, line: int, what: str, write: str = "") -> None:
        super().__init__(what)
        self.problem = Problem(line, "the file", what, write)


def decoded(data: bytes) -> str:
    """The text of a file.

    Raises:
        Unreadable: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, f"is not UTF-8: byte 0x{data[error.start]:02x}", "save the file as UTF-8") from None


class _Loader(yaml.SafeLoader):
    """Composes nodes, and stops before a hostile file costs much time or stack."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise yaml.MarkedYAMLError(problem="too much", problem_mark=self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Blame(NamedTuple):
    line: int
    at: Place
    what: str
    write: str


@dataclass
class Tree:
    """The values of a file as they are read from its nodes, and where each stands."""

    text: str
    starts: list[int]
    """Offset of the first character of every line, as an editor counts lines."""
    values: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    key_lines: dict[Place, int] = field(default_factory=dict)
    blames: dict[Place, _Blame] = field(default_factory=dict)
    """What the YAML itself hides or doubles; the shape is not blamed again for these places."""
    size: int = 0

    @classmethod
    def of(cls, text: str, keys: str, write: str) -> Tree:
        """Read a text; `keys` are such as it starts with, and `write` is what helps where it has none.

        Raises:
            Unreadable: it is not YAML, or there is nothing in it.
        """
        tree = cls(text, [0, *(m.end() for m in re.finditer("\n", text))])
        root = tree._composed()
        if not isinstance(root, yaml.MappingNode):
            what = "is empty" if root is None else f"does not start with keys such as {keys}"
            raise Unreadable(1, what, write)
        tree.lines[()] = tree._line(root.start_mark)
        tree.values = tree._value(root, ())
        return tree

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the YAML, though it could be read."""
        return (Problem(b.line, where(b.at, self.values), b.what, b.write) for b in self.blames.values())

    def _composed(self) -> yaml.Node | None:
        try:
            loader = _Loader(self.text)
            return loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            raise self._syntax(error) from None
        except yaml.reader.ReaderError as error:
            line = self._line_at(error.position)
            raise Unreadable(line, "there is a character that YAML does not allow", "plain text") from None

    def _syntax(self, error: yaml.MarkedYAMLError) -> Unreadable:
        trap, start, end = _trap(error), error.context_mark, error.problem_mark
        if trap.at_start and start and end and (lost := _LOST_IN_GROUP.search(self.text, start.index, end.index)):
            what = f"YAML takes {shown(lost[1])} for a comment; quote it"
            return Unreadable(self._line_at(lost.start(1)), what, f'"{shown(lost[1])}"')
        line = self._line(start if trap.at_start and start else end)
        return Unreadable(line, trap.what.replace("{detail}", _detail(error)), trap.write)

    def _line(self, mark: yaml.Mark | None) -> int:
        return self._line_at(mark.index) if mark else 1

    def _line_at(self, index: int) -> int:
        # Nothing can be wrong after the last line break: the end of the file is the line that was not finished.
        last = max(0, len(self.text.rstrip("\n")) - 1)
        return bisect_right(self.starts, min(index, last))

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self.size += 1
        if self.size > MAX_NODES or len(place) > MAX_DEPTH:
            raise Unreadable(self._line(node.start_mark), "an alias makes the file too large", "it out without *")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_YAML}map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_YAML}seq":
            return [self._entry(child, (*place, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in (*_SCALARS, f"{_YAML}null"):
            return self._scalar(node, place)
        self._blame(place, node, f"the tag {shown(node.tag.replace(_YAML, '!!'))} is not read", "the value alone")
        return None

    def _entry(self, node: yaml.Node, place: Place) -> Any:
        self.lines[place] = self._line(node.start_mark)
        return self._value(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key in values:
                what = f"is written twice; the first is on line {self.key_lines[(*place, key)]}"
                self._blame_once_more((*place, key), key_node, what, "it once")
            elif key is not None:
                self._remember((*place, key), key_node, value_node)
                values[key] = self._value(value_node, (*place, key))
        return values

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._blame_once_more(place, node, "a key must be a word", "key: value")
            return None
        if node.tag == f"{_YAML}merge":
            self._blame_once_more((*place, "<<"), node, "merge keys are not read", "the keys out")
            return None
        return str(node.value)

    def _remember(self, place: Place, key: yaml.Node, value: yaml.Node) -> None:
        self.key_lines[place] = self._line(key.start_mark)
        # A list or a block of keys is known by the line of its key; a scalar by its own.
        scalar = isinstance(value, yaml.ScalarNode)
        self.lines[place] = self._line(value.start_mark) if scalar else self.key_lines[place]

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> str | None:
        if node.tag == f"{_YAML}null":
            self._look_for_comment(node, place)
            return None
        if _CONTROL.search(node.value):
            self._blame(place, node, "holds control characters", "plain text")
        return str(node.value)

    def _look_for_comment(self, node: yaml.ScalarNode, place: Place) -> None:
        """Nothing is written here, unless somebody wrote `#channel` without quotes."""
        end = self.text.find("\n", node.end_mark.index)
        rest = self.text[node.end_mark.index : end if end >= 0 else None]
        if not node.value and (lost := _SWALLOWED.fullmatch(rest)):
            what = f"is empty: YAML takes {shown(lost[1])} for a comment; quote it"
            self._blame(place, node, what, f'"{shown(lost[1])}"')

    def _blame(self, place: Place, node: yaml.Node, what: str, write: str) -> None:
        self.blames[place] = _Blame(self._line(node.start_mark), place, what, write)

    def _blame_once_more(self, place: Place, node: yaml.Node, what: str, write: str) -> None:
        """Blame a place whose value is fine, so that its shape is still checked."""
        self.blames[(*place, -1 - len(self.blames))] = _Blame(self._line(node.start_mark), place, what, write)


class _Trap(NamedTuple):
    """What a YAML error means to somebody who does not write parsers."""

    says: str
    what: str
    write: str
    at_start: bool = False
    """The line to look at is where the broken thing starts, not where the reader gave up."""


_BLOCK: Final = "a value that starts with > or | must be quoted, or a quote above is not closed"
_TRAPS: Final = (
    _Trap("too much", f"is nested deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} values", "less"),
    _Trap("while scanning a block scalar", _BLOCK, 'expect: ">= 0.90"'),
    _Trap("found character '\\t'", "there is a tab; YAML is indented with spaces", "spaces"),
    _Trap("cannot start any token", "a value cannot start with {detail}; quote it", '"..." around the value'),
    _Trap("mapping values are not allowed", "a colon and a space inside a text, or a wrong indent", '"..." around it'),
    _Trap("expected ',' or ']'", "a list [ ... ] is not closed, or a comma is missing", "]", at_start=True),
    _Trap("expected ',' or '}'", "a group { ... } is not closed, or a comma is missing", "}", at_start=True),
    _Trap("found unexpected end of stream", "a quoted text is not closed", "the closing quote", at_start=True),
    _Trap("found undefined alias", "a value that starts with * must be quoted", '"..." around the value'),
    _Trap("alphabetic or numeric", "a value that starts with & or * must be quoted", '"..." around the value'),
    _Trap("unknown escape", "there is a backslash inside double quotes", "single quotes"),
    _Trap("another document", "--- starts a second document; one file declares one thing", "one file for each"),
    _Trap("expected <block end>", "the indent fits nothing above, or text follows a closing quote", "it in line"),
    _Trap("could not find expected ':'", "a key without a colon, or a quote above is not closed", "key: value"),
    _Trap("found '<stream end>'", "the file ends where a value is expected", "the value, and what closes it"),
    _Trap("expected the node content", "a value cannot start with {detail}; quote it", '"..." around the value'),
)
_OTHER: Final = _Trap("", "is not YAML here: {detail}", "key: value")


def _trap(error: yaml.MarkedYAMLError) -> _Trap:
    said = f"{error.context} {error.problem}"
    return next((trap for trap in _TRAPS if trap.says in said), _OTHER)


def _detail(error: yaml.MarkedYAMLError) -> str:
    """The character that the reader stumbled over, or its own words."""
    quoted = re.search(r"'(.)'", error.problem or "")
    return quoted[1] if quoted else shown(error.problem or "it cannot be read")
