from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.edits import SliceStatus
from syscard.errors import MonitorError
from syscard.system import Claim
from syscard_monitors import claims
from syscard_monitors.claims import MOST_SLICES, OTHER, Assessment, Slices, assess, over_windows, stale, tallies
from syscard_monitors.stats import wilson
from tests.unit.monitors.build import a_claim, request, requests

GROUNDED = a_claim(metric="share(llm.grounded)", expect=">= 0.90")
NEVER = a_claim(metric="count(pii)", expect="== 0", window={"last": "1h", "min_n": 100})
FAIR = a_claim(metric="disparity(accepted)", expect="<= 1.25", by=["age_band"], window={"last": "1h", "min_n": 100})


def sums(claim: Claim, values: Sequence[Any]) -> Slices:
    field = claim.metric.partition("(")[2].removesuffix(")")
    return tallies(claim, requests(field, values))


def assessed(claim: Claim, values: Sequence[Any], violating: dict[str, int] | None = None) -> Assessment:
    return assess(claim, sums(claim, values), violating or {})


def overall(claim: Claim, values: Sequence[Any], violating: int = 0) -> SliceStatus:
    return assessed(claim, values, {"all": violating}).slices[0]


def shares(good: int, bad: int) -> list[bool]:
    return [True] * good + [False] * bad


def bands(**groups: Sequence[Any]) -> Slices:
    """The sums of FAIR, a group a band; `nobody` is for requests without one."""
    members = [(band, v) for band, values in groups.items() for v in values]
    segment = {band: None if band == "nobody" else band for band in groups}
    found = [request(i, {"accepted": v, "segment.age_band": segment[band]}) for i, (band, v) in enumerate(members)]
    return tallies(FAIR, found)


def test_a_claim_holds_when_its_whole_interval_keeps_the_promise() -> None:
    found = overall(GROUNDED, shares(290, 10))
    assert (found.status, found.n) == ("holds", 300)
    assert found.value == pytest.approx(290 / 300)
    assert found.low is not None
    assert found.low >= 0.9


def test_a_claim_is_broken_only_after_two_windows() -> None:
    first = assessed(GROUNDED, shares(100, 100))
    second = assessed(GROUNDED, shares(100, 100), first.violating)
    assert (first.slices[0].status, first.slices[0].why) == ("unknown", "violated in 1 of 2 windows")
    assert first.violating == {"all": 1}
    assert (second.slices[0].status, second.violating) == ("broken", {"all": 2})


def test_a_claim_is_unknown_while_its_interval_contains_the_limit() -> None:
    found = assessed(GROUNDED, shares(90, 10), {"all": 1})
    assert (found.slices[0].status, found.slices[0].why) == ("unknown", "the interval contains the limit")
    assert found.violating == {}, "a window between the two starts the count again"


def test_a_broken_claim_that_is_between_again_is_unknown_not_broken() -> None:
    assert overall(GROUNDED, shares(90, 10), violating=7).status == "unknown"


def test_too_few_requests_say_how_many_are_needed() -> None:
    found = overall(GROUNDED, shares(40, 0))
    assert (found.status, found.needs, found.n, found.why) == ("unknown", 50, 40, "needs n 50, has 40")
    assert (found.value, found.low) == (None, None)


def test_what_no_span_carries_is_said_and_never_holds() -> None:
    found = assess(GROUNDED, tallies(GROUNDED, requests("llm.words", [1] * 300)), {"all": 1})
    assert found.slices[0].status == "unknown"
    assert found.slices[0].why == "nothing measures it: no span carries llm.grounded"
    assert found.violating == {}


def test_requests_without_a_value_do_not_count() -> None:
    assert overall(GROUNDED, [*shares(100, 0), *[None] * 200]).n == 100


@given(st.integers(50, 400), st.data())
def test_the_interval_of_yes_and_no_is_wilson_s(n: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, n))
    found = overall(GROUNDED, shares(good, n - good))
    assert (found.low, found.high) == pytest.approx(tuple(wilson(good / n, n)), abs=5e-3)


def test_a_promise_of_never_breaks_on_one_event_whatever_the_number_of_requests() -> None:
    found = overall(NEVER, [0] * 5 + [2])
    assert (found.status, found.value, found.n) == ("broken", 2, 6)


