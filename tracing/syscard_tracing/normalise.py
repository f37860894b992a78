"""A decoded span -> one observation row. Pure: the same spans, rules, key and time of receipt give the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from syscard.observation import COLUMNS, FEEDBACK, field_name, segment_or_none
from syscard.system import Keep
from syscard_tracing.dialects import Dialect, Dialects, Kind, Source, shipped_dialects
from syscard_tracing.labels import NAME_WORDS, UNNAMED, is_label
from syscard_tracing.redact import Redactor, number_or_none, own_value
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules, plain, resource_facts
from syscard_tracing.spans import STATUS_ERROR, STATUS_OK, Attributes, RawSpan, Value

STEP: Final = "step"
LINKS: Final = "span.links"
"""Feature that holds a span's links, each as `trace_id/span_id`."""
MAX_FEATURES: Final = 256
_DAY_US: Final = 86_400_000_000
_YEAR_2000_US: Final = 946_684_800_000_000
_AHEAD_US: Final = 3_600_000_000
_BEHIND_US: Final = 400 * _DAY_US
_LARGEST_JSON: Final = 65_536
"""Characters of JSON in a string that are read."""
_JSON: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
_SPOKEN_FOR: Final = (Kind.COLUMN, Kind.USER, Kind.DROPPED)
_NOT_TEXT: Final = frozenset({"role", "type", "id", "name", "url", "tool_call_id", "mime_type", "score"})
_OTEL_NAMES: Final = {
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "model_response",
    "gen_ai.provider.name": "provider",
}
_COUNTS: Final = next(i for i, c in enumerate(COLUMNS) if c.name == "counts_tokens")


