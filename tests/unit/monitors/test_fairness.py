"""Group figures, ratio and difference: Fairlearn's own over the requests themselves, and when they are not told."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from fairlearn.metrics import MetricFrame, mean_prediction

from syscard.disparity import Disparity
from syscard_monitors.fairness import (
    EVEN,
    difference_interval,
    disparities,
    needed,
    ratio_interval,
    weighted_quantile,
    widened,
)
from syscard_monitors.groups import GroupMetric, over_days, with_requests
from syscard_monitors.stats import Z95, Interval, wilson
from tests.unit.monitors.build import request

AGREES = GroupMetric("vlm.agrees", "vlm", "agrees", "vlm.agrees", "share")
SLOW = GroupMetric("vlm.latency", "vlm", "p95", "vlm.latency_ms", "p95", "ms")
FAILED = GroupMetric("vlm.error", "vlm", "errors", "vlm.error", "rate")


def measured(rows: Sequence[tuple[Any, float]], metric: GroupMetric = AGREES) -> Disparity:
    """What is said of requests, each with its group and value."""
    requests = [request(n, {"segment.age_band": label, metric.expression: v}) for n, (label, v) in enumerate(rows)]
    sums = over_days(with_requests({}, [metric], ["age_band"], requests).values())
    (found,) = disparities([metric], sums, ["age_band"])
    return found


def half_and(group: str, hits: int, n: int) -> list[tuple[str, float]]:
    return [(group, float(i < hits)) for i in range(n)]


def raw(rows: Sequence[tuple[Any, float]], metric: Any) -> Any:
    """Fairlearn over one row a request."""
    labels, values = zip(*rows, strict=True)
    return MetricFrame(metrics=metric, y_true=values, y_pred=values, sensitive_features=list(labels))


@pytest.mark.parametrize("seed", range(5))
def test_means_ratio_and_difference_are_fairlearns_over_the_requests_themselves(seed: int) -> None:
    chance = random.Random(seed)
    rows = [(chance.choice("abc"), chance.choice((0.0, 0.5, 1.0, chance.random()))) for _ in range(600)]
    found, frame = measured(rows), raw(rows, mean_prediction)
    assert {g.group: g.value for g in found.groups} == pytest.approx(frame.by_group.to_dict(), abs=1e-6)
    assert {g.group: g.n for g in found.groups} == {g: sum(label == g for label, _ in rows) for g in "abc"}
    assert found.ratio == pytest.approx(1 / frame.ratio(method="between_groups"), rel=1e-5)
    assert found.difference == pytest.approx(frame.difference(method="between_groups"), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_are_fairlearns_over_the_requests_themselves_within_a_hundredth(seed: int) -> None:
    chance = random.Random(seed)
    rows = [(chance.choice("ab"), chance.lognormvariate(5, 1)) for _ in range(800)]

    def p95(true: Any, values: Any) -> float:
        return weighted_quantile(0.95)(true, values, sample_weight=[1] * len(values))

    found, frame = measured(rows, SLOW), raw(rows, p95)
    assert {g.group: g.value for g in found.groups} == pytest.approx(frame.by_group.to_dict(), rel=0.0101)


def test_a_small_group_is_unknown_and_not_fair() -> None:
    found = measured([*half_and("a", 50, 100), *half_and("b", 50, 100), *half_and("c", 0, 29)])
    small = next(g for g in found.groups if g.group == "c")
    assert (small.value, small.n, small.needs) == (None, 29, 30)
    assert found.ratio == 1.0


def test_without_two_groups_that_are_large_enough_there_is_no_ratio() -> None:
    found = measured([*half_and("a", 50, 100), *half_and("b", 1, 29)])
    assert (found.state, found.ratio, found.difference, found.needs) == ("unknown", None, None, 30)
    assert found.why == "needs two groups of 30, has 100 and 29"
    assert measured(half_and("a", 50, 100)).why == "needs two groups of 30, has one of 100"


def test_no_request_of_a_group_is_said() -> None:
    assert measured([(None, 1.0)]).why == "no request of a group carries it"
    assert measured([(None, 1.0)]).without == 1


def test_of_a_component_that_never_speaks_of_fallbacks_nothing_is_said() -> None:
    fallback = GroupMetric("vlm.fallback", "vlm", "fallback", "vlm.fallback", "rate")
    requests = [request(n, {"segment.age_band": "ab"[n % 2], "vlm.call": True}) for n in range(100)]
    sums = over_days(with_requests({}, [fallback], ["age_band"], requests).values())
    (found,) = disparities([fallback], sums, ["age_band"])
    assert (found.state, found.why) == ("unknown", "no request of a group carries it")


def test_groups_far_apart_are_uneven_and_groups_alike_are_even() -> None:
    assert measured([*half_and("a", 900, 1000), *half_and("b", 500, 1000)]).state == "uneven"
    assert measured([*half_and("a", 900, 1000), *half_and("b", 890, 1000)]).state == "even"


def test_between_them_more_requests_are_needed_and_about_how_many_is_said() -> None:
    found = measured([*half_and("a", 60, 100), *half_and("b", 45, 100)])
    assert found.state == "unknown"
    assert found.why == f"the interval contains {EVEN}"
    assert found.needs
    assert found.needs > 100
    n = round(1.1 * found.needs)
    assert measured([*half_and("a", round(0.6 * n), n), *half_and("b", round(0.45 * n), n)]).state == "uneven"


def test_where_a_group_has_no_event_there_is_no_ratio() -> None:
    found = measured([*half_and("a", 5, 100), *half_and("b", 0, 100)], FAILED)
    assert (found.state, found.ratio, found.why) == ("unknown", None, "no ratio: b has none")
    assert found.difference == pytest.approx(0.05)
    none = measured([*half_and("a", 0, 100), *half_and("b", 0, 100)], FAILED)
    assert (none.ratio, none.why) == (None, "no ratio: no group has any")


def test_a_ratios_interval_is_katzs_where_there_are_many_requests() -> None:
    n, high, low = 100_000, 0.6, 0.4
    found = ratio_interval((high, wilson(high, n)), (low, wilson(low, n)))
    half = Z95 * math.sqrt((1 - high) / (n * high) + (1 - low) / (n * low))
    assert found == pytest.approx((1.5 * math.exp(-half), 1.5 * math.exp(half)), rel=1e-4)


def test_a_share_of_one_leaves_the_ratio_uncertain() -> None:
    found = ratio_interval((1.0, wilson(1.0, 30)), (0.5, wilson(0.5, 1_000_000)))
    assert found.low < 1.9 < 2.0 <= found.high


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    """His example: 56 of 70 and 48 of 80 (Statistics in Medicine 1998, table II, method 10)."""
    found = difference_interval((56 / 70, wilson(56 / 70, 70)), (48 / 80, wilson(48 / 80, 80)))
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_intervals_are_wider_the_more_groups_the_two_were_picked_from() -> None:
    assert widened(2) == pytest.approx(1.0)
    assert 1.0 < widened(3) < widened(6)


def test_of_many_groups_that_are_alike_hardly_ever_two_are_called_uneven() -> None:
    chance = random.Random(1)
    states = []
    for _ in range(60):
        rows = [(f"g{i % 8}", float(chance.random() < 0.3)) for i in range(8 * 60)]
        states.append(measured(rows).state)
    assert states.count("uneven") <= 3


def test_how_many_are_needed_is_not_guessed_where_no_number_would_do() -> None:
    assert needed(EVEN, Interval(1.0, 1.5), 100) is None
    assert needed(1.2500001, Interval(1.0, 1.5), 100) is None
    assert needed(2.0, Interval(0.0, math.inf), 100) is None
