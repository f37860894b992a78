"""A decoded span -> one observation row. Pure: the same spans, rules, key and time of receipt give the same rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from syscard.observation import COLUMNS, CREATION, EVENTS, NO_CALLS, segment_or_none
from syscard.system import Keep
from syscard.tokens import Call, Nested, sums, told_again
from syscard_tracing.choice import NO_CHOICE
from syscard_tracing.dialects import STEP, Dialects, Kind, Source, shipped_dialects, value_at
from syscard_tracing.embedding import Answer, answers_in, at_once
from syscard_tracing.events import read_event, read_listed
from syscard_tracing.failure_texts import failure_texts
from syscard_tracing.failures import NO_NAME, error_class
from syscard_tracing.kept import written
from syscard_tracing.labels import is_label
from syscard_tracing.literals import member
from syscard_tracing.plans import MAX_FEATURES, Layout, LayoutRules, Plans, feature_name, is_own, remember, words
from syscard_tracing.redact import Redactor
from syscard_tracing.resources import Facts, Resource, Voice
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules, plain
from syscard_tracing.sampling import SAMPLER, SAMPLING, sampling_of
from syscard_tracing.spans import STATUS_ERROR, STATUS_OK, Attributes, RawSpan, Value
from syscard_tracing.toolcalls import tool_call_features

RUNS: Final = frozenset({"invoke_agent", "invoke_workflow"})
"""Operations that run others."""
LINKS: Final = "span.links"
"""Feature that holds a span's links, each as `trace_id/span_id`."""
ERROR_NAME: Final = "error.name"
"""Feature that holds what a failure is called where that is not the name of its class."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_YEAR_2000_US: Final = 946_684_800_000_000
_AHEAD_US: Final = 3_600_000_000
_BEHIND_US: Final = 400 * _DAY_US
_LARGEST_JSON: Final = 65_536
"""Characters of JSON in a string that are read."""
_MOST_TOKENS: Final = 10**9
"""Tokens of one call; a larger number is a mistake, or somebody's."""
_RESOURCES: Final = 256
"""Resources that are remembered."""
_FACTS: Final = 512
_OTEL_NAMES: Final = {
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "model_response",
    "gen_ai.provider.name": "provider",
}
_NOTHING: Final[frozenset[str]] = frozenset()
_PLACES: Final = {column.name: i for i, column in enumerate(COLUMNS)}
_COUNTS: Final = _PLACES["counts_tokens"]
_MODEL, _SCOPE, _START, _TOOK = (_PLACES[name] for name in ("model", "scope", "start", "duration_us"))
_IN, _OUT = _PLACES["input_tokens"], _PLACES["output_tokens"]


class Reading(NamedTuple):
    """One observation, and the attribute keys that were not kept as they are, though no table says so.

    That is: keys that no table knows, `syscard.*` strings that are no labels and became counts, and `(unnamed)` for
    every key that is not shaped like one.
    """

    row: tuple[Any, ...]
    """In the order of `syscard.observation.COLUMNS`; times in microseconds and days since 1970."""
    unread: tuple[str, ...]
    answers: tuple[Answer, ...] = ()
    """Texts that a model is to make vectors of: in memory only."""

    def as_dict(self) -> dict[str, Any]:
        """The row by column name."""
        return {column.name: value for column, value in zip(COLUMNS, self.row, strict=True)}


def _thorough(key: bytes) -> Redactor:
    from syscard_tracing import presidio

    return Redactor(key, presidio.load().mask)


class Normaliser:
    """Reads spans by the dialect tables and the declared rules, and redacts as it reads.

    Safe to use from several threads; what it remembers of earlier spans is bounded and changes no answer.
    """

    def __init__(self, rules: TraceRules, key: bytes, dialects: Dialects | None = None) -> None:
        """Raises MissingExtra where the rules ask for Presidio and it is not there: never silently the weaker."""
        self._rules = rules
        plain_rules = Redactor(key)
        thorough = _thorough(key) if any(system.presidio for system in rules.systems) else plain_rules
        self._voices = {
            id(system): Voice.of(thorough if system and system.presidio else plain_rules, system)
            for system in (*rules.systems, None)
        }
        self.dialects = dialects or shipped_dialects()
        self._plans = Plans(self.dialects)
        self._resources: dict[int, Resource] = {}

    def read(self, spans: Sequence[RawSpan], received: datetime) -> list[Reading]:
        """Observations of one batch, in order. Tokens count at the innermost model span of the batch.

        `received` is an aware datetime.
        """
        received_us = microseconds(received)
        readers = [_SpanReader(span, self._resource(span.resource), self._plans) for span in spans]
        _tell_runs_once(readers)
        return _count_innermost([reader.reading(received_us) for reader in readers])

    def _resource(self, attributes: Attributes) -> Resource:
        """By identity: spans of one request share their resource, and often those of many."""
        found = self._resources.get(id(attributes))
        if found is None or found.attributes is not attributes:
            if len(self._resources) >= _RESOURCES:
                self._resources.clear()
            found = self._resources[id(attributes)] = Resource(attributes, self._rules, self._voices)
        return found


