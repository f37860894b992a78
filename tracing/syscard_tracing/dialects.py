"""Dialects are data: which keys a convention uses for what. The tables live in `syscard_configs/dialects/`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from fnmatch import translate
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Final, NamedTuple

from syscard_tracing.labels import is_key, is_label
from syscard_tracing.literals import member
from syscard_tracing.spans import Attributes, Value
from syscard_tracing.tables import COLUMN_NAMES, Correction, DialectTable, EventTable, parse_table

STEP: Final = "step"
"""Operation of a span that no component shows in: a node of a graph, a part of a chain."""
FALLBACK: Final = "syscard"
"""The table that a span of no dialect is read by."""
_CACHE_LIMIT: Final = 8192


class Kind(Enum):
    """What an attribute is to us."""

    COLUMN = "column"
    USER = "user"
    HASHED = "hashed"
    TEXT = "text"
    LABEL = "label"
    DROPPED = "dropped"
    OWN = "own"
    OTHER = "other"


class Role(NamedTuple):
    """What one attribute key means in a dialect."""

    kind: Kind
    field: str
    """Text: the name that parts of one text share. Column by a pattern: the column. Else the key."""


class Source(NamedTuple):
    """Where a column is read from: an attribute, or a member of a JSON object in it."""

    key: str
    member: str | None


class Dialect:
    """A dialect with the tables it also reads merged behind its own, ready to be asked."""

    def __init__(self, table: DialectTable, others: tuple[DialectTable, ...] = ()) -> None:
        tables = (table, *others)
        self.name = table.name
        self.detect = table.detect
        self.quoted = table.quoted
        self.raised_is_failed = table.raised_is_failed
        self._operation_keys = _chain(t.operation.keys for t in tables)
        self._operations = {k.lower(): v for t in reversed(tables) for k, v in t.operation.values.items()}
        self._implied = {k: v for t in tables for k, v in t.operation.implied.items()}
        self._corrections = tuple(c for t in tables for c in t.operation.corrections)
        asked = ([_source(key).key for key in (*c.where, *c.without, *c.same)] for c in self._corrections)
        self.tells_operation = frozenset(_chain((self._operation_keys, self._implied, *asked)))
        """Attributes by which the operation is told."""
        self.models = frozenset(_chain(t.models for t in tables))
        self.subject = _chain(t.subject for t in tables)
        self.subject_of: dict[str, tuple[Source, ...]] = {
            operation: tuple(_source(key) for key in _chain(t.subject_of.get(operation, ()) for t in tables))
            for operation in _chain(t.subject_of for t in tables)
        }
        self._span_names = tuple(re.compile(_shape(n), re.DOTALL) for n in _chain(t.span_names for t in tables))
        self.user = tuple(_source(key) for key in _chain(t.user for t in tables))
        self.events: dict[str, EventTable] = {k: v for t in reversed(tables) for k, v in t.events.items()}
        self.event_lists = _chain(t.event_lists for t in tables)
        self._columns: dict[str, tuple[str, ...]] = {
            name: _chain(t.columns.get(name, ()) for t in tables) for name in COLUMN_NAMES
        }
        self.columns = {n: tuple(_source(k) for k in keys if "*" not in k) for n, keys in self._columns.items()}
        self.says_nothing: dict[str, frozenset[str]] = {
            name: frozenset(value.lower() for t in tables for value in t.says_nothing.get(name, ()))
            for name in COLUMN_NAMES
        }
        self._until: dict[str, str] = {name: cut for t in reversed(tables) for name, cut in t.until.items()}
        self._lower = frozenset(_chain(t.lower for t in tables))
        self._exact, self._patterns = _roles(tables, self._columns)
        self._asked: dict[str, Role] = {}
        self._kept: dict[str, bool] = {}

    def says(self, column: str, value: str) -> str | None:
        """What a value says in a column; None where it stands for none."""
        # What is no label as a whole may be one when it is cut: an address does not become a word.
        if (cut := self._until.get(column)) is not None and is_label(value):
            value = value.partition(cut)[0]
        small = value.lower()
        if small in self.says_nothing[column]:
            return None
        return small if column in self._lower else value

    def operation(self, scope: str, attributes: Attributes) -> str:
        """What a span does, in our words; `STEP` where nothing says it."""
        found = self._stated(attributes)
        if self._corrections:
            right = (c.to for c in self._corrections if _applies(c, found, scope, attributes))
            return next(right, found)
        return found

    def _stated(self, attributes: Attributes) -> str:
        unknown = False
        for key in self._operation_keys:
            if isinstance(value := attributes.get(key), str) and value:
                if (operation := self._operations.get(value.lower())) is not None:
                    return operation
                unknown = True
        if unknown:
            return STEP
        return next((operation for key, operation in self._implied.items() if attributes.get(key)), STEP)

    def subject_in(self, span_name: str) -> str | None:
        """What a span's name says of its subject."""
        found = next((m for shape in self._span_names if (m := shape.fullmatch(span_name))), None)
        return found[1] if found else None

    def role(self, key: str) -> Role:
        """What an attribute key means here. Answers are remembered, within a bound: keys come from outside."""
        role = self._asked.get(key)
        if role is None:
            if len(self._asked) >= _CACHE_LIMIT:
                self._asked.clear()
            role = self._asked[key] = self._find(key)
        return role

    def keeps(self, key: str) -> bool:
        """Whether a key may be kept by its name; remembered like roles."""
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _CACHE_LIMIT:
                self._kept.clear()
            # A table that names a key in full knows it; a key that only fits a pattern may hold anything.
            known = key in self._exact or key.startswith("syscard.")
            kept = self._kept[key] = is_key(key, known=known)
        return kept

    def _find(self, key: str) -> Role:
        if found := self._exact.get(key):
            return found
        for pattern, role in self._patterns:
            if pattern.match(key):
                return role
        return Role(Kind.OWN if key.startswith("syscard.") else Kind.OTHER, key)


