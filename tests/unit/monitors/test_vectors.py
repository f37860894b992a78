"""Vectors as requests carry them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.assemble import Request
from syscard_monitors.vectors import KEPT, NOBODY, Sample, Seen, made_in, other_maker, read_sample, sample_of, seen_in
from tests.unit.monitors.build import request

FIELD = "llm.answer.embedding"
VECTORS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=32).map(lambda numbers: [*numbers, 1.0])


def carrying(vector: Any, by: str | None = "fingerprints (key 1)", number: int = 0) -> Request:
    """A request whose answer has a vector; lists stand for repeated calls, so it is in one."""
    return request(number, {FIELD: [vector], f"{FIELD}.by": [by] if by else None})


@given(VECTORS)
def test_a_vector_is_read_with_length_one_whatever_its_sender_made_of_it(vector: list[float]) -> None:
    (seen,) = seen_in([carrying(vector)], FIELD, ())
    assert seen is not None
    assert math.hypot(*seen.vector) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "value",
    [[], [1.0], [0.0, 0.0], [1.0, math.nan], [1.0, math.inf], ["a", "b"], [True, False], "text", 3.0, [1.0] * 2_000],
)
def test_what_is_no_vector_is_left_out(value: Any) -> None:
    assert seen_in([carrying(value)], FIELD, ()) == [None]


def test_a_request_without_a_vector_is_neither_left_out_nor_counted() -> None:
    assert seen_in([request(0, {"llm.answer.words": 3})], FIELD, ()) == []


def test_a_sample_is_of_the_commonest_maker_and_counts_what_it_leaves_out() -> None:
    found = [Seen("a", "", (1.0, 0.0))] * 3 + [Seen("b", "", (1.0, 0.0)), None, Seen("a", "", (1.0, 0.0, 0.0))]
    sample = sample_of(found)
    assert sample is not None
    assert (sample.by, len(sample.vectors), sample.left_out) == ("a", 3, 3)
    assert sample_of([None, None]) is None


def test_a_sample_keeps_so_many_spread_over_the_whole_time() -> None:
    sample = sample_of([Seen("a", "", (float(n), 1.0)) for n in range(3 * KEPT)])
    assert sample is not None
    assert [vector[0] for _, vector in sample.vectors[:2]] == [1, 4]
    assert len(sample.vectors) == KEPT


@given(st.lists(st.sampled_from(["young", "old"]), min_size=2, max_size=40))
def test_a_sample_comes_back_from_its_json(strata: list[str]) -> None:
    sample = Sample("a", tuple((s, (0.6, -0.8)) for s in strata), 2)
    assert read_sample(json.loads(json.dumps(sample.body()))) == sample


def test_the_baseline_is_compared_with_the_mix_of_the_window() -> None:
    vectors = [("young", (1.0, 0.0))] * 90 + [("old", (0.0, 1.0))] * 30
    mixed = Sample("a", tuple(vectors)).with_mix_of(["young"] * 10 + ["old"] * 10)
    assert (mixed.count((1.0, 0.0)), mixed.count((0.0, 1.0))) == (30, 30)


def test_who_is_of_no_stratum_is_compared_with_everybody() -> None:
    vectors = (("young", (1.0, 0.0)), ("old", (0.0, 1.0)))
    assert len(Sample("a", vectors).with_mix_of(["", ""])) == 2


@given(st.lists(st.sampled_from(["young", "old", "new", ""]), min_size=1, max_size=60))
def test_no_vector_of_the_baseline_is_taken_twice_whatever_the_mix(strata: list[str]) -> None:
    vectors = [("young" if n % 3 else "old", (float(n), 1.0)) for n in range(100)]
    mixed = Sample("a", tuple(vectors)).with_mix_of(strata)
    assert len({*mixed}) == len(mixed) > 0


def test_who_is_of_no_stratum_counts_for_each_as_the_baseline_has_it() -> None:
    vectors = [("young", (1.0, 0.0))] * 60 + [("old", (0.0, 1.0))] * 60
    mixed = Sample("a", tuple(vectors)).with_mix_of(["young"] * 10 + ["new"] * 10)
    assert (mixed.count((1.0, 0.0)), mixed.count((0.0, 1.0))) == (60, 20)


def test_cosines_of_another_model_than_the_baseline_s_are_known_by_their_maker() -> None:
    cosine = "llm.answer.grounding.cosine"
    requests = [request(n, {cosine: 0.5, FIELD: [[1.0, 2.0]], f"{FIELD}.by": "minilm 2"}) for n in range(3)]
    assert other_maker(requests, cosine, Sample("minilm 1", ())) == "minilm 2"
    assert other_maker(requests, cosine, Sample("minilm 2", ())) is None
    assert other_maker(requests, cosine, None) is None
    assert other_maker([request(0, {"llm.answer.words": 3})], cosine, Sample("minilm 1", ())) is None


def test_makers_are_counted_with_what_is_no_vector_and_one_who_is_not_named_is_told() -> None:
    by = "x" * 500
    requests = [carrying([1.0, 2.0]), carrying([1.0, 2.0], None), carrying([1.0, 2.0], by), carrying([0.0, 0.0])]
    assert made_in(requests, "llm") == [("fingerprints (key 1)", 1, 1), (NOBODY, 1, 0), ("x" * 120, 1, 0)]
    assert made_in(requests, "vlm") == []
