"""What the declared systems say of spans: whose they are, which component, and how much of them is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from syscard.system import Component, Embed, Keep, System
from syscard_tracing.choice import NO_CHOICE, Choice, choice_of
from syscard_tracing.pii import clean
from syscard_tracing.spans import Attributes, Value

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ComponentRule:
    """How one declared component is recognised and what is kept of it."""

    ref: str
    select: Pairs
    keep: Keep
    text: frozenset[str] = frozenset()
    version_key: str | None = None
    prompt_key: str | None = None
    choice: Choice = NO_CHOICE
    embed: Embed | None = None


@dataclass(frozen=True)
class SystemRule:
    """How one declared system's spans are recognised; components with more pairs to match come first."""

    select: Pairs
    components: tuple[ComponentRule, ...]
    segments: Pairs
    """(dimension, attribute), the first one is the segment column."""
    user: str | None
    keep: Keep
    presidio: bool = False
    """Whether Presidio looks at its texts, beside the rules."""
    words: frozenset[str] = frozenset()
    """What the system's file says a span may say: it is the owner's, and kept as it is whatever its shape."""

    @cached_property
    def named(self) -> frozenset[str]:
        """Attributes whose values say whose a span is, which version of it, and for which segment."""
        stated = (key for rule in self.components for key in (rule.version_key, rule.prompt_key) if key)
        selected = (key for rule in self.components for key, _ in rule.select)
        return frozenset((*selected, *(key for _, key in self.segments), *stated))

    @cached_property
    def refs(self) -> frozenset[str]:
        """References of the declared components."""
        return frozenset(component.ref for component in self.components)

    @property
    def least_keep(self) -> Keep:
        """The least that is kept of any text."""
        return min((self.keep, *(component.keep for component in self.components)), key=list(Keep).index)

    def owns(self, resource: Mapping[str, str | None]) -> bool:
        """Whether a resource (canonical names) is this system's."""
        return all(resource.get(key) == value for key, value in self.select)

    def component_of(self, *places: Mapping[str, Value]) -> ComponentRule | None:
        """The component whose every pair is found in one of the places, searched in order."""
        return next((c for c in self.components if all(_found(pair, places) for pair in c.select)), None)


@dataclass(frozen=True)
class TraceRules:
    """The rules of all declared systems. With none declared, every span is still read."""

    systems: tuple[SystemRule, ...] = ()

    @classmethod
    def of(cls, systems: Sequence[System]) -> TraceRules:
        """Rules from what is declared."""
        return cls(tuple(_system_rule(system) for system in systems))

    def system_of(self, resource: Mapping[str, str | None]) -> SystemRule | None:
        """The first system that owns a resource."""
        return next((system for system in self.systems if system.owns(resource)), None)


def resource_facts(resource: Attributes) -> dict[str, str | None]:
    """Service and environment of a resource under their present names."""
    environment = resource.get("deployment.environment.name") or resource.get("deployment.environment")
    return {
        "service.name": plain(resource.get("service.name")),
        "deployment.environment.name": plain(environment),
    }


def plain(value: Value) -> str | None:
    """A scalar as people write it in YAML: `true`, `3`, `cf`; None for anything else."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _found(pair: tuple[str, str], places: tuple[Mapping[str, Value], ...]) -> bool:
    key, wanted = pair
    return any(plain(place[key]) == wanted for place in places if key in place)


def _system_rule(system: System) -> SystemRule:
    traces = system.traces
    rules = [_component_rule(ref, component, traces.keep) for ref, component in system.components.items()]
    return SystemRule(
        select=tuple((str(key), value) for key, value in traces.select.items()),
        components=tuple(sorted(rules, key=lambda rule: -len(rule.select))),
        segments=tuple(traces.segments.items()),
        user=traces.user,
        keep=traces.keep,
        presidio=traces.redaction is not None,
        words=frozenset(word for word in _declared_words(system) if word and word == clean(word)),
    )


def _declared_words(system: System) -> Iterator[str | None]:
    yield system.traces.request.root
    yield from system.traces.select.values()
    for component in system.components.values():
        yield component.version.declared
        yield from component.select.values()


def _component_rule(ref: str, component: Component, keep: Keep) -> ComponentRule:
    return ComponentRule(
        ref=ref,
        select=tuple(component.select.items()),
        keep=component.keep or keep,
        text=frozenset(component.text),
        version_key=component.version.source,
        prompt_key=component.version.prompt,
        choice=choice_of(component.allow, component.only),
        embed=component.embed,
    )
