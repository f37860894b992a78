"""Reading `system.yaml`: every problem at once, each with its line and with what to write.

Three passes. The YAML becomes a tree of nodes (nothing is constructed, so no tag can run anything); the tree becomes
plain values, with the line of each beside them; pydantic checks their shape, and `syscard.system_checks` what the
parts say of each other. Scalars are taken *as written*: version 1.10 is not the number 1.1, a day stays a day and `no`
stays a word, whatever YAML would make of them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from syscard.errors import Problem, SystemFileError, UsageError
from syscard.system import EDGE, About, AttributeName, Identifier, Ref, System
from syscard.system_checks import Lines, Place, faults, known_keys, line_of, located, nearest, shown, warnings, where
from syscard.system_examples import EXAMPLES
from syscard.system_rest import faults_beside
from syscard_configs import read_text

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 24
MAX_NODES: Final = 20_000
STARTER: Final = ("examples", "starter.yaml")

_STARTER_REF: Final = "my-recommender"
_STARTER_DAY: Final = "2027-03-01"
_YAML: Final = "tag:yaml.org,2002:"
_SCALARS: Final = frozenset(_YAML + kind for kind in ("str", "int", "float", "bool", "timestamp", "value", "merge"))
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SWALLOWED: Final = re.compile(r"\s*(#[^\s#].*?)\s*$")
"""What YAML takes for a comment although somebody wrote it as a value: `on_call: #discovery`."""
_LOST_IN_GROUP: Final = re.compile(r"[:,\[]\s*(#[^\s#,}\]]+)")


def read_system(path: Path) -> System:
    """The system that a file declares.

    Raises:
        SystemFileError: the file cannot be read, or has problems; carries all of them.
    """
    return parse_system(_text(path), str(path))


def parse_system(text: str, name: str) -> System:
    """The system that the text of a file declares; `name` is what messages call the file.

    Raises:
        SystemFileError: the text has problems; carries all of them, in the order of the file.
    """
    return _parse(text, name)[0]


def read_warnings(path: Path, today: date) -> tuple[Problem, ...]:
    """What a valid file should be warned of today, with lines: days that have passed and the like.

    Raises:
        SystemFileError: the file cannot be read, or has problems.
    """
    system, lines = _parse(_text(path), str(path))
    return warnings(system, today, lines)


def starter_text(ref: str, today: date | None = None) -> str:
    """The commented `system.yaml` that `syscard init` writes, for a system called `ref`.

    `today` moves the days in it a quarter ahead, so that a new file does not start overdue.

    Raises:
        UsageError: `ref` cannot be the name of a system.
    """
    try:
        TypeAdapter(Ref).validate_python(ref)
    except ValidationError:
        raise UsageError(f"'{shown(ref)}' cannot name a system; {_NAMES[_pattern(Ref)][0]}") from None
    day = today + timedelta(days=90) if today else _STARTER_DAY
    return read_text(*STARTER).replace(_STARTER_REF, ref).replace(_STARTER_DAY, str(day))


def _parse(text: str, name: str) -> tuple[System, Lines]:
    try:
        tree = _Tree.of(text)
    except _Unreadable as error:
        raise SystemFileError(name, (error.problem,)) from None
    system, found = _checked(tree)
    problems = tuple(sorted({*tree.problems(), *found}))
    if problems or system is None:
        raise SystemFileError(name, problems)
    return system, tree.lines


def _checked(tree: _Tree) -> tuple[System | None, tuple[Problem, ...]]:
    """The system and what its parts contradict, or no system, what is wrong with the shape, and what else is wrong."""
    try:
        system = System.model_validate(tree.values, by_alias=True, by_name=False)
    except ValidationError as error:
        beside = faults_beside(tree.values, error)
        return None, (*_shape_problems(error, tree), *located(beside, tree.values, tree.lines))
    return system, located(faults(system), tree.values, tree.lines)


class _Unreadable(Exception):
    """The file cannot be read any further: there is one problem and no tree."""

    def __init__(self, line: int, what: str, write: str = "") -> None:
        super().__init__(what)
        self.problem = Problem(line, "the file", what, write)


def _text(path: Path) -> str:
    try:
        return _decoded(_bytes(path))
    except _Unreadable as error:
        raise SystemFileError(str(path), (error.problem,)) from None


def _bytes(path: Path) -> bytes:
    try:
        # One byte more than allowed is read, never all: the path may be a pipe or a device without an end.
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Unreadable(1, "there is no such file", "syscard init") from None
    except IsADirectoryError:
        raise _Unreadable(1, "this is a directory", f"{path / 'system.yaml'}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _Unreadable(1, f"cannot be read: {shown(reason).lower()}") from None
    if len(data) > MAX_BYTES:
        raise _Unreadable(1, "is larger than 1 MiB", "the declaration only; data belongs elsewhere")
    return data


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unreadable(line, f"is not UTF-8: byte 0x{data[error.start]:02x}", "save the file as UTF-8") from None


# ---------------------------------------------------------------------------------------- from text to plain values


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
class _Tree:
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
    def of(cls, text: str) -> _Tree:
        """Read a text.

        Raises:
            _Unreadable: it is not YAML, or there is nothing in it.
        """
        tree = cls(text, [0, *(m.end() for m in re.finditer("\n", text))])
        root = tree._composed()
        if not isinstance(root, yaml.MappingNode):
            what = "is empty" if root is None else "does not start with keys such as schema: and system:"
            raise _Unreadable(1, what, "syscard init writes a file to start from")
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
            raise _Unreadable(line, "there is a character that YAML does not allow", "plain text") from None

    def _syntax(self, error: yaml.MarkedYAMLError) -> _Unreadable:
        trap, start, end = _trap(error), error.context_mark, error.problem_mark
        if trap.at_start and start and end and (lost := _LOST_IN_GROUP.search(self.text, start.index, end.index)):
            what = f"YAML takes {shown(lost[1])} for a comment; quote it"
            return _Unreadable(self._line_at(lost.start(1)), what, f'"{shown(lost[1])}"')
        line = self._line(start if trap.at_start and start else end)
        return _Unreadable(line, trap.what.replace("{detail}", _detail(error)), trap.write)

    def _line(self, mark: yaml.Mark | None) -> int:
        return self._line_at(mark.index) if mark else 1

    def _line_at(self, index: int) -> int:
        # Nothing can be wrong after the last line break: the end of the file is the line that was not finished.
        last = max(0, len(self.text.rstrip("\n")) - 1)
        return bisect_right(self.starts, min(index, last))

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self.size += 1
        if self.size > MAX_NODES or len(place) > MAX_DEPTH:
            raise _Unreadable(self._line(node.start_mark), "an alias makes the file too large", "it out without *")
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
    _Trap("another document", "--- starts a second document; one file declares one system", "one file for each"),
    _Trap("expected <block end>", "the indent fits nothing above, or text follows a closing quote", "it in line"),
    _Trap("could not find expected ':'", "a key without a colon, or a quote above is not closed", "key: value"),
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


# -------------------------------------------------------------------------------- from pydantic's words to plain ones


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


def _pattern(kind: Any) -> str:
    return str(get_args(kind)[1].pattern)


_WORD: Final = "small letters, digits, - and _, starting with a letter, at most 64 long"
_NAMES: Final = {
    _pattern(Ref): (f"a name has {_WORD}", "a name such as shop-recommender"),
    _pattern(Identifier): ("an id has letters, digits, - and _, starting with a letter", "an id such as R-1"),
    _pattern(About): ("a claim or risk is about system, a component or an edge", "llm, vlm->llm or system"),
    _pattern(AttributeName): ("an attribute has letters, digits and . _ - /", "shop.category, or shop.* for all below"),
    EDGE.pattern: ("an edge is two components and an arrow", "cf->llm"),
}


def _shape_problems(error: ValidationError, tree: _Tree) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        place = _place(detail["loc"], tree)
        # A list is also called too short when its entries are wrong; those are told one by one.
        cascade = detail["type"] == "too_short" and bool(detail["input"])
        if place not in tree.blames and not cascade:
            what, write = _words(detail, place)
            yield Problem(_line_of(detail, place, tree), where(place, tree.values), what, write)


def _place(loc: Place, tree: _Tree) -> Place:
    """Where pydantic points; it marks a key, as against its value, by one more step."""
    return loc[:-1] if loc[-1:] == ("[key]",) and loc not in tree.lines else loc


def _line_of(detail: ErrorDetails, place: Place, tree: _Tree) -> int:
    about_key = detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
    return line_of(place, tree.key_lines if about_key else tree.lines)


def _words(detail: ErrorDetails, place: Place) -> tuple[str, str]:
    """What is wrong and what to write, for one thing that pydantic found."""
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing", _example(place)
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if given is None or given in ("", [], {}):
        return "is empty", _example(place)
    if kind in ("literal_error", "enum"):
        return _choice(str(given), re.findall(r"'([^']*)'", context["expected"]))
    if kind == "string_pattern_mismatch":
        what, write = _NAMES[context["pattern"]]
        return f"'{shown(given)}' does not fit: {what}", write
    if kind == "value_error":
        what, _, write = str(context["error"]).partition("; write ")
        return shown(what, 300), shown(write, 300)
    return _wrong(kind, given, context), _example(place)


def _unknown_key(place: Place) -> tuple[str, str]:
    known = known_keys(place[:-1])
    meant = nearest(str(place[-1]), known)
    if meant in known:
        return f"is not a key that is read here; did you mean {meant}?", meant
    return "is not a key that is read here", meant


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


def _example(place: Place) -> str:
    """A line that would be right here, by the whole path first and by the last key next."""
    keys = [step for step in place if isinstance(step, str)]
    if not keys:
        return ""
    return EXAMPLES.get(".".join(keys)) or EXAMPLES.get(keys[-1], "")
