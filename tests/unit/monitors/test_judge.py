from __future__ import annotations

import math
import random
from typing import Any

import pytest

from syscard.finding import Finding, State
from syscard_monitors import stats
from syscard_monitors.judge import MOST, Measured, Missing, Streak, is_due, measure, stands, told_rarity, verdict
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference
from tests.unit.monitors.build import reference, signal, stratified, window

VARIED = reference([i / 100 for i in range(100)])
YES = reference([1.0] * 90 + [0.0] * 10)


def measured(of: Signal, values: list[Any], against: Reference) -> Measured:
    found = measure(of, values, against)
    assert isinstance(found, Measured), found
    return found


def missing(of: Signal, values: list[Any] | None, against: Reference | None) -> Missing:
    found = measure(of, values, against)
    assert isinstance(found, Missing), found
    return found


def test_without_a_baseline_nothing_can_be_said() -> None:
    found = missing(signal(), [1.0] * 20, None)
    assert (found.state, found.why) == (State.UNKNOWN, "no baseline: syscard baseline set")


def test_too_small_a_baseline_says_what_it_needs_and_has() -> None:
    found = missing(signal(min_n=200), [1.0] * 20, reference([1.0] * 40))
    assert (found.needs, found.n, found.why) == (200, 40, "needs n 200 in the baseline, has 40")


def test_too_few_values_in_a_window_say_what_is_needed_and_there() -> None:
    found = missing(signal(min_window=10), [1.0, 0.0, None, None], YES)
    assert (found.state, found.needs, found.n, found.why) == (State.UNKNOWN, 10, 2, "needs n 10, has 2")


@pytest.mark.parametrize("values", [None, [], [None, None]])
def test_a_window_without_any_value_says_what_no_span_carries(values: list[Any] | None) -> None:
    assert missing(signal(), values, YES).why == "no span carries vlm.agrees"


def test_values_that_are_missing_are_left_out_not_taken_as_zero() -> None:
    assert measured(signal(), [1.0, None, 1.0, 1.0, 1.0, 1.0, None], YES).value == 1.0


@pytest.mark.parametrize(("direction", "effect"), [("down", 0.4), ("up", -0.4), ("both", 0.4)])
def test_a_share_moves_by_a_difference_in_the_direction_that_is_watched(direction: str, effect: float) -> None:
    found = measured(signal(direction=direction), [1.0] * 5 + [0.0] * 5, YES)
    assert (found.value, found.reference) == (0.5, 0.9)
    assert found.effect == pytest.approx(effect)
    assert found.exceeds is (effect > 0)


def test_evidently_is_asked_by_fisher_of_yes_and_no_and_by_kolmogorov_and_smirnov_of_values_between() -> None:
    binary = measured(signal(), [0.0] * 10, YES)
    graded = measured(signal(), [0.5] * 10, YES)
    assert binary.comparison is not None
    assert graded.comparison is not None
    assert (binary.comparison.method, graded.comparison.method) == ("syscard_fisher", "ks")
    assert binary.comparison.reference == YES.values


def test_a_rate_is_worse_only_and_its_p_is_exact() -> None:
    before = reference([0.0] * 95 + [1.0] * 5)
    found = measured(signal("rate", direction="up"), [1.0] * 6 + [0.0] * 14, before)
    assert found.p_value == stats.fisher_worse(stats.Rates(6, 20, 5, 100))
    assert found.log_rarity == pytest.approx(-math.log(found.p_value or 0))
    assert (found.method, found.comparison) == ("fisher one-sided", None)
    assert found.effect == pytest.approx(0.25)
    assert not measured(signal("rate", direction="up"), [0.0] * 20, reference([1.0] * 100)).exceeds


def test_a_rate_counts_requests_with_any_not_how_many() -> None:
    """`a not in b` counts items; a request with three of them is one request."""
    assert measured(signal("rate"), [3.0, 0.0, 0.0, 0.0, 2.0], reference([0.0] * 20)).value == pytest.approx(0.4)


def test_a_number_moves_by_the_distance_of_its_distribution() -> None:
    found = measured(signal("number", tolerance=0.4), [0.9] * 20, VARIED)
    assert found.effect == pytest.approx(0.9)
    assert found.value == pytest.approx(0.9)
    assert found.comparison is not None
    assert found.comparison.method == "ks"


def test_with_many_categories_every_window_differs_and_only_another_mix_is_a_change() -> None:
    rng, names = random.Random(3), [f"c{i}" for i in range(60)]
    usual = reference(names * 30)
    quiet = [measured(signal("category"), rng.choices(names, k=20), usual).effect for _ in range(200)]
    assert max(quiet) < 0.3
    assert measured(signal("category"), rng.choices(names[:3], k=20), usual).effect > 0.6
    assert measured(signal("category"), ["new"] * 20, usual).effect == pytest.approx(1)


@pytest.mark.parametrize("kind", ["share", "rate", "number", "ratio", "latency"])
@pytest.mark.parametrize("values", [None, [None] * 20])
def test_a_field_that_no_request_of_a_window_carries_is_unknown_and_no_crash(kind: str, values: Any) -> None:
    found = measure(signal(kind), values, stratified(a=[0.0, 1.0] * 30), ["a"] * 20)
    assert isinstance(found, Missing)
    assert found.why == "no span carries vlm.agrees"


