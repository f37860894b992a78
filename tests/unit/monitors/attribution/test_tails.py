from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from syscard_monitors.attribution.tails import binomial_tails, f_tail, t_tails, together


@given(st.floats(0.001, 200), st.integers(1, 30), st.integers(1, 5_000))
def test_the_tail_of_f_is_that_of_scipy(statistic: float, terms: int, rest: int) -> None:
    assert f_tail(statistic, terms, rest) == pytest.approx(stats.f.sf(statistic, terms, rest), rel=1e-6, abs=1e-250)


@given(st.floats(-30, 30), st.integers(2, 5_000))
def test_the_tails_of_t_are_those_of_scipy(statistic: float, rest: int) -> None:
    assert t_tails(statistic, rest) == pytest.approx(2 * stats.t.sf(abs(statistic), rest), rel=1e-6, abs=1e-250)


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.01, 0.99))
def test_both_binomial_tails_are_doubled_and_exact(hits: int, others: int, share: float) -> None:
    n = hits + others
    least = min(stats.binom.sf(hits - 1, n, share), stats.binom.cdf(hits, n, share))
    assert binomial_tails(hits, n, share) == pytest.approx(min(1, 2 * least), rel=1e-6)


def test_what_is_infinite_has_no_tail_and_what_is_none_has_all_of_it() -> None:
    assert (f_tail(math.inf, 2, 10), f_tail(0, 2, 10), f_tail(math.nan, 2, 10)) == (0.0, 1.0, 1.0)


@given(st.lists(st.floats(1e-6, 0.9), min_size=1, max_size=5))
def test_several_tests_together_say_no_more_than_the_best_of_them_and_no_less_than_bonferroni(ps: list[float]) -> None:
    assert min(ps) * 0.999 <= together(ps) + 1e-12
    assert together([min(ps)] * len(ps)) == pytest.approx(min(ps), rel=1e-3)


def test_a_test_that_says_everything_is_not_lost_beside_one_that_says_nothing() -> None:
    assert together([1e-10, 0.5, 0.5]) == pytest.approx(3e-10, rel=1e-3)
    assert together([1e-40, 1.0]) == pytest.approx(2e-40)