def test_a_promise_of_never_that_holds_says_how_rare_it_can_be_at_most() -> None:
    found = overall(NEVER, [0] * 300)
    assert (found.status, found.value, found.why) == ("holds", 0, "at most 1 % of requests (95 %)")


def test_a_promise_of_never_needs_its_requests_before_it_holds() -> None:
    found = overall(NEVER, [0] * 99)
    assert (found.status, found.needs) == ("unknown", 100)


def test_an_exact_promise_is_not_broken_while_the_interval_contains_it() -> None:
    exact = a_claim(metric="mean(llm.words)", expect="== 5")
    around = [4.0, 6.0] * 50
    assert overall(exact, around, violating=1).why == "the interval contains the limit"
    assert overall(exact, [v + 3 for v in around], violating=1).status == "broken"
    assert overall(exact, [5.0] * 100).status == "holds"


@pytest.mark.parametrize(
    ("metric", "values", "value"),
    [
        ("mean(llm.words)", [1.0, 3.0] * 50, 2.0),
        ("count(pii)", [0, 2] * 50, 100.0),
        ("p50(latency)", [1.0] * 60 + [4.0] * 40, 1.0),
        ("p95(latency)", [1.0] * 60 + [4.0] * 40, 4.0),
        ("share(llm.grounded >= 0.8)", [0.9, 0.7] * 50, 0.5),
    ],
)
def test_each_aggregate_is_what_it_is_called(metric: str, values: list[float], value: float) -> None:
    claim = a_claim(metric=metric, expect="<= 1000")
    field = metric.partition("(")[2].removesuffix(")").partition(" ")[0]
    found = assess(claim, tallies(claim, requests(field, values)), {}).slices[0]
    assert found.value == pytest.approx(value, rel=0.01)
    assert None not in (found.low, found.high)
    assert (found.low or 0) <= value * 1.01
    assert (found.high or 0) >= value * 0.99


def test_a_claim_by_segment_has_a_slice_for_each_and_none_for_the_unknown() -> None:
    by_band = GROUNDED.model_copy(update={"by": ("age_band",)})
    found = [request(i, {"llm.grounded": True, "segment.age_band": ("45-54", "18-24", None)[i % 3]}) for i in range(90)]
    slices = tallies(by_band, found)
    assert {name: t.n for name, t in slices.items()} == {"all": 90, "age_band=18-24": 30, "age_band=45-54": 30}
    assert next(iter(slices)) == "all"


def test_each_slice_has_its_own_status_and_its_own_count_of_windows() -> None:
    by_band = GROUNDED.model_copy(update={"by": ("age_band",)})
    found = [request(i, {"llm.grounded": i % 2 == 0, "segment.age_band": str(i % 2)}) for i in range(200)]
    first = assess(by_band, tallies(by_band, found), {})
    second = assess(by_band, tallies(by_band, found), first.violating)
    assert {s.slice: s.status for s in second.slices} == {
        "all": "broken",
        "age_band=0": "holds",
        "age_band=1": "broken",
    }
    assert second.violating == {"all": 2, "age_band=1": 2}


def test_more_groups_than_can_be_told_apart_are_put_together_the_smallest_first() -> None:
    by_band = GROUNDED.model_copy(update={"by": ("age_band",)})
    labels = [f"{i:02}" for i in range(MOST_SLICES + 5) for _ in range(i + 1)]
    found = [request(i, {"llm.grounded": True, "segment.age_band": label}) for i, label in enumerate(labels)]
    slices = over_windows([claims.body(tallies(by_band, found))])
    assert len(slices) == 2 + MOST_SLICES
    assert slices[OTHER].n == 1 + 2 + 3 + 4 + 5
    assert sum(t.n for name, t in slices.items() if name != "all") == slices["all"].n == len(labels)


def test_another_metric_or_other_segments_make_another_promise_and_another_limit_does_not() -> None:
    same = [claims.promise(c) for c in (GROUNDED, GROUNDED.model_copy(update={"expect": ">= 0.5"}))]
    others = [claims.promise(GROUNDED.model_copy(update=c)) for c in ({"metric": "mean(x)"}, {"by": ("age_band",)})]
    assert len(set(same)) == 1
    assert len({*same, *others}) == 3