def test_events_are_judged_of_newcomers_too_against_what_is_usual_for_all() -> None:
    before = stratified(a=[0.0] * 95 + [1.0] * 5)
    assert isinstance(measure(signal(), [0.0] * 20, before, ["new"] * 20), Missing)
    found = measure(signal("rate", direction="up"), [1.0] * 20, before, ["new"] * 20)
    assert isinstance(found, Measured)
    assert found.exceeds
    assert (found.log_rarity or 0) > math.log(1e9)


def test_a_category_moves_by_total_variation() -> None:
    """Beyond chance: ten fair coins are off by 0.123 on average."""
    found = measured(signal("category", tolerance=0.4), ["a"] * 10, reference(["a"] * 50 + ["b"] * 50))
    assert found.effect == pytest.approx((0.5 - 0.12305) / (1 - 0.12305), abs=1e-4)
    assert found.comparison is not None
    assert found.comparison.method == "syscard_chi2"


@pytest.mark.parametrize(
    ("direction", "now", "effect"),
    [("both", 200.0, 2.0), ("both", 50.0, 2.0), ("up", 50.0, 0.5), ("down", 50.0, 2.0), ("up", 200.0, 2.0)],
)
def test_a_ratio_moves_by_how_many_times_its_median_changed(direction: str, now: float, effect: float) -> None:
    found = measured(signal("ratio", direction=direction), [now] * 10, reference([100.0] * 50))
    assert found.effect == pytest.approx(effect)


def test_a_ratio_below_its_floor_has_not_changed() -> None:
    found = measured(signal("ratio", floor=20), [15.0] * 10, reference([1.0] * 50))
    assert (found.effect, found.exceeds) == (1.0, False)


@pytest.mark.parametrize(("now", "then", "effect"), [(0.0, 5.0, MOST), (5.0, 0.0, MOST), (0.0, 0.0, 1.0)])
def test_what_was_and_is_no_more_has_changed_by_the_largest_factor_that_is_told(
    now: float, then: float, effect: float
) -> None:
    assert measured(signal("ratio"), [now] * 10, reference([then] * 50)).effect == pytest.approx(effect)


def test_latency_is_judged_on_medians_shown_as_p95_and_never_for_getting_better() -> None:
    before = reference([float(v) for v in range(100, 200)])
    slow = measured(signal("latency", direction="up"), [400.0] * 18 + [900.0] * 2, before)
    assert (slow.value, slow.reference) == (900.0, 194.0)
    assert slow.effect == pytest.approx(400 / 149)
    assert slow.exceeds
    assert not measured(signal("latency", direction="up"), [1.0] * 20, before).exceeds


def test_one_slow_request_is_no_slower_window() -> None:
    before = reference([float(v) for v in range(100, 200)])
    assert not measured(signal("latency", direction="up"), [150.0] * 19 + [60_000.0], before).exceeds


def test_volume_is_requests_over_the_minutes_they_took() -> None:
    found = measured(signal("volume", tolerance=3.0), [0.1] * 20, reference([1.0] * 20, per_minute=1.0))
    assert found.value == found.effect == pytest.approx(10)
    assert found.reference == 1.0
    assert found.p_value == stats.gamma_rate_p(20, 2.0, 1.0)
    slow = measured(signal("volume", tolerance=3.0), [10.0] * 20, reference([1.0] * 20, per_minute=1.0))
    assert slow.effect == pytest.approx(10)
    assert missing(signal("volume"), [0.1] * 20, reference([1.0] * 20)).why == "the baseline has no rate"


def test_a_number_that_was_constant_is_watched_as_left_the_constant() -> None:
    flat = reference([0.7] * 200)
    same = measured(signal("number"), [0.7, 0.70001, 0.7, 0.7, 0.7], flat)
    left = measured(signal("number"), [0.7] * 5 + [0.9] * 15, flat)
    assert (same.effect, same.exceeds) == (0, False)
    assert same.p_value == pytest.approx(1)
    assert (left.effect, left.method) == (0.75, "left the constant")
    assert left.p_value == stats.fisher_worse(stats.Rates(15, 20, 0, 200))
    assert left.comparison is None


@pytest.mark.parametrize(
    ("values", "constant"), [([], None), ([1.0, 1.0], 1.0), ([0.0, 1.0], None), (["a", "a"], "a"), (["a", "b"], None)]
)
def test_a_baseline_is_constant_if_nearly_all_values_are_one(values: list[Any], constant: Any) -> None:
    assert reference(values).constant == constant


def test_a_change_within_tolerance_is_never_asked_about() -> None:
    found = measured(signal(tolerance=0.5), [1.0] * 5 + [0.0] * 5, YES)
    assert (found.exceeds, found.comparison) == (False, None)


NEEDED = math.log(1_000)
"""Evidence must be 1 in 1,000."""


