"""The statistics of risks, held to SciPy and to what is known of them."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from syscard_monitors.risks import statistics as s
from syscard_monitors.stats import Rates


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_binomial_tail_is_scipy_s(hits: int, n: int, share: float) -> None:
    assert s.binomial_tail(hits, n, share) == pytest.approx(scipy.binom.sf(hits - 1, n, share), rel=1e-9, abs=1e-300)


def test_the_binomial_tail_is_exact_far_out() -> None:
    assert s.binomial_tail(400, 500, 0.2) == pytest.approx(scipy.binom.sf(399, 500, 0.2), rel=1e-9)
    assert s.binomial_tail(2_400, 10_000, 0.25) == pytest.approx(scipy.binom.sf(2_399, 10_000, 0.25), rel=1e-9)


@given(st.lists(st.integers(0, 1_000), min_size=3, max_size=25, unique=True))
def test_kendall_s_exact_p_is_scipy_s(values: list[int]) -> None:
    other: Any = scipy.kendalltau(range(len(values)), values, alternative="greater", method="exact")
    found = s.trend([float(v) for v in values])
    assert found.p_value == pytest.approx(other.pvalue, rel=1e-9)
    assert found.tau == pytest.approx(other.statistic)


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=20, unique=True))
def test_sen_s_slope_is_scipy_s(values: list[float]) -> None:
    assert s.trend(values).slope == pytest.approx(scipy.theilslopes(values).slope, abs=1e-9)


def test_a_trend_of_equal_values_is_none() -> None:
    assert s.trend([1.0] * 8) == s.Trend(0.0, 1.0, 0.0)
    assert s.trend([1.0]) == s.Trend(0.0, 1.0, 0.0)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=40))
def test_rank_correlation_is_spearman_s(points: list[tuple[int, int]]) -> None:
    xs, ys = [float(x) for x, _ in points], [float(y) for _, y in points]
    found = s.rank_correlation(xs, ys)
    if len({*xs}) > 1 and len({*ys}) > 1:
        assert found == pytest.approx(scipy.spearmanr(xs, ys).statistic, abs=1e-9)
    else:
        assert found == 0


@given(st.lists(st.tuples(*[st.integers(1, 40)] * 4), min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_association_of_one_table_is_its_risk_ratio_and_fisher_s_p(cells: list[tuple[int, ...]]) -> None:
    a, b, c, d = cells[0]
    found = s.association([Rates(a, a + b, c, c + d)])
    assert found.ratio == pytest.approx(a / (a + b) / (c / (c + d)))
    assert found.p_value == pytest.approx(scipy.fisher_exact([[a, b], [c, d]], alternative="greater").pvalue, rel=1e-6)
    # Katz' (1978) error of the log risk ratio is what Greenland and Robins' is of one table.
    assert found.error == pytest.approx(math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)), rel=1e-9)


def test_an_association_has_no_more_of_the_trouble_to_explain_than_there_is() -> None:
    found = s.association([Rates(80, 100, 20, 100)])
    assert found.attributable == pytest.approx(0.8 * (1 - 1 / 4))
    assert s.association([Rates(0, 0, 3, 9)]).p_value == 1.0
    assert s.association([Rates(0, 9, 0, 9)]).ratio == 1.0


def test_strata_take_away_what_only_they_explain() -> None:
    easy, hard = Rates(4, 40, 36, 360), Rates(120, 150, 40, 50)
    pooled = Rates(124, 190, 76, 410)
    assert s.association([pooled]).low > 2
    assert s.association([easy, hard]).ratio == pytest.approx(1.0)
    assert s.association([easy, hard]).p_value > 0.4


def test_a_rise_is_newcombe_s_interval_with_fisher_s_p() -> None:
    """Newcombe (1998), table II, case a: 56/70 and 48/80."""
    found = s.rise({"x": s.Counts(56, 70)}, {"x": s.Counts(48, 80)})
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert [found.low, found.high] == pytest.approx([0.0524, 0.3339], abs=5e-5)
    assert found.p_value == pytest.approx(scipy.fisher_exact([[56, 14], [48, 32]], alternative="greater").pvalue)


def test_a_rise_leaves_out_who_has_no_like_and_compares_everyone_with_all() -> None:
    before = {"a": s.Counts(10, 100), "b": s.Counts(50, 100)}
    only_new = s.rise({"c": s.Counts(9, 10)}, before)
    assert only_new is None
    everyone = s.rise({"": s.Counts(30, 100)}, before)
    assert everyone is not None
    assert everyone.before == pytest.approx(0.3)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(50, 90), st.integers(50, 90))
def test_a_rise_does_not_depend_on_how_its_stratum_is_called(a: int, b: int, n: int, m: int) -> None:
    one = s.rise({"x": s.Counts(a, n)}, {"x": s.Counts(b, m)})
    assert one == s.rise({"y": s.Counts(a, n)}, {"y": s.Counts(b, m)})
    assert one is not None
    assert one.low <= one.difference <= one.high


def test_no_rise_is_significant_as_often_as_is_said() -> None:
    rng, false = random.Random(5), 0
    for _ in range(300):
        now, before = (
            {b: s.Counts(sum(rng.random() < p for _ in range(60)), 60) for b, p in (("a", 0.1), ("b", 0.5))}
            for _ in "12"
        )
        found = s.rise(now, before)
        false += found is not None and found.p_value < 0.05
    assert false <= 24  # 15 of 300 are expected, and an exact test has fewer


def test_a_rate_ratio_is_as_rare_as_the_conditional_binomial_says() -> None:
    found = s.rate_ratio([1.0] * 160 + [2.0] * 40, (1_000.0, 1_000.0, 1_000))
    assert found.ratio == pytest.approx(1.2)
    assert found.p_value >= scipy.binom.sf(239, 1_240, 200 / 1_200)
    assert found.p_value < 0.05


def test_counts_that_vary_much_make_a_rate_ratio_less_sure() -> None:
    steady = s.rate_ratio([2.0] * 200, (300.0, 500.0, 300))
    wild = s.rate_ratio([20.0] * 20 + [0.0] * 180, (300.0, 500.0, 300))
    assert steady.ratio == pytest.approx(wild.ratio)
    assert wild.p_value > 100 * steady.p_value


def test_a_line_is_least_squares_with_an_error_that_is_robust() -> None:
    rng = random.Random(3)
    xs = [rng.gauss(0, 1) for _ in range(400)]
    ys = [2 * x + rng.gauss(0, 0.2 + abs(x)) for x in xs]
    found = s.line(xs, ys)
    assert found is not None
    plain: Any = scipy.linregress(xs, ys)
    assert found.slope == pytest.approx(plain.slope)
    assert found.error > 1.2 * plain.stderr
    assert s.line([1.0] * 9, xs[:9]) is None
    assert s.line([1.0, 2.0], [1.0, 2.0]) is None


def test_kappa_is_of_agreement_beyond_chance() -> None:
    pairs = [("y", "y")] * 20 + [("n", "n")] * 15 + [("y", "n")] * 5 + [("n", "y")] * 10
    assert s.kappa(pairs) == pytest.approx(0.4)  # Cohen's own example
    assert s.kappa([("y", "y")] * 5) is None
    assert s.kappa([]) is None


def test_a_bootstrap_of_groups_is_wider_than_of_requests_where_groups_differ() -> None:
    rng = random.Random(1)
    groups = [[float(rng.random() < p)] * 20 for p in (0.5,) * 30]
    alone = [[v] for g in groups for v in g]
    mean = lambda values: sum(values) / len(values)  # noqa: E731
    by_group, by_request = s.bootstrap(groups, mean, 7), s.bootstrap(alone, mean, 7)
    assert by_group.high - by_group.low > 2 * (by_request.high - by_request.low)
    assert s.bootstrap(groups, mean, 7) == by_group


def test_permutations_count_what_was_seen_among_them() -> None:
    assert s.permuted_p(2.0, lambda draws: draws.random(), 1, rounds=99) == 0.01
    assert s.permuted_p(0.0, lambda draws: draws.random(), 1, rounds=99) == 1.0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 7))
def test_blocks_lose_nothing(values: list[int], size: int) -> None:
    numbers = [float(v) for v in values]
    assert [v for block in s.blocks(numbers, size) for v in block] == numbers
    assert sorted(s.shifted(numbers, size)) == sorted(numbers)


def test_the_normal_tail_is_exact_far_out() -> None:
    assert s.upper_tail(9.0) == pytest.approx(scipy.norm.sf(9.0), rel=1e-12)
    assert s.two_sided(-9.0) == pytest.approx(2 * scipy.norm.sf(9.0), rel=1e-12)
    assert s.needed_z(scipy.norm.sf(4.0)) == pytest.approx(4.0)
