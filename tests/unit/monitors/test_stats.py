from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from syscard_monitors import stats
from syscard_monitors.reference import Reference
from syscard_monitors.stats import (
    Rates,
    benjamini_hochberg,
    chance_variation,
    effective_n,
    fisher_worse,
    gamma_rate_p,
    holm,
    ks_distance,
    mean,
    quantile,
    rule_of_three,
    total_variation,
    wilson,
)

_tied = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30)
_free = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)
_labels = st.lists(st.sampled_from("abcde"), min_size=1, max_size=30)
_p_values = st.lists(st.floats(0, 1), max_size=12)


@st.composite
def hits_of(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 300))
    return draw(st.integers(0, n)), n


@given(hits_of(), hits_of())
def test_fisher_s_p_is_scipy_s(now: tuple[int, int], before: tuple[int, int]) -> None:
    (hits, n), (hits_before, n_before) = now, before
    table = [[hits, n - hits], [hits_before, n_before - hits_before]]
    ours = fisher_worse(Rates(hits, n, hits_before, n_before))
    assert ours == pytest.approx(scipy.fisher_exact(table, alternative="greater").pvalue, rel=1e-7)
    upper = scipy.hypergeom.sf(hits - 1, n + n_before, hits + hits_before, n)
    assert ours == pytest.approx(upper, rel=1e-7, abs=1e-300)


@pytest.mark.parametrize(("hits", "n", "hits_before", "n_before"), [(70, 1_000, 500, 10_000), (9, 4_000, 2, 90_000)])
def test_fisher_s_p_of_many_requests_is_that_of_whole_numbers(
    hits: int, n: int, hits_before: int, n_before: int
) -> None:
    events, others = hits + hits_before, n + n_before - hits - hits_before
    ways = sum(math.comb(events, k) * math.comb(others, n - k) for k in range(hits, min(n, events) + 1))
    wanted = ways / math.comb(n + n_before, n)
    assert fisher_worse(Rates(hits, n, hits_before, n_before)) == pytest.approx(wanted, rel=1e-11)


@given(hits_of(), hits_of())
def test_more_hits_are_never_less_evidence(now: tuple[int, int], before: tuple[int, int]) -> None:
    assume(now[0] < now[1])
    assert (
        fisher_worse(Rates(now[0] + 1, now[1], *before)) <= fisher_worse(Rates(*now, *before)) * (1 + 1e-9) <= 1 + 1e-9
    )


def test_a_mix_that_changed_is_no_evidence_where_the_strata_are_as_they_were() -> None:
    """Simpson's paradox: 5 % and 50 % as ever, but most requests are of the second kind now."""
    strata = Rates(1, 20, 45, 900), Rates(90, 180, 50, 100)
    assert fisher_worse(*strata) > 0.3
    assert fisher_worse(Rates(91, 200, 95, 1_000)) < 1e-20


def test_the_exact_p_of_several_strata_is_the_share_of_all_ways_to_deal_their_events() -> None:
    strata = Rates(2, 3, 1, 4), Rates(1, 2, 2, 3)
    ways = Counter(
        first + second
        for first in (sum(dealt) for dealt in combinations([1] * 3 + [0] * 4, 3))
        for second in (sum(dealt) for dealt in combinations([1] * 3 + [0] * 2, 2))
    )
    wanted = sum(n for hits, n in ways.items() if hits >= 3) / ways.total()
    assert fisher_worse(*strata) == pytest.approx(wanted)
    assert fisher_worse(*strata[::-1]) == pytest.approx(wanted)


def distance(now: list[float], before: list[float]) -> float:
    expected = Reference(tuple(sorted(before))).with_mix_of([""])
    return ks_distance(now, expected.below, expected.up_to)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of their p-value, which is not looked at
@given(_tied | _free, _tied | _free)
def test_the_distance_of_kolmogorov_and_smirnov_is_scipy_s_also_with_ties(
    now: list[float], before: list[float]
) -> None:
    ours = distance(now, before)
    assert ours == pytest.approx(scipy.ks_2samp(now, before, method="asymp").statistic, abs=1e-12)


@given(_tied)
def test_a_sample_is_at_no_distance_from_itself(values: list[float]) -> None:
    assert distance(values, values) == 0
    assert distance([], values) == 0


@given(st.integers(1, 60), st.floats(0.01, 200), st.floats(0.01, 200))
def test_the_p_of_a_rate_is_twice_the_smaller_tail_of_the_waiting_time(
    events: int, minutes: float, rate: float
) -> None:
    waiting = scipy.gamma(events, scale=1 / rate)
    tails = 2 * min(waiting.cdf(minutes), waiting.sf(minutes))
    assert gamma_rate_p(events, minutes, rate) == pytest.approx(min(1.0, tails), abs=1e-9)


def test_a_rate_as_expected_is_no_evidence_and_one_far_off_is() -> None:
    assert gamma_rate_p(20, 20, 1.0) > 0.9
    assert gamma_rate_p(20, 1, 1.0) < 1e-9
    assert gamma_rate_p(20, 400, 1.0) < 1e-9
    assert gamma_rate_p(20, 1e-9, 1.0) == 0


def shares(labels: list[str]) -> dict[str, float]:
    return {label: labels.count(label) / len(labels) for label in labels}


