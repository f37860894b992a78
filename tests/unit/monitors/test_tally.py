from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.stats import quantile, wilson
from syscard_monitors.tally import Tally, merged, read_tally, tally

_values = st.lists(st.floats(min_value=-1e6, max_value=1e6) | st.sampled_from((0.0, 1.0)), max_size=40)
_positive = st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=60)
_shares = st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=60)


def of(values: Sequence[float]) -> Tally:
    return tally(values, quantiles=True)


@given(_values, _values)
def test_the_tally_of_two_windows_is_the_tally_of_both_together(one: list[float], other: list[float]) -> None:
    assert of(one) + of(other) == of([*one, *other])


@given(_values, _values, _values)
def test_windows_merge_in_any_order_and_grouping(a: list[float], b: list[float], c: list[float]) -> None:
    x, y, z = of(a), of(b), of(c)
    assert (x + y) + z == x + (y + z) == z + x + y == merged([y, z, x])


@given(_values)
def test_nothing_merged_changes_nothing(values: list[float]) -> None:
    assert of(values) + Tally() == of(values) == merged([of(values)])
    assert merged([]) == Tally()


@given(st.lists(_values, max_size=5))
def test_however_requests_are_cut_into_windows_the_sums_are_the_same(windows: list[list[float]]) -> None:
    together = of([v for w in windows for v in w])
    assert merged(map(of, windows)).body() == together.body()


@given(_values, st.booleans())
def test_a_tally_is_the_same_after_going_through_json(values: list[float], quantiles: bool) -> None:
    kept = tally(values, quantiles=quantiles)
    assert read_tally(json.loads(json.dumps(kept.body()))) == kept


@given(_positive, st.sampled_from((0.5, 0.9, 0.95, 0.99)))
def test_a_quantile_is_right_within_one_percent(values: list[float], q: float) -> None:
    assert math.isclose(of(values).quantile(q), quantile(values, q), rel_tol=0.01)


@given(_positive, st.sampled_from((0.5, 0.9, 0.95)))
def test_a_quantile_s_interval_contains_it(values: list[float], q: float) -> None:
    low, high = of(values).quantile_interval(q)
    assert low <= of(values).quantile(q) <= high


def test_values_of_zero_and_below_count_in_quantiles_as_zero() -> None:
    assert of([-5.0, 0.0, 0.0, 2.0]).quantile(0.5) == 0.0


@given(_shares)
def test_a_share_s_interval_contains_it_and_stays_between_none_and_all(values: list[float]) -> None:
    found = of(values)
    low, high = found.share_interval()
    assert 0 <= low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= high <= 1


@given(st.lists(st.booleans(), min_size=2, max_size=80).filter(lambda v: len(set(v)) == 2))
def test_a_share_of_yes_and_no_has_nearly_wilson_s_interval(values: list[bool]) -> None:
    """Nearly: the sample variance has n - 1 in it."""
    found = of([float(v) for v in values])
    assert found.share_interval() == pytest.approx(wilson(found.mean, len(values) - 1), abs=1e-3)


@given(_values.filter(lambda v: len(v) > 1))
def test_mean_and_hits_are_those_of_the_values(values: list[float]) -> None:
    found = of(values)
    assert found.mean == pytest.approx(math.fsum(values) / len(values), abs=1e-6)
    assert found.hits == sum(v != 0 for v in values)
    low, high = found.mean_interval()
    assert low <= found.mean <= high


def test_without_values_there_is_no_mean_and_every_interval_is_wide() -> None:
    assert Tally().mean == Tally().variance == 0
    assert Tally().mean_interval() == (-math.inf, math.inf)
    assert Tally().share_interval() == (0, 1)


def test_buckets_are_kept_only_where_quantiles_are_asked_for() -> None:
    assert tally([1.0, 2.0]).buckets == {}
    assert sum(of([1.0, 2.0, 2.0]).buckets.values()) == 3
