"""A person's id in what others said: the texts in which it stands are blanked, the spans stay. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from syscard_tracing.kept import written
from syscard_tracing.pii import clean

ERASED: Final = "[erased]"
"""What stands in the place of a text."""
_OF_TEXT: Final = (".terms", ".shingles")
"""Features that say which words a text had."""


class Blanking:
    """Looks for some names as whole words, whatever their case.

    A neighbouring letter, digit or underscore makes it another word: `u-12` stands in `u-12.` and not in `u-123`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        plain = {clean(name).strip() for name in names} - {""}  # as texts are cleaned before they are kept
        forms = {form for name in plain for form in (name, *_in_json(name))}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        words = "|".join(map(re.escape, longest_first)) or "(?!)"
        self._word = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
        cases = {case for form in forms for case in (form, form.lower(), form.upper(), form.title())}
        self.hints = tuple(sorted({json.dumps(case)[1:-1] for case in cases}))
        """Signs of which one stands, in some case, in the features of every row that holds a name."""

    def blanked(self, features: str | None) -> str | None:
        """Features without the texts that hold a name, and without their fingerprints; None where none does."""
        if not features:
            return None
        before: dict[str, Any] = json.loads(features)
        after = {key: self._without(value) for key, value in before.items()}
        gone = {f"{key}{end}" for key in after if after[key] != before[key] for end in _OF_TEXT}
        return None if after == before else written({k: v for k, v in after.items() if k not in gone})

    def _without(self, value: Any) -> Any:
        if isinstance(value, str):
            return ERASED if self._word.search(value) else value
        if isinstance(value, list):
            return [self._without(item) for item in value]
        return {k: self._without(v) for k, v in value.items()} if isinstance(value, dict) else value


def _in_json(name: str) -> tuple[str, str]:
    """How it is written in a text that is JSON."""
    return json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]