class Reading(NamedTuple):
    """One observation, and the attribute keys that were not kept as they are, though no table says so.

    That is: keys that no table knows, `syscard.*` strings that are no labels and became counts, and `(unnamed)` for
    every key that is not shaped like one.
    """

    row: tuple[Any, ...]
    """In the order of `syscard.observation.COLUMNS`; times in microseconds and days since 1970."""
    unread: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The row by column name."""
        return {column.name: value for column, value in zip(COLUMNS, self.row, strict=True)}


class _Resource(NamedTuple):
    facts: dict[str, str | None]
    attributes: Attributes
    system: SystemRule | None


class Normaliser:
    """Reads spans by the dialect tables and the declared rules, and redacts as it reads."""

    def __init__(self, rules: TraceRules, key: bytes, dialects: Dialects | None = None) -> None:
        self._rules = rules
        self._redactor = Redactor(key)
        self._dialects = dialects or shipped_dialects()

    def read(self, spans: Sequence[RawSpan], received: datetime) -> list[Reading]:
        """Observations of one batch, in order. Tokens count at the innermost model span of the batch.

        `received` is an aware datetime.
        """
        received_us = microseconds(received)
        resources: dict[int, _Resource] = {}
        readings: list[Reading] = []
        for span in spans:
            resource = resources.get(id(span.resource))
            if resource is None:
                resource = resources[id(span.resource)] = self._resource(span.resource)
            readings.append(_SpanReader(span, resource, self._dialects, self._redactor).reading(received_us))
        return _count_innermost(readings)

    def _resource(self, attributes: Attributes) -> _Resource:
        facts = resource_facts(attributes)
        return _Resource(facts, attributes, self._rules.system_of(facts))


class _SpanReader:
    """Everything that is worked out of one span, once."""

    def __init__(self, span: RawSpan, resource: _Resource, dialects: Dialects, redactor: Redactor) -> None:
        self.span = span
        self.resource = resource
        self.redactor = redactor
        found = dialects.of(span.scope, span.attributes)
        self.dialect_name = found.name if found else None
        self.dialect: Dialect = found or dialects.fallback
        if self.dialect.quoted:
            unquoted = {key: _unquoted(value) for key, value in span.attributes.items()}
            self.span = span._replace(attributes=unquoted)
        self.words = resource.system.words if resource.system else frozenset()
        self.unread: list[str] = []
        self.features: dict[str, Any] = {}

    def reading(self, received_us: int) -> Reading:
        span, dialect = self.span, self.dialect
        operation = self._operation()
        requested = plain(self._first(dialect.columns["model"]))
        model = self._kept_label(requested)
        stated = plain(self._first(dialect.columns["component"]))
        # A rule that selects by service would take feedback for a call.
        rule = self._rule(operation, requested) if stated or operation != FEEDBACK else None
        component = rule.ref if rule else self._component(stated, operation, model)
        error = self._error_type()
        answered = self._label("model_response")
        fallback, reason = self._fallback()
        start_us = span.start_ns // 1000
        suspect = not max(_YEAR_2000_US, received_us - _BEHIND_US) <= start_us <= received_us + _AHEAD_US
        segment = self._segments()
        user = self._user()
        if span.links:
            self.features[LINKS] = [f"{link.trace_id}/{link.span_id}" for link in span.links]
        # Its own attributes bear the name that it gave itself.
        self._collect(stated if stated and not rule and is_label(stated) else component, rule)
        facts = self.resource.facts
        row = (
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            (received_us if suspect else start_us) // _DAY_US,
            start_us,
            max(0, span.end_ns - span.start_ns) // 1000,
            received_us,
            self._kept_label(facts["service.name"]),
            self._kept_label(facts["deployment.environment.name"]),
            self._kept_label(span.scope),
            self.dialect_name,
            operation,
            self._name(operation),
            component,
            self._by_rule(rule.version_key if rule else None, "component_version"),
            model,
            None if error and answered == model else answered,  # who failed did not answer
            self._label("provider"),
            self._by_rule(rule.prompt_key if rule else None, "prompt_hash"),
            self._count("input_tokens"),
            self._count("output_tokens"),
            operation in dialect.models,
            error,
            fallback,
            reason,
            segment,
            user,
            suspect,
            _JSON.encode(self.features),
        )
        return Reading(row, tuple(self.unread))

    def _operation(self) -> str:
        attributes, dialect = self.span.attributes, self.dialect
        for key in dialect.operation_keys:
            if isinstance(value := attributes.get(key), str) and value:
                return dialect.operations.get(value, STEP)
        return next((operation for key, operation in dialect.implied.items() if attributes.get(key)), STEP)

    def _rule(self, operation: str, model: str | None) -> ComponentRule | None:
        if self.resource.system is None:
            return None
        # What a dialect spells otherwise can be selected by its OTel name all the same.
        read: Attributes = {"gen_ai.operation.name": operation, "gen_ai.request.model": model}
        return self.resource.system.component_of(self.span.attributes, self.resource.attributes, read)

    def _name(self, operation: str) -> str:
        name = self.span.name
        if not name or is_label(name, NAME_WORDS) or name in self.words:
            return name
        return f"{operation} {self.redactor.mark(name)}"

    def _component(self, stated: str | None, operation: str, model: str | None) -> str | None:
        if not stated:
            return None if operation == FEEDBACK else self._discovered(operation, model)
        system = self.resource.system
        return self.redactor.component(stated, system.refs if system else frozenset())

    def _discovered(self, operation: str, model: str | None) -> str:
        attributes, dialect = self.span.attributes, self.dialect
        named = (plain(attributes[key]) for key in dialect.subject if key in attributes)
        subject = (model if operation in dialect.models else None) or next((n for n in named if n), None)
        return f"{operation}:{self.redactor.label(subject or self.span.name or 'unnamed')}"

    def _first(self, sources: Iterable[Source]) -> Value:
        attributes = self.span.attributes
        for key, member in sources:
            if key in attributes:
                value = attributes[key] if member is None else _member(attributes[key], member)
                if value not in (None, ""):
                    return value
        return None

    def _label(self, column: str) -> str | None:
        return self._kept_label(plain(self._first(self.dialect.columns[column])))

    def _kept_label(self, text: str | None) -> str | None:
        return self.redactor.label(text, self.words) if text else None

    def _by_rule(self, key: str | None, column: str) -> str | None:
        declared = plain(self._by_name(key)) if key else None
        return self._kept_label(declared) if declared else self._label(column)

    def _by_name(self, key: str) -> Value:
        """An attribute of the span or its resource; what a dialect spells otherwise, by its OTel name all the same."""
        stated = self.span.attributes.get(key) or self.resource.attributes.get(key)
        return stated or (self._first(self.dialect.columns[_OTEL_NAMES[key]]) if key in _OTEL_NAMES else None)

    def _count(self, column: str) -> int | None:
        value = self._first(self.dialect.columns[column])
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 62:
            return None
        return int(value)

    def _error_type(self) -> str | None:
        if stated := plain(self._first(self.dialect.columns["error_type"])):
            return self._type_name(stated)
        if self.span.status_code != STATUS_OK:
            for event in self.span.events:
                if event.name == "exception" and (raised := plain(event.attributes.get("exception.type"))):
                    return self._type_name(raised.rpartition(".")[2])
        return "error" if self.span.status_code == STATUS_ERROR else None

    def _type_name(self, text: str) -> str:
        """An error type is one word; a sentence where a type should stand may name a person."""
        return self.redactor.label(text, words=1) if text else "error"

    def _fallback(self) -> tuple[bool | None, str | None]:
        event = next((e for e in self.span.events if e.name == "fallback"), None)
        reason = plain(event.attributes.get("reason")) if event else self._label("fallback_reason")
        stated = self._first(self.dialect.columns["fallback"])
        if not isinstance(stated, bool):
            stated = self._stated_by_pattern("fallback")
        return True if event else stated, self._kept_label(reason)

    def _stated_by_pattern(self, column: str) -> bool | None:
        for key, value in self.span.attributes.items():
            if isinstance(value, bool) and self.dialect.role(key) == (Kind.COLUMN, column):
                return value
        return None

    def _segments(self) -> str | None:
        system = self.resource.system
        if system is None or not system.segments:
            return self._kept_label(segment_or_none(plain(self._first(self.dialect.columns["segment"]))))
        known: list[str | None] = []
        for dimension, key in system.segments:
            known.append(self._kept_label(segment_or_none(plain(self.span.attributes.get(key)))))
            if known[-1] is not None:
                self.features[f"segment.{dimension}"] = known[-1]
        return known[0]

    def _user(self) -> str | None:
        system = self.resource.system
        keys = (system.user,) if system and system.user else self.dialect.user
        user = next((u for key in keys if (u := plain(self.span.attributes.get(key)))), None)
        return self.redactor.user(user) if user else None

    def _spoken_for(self, rule: ComponentRule | None) -> frozenset[str | None]:
        """Attributes that have gone into a column by declaration, whatever the tables say of them."""
        system = self.resource.system
        keys: list[str | None] = [key for _, key in system.segments] if system else []
        return frozenset(
            (*keys, system.user if system else None, *((rule.version_key, rule.prompt_key) if rule else ()))
        )

    def _collect(self, component: str | None, rule: ComponentRule | None) -> None:
        spoken_for = self._spoken_for(rule)
        declared_text = rule.text if rule else frozenset()
        texts: dict[str, list[Value]] = {}
        for key, value in self.span.attributes.items():
            if key in declared_text:
                texts.setdefault(key, []).append(value)
            elif key not in spoken_for:
                self._keep(key, value, component, texts)
        system = self.resource.system
        keep = rule.keep if rule else system.keep if system else Keep.FEATURES
        for field, parts in texts.items():
            counted = self.redactor.text(_feature_name(field, component), parts, keep)
            # Beside `rationale` a span may state its own `rationale.words`.
            self.features = counted | self.features if field.startswith("syscard.") else self.features | counted

    def _keep(self, key: str, value: Value, component: str | None, texts: dict[str, list[Value]]) -> None:
        kind, field = self.dialect.role(key)
        if kind is Kind.TEXT:
            if field == key or key.rpartition(".")[2] not in _NOT_TEXT:
                texts.setdefault(field, []).append(value)
            return
        if kind in _SPOKEN_FOR:
            return
        if not self.dialect.keeps(key):
            self.unread.append(UNNAMED)
            return
        kept, room = self._kept(kind, value), len(self.features) + len(texts) < MAX_FEATURES
        if kept is not None and room:
            self.features[_feature_name(key, component)] = kept
            return
        self.unread.append(key)
        if kind is Kind.OWN and room and isinstance(value, str | list):
            texts[key] = [value]

    def _kept(self, kind: Kind, value: Value) -> Value:
        if kind is Kind.OTHER:
            return number_or_none(value)
        if kind is not Kind.HASHED:
            return own_value(value) if kind is Kind.OWN else self.redactor.labels(value)
        hashed = plain(value)
        return self.redactor.user(hashed) if hashed else None


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


@lru_cache(maxsize=8192)
def _feature_name(key: str, component: str | None) -> str:
    return field_name(key, component)


def _unquoted(value: Value) -> Value:
    """What a JSON string says; anything else as it is."""
    if not isinstance(value, str) or not value.startswith('"') or len(value) > _LARGEST_JSON:
        return value
    try:
        said = json.loads(value)
    except ValueError:
        return value
    return said if isinstance(said, str) else value


def _member(value: Value, member: str) -> Value:
    if not isinstance(value, str) or len(value) > _LARGEST_JSON:
        return None
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    found = document.get(member) if isinstance(document, dict) else None
    return found if isinstance(found, str | int | float) else None


def _count_innermost(readings: list[Reading]) -> list[Reading]:
    """Tokens of a model span with a model span below it are the sum of what is below: they do not count again."""
    place = {(r.row[0], r.row[1]): i for i, r in enumerate(readings)}
    outer: set[int] = set()
    walked: set[int] = set()
    for i, reading in enumerate(readings):
        if not reading.row[_COUNTS]:
            continue
        at = place.get((reading.row[0], reading.row[2]))
        while at is not None and at not in walked and at != i:
            walked.add(at)
            if readings[at].row[_COUNTS]:
                outer.add(at)
            at = place.get((readings[at].row[0], readings[at].row[2]))
    for at in outer:
        row = list(readings[at].row)
        row[_COUNTS] = False
        readings[at] = readings[at]._replace(row=tuple(row))
    return readings
