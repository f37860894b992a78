"""A decoded span -> one observation row. Pure: the same spans, rules, key and time of receipt give the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from syscard.observation import COLUMNS, FEEDBACK, segment_or_none
from syscard.system import Keep
from syscard_tracing.dialects import Dialects, Kind, Source, shipped_dialects
from syscard_tracing.kept import Words, Written, written
from syscard_tracing.labels import is_label
from syscard_tracing.plans import LayoutKey, Plans, is_own
from syscard_tracing.redact import Redactor
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules, plain, resource_facts
from syscard_tracing.spans import STATUS_ERROR, STATUS_OK, Attributes, RawSpan, Value

STEP: Final = "step"
LINKS: Final = "span.links"
"""Feature that holds a span's links, each as `trace_id/span_id`."""
_DAY_US: Final = 86_400_000_000
_YEAR_2000_US: Final = 946_684_800_000_000
_AHEAD_US: Final = 3_600_000_000
_BEHIND_US: Final = 400 * _DAY_US
_LARGEST_JSON: Final = 65_536
"""Characters of JSON in a string that are read."""
_RESOURCES: Final = 256
"""Resources that are remembered."""
_RULED: Final = 4096
"""Answers to whose component a span is, that are remembered for one resource."""
_OTEL_NAMES: Final = {
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "model_response",
    "gen_ai.provider.name": "provider",
}
_NOTHING: Final[frozenset[str]] = frozenset()
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


class _Resource:
    """What is worked out of one resource, once."""

    def __init__(self, attributes: Attributes, rules: TraceRules, words: dict[int, Words]) -> None:
        facts = resource_facts(attributes)
        self.attributes = attributes
        self.system = rules.system_of(facts)
        self.words = words[id(self.system)]
        self.service = self.words.label(facts["service.name"])
        self.environment = self.words.label(facts["deployment.environment.name"])
        self.spoken_for = _spoken_for(self.system)
        self._ruled: dict[tuple[Any, ...], ComponentRule | None] = {}

    def rule(self, attributes: Attributes, operation: str, model: str | None) -> ComponentRule | None:
        """The declared component that these attributes belong to."""
        system = self.system
        if system is None:
            return None
        # What a dialect spells otherwise can be selected by its OTel name all the same.
        read: Attributes = {"gen_ai.operation.name": operation, "gen_ai.request.model": model}
        asked = (operation, model, *[plain(attributes.get(key)) for key in system.selected])
        if asked not in self._ruled:
            if len(self._ruled) >= _RULED:
                self._ruled.clear()
            self._ruled[asked] = system.component_of(attributes, self.attributes, read)
        return self._ruled[asked]


def _spoken_for(system: SystemRule | None) -> frozenset[str | None]:
    """Attributes that go into a column because the system declares it."""
    return frozenset((system.user, *(key for _, key in system.segments))) if system else frozenset()


class Normaliser:
    """Reads spans by the dialect tables and the declared rules, and redacts as it reads.

    Safe to use from several threads; what it remembers of earlier spans is bounded and changes no answer.
    """

    def __init__(self, rules: TraceRules, key: bytes, dialects: Dialects | None = None) -> None:
        self._rules = rules
        self._redactor = Redactor(key)
        self._written = Written(self._redactor)
        self._plans = Plans(dialects or shipped_dialects())
        self._words = {id(s): Words(self._redactor, s.words if s else frozenset()) for s in (*rules.systems, None)}
        self._resources: dict[int, _Resource] = {}

    def read(self, spans: Sequence[RawSpan], received: datetime) -> list[Reading]:
        """Observations of one batch, in order. Tokens count at the innermost model span of the batch.

        `received` is an aware datetime.
        """
        received_us = microseconds(received)
        readings = [_SpanReader(self, span, self._resource(span.resource)).reading(received_us) for span in spans]
        return _count_innermost(readings)

    def _resource(self, attributes: Attributes) -> _Resource:
        """By identity: spans of one request share their resource, and often those of many."""
        found = self._resources.get(id(attributes))
        if found is None or found.attributes is not attributes:
            if len(self._resources) >= _RESOURCES:
                self._resources.clear()
            found = self._resources[id(attributes)] = _Resource(attributes, self._rules, self._words)
        return found


