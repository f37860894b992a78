"""Error budgets: how fast a promise spends what it may miss."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.finding import Finding, State
from syscard.system import System
from syscard.system_checks import faults
from syscard_monitors import burn
from syscard_monitors.assemble import Request
from syscard_monitors.burn import PAIRS, Objective, objectives
from syscard_monitors.explain import budget_explanation
from syscard_monitors.memory import Memory, recall
from syscard_monitors.plan import Plan
from syscard_monitors.telling import edits_of, starting
from syscard_monitors.window import findings_of, window_of
from tests.unit.build import claim, declared
from tests.unit.monitors.build import START_US, Asked, card_of, plan, request, signal

FAST = claim(id="fast", about="llm", metric="p95(llm.latency_ms)", expect="<= 3000", burn=True)
GROUNDED = claim(id="grounded", about="llm", metric="share(llm.grounded)", expect=">= 0.99", burn=True)
PROMISE = Objective(
    "fast", "llm", "error budget of fast", "llm.latency_ms", 3000.0, below=True, budget=0.05, topic="latency"
)
HOUR_US = 3_600_000_000


def promising(*claims: dict[str, Any], **tune: Any) -> System:
    return declared(claims=claims, monitors={"packs": [], "tune": tune})


def minutely(values: Sequence[float], field: str = "llm.latency_ms", first: int = 0) -> tuple[Request, ...]:
    """A request every twenty seconds."""
    return tuple(_ending(request(n, {field: v}), n * 20_000_000) for n, v in enumerate(values, start=first))


def _ending(one: Request, after_us: int) -> Request:
    """The request, so long after the start of all."""
    start = START_US + after_us
    return replace(one, start_us=start, end_us=start + 1_000_000, received_us=start + 1_000_000)


def watch(the_plan: Plan, memory: Memory, requests: Sequence[Request]) -> list[dict[str, Finding]]:
    """The findings of every window of twenty, by key."""
    found, card = [], card_of(the_plan.system)
    for at in range(0, len(requests) - len(requests) % 20, 20):
        window = requests[at : at + 20]
        memory.windows += 1
        said = findings_of(card, the_plan, memory, window, window_of(memory.windows, window), Asked())
        memory.frontier = window[-1].place
        found.append({f.key: f for f in said})
    return found


def states(found: Sequence[dict[str, Finding]], key: str) -> list[State]:
    return [window[key].state for window in found if key in window]


# ------------------------------------------------------------------------------------------------ what has a budget


def test_a_quantile_s_budget_is_what_lies_beyond_it_and_a_share_s_what_it_leaves() -> None:
    fast, grounded = objectives(promising(FAST, GROUNDED), ())
    assert [fast.budget, grounded.budget] == pytest.approx([0.05, 0.01])
    assert (fast.limit, fast.below) == (3000.0, True)
    assert (grounded.limit, grounded.below) == (None, False)
    assert [fast.missed(v) for v in (2999, 3000, 3001)] == [0.0, 0.0, 1.0]
    assert [grounded.missed(v) for v in (1.0, 0.25, 0.0)] == [0.0, 0.75, 1.0]


def test_a_share_that_must_stay_small_misses_by_what_it_is() -> None:
    (few,) = objectives(promising(claim(metric="share(llm.error)", expect="<= 0.02", burn=True)), ())
    assert few.budget == pytest.approx(0.02)
    assert [few.missed(v) for v in (0.0, 1.0)] == [0.0, 1.0]


def test_a_median_that_must_stay_large_misses_below_it() -> None:
    (large,) = objectives(
        promising(claim(metric="p10(vlm.confidence)".replace("p10", "p50"), expect=">= 0.7", burn=True)), ()
    )
    assert (large.budget, large.below) == (0.5, False)
    assert [large.missed(v) for v in (0.6, 0.7)] == [1.0, 0.0]


def test_only_claims_that_say_so_have_a_budget() -> None:
    assert objectives(promising({**FAST, "burn": None}), ()) == ()


def test_an_objective_in_the_tuning_of_a_signal_is_a_promise_for_each_quantile() -> None:
    latency = signal("latency", name="latency", expr="vlm.latency_ms", unit="ms")
    system = promising(**{"vlm.latency": {"objective": {"p50": "200ms", "p99": "2s"}}})
    median, rarest = objectives(system, (latency,))
    assert (median.name, median.limit, median.budget) == ("latency.p50", 200.0, 0.5)
    assert (rarest.name, rarest.limit) == ("latency.p99", 2000.0)
    assert rarest.budget == pytest.approx(0.01)
    assert rarest.key("page") == "vlm.latency.p99.burn"


def test_an_objective_is_in_the_unit_of_its_signal_as_the_latency_of_the_whole_request_is_in_seconds() -> None:
    whole = signal("latency", name="latency", about="system", expr="latency", unit="s")
    (found,) = objectives(promising(**{"system.latency": {"objective": {"p95": "1500ms"}}}), (whole,))
    assert (found.limit, found.wrong) == (1.5, "")
    assert [found.missed(seconds) for seconds in (1.4, 1.6)] == [0.0, 1.0]


def test_an_objective_in_time_for_what_is_no_time_is_an_error_of_its_monitor() -> None:
    tuned = promising(**{"vlm.agrees": {"objective": {"p50": "200ms"}}})
    (found,) = watch(plan(signal(), system=tuned), Memory(), minutely([1.0] * 20, "vlm.agrees"))
    assert found["vlm.agrees.p50.slow-burn"].state is State.ERROR
    assert "vlm.agrees is none" in found["vlm.agrees.p50.slow-burn"].why


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric": "mean(llm.words)", "expect": "<= 30"}, "mean(...) has no error budget"),
        ({"metric": "count(llm.offer)", "expect": "== 0"}, "count(...) has no error budget"),
    ],
)
def test_a_claim_without_an_error_budget_cannot_burn(changes: dict[str, Any], says: str) -> None:
    found = faults(promising({**FAST, **changes}))
    assert says in [f.what for f in found]


def test_a_budget_of_a_tenth_never_reaches_the_factors_of_the_short_pairs() -> None:
    (loose,) = objectives(promising({**GROUNDED, "expect": ">= 0.9"}), ())
    assert [p.factor for p in loose.pairs] == [6.0, 1.0]
    (half,) = objectives(promising({**GROUNDED, "expect": ">= 0.5"}), ())
    assert half.severities == ("ticket",)


# ------------------------------------------------------------------------------------------------ what a window says


def test_a_budget_that_goes_fifteen_times_too_fast_is_a_page_in_the_first_hour() -> None:
    the_plan, memory = plan(system=promising(FAST)), Memory()
    assert set(states(watch(the_plan, memory, minutely([100.0] * 180)), "llm.fast.burn")) == {State.OK}
    found = watch(the_plan, memory, minutely([9000.0] * 180, first=180))
    at = next(i for i, window in enumerate(found) if window["llm.fast.burn"].state is State.BREACH)
    told = found[at]["llm.fast.burn"]
    assert at < 6, "a third of an hour"
    assert (told.severity, told.tolerance, told.reference) == ("page", 6.0, 1.0)
    assert told.value is not None
    assert told.value >= 6.0
    assert told.one_in is not None
    assert told.one_in_needed is not None
    assert told.one_in >= told.one_in_needed


def test_what_is_slow_for_days_is_a_ticket_and_no_page() -> None:
    rng = random.Random(7)
    the_plan, memory = plan(system=promising(FAST)), Memory()
    values = [9000.0 if rng.random() < 0.14 else 100.0 for _ in range(3_000)]
    found = watch(the_plan, memory, minutely(values))
    assert State.BREACH in states(found, "llm.fast.slow-burn")
    assert State.BREACH not in states(found, "llm.fast.burn")


def test_a_promise_that_is_just_kept_raises_nothing_in_ten_thousand_requests() -> None:
    rng = random.Random(3)
    values = [9000.0 if rng.random() < 0.05 else 100.0 for _ in range(10_000)]
    found = watch(plan(system=promising(FAST)), Memory(), minutely(values))
    assert {State.BREACH} & {*states(found, "llm.fast.burn"), *states(found, "llm.fast.slow-burn")} == set()


def test_a_promise_that_was_declared_anew_is_not_in_breach_because_the_old_one_was() -> None:
    memory, kept = Memory(), ([100.0] * 19 + [9000.0])
    watch(plan(system=promising(FAST)), memory, minutely([9000.0] * 20))
    assert memory.streaks["llm.fast.slow-burn"].state is State.BREACH
    anew = plan(system=promising({**FAST, "expect": "<= 8000"}))
    (found,) = watch(anew, memory, minutely(kept, first=20))
    assert State.BREACH not in {found["llm.fast.burn"].state, found["llm.fast.slow-burn"].state}


def test_the_alarm_is_over_soon_after_the_cause_and_the_slow_one_stands() -> None:
    the_plan, memory = plan(system=promising(FAST)), Memory()
    watch(the_plan, memory, minutely([9000.0] * 60))
    after = watch(the_plan, memory, minutely([100.0] * 180, first=60))
    fast = states(after, "llm.fast.burn")
    assert fast.index(State.OK) <= 6, "the short time of six hours is half an hour"
    assert fast[-1] is State.OK
    assert states(after, "llm.fast.slow-burn")[-1] is State.BREACH


def test_too_few_requests_are_unknown_and_say_how_many_it_takes() -> None:
    loose = promising({**GROUNDED, "expect": ">= 0.2"})
    (found,) = watch(plan(system=loose), Memory(), minutely([0.0] * 20, "llm.grounded"))
    told = found["llm.grounded.slow-burn"]
    needed = burn.least_n(0.8, math.log(told.one_in_needed or 0))
    assert (told.state, told.needs, told.value) == (State.UNKNOWN, needed, None)
    assert told.why == f"needs n {needed}, has 20"


def test_without_a_request_that_tells_it_is_unknown_not_ok() -> None:
    (found,) = watch(plan(system=promising(FAST)), Memory(), minutely([1.0] * 20, "cf.top_score"))
    assert found["llm.fast.burn"].state is State.UNKNOWN


def test_what_is_no_number_is_an_error_and_the_other_budgets_go_on() -> None:
    the_plan = plan(system=promising(FAST, GROUNDED))
    grounded = minutely([1.0] * 60, "llm.grounded")
    mixed = [replace(one, values={**one.values, "llm.latency_ms": ["slow"]}) for one in grounded]
    *_, found = watch(the_plan, Memory(), mixed)
    assert found["llm.fast.burn"].state is State.ERROR
    assert found["llm.grounded.burn"].state is State.OK


def test_a_quotient_of_nothing_by_nothing_is_an_error_and_neither_kept_nor_missed() -> None:
    even = claim(id="even", about="llm", metric="share(llm.hits / llm.calls)", expect=">= 0.9", burn=True)
    nothing = [replace(one, values={**one.values, "llm.calls": [0.0]}) for one in minutely([0.0] * 20, "llm.hits")]
    (found,) = watch(plan(system=promising(even)), Memory(), nothing)
    assert found["llm.even.burn"].state is State.ERROR
    assert "nan" in found["llm.even.burn"].why


def test_a_budget_in_which_the_monitors_died_is_set_aside_and_the_others_go_on() -> None:
    told: list[str] = []
    aside = {"llm.fast": "its monitor was stopped"}
    the_plan = replace(plan(system=promising(FAST, GROUNDED)), aside=aside, at=lambda step: told.append(step.signal))
    found = watch(the_plan, Memory(), minutely([1.0] * 40, "llm.grounded"))[-1]
    assert (found["llm.fast.burn"].state, found["llm.fast.burn"].why) == (State.ERROR, "its monitor was stopped")
    assert found["llm.grounded.burn"].state is State.OK
    assert {*told} == {"llm.grounded"}


def test_feedback_answers_for_a_promise_that_no_request_can() -> None:
    taken = claim(id="taken", about="system", metric="share(accepted)", expect=">= 0.9", burn=True)
    the_plan, memory, answers = plan(system=promising(taken)), Memory(), minutely([0.0] * 60, "accepted")
    window = minutely([1.0] * 20, "vlm.agrees", first=60)
    said = findings_of(card_of(the_plan.system), the_plan, memory, window, window_of(1, window), Asked(), answers)
    assert {f.key: f.state for f in said}["system.taken.slow-burn"] is State.BREACH


def test_a_burning_budget_opens_one_incident_in_plain_words() -> None:
    the_plan, memory = plan(system=promising(FAST)), Memory()
    card = card_of(the_plan.system)
    window = minutely([9000.0] * 20)
    found = findings_of(card, the_plan, memory, window, window_of(0, window), Asked())
    assert set(starting(the_plan, memory, found)) == {"llm.fast.burn", "llm.fast.slow-burn"}
    said = edits_of(card, the_plan, memory, window, window_of(0, window), found, (), {})
    (incident,) = said.after.incidents.values()
    assert (incident.subject, incident.severity) == ("llm", "page")
    assert incident.title == "error budget of fast, over 1 h: 20 times too fast"
    assert (
        "UTC llm breaks its promise: error budget of fast, over 1 h: 20 times too fast (20 requests)"
        in incident.note[0]
    )
    assert "take it back" in incident.do_first


# ------------------------------------------------------------------------------------------------------- its algebra


@given(st.lists(st.tuples(st.integers(0, 5 * 24 * 60), st.booleans()), min_size=1, max_size=200))
def test_how_windows_are_cut_changes_no_sum(told: list[tuple[int, bool]]) -> None:
    answers = sorted(told)
    many = _requests(answers)
    end = many[-1].end_us
    at_once = burn.counted((), PROMISE, many, (), end)
    one_by_one: tuple[burn.Bins, ...] = ()
    for one in many:
        one_by_one = burn.counted(one_by_one, PROMISE, (one,), (), one.end_us)
    assert burn.burns(PROMISE, one_by_one, end) == burn.burns(PROMISE, at_once, end)
    assert burn.read_budgets(burn.budgets_body({"x": one_by_one})) == {"x": one_by_one}


def _requests(answers: Sequence[tuple[int, bool]]) -> tuple[Request, ...]:
    """Requests that ended in these minutes."""
    made = ((minute, request(0, {"llm.latency_ms": 9000.0 if slow else 1.0})) for minute, slow in answers)
    return tuple(_ending(one, minute * 60_000_000) for minute, one in made)


def test_what_is_kept_does_not_grow_with_time() -> None:
    bins: tuple[burn.Bins, ...] = ()
    for hour in range(24 * 30):
        one = _ending(request(0, {"llm.latency_ms": 1.0}), hour * HOUR_US)
        bins = burn.counted(bins, PROMISE, (one,), (), one.end_us)
    assert all(len(known) <= burn.STEPS + 1 for known in bins)


def test_the_budgets_survive_a_restart() -> None:
    the_plan, memory = plan(system=promising(FAST)), Memory()
    watch(the_plan, memory, minutely([9000.0] * 20))
    again = recall(memory.body())
    assert again.budgets == memory.budgets
    later = minutely([9000.0] * 20, first=20)
    assert watch(the_plan, again, later) == watch(the_plan, memory, later)


@given(st.integers(1, 60), st.floats(0.01, 0.5), st.integers(0, 60))
def test_the_evidence_is_never_more_than_the_binomial_tail(n: int, budget: float, missed: int) -> None:
    missed = min(n, missed)
    tail = math.fsum(math.comb(n, k) * budget**k * (1 - budget) ** (n - k) for k in range(missed, n + 1))
    assert math.exp(-burn.log_rarity(missed / n, n, budget)) >= tail * (1 - 1e-9)


def test_each_short_time_is_a_twelfth_of_its_long_one() -> None:
    assert [p.long * burn.SHORT / burn.STEPS for p in PAIRS] == [
        timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6)
    ]  # fmt: skip


def test_a_budget_explains_itself_before_and_after_its_pace_is_known() -> None:
    told = budget_explanation(PROMISE, "page", math.log(100_000))
    assert told.breach == (
        "a rate of 14.4 over 1 h and over 5 min or a rate of 6 over 6 h and over 30 min, with evidence of 1 in 100,000 "
        "or rarer"
    )
    assert told.means == "the share of requests that miss, by llm.latency_ms above 3000, over 0.05"
    assert told.shows == "fewer than 4 requests show nothing"
    unknown = budget_explanation(PROMISE, "ticket", None)
    assert (unknown.shows, unknown.tolerance) == ("", 1.0)
    assert unknown.breach.endswith("with evidence that the budget accepts")
