"""How spans of one shape are read. A shape is the keys of a span's attributes, in order; a system's spans have few.

What the tables say of a key is looked up once a shape and not once a span: that is most of what reading a span costs.
Everything here is remembered within bounds, because keys come from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from syscard.observation import field_name
from syscard_tracing.choice import Choice
from syscard_tracing.dialects import Dialect, Dialects, Kind, Source
from syscard_tracing.failures import error_table
from syscard_tracing.labels import UNNAMED
from syscard_tracing.names import Names, named
from syscard_tracing.sampling import SAMPLED_BY
from syscard_tracing.spans import Attributes, Event
from syscard_tracing.toolcalls import may_tell

MAX_FEATURES: Final = 256
"""Attributes of one span that are kept as they are or counted; the rest is left."""
_COUNTED: Final = ("input_tokens", "output_tokens")
_SHAPES: Final = 1024
_LAYOUTS: Final = 64
_OPERATIONS: Final = 256
_LONGEST: Final = 128
"""Characters of a value by which something is remembered."""
_SPOKEN_FOR: Final = (Kind.COLUMN, Kind.USER, Kind.DROPPED)
_NOT_TEXT: Final = frozenset({"role", "type", "id", "name", "url", "tool_call_id", "mime_type", "score"})


Answer = TypeVar("Answer")
LayoutKey = tuple[str | None, str | None, int]
"""(name that its own attributes bear, declared component, identity of the system)."""


class Slot(NamedTuple):
    """One attribute that may be kept as it is."""

    key: str
    kind: Kind
    name: str
    """Of the feature."""
    written: str
    """The name as JSON writes it before the value."""
    names: Names | None
    """What its key says that its value is."""


class Layout(NamedTuple):
    """Where the attributes of one shape go, for one component."""

    slots: tuple[Slot, ...]
    """In order of their names."""
    texts: tuple[tuple[str, tuple[str, ...]], ...]
    """Each text with the attributes that hold its parts."""
    allowed: tuple[tuple[str, str], ...]
    """Attributes that are kept whatever their shape, with the names of their features."""
    unread: tuple[str, ...]
    """Stands for keys that are not kept whatever their values."""


class LayoutRules(NamedTuple):
    """What a layout depends on besides the shape."""

    component: str | None
    """The name that its own attributes bear."""
    texts: frozenset[str]
    """Attributes that the component declares to be text."""
    spoken_for: frozenset[str | None]
    """Attributes that have gone into a column by declaration, whatever the tables say of them."""
    choice: Choice
    """What the component's owner wants kept or left out."""
    user: str | None
    """The attribute that the system declares to hold its users."""


class Plan:
    """What a dialect makes of the spans of one shape."""

    def __init__(self, dialect: Dialect, name: str | None, scope: str, keys: tuple[str, ...]) -> None:
        present = frozenset(keys)
        self.dialect = dialect
        self.name = name
        """Of the dialect, None where none was recognised."""
        self.columns: dict[str, tuple[Source, ...]] = {
            column: tuple(source for source in sources if source.key in present)
            for column, sources in dialect.columns.items()
        }
        self.user = tuple(source for source in dialect.user if source.key in present)
        self.lists_events = not present.isdisjoint(dialect.event_lists)
        self.subject = tuple(key for key in dialect.subject if key in present)
        self.subject_of = {
            operation: found
            for operation, sources in dialect.subject_of.items()
            if (found := tuple(source for source in sources if source.key in present))
        }
        self.fallbacks = tuple(key for key in keys if dialect.role(key) == (Kind.COLUMN, "fallback"))
        self.call_keys = tuple(key for key in keys if may_tell(key))
        """Attributes that may hold ids of tool calls."""
        self.samples = not present.isdisjoint(SAMPLED_BY)
        self.says = frozenset(
            key for column, sources in self.columns.items() if column not in _COUNTED for key, _ in sources
        ).union(
            dialect.tells_operation,
            self.subject,
            (key for sources in self.subject_of.values() for key, _ in sources),
            self.fallbacks,
            error_table().status_keys,
        )
        """Attributes that go into a column, but for numbers and users."""
        self.keys = keys
        self._scope = scope
        self._asked = tuple(key for key in keys if key in dialect.tells_operation)
        self._operations: dict[tuple[str, ...], str] = {}
        self._layouts: dict[LayoutKey, Layout] = {}

    def operation(self, attributes: Attributes) -> str:
        """What a span of this shape does, in our words."""
        said = words(attributes, self._asked)
        found = self._operations.get(said)
        if found is None:
            found = self.dialect.operation(self._scope, attributes)
            remember(self._operations, said, found, _OPERATIONS)
        return found

    def layout(self, key: LayoutKey, rules: Callable[[], LayoutRules]) -> Layout:
        """Where the attributes go for one component; `rules` is asked the first time."""
        found = self._layouts.get(key)
        if found is None:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            found = self._layouts[key] = _lay_out(self.dialect, self.keys, rules())
        return found


