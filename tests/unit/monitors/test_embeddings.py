"""When texts are about something else, and when that cannot be said."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from syscard.finding import State
from syscard_monitors.embeddings import SPAN, measure, newest
from syscard_monitors.judge import Measured, Missing
from syscard_monitors.memory import Memory, recall
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference
from syscard_monitors.vectors import Sample, Seen
from syscard_monitors.window import findings_of, log_needed
from tests.unit.monitors.build import Asked, card_of, plan, reference, request, signal, window

FIELD = "vlm.text.embedding"


def meaning(**changes: Any) -> Signal:
    """A signal of vectors that needs 40 of a window's requests."""
    return signal("embedding", expr=FIELD, min_window=40, **changes)


def vectors(count: int, seed: int, moved: float = 0.0) -> list[tuple[float, ...]]:
    """Of length one, as they are read."""
    draw = random.Random(seed)
    drawn = ([draw.gauss(moved if n < 2 else 0, 1) for n in range(6)] for _ in range(count))
    return [tuple(number / math.hypot(*one) for number in one) for one in drawn]


def seen(count: int, seed: int, moved: float = 0.0, *, by: str = "a", stratum: str = "") -> list[Seen]:
    return [Seen(by, stratum, vector) for vector in vectors(count, seed, moved)]


def sample(count: int = 200, *, by: str = "a", stratum: str = "") -> Sample:
    return Sample(by, tuple((stratum, vector) for vector in vectors(count, 1)))


def test_texts_about_something_else_are_an_effect_with_evidence() -> None:
    found = measure(meaning(), seen(100, 2, moved=2.0), sample(), "seed")
    assert isinstance(found, Measured)
    assert found.exceeds
    assert found.effect == found.value - 0.5
    assert found.log_rarity is not None
    assert found.log_rarity > 20


def test_texts_about_the_same_are_none() -> None:
    found = measure(meaning(), seen(200, 2), sample(), "seed")
    assert isinstance(found, Measured)
    assert not found.exceeds


def test_vectors_of_another_maker_are_not_compared_and_both_are_named() -> None:
    found = measure(meaning(), seen(100, 2, moved=2.0, by="minilm"), sample(by="fingerprints"), "seed")
    assert isinstance(found, Missing)
    assert found.state is State.UNKNOWN
    assert found.why.startswith("made by minilm, baseline by fingerprints")


def test_the_few_of_another_maker_are_left_out() -> None:
    found = measure(meaning(), [*seen(60, 2), *seen(60, 3, moved=9.0, by="b")], sample(), "seed")
    assert isinstance(found, Measured)
    assert (found.n, found.exceeds) == (60, False)


def test_groups_that_the_baseline_has_not_are_not_judged() -> None:
    found = measure(meaning(), seen(60, 2, moved=2.0, stratum="new"), sample(stratum="old"), "seed")
    assert isinstance(found, Missing)
    assert "groups that the baseline has not" in found.why


def test_a_new_mix_of_groups_is_no_change() -> None:
    young, old = vectors(200, 1), vectors(200, 2, moved=3.0)
    known = Sample("a", tuple([("young", v) for v in young] + [("old", v) for v in old]))
    found = measure(meaning(), [*seen(10, 3, stratum="young"), *seen(90, 4, moved=3.0, stratum="old")], known, "seed")
    assert isinstance(found, Measured)
    assert not found.exceeds


def test_too_few_texts_are_unknown_and_say_how_many_are_needed() -> None:
    few = measure(meaning(), seen(39, 2), sample(), "seed")
    assert isinstance(few, Missing)
    assert (few.needs, few.n) == (40, 39)
    poor = measure(meaning(), seen(100, 2), sample(19), "seed")
    assert isinstance(poor, Missing)
    assert "in the baseline" in poor.why


def test_only_the_newest_are_remembered_and_none_that_is_no_vector() -> None:
    kept = newest(seen(SPAN, 1), [*seen(3, 2), None])
    assert len(kept) == SPAN
    assert kept[-3:] == seen(3, 2)


def test_cosines_of_another_model_are_unknown_and_not_a_breach() -> None:
    memory, cosine = Memory(), "vlm.text.grounding.cosine"
    near = signal("share", name="near", expr=cosine, direction="down", optional=True)
    known = {near.key: reference([0.9] * 100), meaning().key: Reference((), sample=sample(by="minilm 1"))}
    requests = tuple(request(n, {cosine: 0.1, FIELD: [[1.0, 0.0]], f"{FIELD}.by": "minilm 2"}) for n in range(20))
    (finding,) = findings_of(card_of(), plan(near, references=known), memory, requests, window(), Asked())
    assert finding.state is State.UNKNOWN
    assert finding.why.startswith("made by minilm 2, baseline by minilm 1")


def test_texts_that_come_no_more_are_unknown_and_not_as_they_were_last() -> None:
    """A model that has stopped making vectors must not look like peace."""
    memory, watched = Memory(), meaning(optional=True)
    known = plan(watched, references={watched.key: Reference((), sample=sample())})
    carrying = [request(n, {FIELD: [list(v)], f"{FIELD}.by": "a"}) for n, v in enumerate(vectors(60, 2))]
    for index in range(3):
        (found,) = findings_of(card_of(), known, memory, carrying[index * 20 :][:20], window(index), Asked())
    assert found.state is State.OK
    silent = tuple(request(60 + n, {"vlm.words": 3}) for n in range(20))
    (found,) = findings_of(card_of(), known, memory, silent, window(3), Asked())
    assert (found.state, found.why) == (State.UNKNOWN, f"no span of this window carries {FIELD}")


def test_the_budget_counts_a_look_at_vectors_with_every_counted_window_whatever_its_pack_says() -> None:
    known = plan(meaning(), references={})
    usual, larger = (log_needed(known, meaning(window=size), 60_000_000) for size in (20, 100))
    assert usual == larger


def test_a_breach_comes_of_two_windows_and_one_finding_is_made_of_each() -> None:
    memory, watched = Memory(), meaning()
    known = plan(watched, references={watched.key: Reference((), sample=sample())})
    found = []
    for index in range(8):
        told = vectors(20, 30 + index, moved=2.0 if index > 3 else 0.0)
        requests = tuple(request(20 * index + n, {FIELD: [list(v)], f"{FIELD}.by": "a"}) for n, v in enumerate(told))
        (finding,) = findings_of(card_of(), known, memory, requests, window(index), Asked())
        found.append(finding.state)
        memory = recall(json.loads(json.dumps(memory.body())))
    assert found[0] is State.UNKNOWN
    assert found[1:4] == [State.OK] * 3
    assert found[-1] is State.BREACH


def test_how_many_requests_have_a_vector_says_how_severe_a_change_of_texts_is() -> None:
    """Every window holds ten texts about something else: of ten requests they are all, of thirty a third."""
    rule = {"is": "note", "page": {"share": 0.5}}
    told = []
    for of in (10, 30):
        memory, watched = Memory(), meaning(severity=rule)
        known = plan(watched, references={watched.key: Reference((), sample=sample())})
        for index in range(8):
            having = [{FIELD: [list(v)], f"{FIELD}.by": "a"} for v in vectors(10, 30 + index, moved=2.0)]
            values: list[dict[str, Any]] = [*having, *({"vlm.words": 3} for _ in range(of - len(having)))]
            requests = tuple(request(of * index + n, one) for n, one in enumerate(values))
            (finding,) = findings_of(card_of(), known, memory, requests, window(index), Asked())
        told.append((finding.state, finding.severity))
    assert told == [(State.BREACH, "page"), (State.BREACH, "note")]
