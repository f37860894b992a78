from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from syscard.card import Frequency
from syscard.edits import AddEvidence
from syscard.errors import UsageError
from syscard.finding import State
from syscard.risks import Assessment, AssessRisks, catalogue, read_catalogue
from syscard_monitors import assessing, incidents
from syscard_monitors.assessing import Assessing, between, drafts
from syscard_monitors.memory import Memory, recall
from syscard_monitors.risks.base import CaseMaker, Columns, Kept, Lacking, Reading
from syscard_monitors.risks.calibration import LEAST_WINDOWS, MOST, calibration_of, places_of, starts_of
from syscard_monitors.risks.verdicts import Standing, after, counted, detectable, read_standing, severity, significant
from syscard_monitors.strata import strata_of
from syscard_monitors.telling import starting
from syscard_monitors.window import AUTHOR, window_of
from tests.unit.build import declared
from tests.unit.monitors.build import graph, with_drafts
from tests.unit.monitors.risks.build import look, made, planned, shop

READING = Reading(n=300, effect=0.2, says="it", p_value=1e-9, error=0.02, scale="share")
NAME = "IR-13 agent->cf"


def often(rng: random.Random, number: int) -> dict[str, Any]:
    return {**shop(rng, number), "cf.call": [1, 1, 1]}


def standing(*readings: Reading | Lacking, rare: bool = True, fresh: bool = True) -> list[bool]:
    """Whether it is seen after each reading."""
    found, told = Standing(), []
    for at, reading in enumerate(readings, start=1):
        found = after(found, reading, 0.1, 200, at, is_rare=rare, is_fresh=fresh)
        told.append(found.stands)
    return told


def test_a_risk_is_seen_once_two_of_three_assessments_say_so() -> None:
    none = replace(READING, effect=0.0)
    assert standing(READING, READING) == [False, True]
    assert standing(READING, none, READING) == [False, False, True]
    assert standing(READING, none, none, READING) == [False] * 4


def test_what_is_not_significant_or_too_few_is_never_seen() -> None:
    assert standing(READING, READING, READING, rare=False) == [False] * 3
    assert standing(*[replace(READING, n=100)] * 3) == [False] * 3
    assert standing(*[Lacking("needs cf.items")] * 3) == [False] * 3


def test_what_stands_goes_only_below_four_fifths_of_the_threshold() -> None:
    near, gone = replace(READING, effect=0.085), replace(READING, effect=0.05)
    assert standing(READING, READING, near, near, near) == [False, True, True, True, True]
    assert standing(READING, READING, gone, gone, gone) == [False, True, True, False, False]


def test_what_the_newest_requests_do_not_show_is_over_whatever_older_ones_say() -> None:
    assert standing(READING, READING, READING, fresh=False) == [False] * 3
    card, plan = planned(made(shop, 600))
    later, memory = [*made(often, 250, first=600), *made(shop, 450, first=850)], Memory()
    told = [look(card, plan, memory, later[: 100 * i], i).assessments for i in range(1, 8)]
    states = [next(a.state for a in found if a.name == NAME) for found in told]
    assert states == ["unknown", "not seen", "seen", "seen", "not seen", "not seen", "not seen"]


def test_it_is_seen_since_the_requests_of_the_first_assessment_that_found_it() -> None:
    none = replace(READING, effect=0.0)
    found = Standing()
    for at, reading in enumerate((none, none, READING, none, READING, READING), start=1):
        found = after(found, reading, 0.1, 200, at, is_rare=True, is_fresh=True)
    assert found.since_us == 3


def test_one_event_is_enough_for_what_must_never_happen() -> None:
    never, once = Reading(500, 0, "none"), Reading(500, 1, "one")
    found = [after(Standing(), r, 0.0, 1, 7, is_rare=False, is_fresh=True).stands for r in (never, once)]
    assert found == [False, True]


def test_significance_is_shared_by_all_that_is_tested_at_once() -> None:
    weak = replace(READING, p_value=2e-6)
    assert significant({"a": weak}, 13.0) == {"a"}
    strong = {"a": weak, "b": replace(READING, p_value=1e-12), "c": replace(READING, p_value=0.5)}
    assert significant(strong, 15.0) == {"b"}
    assert significant({"a": replace(READING, p_value=0.02)}, 0.0) == frozenset()


