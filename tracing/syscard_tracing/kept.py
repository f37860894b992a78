"""What one value becomes on the row, as JSON text; and which words may stay. Answers are remembered, within bounds."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from syscard_tracing.dialects import Kind
from syscard_tracing.labels import LABEL_CHARS, NAME_WORDS, is_label
from syscard_tracing.literals import LARGEST, parsed
from syscard_tracing.names import Names
from syscard_tracing.pii import is_word
from syscard_tracing.redact import LONG, Redactor, own_value, unknown_number
from syscard_tracing.rules import plain
from syscard_tracing.spans import Value

_HASHED: Final = Kind.HASHED
_REMEMBERED: Final = 8192
_JSON: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


class Words:
    """Which words may stay as they are where one system is declared (or none is)."""

    def __init__(self, redactor: Redactor, declared: frozenset[str]) -> None:
        self._redactor = redactor
        self._declared = declared
        # A text that is longer than a label is not remembered: what is remembered must be small.
        self._label = lru_cache(_REMEMBERED)(lambda text: redactor.label(text, declared))
        self._is_name = lru_cache(_REMEMBERED)(lambda text: is_label(text, NAME_WORDS) or text in declared)

    def label(self, text: str | None) -> str | None:
        """The text where it is a label or a declared word, else its mark; None where there is none."""
        if not text:
            return None
        return self._label(text) if len(text) <= LABEL_CHARS else self._redactor.label(text, self._declared)

    def is_name(self, text: str) -> bool:
        """Whether a span may keep this name."""
        return self._is_name(text) if len(text) <= LABEL_CHARS else text in self._declared


class Written:
    """Values of attributes as they may be kept, in JSON."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._string = lru_cache(_REMEMBERED)(self._of_string)

    def of(self, kind: Kind, key: str, names: Names | None, value: Value) -> str | None:
        """JSON of what may be kept of the value of an attribute whose key says `names` of it; None: nothing."""
        said = type(value)
        # No number of so few digits is a telephone's, a card's or a person's.
        if (said is float or said is int) and names is None and -LONG < value < LONG and kind is not _HASHED:  # type: ignore[operator]
            return repr(value)
        if said is bool and kind is not _HASHED:
            return "true" if value else "false"
        if kind is _HASHED:
            hashed = plain(value)
            return f'"{self._redactor.user(hashed)}"' if hashed else None
        if said is str and names is None:
            if kind is Kind.OTHER:
                return None
            return self._string(kind, value) if len(value) <= LABEL_CHARS else self._of_string(kind, value)  # type: ignore[arg-type]
        return self._of(kind, key, value)

    def _of(self, kind: Kind, key: str, value: Value) -> str | None:
        kept: Value
        if kind is Kind.OTHER:
            kept = unknown_number(key, value)
        elif kind is Kind.OWN:
            kept = self._redactor.own(key, value)
        elif type(value) is list and len(value) == 1 and type(value[0]) is str:  # as reasons for finishing are
            return f"[{self.of(kind, key, None, value[0])}]"
        else:
            kept = self._redactor.labels(value)
        return None if kept is None else written(kept)

    def _of_string(self, kind: Kind, value: str) -> str | None:
        if len(value) <= LABEL_CHARS and is_word(value):  # most new words are ids
            return f'"{value}"'
        if kind is Kind.LABEL and value[:1] == "[" and len(value) <= LARGEST and (items := parsed(value)):
            kept = self._redactor.labels(items)
        else:
            kept = own_value(value) if kind is Kind.OWN else self._redactor.labels(value)
        return None if kept is None else written(kept)


def written(value: Any) -> str:
    """A value as JSON."""
    return _JSON.encode(value)