@given(_labels, _labels)
def test_total_variation_is_the_largest_difference_that_any_set_of_labels_can_have(
    now: list[str], before: list[str]
) -> None:
    both = (Counter(now), Counter(before))
    rises = [both[0][k] / len(now) - both[1][k] / len(before) for k in {*now, *before}]
    found = total_variation(now, shares(before))
    assert found == pytest.approx(sum(r for r in rises if r > 0), abs=1e-12)
    assert 0 <= found <= 1 + 1e-12
    assert total_variation(now, shares(now)) == 0


@given(st.integers(1, 40), st.lists(st.floats(0.01, 1), min_size=1, max_size=8))
def test_what_chance_makes_of_a_mix_is_the_mean_over_all_ways_to_draw(n: int, weights: list[float]) -> None:
    shares = {str(i): weight / sum(weights) for i, weight in enumerate(weights)}
    wanted = sum(
        float(scipy.binom.expect(lambda k, p=p: abs(k / n - p), args=(n, p))) / 2 for p in shares.values() if p < 1
    )
    assert chance_variation(n, shares) == pytest.approx(wanted, abs=1e-9)


@given(_free, st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float], q: float) -> None:
    found = quantile(values, q)
    assert found in values
    assert sum(v <= found for v in values) >= q * len(values) - 1e-9
    assert sum(v < found for v in values) < q * len(values) + 1e-9


def test_a_quantile_of_the_first_and_the_last() -> None:
    assert [quantile([3, 1, 2, 4], q) for q in (0, 0.25, 0.5, 0.95, 1)] == [1, 1, 2, 4, 4]


@given(_free)
def test_the_mean_does_not_depend_on_the_order(values: list[float]) -> None:
    assert mean(values) == mean(list(reversed(values))) == mean(sorted(values))


@given(_p_values)
def test_holm_s_adjusted_p_values_are_bounded_and_keep_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ordered = [a for _, a in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)
    if p_values:
        assert min(adjusted) == min(1.0, len(p_values) * min(p_values))


def test_holm_s_own_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(hits_of())
def test_wilson_s_interval_is_scipy_s_and_contains_the_share(found: tuple[int, int]) -> None:
    hits, n = found
    interval = wilson(hits / n, n)
    theirs = scipy.binomtest(hits, n).proportion_ci(method="wilson")
    assert interval == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert interval.low - 1e-12 <= hits / n <= interval.high + 1e-12


@given(st.floats(0.01, 0.99), st.integers(2, 500))
def test_yes_and_no_count_one_each_and_values_between_count_more(share: float, n: int) -> None:
    binary = share * (1 - share)
    assert effective_n(share, binary, n) == pytest.approx(n)
    assert effective_n(share, binary / 2, n) == pytest.approx(2 * n)


@pytest.mark.parametrize(("share", "variance"), [(0.0, 0.0), (1.0, 0.0), (0.5, 0.0)])
def test_where_nothing_varies_requests_count_one_each(share: float, variance: float) -> None:
    assert effective_n(share, variance, 40) == 40


@given(st.integers(20, 5000))
def test_the_rule_of_three_bounds_the_exact_bound(n: int) -> None:
    exact = 1 - 0.05 ** (1 / n)
    assert exact <= rule_of_three(n) <= exact * 1.1
    assert math.isclose(rule_of_three(300), 0.01)


def test_no_requests_bound_nothing() -> None:
    assert [rule_of_three(n) for n in (0, 1, 3)] == [1, 1, 1]


def test_psi_and_jensen_shannon_are_nothing_without_a_difference_and_finite_where_a_cell_is_empty() -> None:
    assert stats.psi([5, 10], [50, 100]) == pytest.approx(0, abs=1e-3)
    assert stats.jensen_shannon([5, 10], [50, 100]) == pytest.approx(0, abs=1e-8)
    assert stats.jensen_shannon([5, 0], [0, 50]) == 1.0
    assert stats.psi([5, 0], [0, 50]) == pytest.approx(6.5, abs=0.5)


def test_psi_and_jensen_shannon_are_scipy_s() -> None:
    now, before = [3, 0, 9, 8], [40, 2, 61, 7]
    assert stats.jensen_shannon(now, before) == pytest.approx(jensenshannon(now, before, base=2), abs=1e-12)
    p, q = ([(c + 0.5) / (sum(counts) + 2) for c in counts] for counts in (now, before))
    assert stats.psi(now, before) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-12)


@pytest.mark.parametrize(("cells", "n"), [(4, 400), (16, 100), (64, 100)])
def test_chance_rarely_takes_a_distance_beyond_its_limit_and_a_change_does(cells: int, n: int) -> None:
    """Also where a cell expects a value or two, of which the usual chi-square makes one false alarm in twenty."""
    draw = random.Random(5)

    def counted(n: int, below: int) -> list[int]:
        drawn = Counter(draw.randrange(below) for _ in range(n))
        return [drawn[cell] for cell in range(cells)]

    before = counted(2000, cells)
    psi_limit = stats.psi_by_chance(n, before, 0.01)
    js_limit = stats.jensen_shannon_by_chance(n, before, 0.01)
    windows = [counted(n, cells) for _ in range(400)]
    assert sum(stats.psi(w, before) > psi_limit for w in windows) <= 10
    assert sum(stats.jensen_shannon(w, before) > js_limit for w in windows) <= 10
    changed = counted(n, cells // 2)
    assert stats.psi(changed, before) > psi_limit
    assert stats.jensen_shannon(changed, before) > js_limit


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_and_hochbergs_adjusted_p_values_are_scipys(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(scipy.false_discovery_control(p_values)))
