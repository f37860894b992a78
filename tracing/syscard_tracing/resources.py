"""What is worked out of one resource, once, for all its spans: whose it is, and how words are kept there."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from syscard_tracing.kept import Words, Written
from syscard_tracing.plans import Plan
from syscard_tracing.redact import Redactor
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules, resource_facts
from syscard_tracing.spans import Attributes

_SHAPES: Final = 256
"""Shapes of spans whose facts are remembered."""


class Voice(NamedTuple):
    """What says how words are kept where one system is declared, or none is."""

    redactor: Redactor
    words: Words
    written: Written

    @classmethod
    def of(cls, redactor: Redactor, system: SystemRule | None) -> Voice:
        """By the rules of a redactor."""
        return cls(redactor, Words(redactor, system.words if system else frozenset()), Written(redactor))


class Facts(NamedTuple):
    """What a span's attributes say of whose it is and what it does: few spans of a system say anything new."""

    before: tuple[str | None, ...]
    """Columns from `scope` to `prompt_hash`."""
    behind: tuple[Any, ...]
    """Columns from `counts_tokens` to `segment`."""
    called: str | None
    """The component that its own attributes name."""
    rule: ComponentRule | None
    beside: dict[str, Any]
    """Features that come with them."""


class Resource:
    """What is worked out of one resource, once."""

    def __init__(self, attributes: Attributes, rules: TraceRules, voices: dict[int, Voice]) -> None:
        facts = resource_facts(attributes)
        self.attributes = attributes
        self.system = rules.system_of(facts)
        self.redactor, self.words, self.written = voices[id(self.system)]
        self.service = self.words.label(facts["service.name"])
        self.environment = self.words.label(facts["deployment.environment.name"])
        self.spoken_for = _spoken_for(self.system)
        self._facts: dict[Plan, tuple[dict[tuple[str, ...], Facts], tuple[str, ...]]] = {}

    def known_facts(self, plan: Plan) -> tuple[dict[tuple[str, ...], Facts], tuple[str, ...]]:
        """Facts of spans of one shape seen lately, by what the attributes say that are told with them."""
        found = self._facts.get(plan)
        if found is None:
            if len(self._facts) >= _SHAPES:
                self._facts.clear()
            declared = self.system.named if self.system else frozenset()
            found = self._facts[plan] = ({}, tuple(key for key in plan.keys if key in plan.says or key in declared))
        return found

    def rule(
        self, attributes: Attributes, operation: str, model: str | None, discovered: str | None
    ) -> ComponentRule | None:
        """The declared component that these attributes belong to; `discovered` names who states none."""
        system = self.system
        if system is None:
            return None
        # What a dialect spells otherwise can be selected by its OTel name all the same.
        read: Attributes = {"gen_ai.operation.name": operation, "gen_ai.request.model": model}
        if discovered:  # who states no component can be selected by the name that is found for it
            read["syscard.component"] = discovered
        return system.component_of(attributes, self.attributes, read)


def _spoken_for(system: SystemRule | None) -> frozenset[str | None]:
    """Attributes that go into a column because the system declares it."""
    return frozenset((system.user, *(key for _, key in system.segments))) if system else frozenset()