def _chain(parts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for part in parts for key in part))


def _source(key: str) -> Source:
    name, _, member = key.partition("#")
    return Source(name, member or None)


def value_at(source: Source, attributes: Attributes) -> Value:
    """What an attribute, or a member of the JSON object in it, holds; None where it is not there."""
    value = attributes.get(source.key)
    return value if source.member is None else member(value, source.member)


def _shape(pattern: str) -> str:
    before, _, after = pattern.partition("*")
    return f"{re.escape(before)}(.+){re.escape(after)}"


def _applies(correction: Correction, operation: str, scope: str, attributes: Attributes) -> bool:
    if correction.of and operation not in correction.of:
        return False
    if correction.scopes and not scope.startswith(correction.scopes):
        return False
    if any(not _holds(value_at(_source(key), attributes), wanted) for key, wanted in correction.where.items()):
        return False
    if any(value_at(_source(key), attributes) is not None for key in correction.without):
        return False
    same = [attributes.get(key) for key in correction.same]
    return not same or (same[0] is not None and all(value == same[0] for value in same))


def _holds(value: Value, wanted: str) -> bool:
    return value is not None and (wanted == "*" or str(value).lower() == wanted.lower())


def _roles(
    tables: tuple[DialectTable, ...], columns: dict[str, tuple[str, ...]]
) -> tuple[dict[str, Role], list[tuple[re.Pattern[str], Role]]]:
    exact: dict[str, Role] = {}
    patterns: list[tuple[re.Pattern[str], Role]] = []

    def add(key: str, kind: Kind, field: str) -> None:
        if "#" in key:
            return  # what becomes of its base key is said elsewhere, or nothing is kept of it
        if "*" in key:
            patterns.append((re.compile(translate(key)), Role(kind, field)))
        else:
            exact.setdefault(key, Role(kind, field))

    stated = {
        **columns,
        "operation": _chain(table.operation.keys for table in tables),
        "events": _chain(table.event_lists for table in tables),
    }
    for column, keys in stated.items():
        for key in keys:
            add(key, Kind.COLUMN, column)
    names = {text: name for table in reversed(tables) for text, name in table.named.items()}
    for table, kind in product(tables, (Kind.USER, Kind.HASHED, Kind.DROPPED, Kind.TEXT, Kind.LABEL)):
        for key in getattr(table, "labels" if kind is Kind.LABEL else kind.value):
            text = key.partition(".*")[0]
            add(key, kind, names.get(text, text if kind is Kind.TEXT else key))
    for column, key in ((column, key) for column, keys in columns.items() for key in keys if "#" in key):
        base = _source(key).key
        if not any(pattern.match(base) for pattern, _ in patterns):
            exact.setdefault(base, Role(Kind.COLUMN, column))
    return exact, patterns


class Dialects:
    """All dialects, in the order in which they are tried."""

    def __init__(self, tables: Iterable[DialectTable]) -> None:
        self.tables = tuple(sorted(tables, key=lambda table: (table.order, table.name)))
        by_name = {table.name: table for table in self.tables}
        self.all = tuple(Dialect(t, tuple(by_name[name] for name in t.also)) for t in self.tables)
        self.fallback = next((d for d in self.all if d.name == FALLBACK), self.all[-1])
        self._of_scopes: dict[str, Dialect | None] = {}

    def of(self, scope: str, attributes: Attributes) -> Dialect | None:
        """The dialect of a span, or None: by scope first, because other people's keys are added to anybody's spans."""
        if scope not in self._of_scopes:
            if len(self._of_scopes) >= _CACHE_LIMIT:
                self._of_scopes.clear()
            self._of_scopes[scope] = self._of_scope(scope)
        return self._of_scopes[scope] or next((d for d in self.all if _has_key(d, attributes)), None)

    def of_event(self, scope: str, name: str, attributes: Attributes) -> Dialect | None:
        """The dialect that reads an event that came by itself: its scope's, else the first whose table names it."""
        own = self.of(scope, attributes)
        return own if own and name in own.events else next((d for d in self.all if name in d.events), None)

    def _of_scope(self, scope: str) -> Dialect | None:
        fits = [
            (len(begin), dialect)
            for dialect in self.all
            for begin in (*dialect.detect.scopes, *dialect.detect.exact)
            if (scope == begin or (begin in dialect.detect.scopes and scope.startswith(begin)))
        ]
        return max(fits, key=lambda fit: fit[0])[1] if fits else None


def _has_key(dialect: Dialect, attributes: Attributes) -> bool:
    for key in dialect.detect.keys:
        if key.endswith("*") and any(name.startswith(key[:-1]) for name in attributes):
            return True
        if key in attributes:
            return True
    return False


@cache
def shipped_dialects() -> Dialects:
    """The tables that ship with syscard."""
    folder = files("syscard_configs") / "dialects"
    return Dialects([parse_table(f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".yaml")])
