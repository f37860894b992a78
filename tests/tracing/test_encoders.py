"""Vectors by a model: behind the receipt, bounded, and never at the price of a span."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.clock import ReplayClock
from syscard.embedded import DIMENSIONS
from syscard.errors import MissingExtra, TraceError
from syscard.home import Home
from syscard.observation import COLUMNS, EMBEDDED
from syscard.system import Embed, System
from syscard_tracing.embedding import LONGEST, MOST_PASSAGES, MOST_SENTENCES, passages, projected, sentences
from syscard_tracing.encoder import load
from syscard_tracing.encoders import MOST_WAITING, TOGETHER, Encoders
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.normalise import Normaliser, Reading
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.roller import roll_all
from syscard_tracing.rules import TraceRules
from syscard_tracing.signals import Signal
from tests.tracing.shop import shop

KEY = bytes(range(32))
FIELD = "gen_ai.output.messages"
NOWHERE = "nobody/has-this-model"
NUMBERS = st.lists(st.floats(-1, 1), min_size=40, max_size=40)


class Letters:
    """A model of the smallest kind: how often each letter comes."""

    name = "letters (sha256 0123456789ab)"

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._vector(text.lower()) for text in texts]

    def _vector(self, text: str) -> list[float]:
        counts = [text.count(chr(97 + n)) for n in range(26)]
        length = math.hypot(*counts) or 1.0
        return [n / length for n in counts]


def letters(_embed: Embed) -> Letters:
    return Letters()


def absent(_embed: Embed) -> Letters:
    raise MissingExtra("models", "vectors by a model")


def rules(model: str = "letters") -> TraceRules:
    llm = {"kind": "llm", "owner": "o", "select": {"gen_ai.request.model": "tiny"}, "embed": {"model": model}}
    return TraceRules.of([System.model_validate(shop({}, {"llm": llm}))])


def chats(span: Any, count: int = 1, given: str = "lemons and teapots") -> list[Any]:
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny", "gen_ai.input.messages": given}
    return [span(n, {**said, FIELD: f"These lemons suit teapot number {n}."}) for n in range(count)]


@pytest.fixture
def readings(span: Any, now: datetime) -> Callable[..., list[Reading]]:
    """Calls of the model, as they are read."""
    return lambda count=1: Normaliser(rules(), KEY).read(chats(span, count), now)


def attribute(key: str, text: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": text}}


def features(row: Sequence[Any]) -> dict[str, Any]:
    return dict(json.loads(named(row)["features"]))


def named(row: Sequence[Any]) -> dict[str, Any]:
    return {column.name: value for column, value in zip(COLUMNS, row, strict=True)}


def test_what_is_ingested_has_the_model_s_vector_in_the_span_s_own_row(readings: Any) -> None:
    (row,) = Encoders(KEY, print, letters).now(readings())
    found = features(row)
    assert len(found[f"{FIELD}.embedding"]) == DIMENSIONS
    assert found[f"{FIELD}.embedding.by"].startswith("letters (sha256 0123456789ab, key ")
    assert 0 < found[f"{FIELD}.grounding.cosine"] <= 1
    assert 0 < found[f"{FIELD}.grounding"] < 1
    assert f"{FIELD}.words" in found


def test_what_is_received_is_stored_at_once_and_the_vector_comes_below_it(readings: Any) -> None:
    stored: list[Any] = []
    encoders = Encoders(KEY, stored.extend, letters)
    (row,) = encoders.later(readings())
    encoders.close()
    (below,) = map(named, stored)
    assert f"{FIELD}.embedding" not in features(row)
    assert (below["parent_span_id"], below["operation"], below["component"]) == (row[1], EMBEDDED, None)
    assert (below["trace_id"], below["start"], below["service"]) == (row[0], named(row)["start"], "shop")
    assert f"{FIELD}.embedding" in features(stored[0])
    assert encoders.counts == {"encoded": 1}


def test_a_span_that_comes_twice_has_one_row_of_vectors(readings: Any) -> None:
    stored: list[Any] = []
    encoders = Encoders(KEY, stored.extend, letters)
    encoders.later(readings())
    encoders.later(readings())
    encoders.close()
    assert stored[0] == stored[1]


def test_a_full_queue_falls_back_to_fingerprints_and_is_counted(readings: Any) -> None:
    goes_on, stored = threading.Event(), list[Any]()

    def slow(rows: Sequence[Any]) -> None:
        goes_on.wait()
        stored.extend(rows)

    encoders = Encoders(KEY, slow, letters)
    most = MOST_WAITING + TOGETHER
    rows = [row for _ in range(4) for row in encoders.later(readings(most // 2))]
    made_of = [features(row).get(f"{FIELD}.embedding.by", "") for row in rows]
    goes_on.set()
    encoders.close()
    fell_back = sum(by.startswith("fingerprints (key ") for by in made_of)
    assert MOST_WAITING <= len(stored) <= most
    assert fell_back == len(rows) - len(stored) == encoders.counts["fell_back"]


def test_without_a_model_every_answer_has_its_fingerprints_and_it_is_said_once(
    readings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    encoders = Encoders(KEY, print, absent)
    rows = [*encoders.now(readings(2)), *encoders.later(readings(3))]
    assert all(features(row)[f"{FIELD}.embedding.by"].startswith("fingerprints") for row in rows)
    (line,) = caplog.messages
    assert "pip install 'syscard[models]'" in line
    assert "\n" not in line
    assert (encoders.counts["fell_back"], encoders.why) == (5, line.partition(";")[0])


@pytest.mark.parametrize("where", ["loading", "encoding"])
def test_a_model_that_breaks_costs_its_vectors_and_no_span(
    readings: Any, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    class Broken(Letters):
        def __call__(self, texts: Sequence[str]) -> list[list[float]]:
            raise RuntimeError(texts[0])

    def load_broken(_embed: Embed) -> Letters:
        if where == "loading":
            raise RuntimeError("weights")
        return Broken()

    encoders = Encoders(KEY, print, load_broken)
    rows = encoders.now(readings(3))
    assert [features(row)[f"{FIELD}.embedding.by"][:12] for row in rows] == ["fingerprints"] * 3
    assert encoders.counts == {"fell_back": 3}
    assert "lemons" not in caplog.text


def test_vectors_that_cannot_be_stored_are_counted_and_those_after_them_are_made(readings: Any) -> None:
    stored, asked = list[Any](), threading.Semaphore(0)
    troubles: list[Exception] = [TraceError("no room"), OSError("broken")]

    def store(rows: Sequence[Any]) -> None:
        asked.release()
        if troubles:
            raise troubles.pop()
        stored.extend(rows)

    encoders = Encoders(KEY, store, letters)
    for _ in range(3):
        encoders.later(readings())
        assert asked.acquire(timeout=60)
    encoders.close()
    assert (encoders.counts["lost"], len(stored)) == (2, 1)


def test_a_server_without_the_model_takes_every_span(
    home: Home, inbox: Inbox, lake: Lake, clock: ReplayClock, line_of: Any
) -> None:
    pipeline = Pipeline(home, inbox, lambda: rules(NOWHERE), clock)
    body = line_of(1, attributes=[attribute("gen_ai.request.model", "tiny"), attribute(FIELD, "These suit teapots.")])
    accepted = pipeline.accept(body, as_json=True, signal=Signal.TRACES)
    pipeline.encoders.close()
    pipeline.close()
    roll_all(inbox, lake)
    kept = lake.scan().collect().to_dicts()
    assert accepted.rows == 1
    assert {row["operation"] for row in kept} == {"chat", EMBEDDED}
    vectors = [json.loads(row["features"]).get(f"{FIELD}.embedding.by") for row in kept]
    assert [by for by in vectors if by and by.startswith("fingerprints")]


@pytest.mark.parametrize("model", [NOWHERE, "no such/folder at all", "minilm"])
def test_what_is_not_here_is_said_in_one_line_with_what_to_type(model: str) -> None:
    with pytest.raises((MissingExtra, TraceError)) as raised:
        load(model, network=False)
    assert "\n" not in str(raised.value)
    assert any(word in str(raised.value) for word in ("pip install", "write network: true", "name of a model"))


@given(NUMBERS, st.binary(min_size=32, max_size=32))
def test_a_projection_is_the_same_under_one_key_and_of_length_one(numbers: list[float], key: bytes) -> None:
    found = projected(numbers, key)
    assert found == projected(numbers, key)
    assert found is None or (len(found), round(math.hypot(*found), 1)) == (DIMENSIONS, 1.0)


def test_texts_that_lie_near_each_other_do_so_under_any_key() -> None:
    draw = [int.from_bytes(hashlib.sha256(f"{n}".encode()).digest()[:2]) / 65536 - 0.5 for n in range(1_200)]
    one, far = draw[:384], draw[400:784]
    near = [a + 0.2 * b for a, b in zip(one, draw[800:], strict=False)]
    for key in (KEY, bytes(32), b"k" * 32):
        vectors = [projected(numbers, key) or [] for numbers in (one, near, far)]
        cosines = [sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:]]
        assert cosines[0] > 0.9 > 0.6 > abs(cosines[1])


@given(st.text(max_size=5_000))
def test_what_a_model_is_given_is_bounded_whatever_was_written(text: str) -> None:
    for pieces, most in ((sentences(text), MOST_SENTENCES), (passages(text), MOST_PASSAGES)):
        assert len(pieces) <= most
        assert all(0 < len(piece) <= LONGEST for piece in pieces)
