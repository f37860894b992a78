"""What a dialect table says that cannot be meant, though its shape is right: it would do harm, or nothing.

Only tables of a home are asked; a test asks those that ship.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple

from syscard.system_checks import Fault, Place, nearest
from syscard_tracing.tables import DialectTable

_KINDS: Final = ("user", "hashed", "dropped", "text", "labels")
"""Fields of a table that say what becomes of an attribute, beside its columns."""
_FALLBACK: Final = ("fallback", "fallback_reason")
"""Columns whose keys may hold `*`."""


_OPERATIONS: Final = (
    "chat", "embeddings", "retrieval", "rerank", "execute_tool", "create_agent", "invoke_agent", "invoke_workflow",
    "guardrail", "evaluate", "step", "feedback",
)  # fmt: skip
"""Our words; docs/dialects.md lists them."""


class _Asked(NamedTuple):
    """One attribute that a table names, and how it may be written there."""

    place: Place
    key: str
    star: Literal["nowhere", "end", "anywhere"] = "nowhere"
    member: bool = False
    """`key#member` is read."""


def table_faults(table: DialectTable) -> Iterator[Fault]:
    """What is wrong with one table by itself."""
    yield from (fault for asked in _asked(table) for fault in _key_faults(asked))
    yield from _scope_faults(table)
    yield from _double_faults(table)
    yield from _also_faults(table)
    yield from _operation_faults(table)


def unread_name(table: DialectTable, also: Iterable[DialectTable]) -> Fault | None:
    """The first name that is given to nothing that this table, or one that is read behind it, reads as text or hash."""
    read = [key for one in (table, *also) for key in (*one.text, *one.hashed)]
    for key in table.named:
        # An attribute that is flattened is named by what stands before its numbers.
        if not any(fnmatchcase(key, known) or known.startswith(f"{key}.") for known in read):
            what = f"'{key}' stands neither under text nor under hashed"
            return Fault(("named", key), what, nearest(key, (*table.text, *table.hashed)) or f"text: [{key}]")
    return None


def circle(tables: Mapping[str, DialectTable]) -> tuple[str, ...]:
    """Names of tables that read each other in a circle, the first one also last; nothing where there is none."""
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter({name: [o for o in t.also if o in tables] for name, t in tables.items()}).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def _asked(table: DialectTable) -> Iterator[_Asked]:
    """Every attribute that a table names."""
    yield from _listed(("detect", "keys"), table.detect.keys, star="end")
    yield from _listed(("operation", "keys"), table.operation.keys)
    yield from (_Asked(("operation", "implied", key), key) for key in table.operation.implied)
    for i, correction in enumerate(table.operation.corrections):
        place: Place = ("operation", "corrections", i)
        yield from (_Asked((*place, "where", key), key, member=True) for key in correction.where)
        yield from _listed((*place, "without"), correction.without, member=True)
        yield from _listed((*place, "same"), correction.same)
    for column, keys in table.columns.items():
        star: Literal["nowhere", "anywhere"] = "anywhere" if column in _FALLBACK else "nowhere"
        yield from _listed(("columns", column), keys, star=star, member=True)
    yield from _listed(("subject",), table.subject)
    for operation, keys in table.subject_of.items():
        yield from _listed(("subject_of", operation), keys, member=True)
    yield from _listed(("event_lists",), table.event_lists)
    yield from _listed(("user",), table.user, member=True)
    for kind in _KINDS[1:]:
        yield from _listed((kind,), getattr(table, kind), star="anywhere")


def _listed(
    place: Place, keys: Iterable[str], *, star: Literal["nowhere", "end", "anywhere"] = "nowhere", member: bool = False
) -> Iterator[_Asked]:
    return (_Asked((*place, i), key, star, member) for i, key in enumerate(keys))


def _key_faults(asked: _Asked) -> Iterator[Fault]:
    place, key, star, member = asked
    name, sharp, inside = key.partition("#")
    if not key.strip():
        yield Fault(place, "is empty", "the name of an attribute")
    elif not key.strip("*?"):
        yield Fault(place, f"'{key}' stands for every attribute", "how the attribute begins: acme.*")
    elif sharp and not member:
        yield Fault(place, f"'{key}': a member is not read here", name)
    elif sharp and not (name.strip() and inside.strip()):
        yield Fault(place, f"'{key}' names no attribute or no member", "acme.usage#in")
    elif "*" in key and star == "nowhere":
        yield Fault(place, f"'{key}': * stands for nothing here", "the whole name")
    elif "*" in key[:-1] and star == "end":
        yield Fault(place, f"'{key}': here * stands for anything at the end only", f"{key.partition('*')[0]}*")


def _scope_faults(table: DialectTable) -> Iterator[Fault]:
    corrected = ((("operation", "corrections", i), c.scopes) for i, c in enumerate(table.operation.corrections))
    for place, scopes in ((("detect",), table.detect.scopes), *corrected):
        for i, scope in enumerate(scopes):
            if not scope.strip():
                yield Fault((*place, "scopes", i), "is empty and fits every scope", "how the scope begins: acme.")
            elif "*" in scope:
                what = f"'{scope}': a scope is told by its beginning, * stands for nothing here"
                yield Fault((*place, "scopes", i), what, scope.partition("*")[0])
    for i, scope in enumerate(table.detect.exact):
        if not scope.strip():
            yield Fault(("detect", "exact", i), "is empty", "the whole name of a scope")


def _double_faults(table: DialectTable) -> Iterator[Fault]:
    """An attribute can become one thing: where two are said, one of them would not be done."""
    said: list[tuple[str, str, Place]] = [
        (key, "columns", ("columns", column, i)) for column, keys in table.columns.items() for i, key in enumerate(keys)
    ]
    said += [(key, kind, (kind, i)) for kind in _KINDS for i, key in enumerate(getattr(table, kind))]
    first: dict[str, str] = {}
    for key, kind, place in said:
        if "#" not in key and first.setdefault(key, kind) != kind:
            yield Fault(place, f"'{key}' stands under {first[key]} as well", "it under one of them")


def _also_faults(table: DialectTable) -> Iterator[Fault]:
    for i, name in enumerate(table.also):
        if name == table.name:
            yield Fault(("also", i), f"'{name}' is this table itself", "other tables, or also: []")
        elif name in table.also[:i]:
            yield Fault(("also", i), f"'{name}' is named twice", "it once")


def _operation_faults(table: DialectTable) -> Iterator[Fault]:
    for place, word in _operations(table):
        if word not in _OPERATIONS:
            yield Fault(place, f"'{word}' is no operation", nearest(word, _OPERATIONS))


def _operations(table: DialectTable) -> Iterator[tuple[Place, str]]:
    said = table.operation
    yield from ((("operation", "values", key), word) for key, word in said.values.items())
    yield from ((("operation", "implied", key), word) for key, word in said.implied.items())
    for i, correction in enumerate(said.corrections):
        place: Place = ("operation", "corrections", i)
        yield from (((*place, "of", j), word) for j, word in enumerate(correction.of))
        yield (*place, "to"), correction.to
    yield from ((("models", i), word) for i, word in enumerate(table.models))
    yield from ((("subject_of", word), word) for word in table.subject_of)