class _SpanReader:
    """Everything that is worked out of one span, once."""

    def __init__(self, span: RawSpan, resource: Resource, plans: Plans) -> None:
        self.span = span
        self.attributes = span.attributes
        self.resource = resource
        self.redactor, self.words, self.written = resource.redactor, resource.words, resource.written
        alone = span.event_operation
        self.plan = plans.of_event(span.scope, span.events[0]) if alone else plans.of(span.scope, span.attributes)
        if self.plan.dialect.quoted:
            self.attributes = {key: _unquoted(value) for key, value in span.attributes.items()}
        self.operation = alone or self.plan.operation(self.attributes)
        self.unread: list[str] = []
        self.features: dict[str, Any] = {}
        """What is kept beside the attributes themselves."""
        self.answers: list[Answer] = []

    def reading(self, received_us: int) -> Reading:
        span = self.span
        facts = self._known_facts()
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
            self.resource.service,
            self.resource.environment,
            *facts.before,
            self._count("input_tokens"),
            self._count("output_tokens"),
            *facts.behind,
            self._user(),
            suspect,
            self._features(facts),
        )
        return Reading(row, tuple(sorted(self.unread)) if self.unread else (), tuple(self.answers))

    def _known_facts(self) -> Facts:
        """The facts: where neither a failure nor an event tells more, known by the attributes that say them."""
        span, plan = self.span, self.plan
        if span.events or span.status_message or span.status_code == STATUS_ERROR:
            return self._facts()
        known, keys = self.resource.known_facts(plan)
        said = (self.operation, span.name, *words(self.attributes, keys))
        found = known.get(said)
        if found is None:
            found = self._facts()
            remember(known, said, found, _FACTS)
        self.features |= found.beside
        return found

    def _facts(self) -> Facts:
        plan, label, operation = self.plan, self.words.label, self.operation
        requested = self._said("model")
        model = label(requested)
        stated = plain(self._first(plan.columns["component"]))
        is_call = stated is not None or operation not in NO_CALLS
        found = self._discovered(operation, model) if is_call and not stated else None
        # A rule that selects by service would take feedback for a call, one by an agent's name what only makes it.
        ruled = is_call and (stated is not None or operation != CREATION)
        rule = self.resource.rule(self.attributes, operation, requested, found) if ruled else None
        component = rule.ref if rule else self._component(stated) if stated else found
        error = self._error_type()
        answered = self._label("model_response")
        fallback, reason = self._fallback()
        segment = self._segments()
        before = (
            label(self.span.scope),
            plan.name,
            operation,
            self._name(operation),
            component,
            self._by_rule(rule.version_key if rule else None, "component_version"),
            model,
            None if error and answered == model else answered,  # who failed did not answer
            self._label("provider"),
            self._by_rule(rule.prompt_key if rule else None, "prompt_hash"),
        )
        behind = (operation in plan.dialect.models, error, fallback, reason, segment)
        # Its own attributes bear the name that it gave itself.
        called = stated if stated and not rule and is_label(stated) else component
        return Facts(before, behind, called, rule, dict(self.features))

    def _name(self, operation: str) -> str:
        name = self.span.name
        return name if not name or self.words.is_name(name) else f"{operation} {self.redactor.mark(name)}"

    def _component(self, stated: str) -> str:
        system = self.resource.system
        return self.redactor.component(stated, system.refs if system else frozenset())

    def _discovered(self, operation: str, model: str | None) -> str:
        subject = (model if operation in self.plan.dialect.models else None) or self.subject(operation)
        return f"{operation}:{self.redactor.label(subject)}"

    def subject(self, operation: str) -> str:
        """What tells it from others of its operation, where no model does."""
        attributes, plan = self.attributes, self.plan
        named = (plain(value_at(source, attributes)) for source in plan.subject_of.get(operation, ()))
        stated = next((n for n in named if n), None) or next(
            (n for k in plan.subject if (n := plain(attributes[k]))), None
        )
        return stated or plan.dialect.subject_in(self.span.name) or self.span.name or "unnamed"

    def _first(self, sources: Iterable[Source]) -> Value:
        """The first that says something of sources whose attributes are there."""
        for key, path in sources:
            value = self.attributes[key]
            if path is not None:
                value = member(value, path)
            if value is not None and value != "":
                return value
        return None

    def _said(self, column: str) -> str | None:
        """The first source of a column that says something in this dialect."""
        says = self.plan.dialect.says
        for key, path in self.plan.columns[column]:
            value = self.attributes[key]
            stated = plain(value if path is None else member(value, path))
            if stated and (said := says(column, stated)):
                return said
        return None

    def _label(self, column: str) -> str | None:
        return self.words.label(self._said(column)) if self.plan.columns[column] else None

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
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_TOKENS:
            return None
        return int(value)

    def _error_type(self) -> str | None:
        name = plain(self._first(self.plan.columns["error_type"])) or self._raised()
        if name is None:
            if self.span.status_code != STATUS_ERROR:
                return None
            name = NO_NAME
        # An error type is one word; a sentence where a type should stand may name a person.
        found, called = (self.redactor.label(word, words=1) for word in (error_class(name, self.span), name))
        if called not in (found, NO_NAME):
            self.features[ERROR_NAME] = called
        return found

    def _raised(self) -> str | None:
        if self.span.status_code == STATUS_OK and not self.plan.dialect.raised_is_failed:
            return None
        raised = (plain(e.attributes.get("exception.type")) for e in self.span.events if e.name == "exception")
        return next((name for name in raised if name), None)

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
        stated = self.attributes.get(system.user) if system and system.user else self._first(self.plan.user)
        user = plain(stated)
        return self.redactor.user(user) if user else None

    def _features(self, facts: Facts) -> str:
        """The JSON of everything else that is kept: attributes as they may be, counts of texts, what stands beside."""
        resource, component, rule = self.resource, facts.called, facts.rule
        asked = (component, rule.ref if rule else None, id(resource.system))
        layout = self.plan.layout(asked, lambda: _layout_rules(component, rule, resource))
        attributes = self.attributes
        if layout.unread:
            self.unread += layout.unread
        texts = {field: [attributes[key] for key in keys] for field, keys in layout.texts}
        kept = self._kept(layout, texts)
        for key, name in layout.allowed:
            self.features[name] = self.redactor.allowed(key, attributes[key])
        if self.span.events or self.span.status_message:
            for field, said in failure_texts(self.span):
                if rule is None or not rule.choice.leaves_out(field):
                    texts.setdefault(field, []).append(said)
        if self.span.events or self.plan.lists_events:
            self._take_events(texts, component)
        self._take_ties()
        if texts or self.features:
            kept = self._with_beside(kept, texts, component, rule)
        return "{" + ",".join(kept.values()) + "}"

    def _take_ties(self) -> None:
        """What ties a span to others, and says which share of them there is."""
        plan, span = self.plan, self.span
        if span.links:
            self.features[LINKS] = [f"{link.trace_id}/{link.span_id}" for link in span.links]
        if plan.call_keys:
            said = {key: self.attributes[key] for key in plan.call_keys}
            is_model, is_tool = self.operation in plan.dialect.models, self.operation == "execute_tool"
            self.features |= tool_call_features(said, model=is_model, tool=is_tool, mark=self.redactor.mark)
        if span.trace_state or plan.samples:
            share, by = sampling_of(span.trace_state, self.attributes)
            self.features |= {name: said for name, said in ((SAMPLING, share), (SAMPLER, by)) if said is not None}

    def _kept(self, layout: Layout, texts: dict[str, list[Value]]) -> dict[str, str]:
        """Attributes that may be kept as they are, by name and as JSON; an own one that is a text joins the texts."""
        kept: dict[str, str] = {}
        attributes, of = self.attributes, self.written.of
        for slot in layout.slots:
            key, kind, name, before, names = slot
            value = attributes[key]
            said = of(kind, key, names, value)
            if said is not None:
                kept[name] = before + said
                continue
            self.unread.append(key)
            if kind is Kind.OWN and names is None and isinstance(value, str | list):
                texts[key] = [value]
        return kept

    def _take_events(self, texts: dict[str, list[Value]], component: str | None) -> None:
        """Content that travels as events; where the span itself says a text, its events say it again."""
        told, dialect = frozenset(texts), self.plan.dialect
        found = [read_event(dialect, e.name, e.attributes, e.body) for e in self.span.events]
        for content in (*found, *read_listed(dialect, self.attributes)):
            for field, part in content.texts:
                if field not in told and len(texts) < MAX_FEATURES:
                    texts.setdefault(field, []).append(part)
            for name, said in (*content.numbers, *((name, self.redactor.label(word)) for name, word in content.labels)):
                if len(self.features) < MAX_FEATURES:
                    self.features[feature_name(name, component)] = said

    def _with_beside(
        self, kept: dict[str, str], texts: dict[str, list[Value]], component: str | None, rule: ComponentRule | None
    ) -> dict[str, str]:
        """What is kept with counts of texts and what stands beside the attributes, in order of the names."""
        system = self.resource.system
        keep = rule.keep if rule else self._keep_level(system)
        for field, parts in texts.items():
            counted = self.redactor.text(feature_name(field, component), parts, keep)
            # Beside `rationale` a span may state its own `rationale.words`.
            self.features |= {name: said for name, said in counted.items() if not (is_own(field) and name in kept)}
        if rule is not None and rule.embed is not None:
            answers = answers_in(self.redactor, texts, component, rule.embed, rule.text)
            meant, self.answers = at_once(answers, kept)
            self.features |= meant
        beside = {name: f"{written(name)}:{written(said)}" for name, said in self.features.items()}
        return dict(sorted((kept | beside).items()))

    def _keep_level(self, system: SystemRule | None) -> Keep:
        if system is None:
            return Keep.FEATURES
        # An event does not say which component it speaks of: nothing is kept that one of them would not keep.
        return system.least_keep if self.operation in EVENTS else system.keep