def test_a_ticket_is_a_page_from_twice_the_threshold_in_a_tenth_of_the_requests_on() -> None:
    entry = catalogue()["IR-05"]
    assert severity(entry, replace(READING, effect=0.07, share=0.2), 0.03) == "page"
    assert severity(entry, replace(READING, effect=0.07, share=0.05), 0.03) == "ticket"
    assert severity(entry, replace(READING, effect=0.05, share=0.2), 0.03) == "ticket"
    assert severity(catalogue()["IR-03"], replace(READING, effect=9.0), 0.5) == "note"


def test_the_lowest_detectable_effect_is_never_below_the_threshold_and_falls_with_requests() -> None:
    assert detectable(replace(READING, error=1e-6), 0.03, 13.0) == "3 percentage points would show"
    assert detectable(replace(READING, error=0.01), 0.03, 13.0) == "5.4 percentage points would show"
    assert detectable(replace(READING, error=0.9), 0.03, 13.0) == "no change could show"
    assert detectable(replace(READING, scale="factor", error=0.1), 1.2, 13.0) == "1.72 times would show"
    assert detectable(replace(READING, p_value=None), 0.0, 13.0).startswith("one event would show")


def test_fewer_than_twenty_windows_of_a_baseline_leave_the_catalogue_s_threshold_and_say_so() -> None:
    few = calibration_of("IR-13", "agent->cf", {"windows": 13})
    assert (few.threshold, few.value) == (1.2, None)
    assert few.method == "the catalogue's: 13 windows of the baseline say something, 20 are needed"
    many = calibration_of("IR-13", "agent->cf", {"windows": 25, "quantile": 1.4})
    assert (many.threshold, many.default) == (1.4, 1.2)


