"""A reference with a window's mix of strata: what was to be expected, had each group been as before."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors import stats
from syscard_monitors.reference import Reference, Standard
from tests.unit.monitors.build import reference, stratified

_values = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=25)
_mixes = st.lists(st.sampled_from("ab"), min_size=1, max_size=12)


def drawn_out(known: Reference, mix: list[str]) -> list[float]:
    """Values that have exactly the mix's distribution: each stratum's values as often as its share asks for."""
    shares = Counter(mix)
    sizes = {name: len(known.strata[name]) for name in shares}
    every = 1
    for size in sizes.values():
        every *= size
    return [
        float(value)
        for name, n in shares.items()
        for value in known.strata[name]
        for _ in range(int(Fraction(n * every, sizes[name])))
    ]


@given(_values, _values, _mixes, st.floats(0.05, 1))
def test_it_says_what_values_with_just_that_mix_would_say(
    a: list[float], b: list[float], mix: list[str], q: float
) -> None:
    known = stratified(a=a, b=b)
    expected, as_drawn = known.with_mix_of(mix), sorted(drawn_out(known, mix))
    n = len(as_drawn)
    assert expected.mean == pytest.approx(stats.mean(as_drawn))
    assert expected.hit_share == pytest.approx(sum(v > 0 for v in as_drawn) / n)
    assert expected.below(7) == pytest.approx(sum(v < 7 for v in as_drawn) / n)
    assert expected.up_to(7) == pytest.approx(sum(v <= 7 for v in as_drawn) / n)
    found = expected.quantile(q)
    assert sum(v <= found for v in as_drawn) >= q * n - 1e-6
    assert sum(v < found for v in as_drawn) < q * n + 1e-6


def test_categories_are_expected_by_the_mix() -> None:
    known = stratified(a=["x"] * 9 + ["y"], b=["y"] * 10)
    assert known.with_mix_of(["a", "b"]).shares == pytest.approx({"x": 0.45, "y": 0.55})


def test_a_sample_has_the_mix_and_is_as_large_as_the_rarest_stratum_allows() -> None:
    known = stratified(a=[0.0] * 100, b=[1.0] * 30)
    assert Counter(known.with_mix_of(["a", "b"]).sample()) == {0.0: 30, 1.0: 30}
    assert Counter(known.with_mix_of(["a"] * 9 + ["b"]).sample()) == {0.0: 100, 1.0: 11}
    assert known.with_mix_of(["b"]).sample() == (1.0,) * 30


def test_one_group_is_everyone() -> None:
    known = reference([3.0, 1.0, 2.0])
    expected = known.with_mix_of(["", ""])
    assert isinstance(expected, Standard)
    assert (expected.mean, expected.quantile(0.5), expected.sample()) == (2.0, 2.0, (1.0, 2.0, 3.0))


def test_who_says_no_group_is_expected_to_be_like_all() -> None:
    assert stratified(a=[0.0] * 30, b=[1.0] * 10).with_mix_of([""]).mean == 0.25


def test_of_a_group_that_the_baseline_has_not_nothing_is_expected() -> None:
    with pytest.raises(KeyError):
        stratified(a=[1.0]).with_mix_of(["new"])