def _layout_rules(component: str | None, rule: ComponentRule | None, of: Resource) -> LayoutRules:
    user = of.system.user if of.system else None
    if rule is None:
        return LayoutRules(component, _NOTHING, of.spoken_for, NO_CHOICE, user)
    spoken_for = of.spoken_for | {rule.version_key, rule.prompt_key}
    return LayoutRules(component, rule.text, spoken_for, rule.choice, user)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def moment(us: int) -> datetime:
    """UTC time of microseconds since 1970, exactly."""
    return _EPOCH + timedelta(microseconds=us)


def _unquoted(value: Value) -> Value:
    """What a JSON string says; anything else as it is."""
    if not isinstance(value, str) or not value.startswith('"') or len(value) > _LARGEST_JSON:
        return value
    try:
        said = json.loads(value)
    except ValueError:
        return value
    return said if isinstance(said, str) else value


def _tell_runs_once(readers: Sequence[_SpanReader]) -> None:
    """A run that two hooks tell of, one right within the other and by one name, is one run, and the outer span's.

    The inner one says what it is: it stands nearer to it, where the outer hook calls a graph the same whatever it does.
    An outer one that names its component says that itself, and what runs right within it need not bear its name: an
    agent's graph, or the agent that it is made of. Within a named workflow an agent is a part of its own.
    """
    runs: dict[tuple[str, str], list[_SpanReader]] = {}  # a span may have been sent twice
    for reader in readers:
        if reader.operation in RUNS:
            runs.setdefault((reader.span.trace_id, reader.span.span_id), []).append(reader)
    if len(runs) < 2:
        return
    parents = {key: (key[0], same[0].span.parent_span_id or "") for key, same in runs.items()}
    above = {key: up for key, up in parents.items() if up in runs and _tells_again(runs[key][0], runs[up][0])}
    times = Counter(above.values())
    inner = {key: parent for key, parent in above.items() if times[parent] == 1}
    for innermost in [key for key in inner if key not in times]:
        top, operation = innermost, runs[innermost][0].operation
        while top in inner:
            for same in runs[top]:
                same.operation = STEP
            top = inner.pop(top)  # taken out: parents may go in a circle
        for same in runs[top]:
            if not same.plan.columns["component"]:
                same.operation = operation


