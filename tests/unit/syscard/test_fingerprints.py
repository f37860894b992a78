"""Shares of two texts, told from sketches of keyed hashes, held against the exact ones."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.fingerprints import LIMIT, containment, overlap, sketch


def _hashes(numbers: set[int]) -> set[str]:
    return {sha256(str(n).encode()).hexdigest()[:16] for n in numbers}


NUMBERS = st.sets(st.integers(0, 400), max_size=300)
SMALL = st.sets(st.integers(0, 90), max_size=LIMIT - 1)


@given(SMALL, SMALL)
def test_shares_of_small_texts_are_exact(one: set[int], other: set[int]) -> None:
    mine, theirs = sketch(_hashes(one)), sketch(_hashes(other))
    jaccard, contained = overlap(mine, theirs), containment(mine, theirs)
    assert (jaccard is None) == (not one | other)
    assert (contained is None) == (not one)
    if jaccard:
        assert jaccard == (len(one & other) / len(one | other), len(one | other))
    if contained:
        assert contained == (len(one & other) / len(one), len(one))


@given(NUMBERS, NUMBERS)
def test_an_estimate_is_the_exact_share_among_the_hashes_that_both_would_have_kept(
    one: set[int], other: set[int]
) -> None:
    mine, theirs = _hashes(one), _hashes(other)
    bound = min((sorted(h)[LIMIT - 1] for h in (mine, theirs) if len(h) >= LIMIT), default="g")
    below = {h for h in mine if h <= bound}, {h for h in theirs if h <= bound}
    found = overlap(sketch(mine), sketch(theirs))
    if found is None:
        assert not below[0] | below[1]
    else:
        assert found == (len(below[0] & below[1]) / len(below[0] | below[1]), len(below[0] | below[1]))


@given(NUMBERS, NUMBERS)
def test_overlap_has_no_direction_and_shares_are_shares(one: set[int], other: set[int]) -> None:
    mine, theirs = sketch(_hashes(one)), sketch(_hashes(other))
    assert overlap(mine, theirs) == overlap(theirs, mine)
    for found in (overlap(mine, theirs), containment(mine, theirs)):
        assert found is None or (0 <= found.value <= 1 and found.n >= 1)


@given(NUMBERS.filter(bool), NUMBERS)
def test_a_text_holds_itself_and_whatever_it_was_copied_into_holds_it(one: set[int], more: set[int]) -> None:
    part, whole = sketch(_hashes(one)), sketch(_hashes(one | more))
    for found in (containment(part, part), containment(part, whole), overlap(part, part)):
        assert found is None or found.value == 1
    assert overlap(part, part) is not None


@given(st.sets(st.integers(0, 300), max_size=200), st.sets(st.integers(301, 600), max_size=200))
def test_texts_without_a_word_in_common_share_nothing(one: set[int], other: set[int]) -> None:
    for found in (overlap(sketch(_hashes(one)), sketch(_hashes(other))),):
        assert found is None or found.value == 0


@given(NUMBERS)
def test_a_sketch_is_small_sorted_and_of_distinct_hashes(numbers: set[int]) -> None:
    kept = sketch(_hashes(numbers))
    assert len(kept) == min(LIMIT, len(numbers))
    assert kept == sorted(set(kept))
    assert set(kept) <= _hashes(numbers)
    assert sketch(kept) == kept


@pytest.mark.parametrize(("shared", "own"), [(100, 100), (40, 160), (180, 20)])
def test_the_share_of_long_texts_is_estimated_within_what_that_many_hashes_allow(shared: int, own: int) -> None:
    errors = []
    for seed in range(0, 40_000, 1000):
        one = _hashes(set(range(seed, seed + shared + own)))
        other = _hashes({*range(seed, seed + shared), *range(seed + 500, seed + 500 + own)})
        found = containment(sketch(one), sketch(other))
        assert found is not None
        errors.append(found.value - shared / (shared + own))
    # 40 texts of about 40 comparable hashes each: a standard error of their mean below 0.013.
    assert abs(sum(errors) / len(errors)) < 0.045
    assert max(map(abs, errors)) < 0.35
