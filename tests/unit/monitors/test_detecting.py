"""Evidence over all looks, against a budget of false alarms for the whole system."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from syscard.finding import Finding, State
from syscard.system import FalseAlarms
from syscard_monitors import detecting
from syscard_monitors.assemble import Request
from syscard_monitors.edetector import Detector
from syscard_monitors.memory import Memory, recall
from syscard_monitors.packs import Signal
from syscard_monitors.plan import Plan
from syscard_monitors.reference import Reference
from syscard_monitors.strata import Strata
from syscard_monitors.window import findings_of, pace, window_of
from tests.unit.build import declared
from tests.unit.monitors.build import Asked, card_of, plan, reference, request, signal, stratified

MONTH = FalseAlarms(at_most=1, per=timedelta(days=30))
MINUTE_US = 60_000_000


def test_a_budget_is_shared_among_signals_and_looks() -> None:
    """50 signals that look once a minute, 43,200 times a month: each look of each may be wrong once in 2.16 million."""
    share = detecting.share_of_period(MONTH, MINUTE_US)
    assert share == pytest.approx(1 / 43_200)
    assert math.exp(detecting.log_needed(MONTH, 50, share, 0.001)) == pytest.approx(50 * 43_200)
    twice = FalseAlarms(at_most=2, per=timedelta(days=30))
    assert math.exp(detecting.log_needed(twice, 50, share, 0.001)) == pytest.approx(25 * 43_200)


def test_who_looks_seldom_still_asks_for_what_the_signal_asks_for() -> None:
    assert math.exp(detecting.log_needed(MONTH, 1, 0.5, 0.001)) == pytest.approx(1_000)


def test_a_system_that_declares_no_budget_has_one_false_alarm_a_month() -> None:
    assert detecting.budget_of(declared()) == MONTH
    stricter = declared(monitors={"packs": [], "false_alarms": {"at_most": 1, "per": "90d"}})
    assert detecting.budget_of(stricter).per == timedelta(days=90)


@pytest.mark.parametrize(
    ("kind", "values", "uses"),
    [
        ("share", [0.0, 1.0], True),
        ("number", [0.1, 0.2], True),
        ("number", [0.1, 0.1], False),
        ("ratio", [1.0, 1.0], True),
        ("latency", [1.0, 2.0], True),
        ("category", ["a", "b"], True),
        ("rate", [0.0, 1.0], True),
        ("volume", [0.1, 0.2], False),
    ],
)
def test_who_gathers_evidence_over_all_looks(kind: str, values: list[Any], uses: bool) -> None:
    assert detecting.uses_detector(signal(kind), reference(values)) is uses


def begun(known: Reference, **changes: Any) -> tuple[Signal, Detector]:
    of = signal(**changes)
    return of, detecting.begun(of, known, "digest")


def looked(detector: Detector, of: Signal, known: Reference, values: list[float | None], strata: list[str]) -> Detector:
    return detecting.looked(detector, of, known, detecting.cells_of(detector, of, known, values, strata), 0.1)


def test_the_seed_is_of_the_baseline_and_the_signal() -> None:
    known = reference([0.0, 1.0])
    seeds = {begun(known, name=name)[1].seed for name in ("a", "b")} | {detecting.begun(signal(), known, "x").seed}
    assert len(seeds) == 3
    assert begun(known)[1] == begun(known)[1]


def test_many_strata_have_fewer_cells_each() -> None:
    values = [i / 5_000 for i in range(5_000)]
    assert begun(reference(values))[1].grid.cells == 64
    many = stratified(**{f"h{i}": values[i * 52 : i * 52 + 52] for i in range(96)})
    assert sum(map(len, begun(many)[1].counts.values())) <= 2 * detecting.MOST_CELLS


def test_who_says_no_group_is_ranked_among_all() -> None:
    known = stratified(a=[0.0] * 60, b=[1.0] * 40)
    of, detector = begun(known)
    assert set(detector.counts) == {"a", "b"}
    after = looked(detector, of, known, [1.0, None], ["", "a"])
    assert sum(after.counts[""]) == 101
    assert sum(after.counts["a"]) == 60


# --- over windows ----------------------------------------------------------------------------------------------------

BANDS = {"young": 0.95, "old": 0.6}
"""How often readings agree with the catalogue, by group."""


def of_band(rng: random.Random, number: int, band: str, agrees: dict[str, float]) -> Request:
    return request(number, {"segment.age_band": band, "vlm.agrees": float(rng.random() < agrees[band])})


def known_plan(rng: random.Random) -> Plan:
    values = {f"age_band={b}": [float(rng.random() < p) for _ in range(1_000)] for b, p in BANDS.items()}
    strata = Strata(("age_band",), {"vlm": {name: name for name in values}}, labels={"age_band": tuple(BANDS)})
    base = plan(signal(direction="down"), references={"vlm.agrees": stratified(**values)})
    return Plan(base.system, base.signals, base.graph, base.references, strata, "digest")


def judged(the_plan: Plan, windows: Sequence[Sequence[Request]]) -> list[Finding]:
    memory = Memory()
    found: list[Finding] = []
    for number, window in enumerate(windows):
        at = window_of(number, window)
        found += findings_of(card_of(), the_plan, memory, window, at, Asked())
        memory.windows += 1
    return found


def windows_of(
    rng: random.Random, mix: Sequence[str], agrees: dict[str, float], count: int = 12
) -> list[list[Request]]:
    return [[of_band(rng, 20 * w + i, mix[i % len(mix)], agrees) for i in range(20)] for w in range(count)]


def test_a_new_mix_of_customers_is_no_change_and_a_change_within_a_group_is_one() -> None:
    rng = random.Random(3)
    the_plan = known_plan(rng)
    mostly_old = judged(the_plan, windows_of(rng, ["old"] * 9 + ["young"], BANDS, count=40))
    assert State.BREACH not in {f.state for f in mostly_old}
    assert min(f.value or 0 for f in mostly_old) < 0.55, "compared with all, that would be far beyond the tolerance"
    worse = judged(the_plan, windows_of(rng, ["young"], {"young": 0.6}))
    assert State.BREACH in {f.state for f in worse}


def test_a_group_that_the_baseline_has_not_is_unknown_and_no_drift() -> None:
    rng = random.Random(3)
    found = judged(known_plan(rng), windows_of(rng, ["newcomers"], {"newcomers": 0.1}))
    assert {f.state for f in found} == {State.UNKNOWN}
    assert found[0].why == "needs n 5 of groups that the baseline has, has 0"


def test_a_group_that_the_baseline_has_not_is_no_evidence_and_takes_no_room() -> None:
    rng = random.Random(3)
    the_plan, memory = known_plan(rng), Memory()
    for number in range(30):
        bands = [f"tenant {number}-{i}" for i in range(10)]
        new = [of_band(rng, 40 * number + i, band, {band: 0.1}) for i, band in enumerate(bands)]
        old = [of_band(rng, 40 * number + 20 + i, "old", BANDS) for i in range(10)]
        findings_of(card_of(), the_plan, memory, [*new, *old], window_of(number, [*new, *old]), Asked())
    detector = memory.detectors["vlm.agrees"]
    assert set(detector.counts) == {f"age_band={band}" for band in BANDS}
    assert detecting.log_rarity(detector, 1.0) < math.log(1_000)


def learnt(*windows: list[float]) -> int:
    """How many values a detector has learnt beside the 200 of its baseline."""
    usual = {"vlm.agrees": reference([1.0] * 180 + [0.0] * 20)}
    the_plan, memory = plan(signal(), references=usual), Memory()
    for number, values in enumerate(windows):
        window = [request(20 * number + i, {"vlm.agrees": v}) for i, v in enumerate(values)]
        memory = recall(json.loads(json.dumps(memory.body())))
        findings_of(card_of(), the_plan, memory, window, window_of(number, window), Asked())
    return sum(memory.detectors["vlm.agrees"].counts[""]) - 200


def test_what_is_beyond_the_tolerance_is_learnt_when_that_is_over_and_not_where_it_was_a_breach() -> None:
    """A fault must not become the reference; but what was chance must not be missing from it."""
    good, poor, bad = [1.0] * 18 + [0.0] * 2, [1.0] * 15 + [0.0] * 5, [0.0] * 20
    assert learnt(good, poor, poor) == 20
    assert learnt(good, poor, poor, good) == 80
    assert learnt(good, bad, bad, bad, good, good) == 20, "after a breach it begins again with the baseline"


def test_the_evidence_of_a_rate_gathers_over_windows_that_do_not_follow_each_other() -> None:
    rng, none = random.Random(1), {"vlm.agrees": reference([0.0] * 1_980 + [1.0] * 20)}
    the_plan, memory = plan(signal("rate", direction="up", tolerance=0.05), references=none), Memory()
    states = []
    for number in range(40):
        window = [request(20 * number + i, {"vlm.agrees": float(rng.random() < 0.1)}) for i in range(20)]
        (found,) = findings_of(card_of(), the_plan, memory, window, window_of(number, window), Asked())
        states.append(found.state)
    assert State.BREACH in states[:25]


def test_the_share_of_the_budget_is_that_of_the_time_between_the_windows_before() -> None:
    """It must not depend on the values of this look: slow answers make long windows."""
    known = {"vlm.agrees": reference([0.0, 1.0], per_minute=40.0)}
    assert pace(plan(references=known), Memory()) == 30_000_000
    assert pace(plan(references=known), Memory(pace_us=7)) == 7
    assert pace(plan(references=None), Memory()) is None


def test_after_a_breach_is_over_it_takes_new_evidence_for_the_next_one() -> None:
    usual = {"vlm.agrees": reference([1.0] * 1_800 + [0.0] * 200)}
    the_plan, memory = plan(signal(), references=usual), Memory()
    good, bad = [1.0] * 18 + [0.0] * 2, [0.0] * 20
    states = []
    for number, values in enumerate([bad, bad, bad, good, good]):
        window = [request(20 * number + i, {"vlm.agrees": v}) for i, v in enumerate(values)]
        (found,) = findings_of(card_of(), the_plan, memory, window, window_of(number, window), Asked())
        states.append(found.state)
    assert states == ["warn", "breach", "breach", "ok", "ok"]
    assert detecting.log_rarity(memory.detectors["vlm.agrees"], 1.0) < math.log(10)
    assert memory.detectors["vlm.agrees"].seen == 20, "it began again with the baseline"


def test_another_baseline_begins_with_new_detectors() -> None:
    memory = Memory()
    for digest in ("one", "one", "two"):
        the_plan = plan(signal(), references={"vlm.agrees": reference([1.0] * 90 + [0.0] * 10)})
        the_plan = Plan(the_plan.system, the_plan.signals, the_plan.graph, the_plan.references, baseline=digest)
        window = [request(i, {"vlm.agrees": 1.0}) for i in range(20)]
        findings_of(card_of(), the_plan, memory, window, window_of(0, window), Asked())
    assert memory.detectors["vlm.agrees"].seen == 20