def _tells_again(reader: _SpanReader, outer: _SpanReader) -> bool:
    if outer.resource.service != reader.resource.service:
        return False
    if reader.plan.columns["component"]:
        return False  # who names its component says itself what it tells
    if outer.plan.columns["component"]:
        return outer.operation in (reader.operation, "invoke_agent")
    return reader.subject(reader.operation) == outer.subject(outer.operation)


def _count_innermost(readings: list[Reading]) -> list[Reading]:
    """Tokens of a model span with a model span below it are the sum of what is below: they do not count again.

    Nor do those of a call that two instrumentors tell of beside each other.
    """
    tree = [Nested((r.row[0], r.row[1]), (r.row[0], r.row[2]), bool(r.row[_COUNTS])) for r in readings]
    outer = sums(tree)
    rows = ((i, r.row) for i, r in enumerate(readings) if r.row[_COUNTS] and i not in outer)
    outer |= told_again(
        Call(i, (row[0], row[_MODEL], row[_IN], row[_OUT]), row[_SCOPE], row[_START], row[_START] + row[_TOOK])
        for i, row in rows
        if row[_IN] is not None
    )
    for at in outer:
        changed = list(readings[at].row)
        changed[_COUNTS] = False
        readings[at] = readings[at]._replace(row=tuple(changed))
    return readings