@pytest.mark.parametrize("value", [1.5, -0.1])
def test_a_share_of_what_is_no_share_is_an_error_of_the_monitor(value: float) -> None:
    with pytest.raises(MonitorError, match=r"outside 0\.\.1"):
        sums(GROUNDED, [0.5, value])


def test_a_disparity_needs_two_groups_that_are_large_enough() -> None:
    found = assess(FAIR, bands(young=shares(60, 60), old=shares(5, 5), nobody=shares(300, 0)), {}).slices
    assert len(found) == 1
    assert (found[0].status, found[0].why) == ("unknown", "needs two groups of 100, has 120 and 10")


def test_a_group_in_which_it_never_happens_has_no_ratio_and_that_is_said() -> None:
    (found,) = assess(FAIR, bands(young=shares(60, 60), old=shares(0, 300)), {}).slices
    assert found.status == "unknown"
    assert found.why.endswith("has 300 and 120; of one where it never happens there is no ratio")


def test_a_disparity_without_any_group_says_so() -> None:
    found = assess(FAIR, bands(nobody=shares(300, 0)), {}).slices[0]
    assert (found.status, found.why) == ("unknown", "no request of a group carries it")


def test_a_disparity_is_the_ratio_of_the_two_extreme_large_groups() -> None:
    slices = bands(young=shares(800, 200), middle=shares(600, 400), old=shares(400, 600), few=shares(1, 9))
    first = assess(FAIR, slices, {})
    second = assess(FAIR, slices, first.violating)
    assert first.slices[0].value == pytest.approx(2.0)
    assert [s.slices[0].status for s in (first, second)] == ["unknown", "broken"]


def test_a_disparity_shows_its_groups_and_judges_none_of_them_alone() -> None:
    groups = assess(FAIR, bands(young=shares(80, 20), old=shares(80, 20), few=shares(1, 9)), {}).slices[1:]
    assert {g.slice: g.value for g in groups} == {
        "age_band=few": pytest.approx(0.1),
        "age_band=old": pytest.approx(0.8),
        "age_band=young": pytest.approx(0.8),
    }
    assert {g.status for g in groups} == {"unknown"}


def test_two_equal_large_groups_are_fair() -> None:
    assert assess(FAIR, bands(young=shares(900, 100), old=shares(900, 100)), {}).slices[0].status == "holds"


def test_old_evidence_is_stale_and_says_what_it_was() -> None:
    holds = SliceStatus(status="holds", value=0.95, n=100)
    assert stale(holds) == holds.model_copy(update={"status": "stale", "why": "was holds; its evidence has expired"})
    unknown = SliceStatus(status="unknown")
    assert stale(unknown) == unknown


@settings(max_examples=40)
@given(st.lists(st.lists(st.booleans(), max_size=30), min_size=1, max_size=6))
def test_however_requests_are_cut_into_windows_a_claim_stands_the_same(windows: list[list[bool]]) -> None:
    whole = sums(GROUNDED, [v for w in windows for v in w])
    parts = over_windows(claims.body(sums(GROUNDED, w)) for w in windows)
    assert assess(GROUNDED, parts, {}) == assess(GROUNDED, whole, {})


@pytest.mark.parametrize("value", ["text", [1], 1e400])
def test_a_metric_that_is_no_number_is_an_error_of_the_monitor(value: Any) -> None:
    broken = [request(0, {"llm.grounded": [value]}), request(1, {"llm.grounded": [1.0]})]
    if isinstance(value, list):
        assert tallies(GROUNDED, broken)["all"].n == 1
    else:
        with pytest.raises(MonitorError, match="must be a number or yes/no"):
            tallies(GROUNDED, broken)


def test_a_division_by_zero_in_a_metric_is_an_error_of_the_monitor() -> None:
    with pytest.raises(MonitorError, match="must be a number or yes/no"):
        tallies(a_claim(metric="mean(a / b)"), [request(0, {"a": 1, "b": 0}), request(1, {"a": 1, "b": 1})])