class Plans:
    """The plans of all shapes seen lately. Safe to use from several threads."""

    def __init__(self, dialects: Dialects) -> None:
        self._dialects = dialects
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}
        self._of_events: dict[str, Plan] = {}

    def of_event(self, scope: str, event: Event) -> Plan:
        """The plan for an event that came by itself: it has no attributes but the event's, which the tables name."""
        dialect = self._dialects.of_event(scope, event.name, event.attributes) or self._dialects.fallback
        if dialect.name not in self._of_events:
            self._of_events[dialect.name] = Plan(dialect, dialect.name, "", ())
        return self._of_events[dialect.name]

    def of(self, scope: str, attributes: Attributes) -> Plan:
        """The plan for a span."""
        shape = (scope, tuple(attributes))
        plan = self._plans.get(shape)
        if plan is None:
            if len(self._plans) >= _SHAPES:
                self._plans.clear()
            found = self._dialects.of(scope, attributes)
            name = found.name if found else None
            plan = self._plans[shape] = Plan(found or self._dialects.fallback, name, *shape)
        return plan


def words(attributes: Attributes, keys: tuple[str, ...]) -> tuple[str, ...]:
    """What attributes say, as something to remember by: `True`, 1 and "1" are three things."""
    return tuple([v if type(v := attributes[key]) is str and v[:1] != "\0" else f"\0{type(v)}{v!r}" for key in keys])


def remember(known: dict[tuple[str, ...], Answer], asked: tuple[str, ...], answer: Answer, limit: int) -> None:
    """Remember an answer that depends on these words alone, if they are short; a full memory is emptied first."""
    if max(map(len, asked), default=0) > _LONGEST:
        return
    if len(known) >= limit:
        known.clear()
    known[asked] = answer


def _lay_out(dialect: Dialect, keys: tuple[str, ...], of: LayoutRules) -> Layout:
    slots: list[Slot] = []
    texts: dict[str, list[str]] = {}
    allowed: list[tuple[str, str]] = []
    unread: list[str] = []
    for key in keys:
        kind, field = dialect.role(key)
        if of.choice.leaves_out(key, field):
            continue
        if key in of.choice.allow and kind not in (Kind.USER, Kind.HASHED) and key != of.user:
            allowed.append((key, feature_name(key, of.component)))
            if kind is not Kind.TEXT:  # a text is counted beside it
                continue
        if key in of.texts:
            texts.setdefault(key, []).append(key)
        elif key not in of.spoken_for:
            _place(dialect, key, of.component, slots, texts, unread)
    unread += [slot.key for slot in slots[MAX_FEATURES:]]
    kept = sorted(slots[:MAX_FEATURES], key=lambda slot: slot.name)
    return Layout(
        tuple(kept),
        tuple((field, tuple(parts)) for field, parts in texts.items()),
        tuple(allowed[:MAX_FEATURES]),
        tuple(unread),
    )


def _place(
    dialect: Dialect, key: str, component: str | None, slots: list[Slot], texts: dict[str, list[str]], unread: list[str]
) -> None:
    kind, field = dialect.role(key)
    if kind is Kind.TEXT:
        if field == key or key.rpartition(".")[2] not in _NOT_TEXT:
            texts.setdefault(field, []).append(key)
    elif kind in _SPOKEN_FOR:
        return
    elif not dialect.keeps(key):
        unread.append(UNNAMED)
    else:
        name = feature_name(field if kind is Kind.HASHED else key, component)
        slots.append(Slot(key, kind, name, f'"{name}":', named(key)))


def is_own(field: str) -> bool:
    """Whether a text is stated in the project's own attributes."""
    return field.startswith("syscard.")


@lru_cache(maxsize=8192)
def feature_name(key: str, component: str | None) -> str:
    """The name under which an attribute is kept."""
    return field_name(key, component)