def beyond(one_in: float | None = None, *, exceeds: bool = True, clear: bool = False) -> Measured:
    rarity = None if one_in is None else math.log(one_in)
    return Measured(
        n=20, value=0.3, reference=0.9, effect=0.6, exceeds=exceeds, clear=clear, method="ks", log_rarity=rarity
    )


def judged(of: Signal, found: Measured | Missing, streak: Streak) -> tuple[Finding, int]:
    return verdict(of, found, streak, window(), ("t@1",), NEEDED)


def test_the_first_window_beyond_the_tolerance_warns_whatever_the_evidence() -> None:
    finding, windows = judged(signal(), beyond(1e9), Streak())
    assert (finding.state, windows) == (State.WARN, 1)


def test_the_second_with_evidence_is_a_breach() -> None:
    finding, windows = judged(signal(), beyond(1e6), Streak(windows=1))
    assert (finding.state, windows) == (State.BREACH, 2)
    assert (finding.one_in, finding.one_in_needed, finding.method) == (1e6, 1_000, "ks")


@pytest.mark.parametrize("one_in", [999.0, 2.0, None])
def test_the_second_without_evidence_warns_again_and_the_next_may_still_breach(one_in: float | None) -> None:
    finding, windows = judged(signal(), beyond(one_in), Streak(windows=1))
    assert (finding.state, windows) == (State.WARN, 1)
    assert judged(signal(), beyond(1e6), Streak(windows=windows))[0].state is State.BREACH


@pytest.mark.parametrize(
    ("log_rarity", "told"), [(None, None), (-3.0, 1.0), (0.0, 1.0), (math.log(40_123), 40_100.0), (1e4, math.exp(690))]
)
def test_how_rare_the_evidence_is_is_told_to_three_digits(log_rarity: float | None, told: float | None) -> None:
    assert told_rarity(log_rarity) == (told if told is None else pytest.approx(told, rel=1e-2))


def test_evidence_is_due_only_when_it_can_decide() -> None:
    due = [is_due(signal(persist=3), Streak(windows=w)) for w in range(5)]
    assert due == [False, False, True, False, False]
    assert [stands(signal(persist=3), Streak(windows=w)) for w in range(5)] == [False, False, False, True, True]


def test_a_signal_that_need_not_persist_breaches_at_once() -> None:
    assert judged(signal(persist=1), beyond(1e9), Streak())[0].state is State.BREACH


def test_a_breach_that_stands_asks_for_no_evidence_again() -> None:
    finding, windows = judged(signal(), beyond(None), Streak(windows=2))
    assert (finding.state, windows) == (State.BREACH, 3)


def test_a_breach_is_over_only_well_within_the_tolerance() -> None:
    """Between 0.8 of the tolerance and the tolerance it stands: no flapping."""
    near = measured(signal(tolerance=0.1, direction="down"), [1.0] * 81 + [0.0] * 19, YES)
    well = measured(signal(tolerance=0.1, direction="down"), [1.0] * 83 + [0.0] * 17, YES)
    assert [near.effect, well.effect] == pytest.approx([0.09, 0.07])
    assert judged(signal(), near, Streak(windows=2))[0].state is State.BREACH
    assert judged(signal(), well, Streak(windows=2)) == (judged(signal(), well, Streak())[0], 0)
    assert judged(signal(), near, Streak())[0].state is State.OK


def test_the_hysteresis_of_a_factor_is_of_what_is_above_one() -> None:
    def clear(now: float) -> bool:
        return measured(signal("latency", direction="up", tolerance=1.5), [now] * 10, reference([100.0] * 50)).clear

    assert clear(139.0)
    assert not clear(141.0)


def test_one_window_back_within_ends_a_streak() -> None:
    finding, windows = judged(signal(), beyond(exceeds=False, clear=True), Streak(windows=1))
    assert (finding.state, windows) == (State.OK, 0)


@pytest.mark.parametrize(("state", "windows"), [(State.UNKNOWN, 0), (State.ERROR, 1)])
def test_what_could_not_be_measured_is_never_ok(state: State, windows: int) -> None:
    """A monitor that failed did not see the signal come back: its streak waits."""
    finding, kept = judged(signal(), Missing("why", 10, 4, state), Streak(windows=1))
    assert (finding.state, finding.why, finding.needs, finding.n, kept) == (state, "why", 10, 4, windows)
    assert (finding.value, finding.traces) == (None, ())


def test_examples_are_given_where_something_is_off() -> None:
    assert judged(signal(), beyond(), Streak())[0].traces == ("t@1",)
    assert judged(signal(), beyond(exceeds=False), Streak())[0].traces == ()


def test_who_is_compared_with_all_is_no_further_stratum_as_the_baseline_would_count_twice() -> None:
    """A baseline with few events by chance would be few in both: twice as many false alarms as asked for."""
    known = stratified(young=[1.0] * 10 + [0.0] * 190)
    of, values = signal("rate", direction="up"), [1.0] * 9 + [0.0] * 41
    found = measure(of, values * 2, known, ["young"] * 50 + ["new"] * 50)
    assert isinstance(found, Measured)
    assert found.p_value == pytest.approx(2 * stats.fisher_worse(stats.Rates(9, 50, 10, 200)))
    assert found.n == 100
