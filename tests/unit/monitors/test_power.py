"""How small a change so many requests can show."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors import detecting, edetector, judge
from syscard_monitors.packs import Kind
from syscard_monitors.power import power_text, smallest_effect
from syscard_monitors.stats import Rates, fisher_worse
from tests.unit.monitors.build import reference, signal

ONE_IN = 100_000.0
VALUES: dict[Kind, list[float]] = {
    "share": [1.0] * 900 + [0.0] * 100,
    "rate": [1.0] * 20 + [0.0] * 980,
    "number": [n / 1000 for n in range(1000)],
    "ratio": [10 + n / 100 for n in range(1000)],
    "latency": [10 + n / 100 for n in range(1000)],
}


def test_the_smallest_effect_is_about_what_the_detector_really_needs() -> None:
    """A share of 0.9 falls by somewhat more: after as many requests the evidence is about what was asked for."""
    known, one_in, n = reference([1.0] * 900 + [0.0] * 100), 231_000.0, 40
    drop = smallest_effect(signal(), known, n, one_in)
    assert drop is not None
    rng, enough = random.Random(5), 0
    for run in range(40):
        detector = detecting.begun(signal(), known, str(run))
        values = [float(rng.random() < 0.9 - 1.4 * drop) for _ in range(n)]
        looked = edetector.advance(detector, [("", edetector.cell_of(detector.grid, v)) for v in values], 1.0)
        enough += (judge.told_rarity(looked.log_evidence) or 0) > one_in
    assert enough >= 20


@given(st.sampled_from([*VALUES]), st.integers(5, 500), st.integers(5, 500))
def test_more_requests_show_smaller_changes(kind: Kind, one: int, other: int) -> None:
    few, many = (smallest_effect(signal(kind), reference(VALUES[kind]), n, ONE_IN) for n in sorted((one, other)))
    assert few is not None
    assert many is not None
    assert many <= few * 1.2  # whole numbers of events are uneven


@pytest.mark.parametrize("kind", [*VALUES])
def test_a_small_baseline_or_few_requests_show_nothing(kind: Kind) -> None:
    assert smallest_effect(signal(kind), reference(VALUES[kind]), 2, ONE_IN) == math.inf
    assert power_text(signal(kind), reference(VALUES[kind]), 2, ONE_IN) == "with these it could show no change"


@pytest.mark.parametrize("kind", ["category", "number"])
def test_a_small_baseline_makes_a_large_window_see_less(kind: Kind) -> None:
    small, large = (smallest_effect(signal(kind), reference([*map(float, range(n))]), 200, ONE_IN) for n in (60, 2000))
    assert small is not None
    assert large is not None
    assert small > large


@pytest.mark.parametrize(("n", "hits", "usual"), [(8, 5, 0.02), (19, 6, 0.02), (40, 8, 0.02), (40, 4, 0.0)])
def test_the_smallest_rise_of_a_rate_is_what_the_exact_test_shows_and_one_event_less_is_not(
    n: int, hits: int, usual: float
) -> None:
    before = round(usual * 1000)
    found = smallest_effect(signal("rate"), reference([1.0] * before + [0.0] * (1000 - before)), n, ONE_IN)
    assert found == pytest.approx(hits / n - usual)
    rare, common = (2 * fisher_worse(Rates(h, n, before, 1000)) for h in (hits, hits - 1))
    assert rare <= 1 / ONE_IN < common


def test_a_latency_that_grows_by_that_factor_has_most_values_beyond_the_old_median() -> None:
    factor = smallest_effect(signal("latency"), reference(VALUES["latency"]), 60, ONE_IN)
    assert factor is not None
    beyond = sum(v * factor > 15 for v in VALUES["latency"]) / 1000
    assert 0.75 < beyond < 0.95


@pytest.mark.parametrize("kind", ["number", "share", "ratio", "latency", "category"])
def test_of_a_constant_nothing_is_said_as_no_change_is_no_effect(kind: str) -> None:
    values = ["a"] * 50 if kind == "category" else [1.0] * 50
    assert power_text(signal(kind), reference(values), 40, ONE_IN) == ""


def test_of_a_median_of_values_that_are_mostly_equal_nothing_is_said() -> None:
    assert power_text(signal("ratio"), reference([1.0] * 150 + [2.0] * 50), 40, ONE_IN) == ""


def test_of_volume_nothing_is_said() -> None:
    assert power_text(signal("volume"), reference([1.0] * 50), 40, ONE_IN) == ""
