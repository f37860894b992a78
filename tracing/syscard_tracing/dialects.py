"""Dialects are data: which keys a convention uses for what. The tables live in `syscard_configs/dialects/`."""

from __future__ import annotations

import re
from enum import Enum
from fnmatch import translate
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from syscard_tracing.labels import is_key
from syscard_tracing.spans import Attributes

ColumnName = Literal[
    "component", "component_version", "model", "model_response", "provider", "prompt_hash", "input_tokens",
    "output_tokens", "error_type", "segment", "fallback", "fallback_reason",
]  # fmt: skip
_CACHE_LIMIT: Final = 8192


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Detection(_Frozen):
    """How a span of this dialect is recognised: by scope name prefix, else by a key that is there."""

    scopes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class Operations(_Frozen):
    """Where the operation is stated and what its words mean in ours; `implied`: by a key where none is stated."""

    keys: tuple[str, ...]
    values: dict[str, str] = {}
    implied: dict[str, str] = {}


class DialectTable(_Frozen):
    """One YAML file, as written. Keys may hold `*`; `key#member` reads into a JSON object held in a string."""

    schema_: Literal["syscard-dialect/1"] = Field(alias="schema")
    name: str
    order: int
    """Tables are tried from the lowest."""
    also: tuple[str, ...] = ()
    """Tables whose keys are read behind this one's."""
    quoted: bool = False
    """Every value is JSON held in a string: a plain word stands in quotes."""
    detect: Detection
    operation: Operations
    models: tuple[str, ...] = ()
    """Operations that call a model, whose tokens are its own."""
    columns: dict[ColumnName, tuple[str, ...]] = {}
    subject: tuple[str, ...] = ()
    """What tells two components of one operation apart."""
    user: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    named: dict[str, str] = {}
    """Text -> OpenTelemetry's name for it, under which what is counted in it is kept."""
    labels: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    """Kept as a keyed hash."""
    dropped: tuple[str, ...] = ()
    """Known, and never kept."""


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
        self.operation_keys = _chain(t.operation.keys for t in tables)
        self.operations = {k: v for t in reversed(tables) for k, v in t.operation.values.items()}
        self.implied = {k: v for t in reversed(tables) for k, v in t.operation.implied.items()}
        self.models = frozenset(_chain(t.models for t in tables))
        self.subject = _chain(t.subject for t in tables)
        self.user = _chain(t.user for t in tables)
        self._columns: dict[str, tuple[str, ...]] = {
            name: _chain(t.columns.get(name, ()) for t in tables)
            for name in ColumnName.__args__  # type: ignore[attr-defined]
        }
        self.columns = {n: tuple(_source(k) for k in keys if "*" not in k) for n, keys in self._columns.items()}
        self._exact, self._patterns = _roles(tables, self._columns)
        self._asked: dict[str, Role] = {}
        self._kept: dict[str, bool] = {}

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


def _roles(
    tables: tuple[DialectTable, ...], columns: dict[str, tuple[str, ...]]
) -> tuple[dict[str, Role], list[tuple[re.Pattern[str], Role]]]:
    exact: dict[str, Role] = {}
    patterns: list[tuple[re.Pattern[str], Role]] = []

    def add(key: str, kind: Kind, field: str) -> None:
        if "#" in key:
            return  # its base key says itself what becomes of it
        if "*" in key:
            patterns.append((re.compile(translate(key)), Role(kind, field)))
        else:
            exact.setdefault(key, Role(kind, field))

    stated = {**columns, "operation": _chain(table.operation.keys for table in tables)}
    for column, keys in stated.items():
        for key in keys:
            add(key, Kind.COLUMN, column)
    names = {text: name for table in reversed(tables) for text, name in table.named.items()}
    for table, kind in product(tables, (Kind.USER, Kind.HASHED, Kind.DROPPED, Kind.TEXT, Kind.LABEL)):
        for key in getattr(table, "labels" if kind is Kind.LABEL else kind.value):
            text = key.partition(".*")[0]
            add(key, kind, names.get(text, text) if kind is Kind.TEXT else key)
    return exact, patterns


class Dialects:
    """All dialects, in the order in which they are tried."""

    def __init__(self, tables: list[DialectTable]) -> None:
        by_name = {table.name: table for table in tables}
        ordered = sorted(tables, key=lambda table: table.order)
        self.all = tuple(Dialect(t, tuple(by_name[name] for name in t.also)) for t in ordered)
        self.fallback = self.all[-1]

    def of(self, scope: str, attributes: Attributes) -> Dialect | None:
        """The dialect of a span, or None: by scope first, because other people's keys are added to anybody's spans."""
        return self._of_scope(scope) or next((d for d in self.all if _has_key(d, attributes)), None)

    def _of_scope(self, scope: str) -> Dialect | None:
        return next((d for d in self.all if scope.startswith(d.detect.scopes)), None)


def _has_key(dialect: Dialect, attributes: Attributes) -> bool:
    for key in dialect.detect.keys:
        if key.endswith("*") and any(name.startswith(key[:-1]) for name in attributes):
            return True
        if key in attributes:
            return True
    return False


def parse_table(text: str) -> DialectTable:
    """One table from YAML.

    Raises:
        pydantic.ValidationError: a key that is not known, or a value of the wrong shape.
    """
    import yaml

    return DialectTable.model_validate(yaml.safe_load(text))


@cache
def shipped_dialects() -> Dialects:
    """The tables that ship with syscard."""
    folder = files("syscard_configs") / "dialects"
    return Dialects([parse_table(f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".yaml")])
