"""What edges need to know of one span: whom it calls, whom it names, and what it made and took. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syscard.fingerprints import LIMIT
from syscard.rotations import comparable
from syscard_monitors.traces import Row

NONE: Final[frozenset[str]] = frozenset()
LEAST_TERMS: Final = 4
"""So many words of its own must a text have before they can be found again in another."""
CARRIED: Final = 0.8
"""Share of them that must be found again."""
_IDENTIFIERS: Final = ("id", "ids", "items", "item")
_TAKEN: Final = re.compile(r"input|prompt|arguments|query|instructions|definitions")
_TERMS: Final = ".terms"


@dataclass(frozen=True)
class Terms:
    """Fingerprints of words. Of a text with many words only the smallest are kept."""

    known: frozenset[str] = NONE
    until: str | None = None
    """Up to this fingerprint the sample is whole; None where all of it is."""

    def tells(self, term: str) -> bool:
        """Whether it can be said if a word is in the text."""
        return self.until is None or term <= self.until


@dataclass(frozen=True)
class SpanFacts:
    """One span, as far as edges go."""

    span_id: str
    parent: str | None
    component: str | None
    start_us: int
    end_us: int
    tokens: frozenset[str]
    """Identifiers that the span carries: what can be handed on by value."""
    gives: frozenset[str]
    """Identifiers in lists that the span made: what it offers."""
    links: frozenset[str] = NONE
    """Spans of the same trace that it names in a link."""
    call: str | None = None
    """The tool call that it answers."""
    asked: frozenset[str] = NONE
    """Tool calls that it asks for."""
    answered: frozenset[str] = NONE
    """Tool calls whose answers it was handed."""
    failed: bool = False
    key: int = 0
    """Under which key its words were hashed."""
    made: Terms = Terms()
    took: Terms = Terms()


def facts_of(span: Row, features: Mapping[str, Any], parent: str | None, key: int = 0) -> SpanFacts:
    """The facts of an observation; `parent` is None on the root of its request, wherever that hangs."""
    named = [v for k, v in features.items() if names_things(k)]
    gives = frozenset(str(x) for many in named if isinstance(many, list) for x in many)
    start: int = span["start_us"]
    return SpanFacts(
        span_id=span["span_id"],
        parent=parent,
        component=span["component"],
        start_us=start,
        end_us=start + span["duration_us"],
        tokens=frozenset(v for v in named if isinstance(v, str)) | gives,
        gives=gives,
        links=frozenset(_linked(span["trace_id"], features.get("span.links"))),
        call=_word(features.get("tool_call.id")),
        asked=_words(features.get("tool_call.asked")),
        answered=_words(features.get("tool_call.answered")),
        failed=span["error_type"] is not None,
        key=key,
        made=_terms(v for k, v in features.items() if holds_words(k, taken=False)),
        took=_terms(v for k, v in features.items() if holds_words(k, taken=True)),
    )


def names_things(field: str) -> bool:
    """Whether a field holds identifiers of what is handed on: `items`, `item.id`."""
    return field.rpartition(".")[2] in _IDENTIFIERS


def is_taken(field: str) -> bool:
    """Whether a field holds what a span was given, by its name; else it is what the span made."""
    return bool(_TAKEN.search(field))


def holds_words(field: str, *, taken: bool) -> bool:
    """Whether a field holds fingerprints of words that a span was given (`taken`), or that it made."""
    return field.endswith(_TERMS) and is_taken(field) is taken


def _linked(trace_id: str, links: Any) -> Iterable[str]:
    pairs = (link.partition("/") for link in links or () if isinstance(link, str))
    return (span for trace, _, span in pairs if trace == trace_id)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _words(value: Any) -> frozenset[str]:
    return frozenset(v for v in value if isinstance(v, str)) if isinstance(value, list) else NONE


def _terms(fields: Iterable[Any]) -> Terms:
    samples = [words for field in fields if (words := _words(field))]
    cut = [max(sample) for sample in samples if len(sample) >= LIMIT]
    return Terms(NONE.union(*samples), min(cut, default=None))


def carries_words(earlier: SpanFacts, later: SpanFacts) -> bool:
    """Whether what one span said stands in what another was given: words of its own, not those it was given itself.

    It cannot be told of two keys.
    """
    if not comparable((earlier.key, later.key)):
        return False
    new = [t for t in earlier.made.known - earlier.took.known if earlier.took.tells(t) and later.took.tells(t)]
    return len(new) >= LEAST_TERMS and len(later.took.known.intersection(new)) >= CARRIED * len(new)