class _SpanReader:
    """Everything that is worked out of one span, once."""

    def __init__(self, of: Normaliser, span: RawSpan, resource: _Resource) -> None:
        self.span = span
        self.attributes = span.attributes
        self.resource = resource
        self.redactor = of._redactor
        self.written = of._written
        self.words = resource.words
        self.plan = of._plans.of(span.scope, span.attributes)
        if self.plan.dialect.quoted:
            self.attributes = {key: _unquoted(value) for key, value in span.attributes.items()}
        self.unread: list[str] = []
        self.features: dict[str, Any] = {}
        """What is kept beside the attributes themselves."""

    def reading(self, received_us: int) -> Reading:
        span, plan, resource, label = self.span, self.plan, self.resource, self.words.label
        operation = self._operation()
        requested = plain(self._first(plan.columns["model"]))
        model = label(requested)
        stated = plain(self._first(plan.columns["component"]))
        # A rule that selects by service would take feedback for a call.
        rule = resource.rule(self.attributes, operation, requested) if stated or operation != FEEDBACK else None
        component = rule.ref if rule else self._component(stated, operation, model)
        error = self._error_type()
        answered = self._label("model_response")
        fallback, reason = self._fallback()
        start_us = span.start_ns // 1000
        suspect = not max(_YEAR_2000_US, received_us - _BEHIND_US) <= start_us <= received_us + _AHEAD_US
        row = (
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            (received_us if suspect else start_us) // _DAY_US,
            start_us,
            max(0, span.end_ns - span.start_ns) // 1000,
            received_us,
            resource.service,
            resource.environment,
            label(span.scope),
            plan.name,
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
            operation in plan.dialect.models,
            error,
            fallback,
            reason,
            self._segments(),
            self._user(),
            suspect,
            # Its own attributes bear the name that it gave itself.
            self._features(stated if stated and not rule and is_label(stated) else component, rule),
        )
        return Reading(row, tuple(sorted(self.unread)))

    def _operation(self) -> str:
        attributes, plan = self.attributes, self.plan
        for key in plan.operations:
            if isinstance(value := attributes[key], str) and value:
                return plan.dialect.operations.get(value, STEP)
        return next((operation for key, operation in plan.implied if attributes[key]), STEP)

    def _name(self, operation: str) -> str:
        name = self.span.name
        return name if not name or self.words.is_name(name) else f"{operation} {self.redactor.mark(name)}"

    def _component(self, stated: str | None, operation: str, model: str | None) -> str | None:
        if not stated:
            return None if operation == FEEDBACK else self._discovered(operation, model)
        system = self.resource.system
        return self.redactor.component(stated, system.refs if system else frozenset())

    def _discovered(self, operation: str, model: str | None) -> str:
        attributes, plan = self.attributes, self.plan
        named = (plain(attributes[key]) for key in plan.subject)
        subject = (model if operation in plan.dialect.models else None) or next((n for n in named if n), None)
        return f"{operation}:{self.redactor.label(subject or self.span.name or 'unnamed')}"

    def _first(self, sources: Iterable[Source]) -> Value:
        """The first that says something of sources whose attributes are there."""
        for key, member in sources:
            value = self.attributes[key]
            if member is not None:
                value = _member(value, member)
            if value is not None and value != "":
                return value
        return None

    def _label(self, column: str) -> str | None:
        sources = self.plan.columns[column]
        return self.words.label(plain(self._first(sources))) if sources else None

    def _by_rule(self, key: str | None, column: str) -> str | None:
        declared = plain(self._by_name(key)) if key else None
        return self.words.label(declared) if declared else self._label(column)

    def _by_name(self, key: str) -> Value:
        """An attribute of the span or its resource; what a dialect spells otherwise, by its OTel name all the same."""
        stated = self.attributes.get(key) or self.resource.attributes.get(key)
        return stated or (self._first(self.plan.columns[_OTEL_NAMES[key]]) if key in _OTEL_NAMES else None)

    def _count(self, column: str) -> int | None:
        value = self._first(self.plan.columns[column])
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 62:
            return None
        return int(value)

    def _error_type(self) -> str | None:
        if stated := plain(self._first(self.plan.columns["error_type"])):
            return self._type_name(stated)
        if self.span.events and self.span.status_code != STATUS_OK:
            for event in self.span.events:
                if event.name == "exception" and (raised := plain(event.attributes.get("exception.type"))):
                    return self._type_name(raised.rpartition(".")[2])
        return "error" if self.span.status_code == STATUS_ERROR else None

    def _type_name(self, text: str) -> str:
        """An error type is one word; a sentence where a type should stand may name a person."""
        return self.redactor.label(text, words=1) if text else "error"

    def _fallback(self) -> tuple[bool | None, str | None]:
        event = next((e for e in self.span.events if e.name == "fallback"), None)
        reason = self.words.label(plain(event.attributes.get("reason"))) if event else self._label("fallback_reason")
        stated = self._first(self.plan.columns["fallback"])
        if not isinstance(stated, bool):
            marks = (self.attributes[key] for key in self.plan.fallbacks)
            stated = next((mark for mark in marks if isinstance(mark, bool)), None)
        return True if event else stated, reason

    def _segments(self) -> str | None:
        system = self.resource.system
        if system is None or not system.segments:
            return self.words.label(segment_or_none(plain(self._first(self.plan.columns["segment"]))))
        known: list[str | None] = []
        for dimension, key in system.segments:
            known.append(self.words.label(segment_or_none(plain(self.attributes.get(key)))))
            if known[-1] is not None:
                self.features[f"segment.{dimension}"] = known[-1]
        return known[0]

    def _user(self) -> str | None:
        system = self.resource.system
        keys = (system.user,) if system and system.user else self.plan.dialect.user
        user = next((u for key in keys if (u := plain(self.attributes.get(key)))), None)
        return self.redactor.user(user) if user else None

    def _features(self, component: str | None, rule: ComponentRule | None) -> str:
        """The JSON of everything else that is kept: attributes as they may be, counts of texts, what stands beside."""
        layout = self.plan.layout(_layout_key(component, rule, self.resource.spoken_for))
        attributes = self.attributes
        kept: dict[str, str] = {}
        texts = {text.name: (text.own, [attributes[key] for key in text.keys]) for text in layout.texts}
        self.unread += layout.unread
        for key, kind, name, before in layout.slots:
            value = attributes[key]
            json_text = self.written.of(kind, value)
            if json_text is not None:
                kept[name] = before + json_text
                continue
            self.unread.append(key)
            if kind is Kind.OWN and isinstance(value, str | list):
                texts[name] = (is_own(key), [value])
        if self.span.links:
            self.features[LINKS] = [f"{link.trace_id}/{link.span_id}" for link in self.span.links]
        if texts or self.features:
            self._add(kept, texts, rule)
        return "{" + ",".join(kept.values()) + "}"

    def _add(
        self, kept: dict[str, str], texts: dict[str, tuple[bool, list[Value]]], rule: ComponentRule | None
    ) -> None:
        """Put counts of texts and what stands beside the attributes among what is kept, in order of their names."""
        system = self.resource.system
        keep = rule.keep if rule else system.keep if system else Keep.FEATURES
        for field, (own, parts) in texts.items():
            counted = self.redactor.text(field, parts, keep)
            self.features |= {name: value for name, value in counted.items() if not (own and name in kept)}
        kept |= {name: f"{written(name)}:{written(value)}" for name, value in self.features.items()}
        in_order = sorted(kept.items())
        kept.clear()
        kept.update(in_order)


def _layout_key(component: str | None, rule: ComponentRule | None, spoken_for: frozenset[str | None]) -> LayoutKey:
    if rule is None:
        return LayoutKey(component, _NOTHING, spoken_for)
    if rule.version_key or rule.prompt_key:
        spoken_for |= {rule.version_key, rule.prompt_key}
    return LayoutKey(component, rule.text, spoken_for)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


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