def test_a_baseline_that_is_long_enough_calibrates_on_its_own_windows() -> None:
    def bursts(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "cf.call": [1] * (3 if number // 500 % 3 == 0 else 1)}

    _, plan = planned(made(bursts, 3_100))
    kept = plan.risks[NAME]
    assert kept["windows"] >= LEAST_WINDOWS
    assert kept["quantile"] > 1.2
    assert assessing.calibration(plan, NAME).threshold == pytest.approx(kept["quantile"], rel=1e-5)


@pytest.mark.parametrize(
    ("requests", "windows", "apart"),
    [(999, 0, 0), (1_000, 20, 26), (2_000, 20, 79), (3_500, 25, 125), (20_000, 40, 500)],
)
def test_a_baseline_twice_as_long_as_a_window_has_twenty_to_forty_of_them(
    requests: int, windows: int, apart: int
) -> None:
    starts = starts_of(requests)
    assert len(starts) == windows
    if windows:
        assert (starts[0], starts[-1]) == (0, requests - MOST)
        assert max(b - a for a, b in pairwise(starts)) == pytest.approx(apart, abs=1)


def test_what_no_baseline_may_raise_says_that() -> None:
    assert calibration_of("IR-10", "cf", {"windows": 0}).method == "the catalogue's, whatever the baseline"


def test_a_window_of_a_baseline_gives_what_the_same_requests_alone_would_give() -> None:
    before = made(often, 1_200)
    system, strata = declared(), strata_of(declared(), declared().components, before)
    whole = CaseMaker(system, strata, before, "whole")
    whole.case("agent->cf").numbers("cf.call")
    for risk, about in places_of(system):
        usual = risk.usual(whole.case(about))
        if not isinstance(usual, Lacking):
            alone = CaseMaker(system, strata, before[300:800], "whole")
            part = whole.part(300, 500)
            assert risk.assess(part.case(about), usual) == risk.assess(alone.case(about), usual)


def test_what_is_kept_between_assessments_changes_none_of_them() -> None:
    card, plan = planned(made(shop, 1_000))
    later = [*made(often, 300, first=1_000), *made(shop, 700, first=1_300)]
    memories, columns = (Memory(), Memory()), Kept()
    for index in range(1, 11):
        newest = later[: 100 * index]
        kept = look(card, plan, memories[0], newest, index, columns)
        assert kept == look(card, plan, memories[1], newest, index)
    assert columns.columns is not None
    anew = columns.moved_on("another baseline", plan.system, later)
    assert anew == Columns(later)


def test_only_requests_behind_the_baseline_are_looked_at() -> None:
    before = made(shop, 600)
    card, plan = planned(before)
    found = look(card, plan, Memory(), (*before, *made(often, 150, first=600)), 1)
    assert found.requests == 150
    (told,) = (a for a in found.assessments if a.name == NAME)
    assert (told.state, told.why, told.needs) == ("unknown", "needs n 200, has 150", 200)


def test_without_a_baseline_everything_is_unknown_but_what_must_never_happen() -> None:
    card, plan = planned(made(shop, 60))
    bare = replace(plan, references=None, risks={}, baseline="")
    found = look(card.model_copy(update={"baseline": None}), bare, Memory(), made(often, 300), 1)
    told = {a.why for a in found.assessments if a.risk not in ("IR-09", "IR-17")}
    assert told == {"no baseline: syscard baseline set"}
    assert {a.state for a in found.assessments if a.risk == "IR-09"} == {"not seen"}


def test_a_risk_that_fails_is_unknown_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    card, plan = planned(made(shop, 600))
    risk = next(r for r, about in plan.risk_places.values() if about == "agent->cf")

    def fails(case: Any, usual: Any) -> Reading:
        if case.about == "agent->cf":
            raise ZeroDivisionError
        return READING

    monkeypatch.setattr(type(risk), "assess", staticmethod(fails))
    found = {a.name: a for a in look(card, plan, Memory(), made(shop, 300, first=600), 1).assessments}
    assert found[NAME].why == "the monitor failed (ZeroDivisionError), see the log"
    assert found["IR-13 agent->vlm"].says == "it"


def test_the_memory_of_risks_survives_a_restart() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = made(often, 400, first=600), Memory()
    look(card, plan, memory, later[:300], 1)
    again = recall(json.loads(json.dumps(memory.body())))
    assert look(card, plan, again, later, 2) == look(card, plan, memory, later, 2)
    assert again.body() == memory.body()
    assert {f.key for f in between(again)} == {"agent->cf.IR-13", "agent.IR-24"}


def test_another_baseline_begins_anew() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = made(often, 400, first=600), Memory()
    look(card, plan, memory, later[:300], 1)
    look(card, replace(plan, baseline="c" * 64), memory, later, 2)
    assert not memory.risks[NAME].stands


def test_a_seen_risk_opens_an_incident_on_its_edge_with_the_mitigation_of_the_catalogue() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = made(often, 400, first=600), Memory()
    look(card, plan, memory, later[:300], 1)
    found = look(card, plan, memory, later, 2)
    begun = starting(plan, memory, found.findings)
    outcome = incidents.update(card, found.findings, begun, incidents.Firing(), graph(), AUTHOR)
    opened = with_drafts(card, outcome.drafts).incidents[1]
    assert opened.subject == "agent->cf"
    assert opened.severity == "page"
    assert opened.title == "IR-13 Retry and latency amplification"
    assert [f.risk for f in opened.findings] == ["IR-13"]
    assert opened.do_first.startswith("Set a budget for retries")
    assert any(isinstance(d.body, AddEvidence) and d.body.metric == "IR-13" for d in outcome.drafts)


def test_an_incident_waits_for_what_its_risk_has_become() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = made(often, 400, first=600), Memory()
    look(card, plan, memory, later[:300], 1)
    found = look(card, plan, memory, later, 2)
    begun = starting(plan, memory, found.findings)
    outcome = incidents.update(card, found.findings, begun, incidents.Firing(), graph(), AUTHOR)
    waiting = with_drafts(card, outcome.drafts)
    calm = made(shop, 900, first=1_000)
    looks = [look(waiting, plan, memory, calm[: 300 * (i + 1)], 3 + i).findings for i in range(3)]
    told = [{f.risk: f.state for f in found}["IR-13"] for found in looks]
    assert told == [State.BREACH, State.OK, State.OK]
    assert look(card, plan, memory, calm, 6).findings == ()


def test_edits_of_risks_tell_what_changed_and_only_that() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = made(shop, 900, first=600), Memory()
    window = window_of(4, later[:20])
    first = look(card, plan, memory, later[:300], 1)
    (draft,) = drafts(card, plan, memory, first, window)
    assert isinstance(draft.body, AssessRisks)
    assert draft.body.told == first.assessments
    assert {c.about for c in draft.body.calibrations if c.risk == "IR-13"} == {"agent->cf", "agent->vlm", "agent->llm"}
    known = with_drafts(card, [draft])
    assert known.assessed[NAME].state == "not seen"
    assert known.assessed[NAME].evidence == draft.digest
    assert known.assessed[NAME].calibration == assessing.calibration(plan, NAME)
    same = look(card, plan, memory, later[:400], 2)
    assert drafts(known, plan, memory, same, window) == ()
    later_window = window.model_copy(update={"end": window.end + timedelta(days=4)})
    (renewed,) = drafts(known, plan, memory, same, later_window)
    assert isinstance(renewed.body, AssessRisks)
    assert len(renewed.body.told) == len(same.assessments)
    assert renewed.body.calibrations == ()
    assert with_drafts(known, [renewed]).assessed[NAME].calibration == known.assessed[NAME].calibration


def test_counts_of_assessments_go_with_an_edit_that_is_written_anyway_and_else_when_they_have_doubled() -> None:
    card, plan = planned(made(shop, 600))
    later, memory = made(shop, 900, first=600), Memory()
    window, told = window_of(4, later[:20]), list[int]()
    for number in range(1, 45):
        found = look(card, plan, memory, later[: min(900, 300 + number)], number)
        for draft in drafts(card, plan, memory, found, window):
            card = with_drafts(card, [draft])
            told.append(memory.risks[NAME].looks)
            assert card.assessed[NAME].frequency == Frequency(
                seen=0, looks=memory.risks[NAME].looks, overlap=5, evidence=draft.digest
            )
    assert {1, 10, 20, 40} <= set(told)
    assert len(told) < 12


def test_what_is_seen_is_counted_and_what_has_no_verdict_is_not() -> None:
    now = Standing((True, True), 7)
    seen = counted(Standing(looks=3, seen=1), now, "seen")
    assert (seen.looks, seen.seen, seen.hits) == (4, 2, now.hits)
    assert counted(seen, now, "not seen") == replace(now, looks=5, seen=2)
    assert counted(seen, now, "unknown") == replace(now, looks=4, seen=2)
    assert read_standing(seen.body()) == seen
    assert read_standing([[True], 3, 4]) == Standing((True,), 3, 4)


def test_a_risk_that_is_no_longer_assessed_leaves_the_card() -> None:
    card, plan = planned(made(shop, 600))
    memory, window = Memory(), window_of(4, made(shop, 20))
    told = Assessment(risk="IR-13", about="agent->gone", state="unknown", why="needs gone.call")
    (draft,) = drafts(card, plan, memory, Assessing((told,)), window)
    known = with_drafts(card, [draft])
    (after_it,) = drafts(known, plan, memory, Assessing(()), window)
    assert known.assessed.keys() == {"IR-13 agent->gone"}
    assert with_drafts(known, [after_it]).assessed == {}


def test_every_implemented_risk_has_its_entry_in_the_catalogue() -> None:
    _, plan = planned(made(shop, 60))
    assert {risk.id for risk, _ in plan.risk_places.values()} <= catalogue().keys()


def test_a_catalogue_with_a_mistake_says_which() -> None:
    with pytest.raises(UsageError, match=r"mine.yaml: risks.0.id"):
        read_catalogue("risks: [{id: IR-1}]", "mine.yaml")
    with pytest.raises(UsageError, match=r"mine.yaml:1: not YAML"):
        read_catalogue("risks: [", "mine.yaml")
