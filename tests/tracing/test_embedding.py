"""Vectors and grounding at receipt: what is kept of an answer that is not kept."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.embedded import DIMENSIONS
from syscard.system import System
from syscard_tracing.embedding import hashed_vector, is_answer, is_given, unit_vector, word_grounding
from syscard_tracing.normalise import Normaliser
from syscard_tracing.redact import Redactor
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import RawSpan
from tests.tracing.shop import shop

KEY = bytes(range(32))
FIELD = "gen_ai.output.messages"
ANSWER = "Because you bought lemons last week, these teapots would suit your kitchen."
WORDS = st.lists(st.text("abcdefgh", min_size=4, max_size=8), min_size=1, max_size=40, unique=True)


def system(embed: dict[str, Any] | None, **component: Any) -> System:
    """A shop with one model."""
    llm = {"kind": "llm", "owner": "o", "select": {"gen_ai.request.model": "tiny"}, **component}
    return System.model_validate(shop({}, {"llm": llm | ({"embed": embed} if embed else {})}))


def kept(span: RawSpan, declared: System, now: datetime, key: bytes = KEY) -> dict[str, Any]:
    """The features of a span, received by a home that declares this system."""
    (reading,) = Normaliser(TraceRules.of([declared]), key).read([span], now)
    return dict(json.loads(reading.as_dict()["features"]))


def chat(span: Any, answer: str = ANSWER, **more: Any) -> RawSpan:
    """A call of the model."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny", FIELD: answer}
    return span(1, {**said, **more})  # type: ignore[no-any-return]


def test_nothing_of_it_is_kept_where_nobody_asks_for_it(span: Any, now: datetime) -> None:
    assert not any("embedding" in name or "grounding" in name for name in kept(chat(span), system(None), now))


def test_an_answer_becomes_a_vector_of_length_one_that_says_what_made_it(span: Any, now: datetime) -> None:
    found = kept(chat(span), system({"model": "fingerprints"}), now)
    vector = found[f"{FIELD}.embedding"]
    assert len(vector) == DIMENSIONS
    assert math.hypot(*vector) == pytest.approx(1, abs=0.01)
    assert found[f"{FIELD}.embedding.by"] == f"fingerprints (key {Redactor(KEY).key_name})"
    assert FIELD not in found


def test_what_a_model_was_given_has_no_vector_but_grounds_what_it_answered(span: Any, now: datetime) -> None:
    given = {"gen_ai.input.messages": "Facts: bought lemons, teapots. Because kitchen"}
    found = kept(chat(span, **given), system({"model": "fingerprints"}), now)
    assert "gen_ai.input.messages.embedding" not in found
    assert found[f"{FIELD}.grounding"] == pytest.approx(5 / 11, abs=0.001)


def test_without_anything_given_there_is_no_grounding_rather_than_none_of_it(span: Any, now: datetime) -> None:
    assert f"{FIELD}.grounding" not in kept(chat(span), system({"model": "fingerprints"}), now)


def test_another_key_makes_another_vector_and_says_so(span: Any, now: datetime) -> None:
    declared = system({"model": "fingerprints"})
    one, other = kept(chat(span), declared, now), kept(chat(span), declared, now, bytes(32))
    assert one[f"{FIELD}.embedding"] != other[f"{FIELD}.embedding"]
    assert one[f"{FIELD}.embedding.by"] != other[f"{FIELD}.embedding.by"]


def test_what_the_rules_find_in_a_text_is_not_in_its_vector(span: Any, now: datetime) -> None:
    declared = system({"model": "fingerprints"})
    named = chat(span, f"{ANSWER} jan.klaassen@example.org +31 6 1234 5678")
    assert kept(named, declared, now)[f"{FIELD}.embedding"] == kept(chat(span), declared, now)[f"{FIELD}.embedding"]


def test_an_own_text_and_a_declared_one_are_answers_too(span: Any, now: datetime) -> None:
    declared = system({"model": "fingerprints"}, text=["shop.reason"])
    texts = {"syscard.llm.rationale": f"{ANSWER} And it is on sale.", "shop.reason": ANSWER, "syscard.component": "llm"}
    found = kept(chat(span, **texts), declared, now)
    assert {n for n in found if n.endswith(".embedding")} == {
        f"{FIELD}.embedding", "rationale.embedding", "shop.reason.embedding"
    }  # fmt: skip


def test_a_vector_that_a_span_states_itself_is_kept_as_it_is(span: Any, now: datetime) -> None:
    own: dict[str, Any] = {
        "syscard.component": "llm",
        "syscard.llm.rationale": ANSWER,
        "syscard.llm.rationale.embedding": [0.5, -0.5],
    }
    found = kept(chat(span, **own), system({"model": "fingerprints"}), now)
    assert found["rationale.embedding"] == [0.5, -0.5]


@given(WORDS, st.randoms())
def test_the_order_of_words_changes_nothing(words: list[str], draw: Any) -> None:
    hashes = Redactor(KEY).hashes(words)
    shuffled = list(hashes)
    draw.shuffle(shuffled)
    assert hashed_vector(hashes) == hashed_vector(shuffled)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40))
def test_a_vector_has_length_one_or_is_none(numbers: list[float]) -> None:
    found = unit_vector(numbers)
    assert found is None or math.hypot(*found) == pytest.approx(1, abs=0.01)


@given(WORDS, WORDS)
def test_grounding_is_a_share_and_all_of_it_where_everything_was_given(answer: list[str], given: list[str]) -> None:
    found = word_grounding(answer, given)
    assert found is None if len(answer) < 3 else found is not None and 0 <= found <= 1
    assert word_grounding(answer, answer) == (None if len(answer) < 3 else 1)


def test_texts_of_failures_definitions_and_verdicts_are_no_answers() -> None:
    for field in ("status.message", "exception.message", "gen_ai.evaluation.explanation", "gen_ai.tool.definitions"):
        assert not is_answer(field, ())
        assert not is_given(field)
    assert not is_given("gen_ai.system_instructions")
    assert is_given("syscard.llm.prompt")
    assert not is_answer("syscard.llm.prompt", ())
