"""Small vectors of answers, and how much of an answer stands in what it was given: kept where the text itself is not.

Which texts are a component's answers, the way that needs no model (words by their keyed fingerprints), and what becomes
of the vectors that a model makes. Pure.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count, islice
from operator import mul
from typing import Any, Final, NamedTuple

from syscard.embedded import COSINE, DIMENSIONS, EMBEDDING, FINGERPRINTS, GROUNDING, MADE_BY
from syscard.system import Embed
from syscard_tracing.keys import Key
from syscard_tracing.plans import feature_name, is_own
from syscard_tracing.redact import Redactor
from syscard_tracing.spans import Value
from syscard_tracing.words import content_words

DIGITS: Final = 3
"""Decimals of a vector of length one."""
LEAST_WORDS: Final = 3
"""Content words that an answer needs before a share of them says anything."""
LONGEST: Final = 1_000
"""Characters of one text that a model is given."""
MOST_SENTENCES: Final = 4
MOST_PASSAGES: Final = 8
_SENTENCE: Final = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_PASSAGE: Final = re.compile(r"(?<=[.!?;。！？])\s+|\n+")
_ANSWERS: Final = ("gen_ai.output", "gen_ai.completion")
_GIVEN: Final = re.compile(r"input|prompt|arguments|query|documents|context")
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


class Answer(NamedTuple):
    """What a component answered, as a model is given it: without what the rules found in it, and bounded."""

    embed: Embed
    field: str
    """Name of the feature."""
    text: str
    given: str
    """What it was given to answer from."""
    grounding: dict[str, Any]
    """Share of its words that it was given, as a feature; empty where that says nothing."""
    words: dict[str, Any]
    """The vector of its words' fingerprints, as features."""


def answers_in(
    redactor: Redactor, texts: Mapping[str, list[Value]], component: str | None, embed: Embed, declared: Collection[str]
) -> list[Answer]:
    """What a component answered, out of the texts of one span; with vectors and grounding by fingerprints.

    Args:
        redactor: whose key hashes the words.
        texts: parts of each text, not redacted.
        component: the name that the span's own attributes bear.
        embed: what is to make vectors.
        declared: texts that the component declares.
    """
    said = {field: redactor.said(parts) for field, parts in texts.items() if is_answer(field, declared)}
    given = "\n".join(redactor.said(parts) for field, parts in texts.items() if said and is_given(field))
    known, by = content_words(given), f"{FINGERPRINTS} (key {redactor.key_name})"
    found = []
    for field, text in said.items():
        name, words = feature_name(field, component), content_words(text)
        vector = hashed_vector(redactor.hashes(words))
        share = _told(f"{name}{GROUNDING}", word_grounding(words, known))
        made = _by(name, by, _told(f"{name}{EMBEDDING}", vector))
        found.append(Answer(embed, name, text[:LONGEST], given[-MOST_PASSAGES * LONGEST :], share, made))
    return found


def at_once(answers: Iterable[Answer], kept: Collection[str]) -> tuple[dict[str, Any], list[Answer]]:
    """Features that need no model, and the answers that one is to make vectors of.

    What a span states itself, by the names that are `kept` of it, stays as it is.
    """
    features: dict[str, Any] = {}
    later: list[Answer] = []
    for answer in answers:
        features |= answer.grounding
        if f"{answer.field}{EMBEDDING}" not in kept:
            features |= answer.words if answer.embed.model == FINGERPRINTS else {}
            later += [answer] if answer.embed.model != FINGERPRINTS else []
    return {name: said for name, said in features.items() if name not in kept}, later


def sentences(text: str) -> list[str]:
    """The sentences of a text, at most `MOST_SENTENCES`."""
    return _split(_SENTENCE, text)[:MOST_SENTENCES]


def passages(given: str) -> list[str]:
    """The last `MOST_PASSAGES` sentences and lines of what was given: those are about this request."""
    return _split(_PASSAGE, given)[-MOST_PASSAGES:]


def made_by_model(answer: Answer, vectors: Mapping[str, Sequence[float]], encoder: str, key: bytes) -> dict[str, Any]:
    """What a model makes of an answer, as features.

    That is the vector, and the mean, over the answer's sentences, of the largest cosine with a passage that was given:
    none where nothing was given.

    Args:
        answer: what was answered.
        vectors: of the answer, its sentences and the passages given to it, each of length one.
        encoder: its name, with a digest.
        key: the home's; the projection is drawn by it.
    """
    near = [
        max((sum(map(mul, vectors[one], vectors[other])) for other in passages(answer.given)), default=None)
        for one in sentences(answer.text)
    ]
    known = [min(1.0, max(0.0, cosine)) for cosine in near if cosine is not None]
    cosine = round(sum(known) / len(known), DIGITS) if known else None
    vector = projected(vectors[answer.text], key) if answer.text.strip() else None
    made = _told(f"{answer.field}{EMBEDDING}", vector) | _told(f"{answer.field}{COSINE}", cosine)
    return _by(answer.field, f"{encoder.removesuffix(')')}, key {Key(key, 0, None).name})", made)


def projected(vector: Sequence[float], key: bytes) -> list[float] | None:
    """A long vector in `DIMENSIONS` numbers: on random signs (Achlioptas 2003), drawn by the home's key."""
    return unit_vector([sum(map(mul, signs, vector)) for signs in _signs(key, len(vector))])


@lru_cache(maxsize=8)
def _signs(key: bytes, length: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(islice(_coins(key, row), length)) for row in range(DIMENSIONS))


def _coins(key: bytes, row: int) -> Iterator[float]:
    for n in count():
        drawn = hmac.digest(key, f"projection\0{row}/{n}".encode(), "sha256")
        yield from (1.0 if byte & (1 << bit) else -1.0 for byte in drawn for bit in range(8))


def _split(ends: re.Pattern[str], text: str) -> list[str]:
    pieces = (piece.strip()[:LONGEST] for piece in ends.split(text))
    return [piece for piece in pieces if any(c.isalnum() for c in piece)]


def _told(name: str, value: list[float] | float | None) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _by(field: str, by: str, made: dict[str, Any]) -> dict[str, Any]:
    return {**made, f"{field}{MADE_BY}": by} if made else {}
