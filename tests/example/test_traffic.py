"""Traffic: a day with a rhythm, and shoppers who all have a group."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.faults import BY_NAME
from recommender.traffic import OLD, REQUESTS_A_DAY, RHYTHM, YOUNG, Mix, Shopper, arrivals, shoppers, times

MIDNIGHT = datetime(2026, 11, 16, tzinfo=UTC)
BANDS = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
POOL = shoppers([*BANDS, None] * 20, frozenset(range(0, 140, 7)))


def some(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=50)
@given(st.integers(1, 300), st.integers(0, 23), st.sampled_from([0.5, 1.0, 3.0]), st.integers(0, 9))
def test_moments_are_in_order_and_within_a_day_of_the_begin(count: int, hour: int, rate: float, seed: int) -> None:
    begin = MIDNIGHT + timedelta(hours=hour)
    found = times(count, begin, rate, some(seed))
    assert len(found) == count
    assert found == sorted(found)
    assert begin <= found[0] <= found[-1] <= begin + timedelta(days=1)
    assert found == times(count, begin, rate, some(seed))


def test_a_day_has_its_rhythm() -> None:
    hours = Counter(moment.hour for moment in times(20_000, MIDNIGHT, 10.0, some()))
    expected = {hour: 20_000 * weight / sum(RHYTHM) for hour, weight in enumerate(RHYTHM)}
    chi_square = sum((hours[hour] - n) ** 2 / n for hour, n in expected.items())
    assert chi_square < 50, "23 degrees of freedom: above 49.7 once in a thousand"


def test_a_whole_day_of_requests_takes_a_whole_day() -> None:
    found = times(REQUESTS_A_DAY, MIDNIGHT, 1.0, some())
    assert found[-1] - found[0] > timedelta(hours=23)


def test_three_times_the_traffic_takes_about_a_third_of_the_time() -> None:
    ten = MIDNIGHT + timedelta(hours=10)
    usual, more = (times(300, ten, rate, some())[-1] - ten for rate in (1.0, 3.0))
    assert usual / more == pytest.approx(3, rel=0.2)


def test_everybody_who_is_simulated_has_a_group() -> None:
    assert {s.age for s in POOL} == set(BANDS)
    assert len(POOL) == 120
    assert POOL[0] == Shopper(0, "19-24", campaign=True)


def mixed(mix: Mix, hour: int = 3, count: int = 4_000) -> list[Shopper]:
    return arrivals(POOL, mix, [MIDNIGHT + timedelta(hours=hour)] * count, some())


def share(found: list[Shopper], ages: tuple[str, ...]) -> float:
    return sum(s.age in ages for s in found) / len(found)


def test_one_in_twenty_is_new_to_the_recommender() -> None:
    found = mixed(Mix())
    assert sum(s.new for s in found) / len(found) == pytest.approx(0.05, abs=0.012)
    assert {s.key.partition("-")[0] for s in found if s.new} == {"new"}


def test_the_young_come_in_the_evening_and_the_old_in_the_daytime() -> None:
    assert share(mixed(Mix(), hour=20), YOUNG) > share(mixed(Mix(), hour=3), YOUNG) + 0.08
    assert share(mixed(Mix(), hour=10), OLD) > share(mixed(Mix(), hour=3), OLD) + 0.08


def test_look_alikes_and_the_flood_change_who_comes() -> None:
    assert share(mixed(BY_NAME["new-customer-mix"].mix), YOUNG) > 0.7
    in_campaign = sum(s.campaign for s in mixed(BY_NAME["sale-week"].mix)) / 4_000
    assert in_campaign > 2 * sum(s.campaign for s in mixed(Mix())) / 4_000
    assert sum(s.new for s in mixed(BY_NAME["cold-start-flood"].mix)) / 4_000 == pytest.approx(0.6, abs=0.03)
