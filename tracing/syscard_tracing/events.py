"""Content and verdicts that travel as events: on a span, in a log record, or as a list in an attribute. Pure.

The tables say which events hold what. What is found is not redacted yet: texts go the way of the texts of a span, under
the same names, labels through the rule for labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from syscard_tracing.dialects import Dialect, Kind
from syscard_tracing.labels import is_label
from syscard_tracing.literals import parsed
from syscard_tracing.redact import number_or_none
from syscard_tracing.spans import MAX_EVENTS, Attributes, Value
from syscard_tracing.tables import Evaluation, EventTable

BODY: Final = "body"
"""Stands for the body of a log record in a table."""
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")


class EventContent(NamedTuple):
    """What one event holds, not redacted."""

    texts: tuple[tuple[str, Value], ...] = ()
    """(name of the text, a part of it)."""
    numbers: tuple[tuple[str, bool | int | float], ...] = ()
    """(feature, number)."""
    labels: tuple[tuple[str, str], ...] = ()
    """(feature, a word that may be kept where it is a label)."""

    def __bool__(self) -> bool:
        return bool(self.texts or self.numbers or self.labels)


def read_event(dialect: Dialect, name: str, attributes: Attributes, body: Value = None) -> EventContent:
    """What an event holds by the table of a dialect; nothing where the table does not name it.

    Args:
        dialect: of the span that the event belongs to, or of the scope that the log record came from.
        name: the event's name: of the span event, or `event_name` (before, the attribute `event.name`) of a log record.
        attributes: the event's own.
        body: of a log record, as decoded: a string, or a map of what newer versions write as attributes.
    """
    table = dialect.events.get(name)
    if table is None:
        return EventContent()
    places = {**body, **attributes} if isinstance(body, dict) else dict(attributes)
    texts = _by_role(dialect, places) if table.attributes else _texts(table, places, body)
    numbers, labels = _verdict(table.evaluation, places) if table.evaluation else ((), ())
    return EventContent(texts, numbers, labels)


def read_listed(dialect: Dialect, attributes: Attributes) -> list[EventContent]:
    """What the events hold that a span lists in an attribute, as JSON."""
    found: list[EventContent] = []
    for key in dialect.event_lists:
        if (value := attributes.get(key)) is not None:
            found += (read_event(dialect, str(item.get("event.name")), item) for item in _objects(value))
    return found


def _objects(value: Value) -> Iterable[dict[str, Any]]:
    items = parsed(value) if isinstance(value, str) else value
    return [item for item in items[:MAX_EVENTS] if isinstance(item, dict)] if isinstance(items, list) else []


def _by_role(dialect: Dialect, places: Attributes) -> tuple[tuple[str, Value], ...]:
    roles = ((dialect.role(key), value) for key, value in places.items())
    return tuple((role.field, value) for role, value in roles if role.kind is Kind.TEXT)


def _texts(table: EventTable, places: Attributes, body: Value) -> tuple[tuple[str, Value], ...]:
    named = tuple((table.text[key], value) for key, value in places.items() if key in table.text)
    if not named and body is not None and BODY in table.text:
        return ((table.text[BODY], body),)
    return named


def _verdict(
    evaluation: Evaluation, places: Attributes
) -> tuple[tuple[tuple[str, bool | int | float], ...], tuple[tuple[str, str], ...]]:
    feature = _feature(_first(evaluation.name, places))
    if feature is None:
        return (), ()
    score, label = number_or_none(_first(evaluation.score, places)), _first(evaluation.label, places)
    return (
        ((f"{feature}.score", score),) if score is not None else (),
        ((f"{feature}.label", label),) if isinstance(label, str) and label else (),
    )


def _first(keys: tuple[str, ...], places: Attributes) -> Value:
    return next((places[key] for key in keys if places.get(key) is not None), None)


def _feature(name: Value) -> str | None:
    """`evaluation.<name>`; what a name is made of comes from outside, so it has to be a label."""
    if not isinstance(name, str) or not is_label(name):
        return None
    word = _NOT_IN_A_NAME.sub("_", name).strip("_").lower()
    return f"evaluation.{word}" if word else None
