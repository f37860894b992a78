"""Small vectors of answers, and how much of an answer stands in what it was given: kept where the text itself is not.

Which texts are a component's answers, and the way that needs no model: words by their keyed fingerprints.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from syscard.embedded import DIMENSIONS, EMBEDDING, FINGERPRINTS, GROUNDING, MADE_BY
from syscard_tracing.plans import feature_name, is_own
from syscard_tracing.redact import Redactor
from syscard_tracing.spans import Value
from syscard_tracing.words import content_words

DIGITS: Final = 3
"""Decimals of a vector of length one."""
LEAST_WORDS: Final = 3
"""Content words that an answer needs before a share of them says anything."""
_ANSWERS: Final = ("gen_ai.output", "gen_ai.completion")
_GIVEN: Final = re.compile(r"input|prompt|arguments|query|documents|instructions|context")
_NOT_GIVEN: Final = re.compile(r"definitions")


def is_answer(field: str, declared: Collection[str]) -> bool:
    """Whether a text is what a component answered: by the tables, in its own attributes, or by declaration."""
    stated = field.startswith(_ANSWERS) or is_own(field) or field in declared
    return stated and not is_given(field)


def is_given(field: str) -> bool:
    """Whether a text is what a component was given to answer from."""
    return _GIVEN.search(field) is not None and _NOT_GIVEN.search(field) is None


def hashed_vector(hashes: Iterable[str]) -> list[float] | None:
    """Signed feature hashing (Weinberger et al. 2009) of keyed fingerprints of words (hex), of length one.

    None where there is no word, or where they cancel out.
    """
    sums = [0.0] * DIMENSIONS
    for word in hashes:
        number = int(word, 16)
        sums[number % DIMENSIONS] += 1.0 if number // DIMENSIONS % 2 else -1.0
    return unit_vector(sums)


def unit_vector(numbers: Sequence[float]) -> list[float] | None:
    """The vector with length one, rounded to `DIGITS`; None for one that has no length, or no finite one."""
    length = math.hypot(*numbers)
    if not 0 < length < math.inf:
        return None
    return [round(number / length, DIGITS) + 0.0 for number in numbers]


def word_grounding(answer: Collection[str], given: Collection[str]) -> float | None:
    """Share of the answer's content words that what it was given says too; None where either says too little."""
    words = frozenset(answer)
    if len(words) < LEAST_WORDS or not given:
        return None
    return round(len(words.intersection(given)) / len(words), DIGITS)


def meanings(
    redactor: Redactor, texts: Mapping[str, list[Value]], component: str | None, declared: Collection[str]
) -> dict[str, Any]:
    """Vectors and grounding of a component's answers by the fingerprints of their words, as features.

    Args:
        redactor: whose key hashes the words.
        texts: parts of each text of one span, not redacted.
        component: the name that the span's own attributes bear.
        declared: texts that the component declares.
    """
    answers = {field: redactor.said(parts) for field, parts in texts.items() if is_answer(field, declared)}
    given = [redactor.said(parts) for field, parts in texts.items() if answers and is_given(field)]
    known = {word for text in given for word in content_words(text)}
    by = f"{FINGERPRINTS} (key {redactor.key_name})"
    found: dict[str, Any] = {}
    for field, said in answers.items():
        words = content_words(said)
        vector = hashed_vector(redactor.hashes(words))
        found |= _features(feature_name(field, component), vector, word_grounding(words, known), by)
    return found


def _features(field: str, vector: list[float] | None, grounding: float | None, by: str) -> dict[str, Any]:
    found: dict[str, Any] = {} if vector is None else {f"{field}{EMBEDDING}": vector}
    if grounding is not None:
        found[f"{field}{GROUNDING}"] = grounding
    return {**found, f"{field}{MADE_BY}": by} if found else {}
