from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syscard import edits as e
from syscard.errors import MissingExtra, MonitorError
from syscard.finding import Finding, State
from syscard_monitors import judge
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import gaps, signal_values
from syscard_monitors.claims import promise
from syscard_monitors.drift import Comparison
from syscard_monitors.memory import Memory, recall
from syscard_monitors.packs import Signal
from syscard_monitors.plan import Plan
from syscard_monitors.reference import Reference
from syscard_monitors.telling import Said, edits_of, preview, stale_drafts, starting, sums_of
from syscard_monitors.window import findings_of, window_of
from tests.unit.build import NOW, claim, declared, draft, opening
from tests.unit.monitors.build import (
    Asked,
    a_claim,
    card_of,
    facts,
    plan,
    reference,
    request,
    requests,
    signal,
    with_drafts,
)

YES = {"vlm.agrees": reference([1.0] * 90 + [0.0] * 10)}
BAD, GOOD = [0.0] * 20, [1.0] * 18 + [0.0] * 2


def look(
    the_plan: Plan, memory: Memory, values: Sequence[Any] | Sequence[Request], ask: Any = None
) -> tuple[Finding, ...]:
    """The findings of one window of requests, or of values of `vlm.agrees`."""
    found = [v if isinstance(v, Request) else None for v in values]
    window = tuple(r for r in found if r) or requests("vlm.agrees", values, first=memory.windows * len(values))
    memory.windows += 1
    index = memory.windows
    return findings_of(card_of(), the_plan, memory, window, window_of(index, window), ask or Asked())


def states(the_plan: Plan, memory: Memory, *windows: Sequence[Any], ask: Any = None) -> list[State]:
    """The state of the only signal, window by window."""
    return [look(the_plan, memory, values, ask)[0].state for values in windows]


def test_a_change_warns_once_and_is_a_breach_the_second_time() -> None:
    assert states(plan(signal(), references=YES), Memory(), GOOD, BAD, BAD, BAD, GOOD) == [
        "ok",
        "warn",
        "breach",
        "breach",
        "ok",
    ]


def test_a_change_without_evidence_only_warns() -> None:
    """Six of twenty where one in ten was usual: beyond the tolerance at once, but it may be chance for a while."""
    poor = [0.0] * 6 + [1.0] * 14
    usual = {"vlm.agrees": reference([1.0] * 1_800 + [0.0] * 200)}
    found = states(plan(signal(), references=usual), Memory(), *[poor] * 8)
    assert found[:2] == ["warn"] * 2
    assert found[-1] == "breach"


def test_evidently_gives_a_second_opinion_that_decides_nothing() -> None:
    the_plan, memory = plan(signal(), references=YES), Memory()
    look(the_plan, memory, BAD, Asked(0.5))
    (found,) = look(the_plan, memory, BAD, Asked(0.5))
    assert (found.state, found.method, found.p_value) == (State.BREACH, "e-detector", 0.5)
    assert found.one_in is not None
    assert found.one_in_needed is not None
    assert found.one_in > found.one_in_needed > 1_000


def test_evidence_is_asked_for_once_over_the_windows_of_the_streak_together() -> None:
    ask = Asked()
    states(plan(signal(), references=YES), Memory(), GOOD, [0.0] * 20, [0.0] * 19 + [1.0], BAD, BAD, ask=ask)
    (asked,) = ask.comparisons
    assert len(asked.current) == 40
    assert sum(map(float, asked.current)) == 1
    assert asked.reference == YES["vlm.agrees"].values


def test_only_the_newest_windows_of_a_long_streak_are_pooled() -> None:
    before = {"vlm.agrees": reference([0.0] * 90 + [1.0] * 9)}
    the_plan = plan(signal("rate", persist=3, direction="up"), references=before)
    memory, some = Memory(), [1.0] * 5 + [0.0] * 15
    assert [look(the_plan, memory, some)[0].n for _ in range(4)] == [20, 20, 60, 60]
    assert len(memory.pending["vlm.agrees"]) == 40


def test_a_signal_that_needs_no_second_look_is_judged_by_the_requests_of_one() -> None:
    """Else each look would be tested twice: alone, or with the one before where that was beyond the tolerance, too."""
    before = {"vlm.agrees": reference([0.0] * 90 + [1.0] * 9)}
    the_plan, memory, some = plan(signal("rate", persist=1), references=before), Memory(), [1.0] * 5 + [0.0] * 15
    assert [(f.state, f.n) for f in (look(the_plan, memory, some)[0] for _ in range(3))] == [("warn", 20)] * 3


def test_a_good_window_empties_what_was_pooled() -> None:
    memory = Memory()
    states(plan(signal(), references=YES), memory, BAD, GOOD)
    assert memory.pending == {}


def test_the_pooled_p_of_our_own_tests_is_of_the_streak_too() -> None:
    memory, none = Memory(), {"vlm.agrees": reference([0.0] * 100)}
    the_plan = plan(signal("rate", direction="up"), references=none)
    values = [1.0] * 6 + [0.0] * 14
    first, second = look(the_plan, memory, values)[0], look(the_plan, memory, values)[0]
    assert (first.state, first.p_value, second.n) == (State.WARN, None, 40)
    assert second.p_value is not None


def test_an_optional_signal_that_no_span_carries_is_left_out_and_another_is_unknown() -> None:
    signals = [signal(name=n, expr=f"vlm.{n}", optional=o) for n, o in (("a", True), ("b", False))]
    found = look(plan(*signals, references={}), Memory(), GOOD)
    assert [(f.key, f.state) for f in found] == [("vlm.b", State.UNKNOWN)]


def test_an_optional_signal_that_fails_is_not_left_out() -> None:
    broken = signal(expr="vlm.agrees +", optional=True)
    assert look(plan(broken, references=YES), Memory(), GOOD)[0].state is State.ERROR


def test_without_a_baseline_everything_is_unknown() -> None:
    assert states(plan(signal(), references=None), Memory(), BAD, BAD) == ["unknown"] * 2


@pytest.mark.parametrize("kind", ["share", "rate", "number", "ratio", "latency"])
@pytest.mark.parametrize("odd", ["yes", float("inf")])
def test_a_span_that_says_what_is_no_number_makes_an_error_never_ok(kind: str, odd: Any) -> None:
    found = look(plan(signal(kind), references=YES), Memory(), [odd, *GOOD[1:]])
    assert found[0].state is State.ERROR
    assert found[0].why


def test_an_expression_that_cannot_be_computed_is_an_error_never_ok() -> None:
    found = look(plan(signal(expr="vlm.agrees = 'text'"), references=YES), Memory(), GOOD)
    assert (found[0].state, found[0].value) == (State.ERROR, None)


@pytest.mark.parametrize("error", [MonitorError("the drift worker died"), MissingExtra("server", "drift")])
def test_a_breach_stands_also_where_evidently_could_not_be_asked(error: Exception) -> None:
    def fail(_comparisons: Sequence[Comparison]) -> dict[str, float]:
        raise error

    assert states(plan(signal(), references=YES), Memory(), BAD, BAD, ask=fail) == ["warn", "breach"]


def test_a_signal_that_is_set_aside_is_an_error_with_its_reason_and_the_others_go_on() -> None:
    told: list[str] = []
    two = plan(signal(name="bad"), signal(), references={**YES, "vlm.bad": YES["vlm.agrees"]})
    aside = {"vlm.bad": "its monitor was stopped: no progress for 120 s"}
    the_plan = replace(two, aside=aside, at=lambda step: told.append(step.signal))
    bad, good = look(the_plan, Memory(), GOOD)
    assert (bad.key, bad.state, bad.why) == ("vlm.bad", State.ERROR, aside["vlm.bad"])
    assert good.state is State.OK
    assert {*told} == {"vlm.agrees"}, "what is set aside is not even begun"


def test_a_claim_that_is_set_aside_is_not_computed_and_says_why() -> None:
    system = declared(claims=[claim("grounded"), claim("agrees", about="vlm", metric="share(vlm.agrees)")])
    the_plan = replace(plan(system=system), aside={"agrees": "its monitor was stopped: exit 1"})
    sums, errors = sums_of(the_plan, requests("vlm.agrees", GOOD))
    assert errors == {"agrees": "its monitor was stopped: exit 1"}
    assert len(sums) == 1


def test_a_monitor_that_crashes_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = judge.measure

    def crash(of: Signal, *rest: Any) -> Any:
        if of.name == "bad":
            raise ZeroDivisionError
        return measure(of, *rest)

    monkeypatch.setattr(judge, "measure", crash)
    found = look(plan(signal(name="bad"), signal(), references={**YES, "vlm.bad": YES["vlm.agrees"]}), Memory(), GOOD)
    assert {f.key: f.state for f in found} == {"vlm.bad": State.ERROR, "vlm.agrees": State.OK}
    assert found[0].why == "the monitor failed (ZeroDivisionError), see the log"


def test_one_signal_s_error_does_not_take_the_others_with_it() -> None:
    found = look(plan(signal(name="bad", expr="("), signal(), references=YES), Memory(), GOOD)
    assert {f.key: f.state for f in found} == {"vlm.bad": State.ERROR, "vlm.agrees": State.OK}


def test_a_monitor_that_fails_while_a_breach_stands_does_not_begin_it_again() -> None:
    the_plan, memory = plan(signal(), references=YES), Memory()
    states(the_plan, memory, BAD, BAD)
    failed = look(the_plan, memory, ["odd"] * 20)
    assert failed[0].state is State.ERROR
    assert starting(the_plan, memory, failed) == {}
    again = look(the_plan, memory, BAD)
    assert again[0].state is State.BREACH
    assert starting(the_plan, memory, again) == {}


def test_a_streak_knows_when_it_began() -> None:
    the_plan, memory = plan(signal(), references=YES), Memory()
    look(the_plan, memory, GOOD)
    first = look(the_plan, memory, BAD)
    assert starting(the_plan, memory, first) == {}
    second = look(the_plan, memory, BAD)
    assert starting(the_plan, memory, second) == {"vlm.agrees": first[0].window.start}
    assert starting(the_plan, memory, look(the_plan, memory, BAD)) == {}, "it starts once"


def anew(the_plan: Plan, key: str, values: Sequence[Any]) -> Plan:
    """The plan after a human has set another baseline."""
    return replace(the_plan, references={key: reference(values)}, baseline="another")


def test_what_lay_beyond_the_tolerance_of_another_baseline_is_not_learnt_as_usual_in_this_one() -> None:
    """Its cells are others: the last of eight categories is no cell of two."""
    old = plan(signal("category"), references={"vlm.agrees": reference([*"abcdefgh"] * 20)})
    memory, new = Memory(), anew(old, "vlm.agrees", [*"yz"] * 50)
    assert states(old, memory, ["other"] * 20) == ["warn"]
    assert states(new, memory, [*"yz"] * 10) == ["ok"]
    assert memory.detectors["vlm.agrees"].counts == {"": (60, 60, 0)}


def test_neither_evidence_nor_persistence_is_of_a_window_that_another_baseline_judged() -> None:
    old = plan(signal("rate", direction="up"), references={"vlm.agrees": reference([0.0] * 100)})
    memory, new = Memory(), anew(old, "vlm.agrees", [1.0] + [0.0] * 1_000)
    assert states(old, memory, [1.0] * 20) == ["warn"]
    first, second = look(new, memory, [1.0] * 20)[0], look(new, memory, [1.0] * 20)[0]
    assert [(f.state, f.n) for f in (first, second)] == [("warn", 20), ("breach", 40)]


def test_a_breach_stands_until_a_window_is_well_within_the_tolerance_of_the_new_baseline() -> None:
    old = plan(signal(), references=YES)
    memory, new = Memory(), anew(old, "vlm.agrees", [1.0] * 180 + [0.0] * 20)
    assert states(old, memory, BAD, BAD) == ["warn", "breach"]
    assert states(new, memory, BAD, GOOD) == ["breach", "ok"]


def test_values_of_the_last_thirty_windows_are_remembered() -> None:
    memory = Memory()
    states(plan(signal(), references=YES), memory, *[GOOD] * 31, [1.0] * 20)
    assert memory.history["vlm.agrees"] == [0.9] * 29 + [1.0]


def test_memory_is_the_same_after_going_through_json() -> None:
    memory = Memory(violating={"grounded": {"all": 1}}, quiet={3: 2})
    states(plan(signal(), references=YES), memory, GOOD, BAD)
    memory.frontier = request(7).place
    assert recall(json.loads(json.dumps(memory.body()))) == memory
    assert recall({}) == Memory()


def test_a_look_that_was_interrupted_goes_on_as_if_it_had_not_been() -> None:
    the_plan, whole, parts = plan(signal(), references=YES), Memory(), Memory()
    windows = [GOOD, BAD, BAD, GOOD]
    expected = [look(the_plan, whole, w) for w in windows]
    for values, wanted in zip(windows, expected, strict=True):
        parts = recall(parts.body())
        assert look(the_plan, parts, values) == wanted
    assert parts == whole


def test_volume_is_measured_by_the_minutes_between_requests() -> None:
    window = [request(i) for i in range(4)]
    assert gaps(window, None) == [0, 0.05, 0.05, 0.05]
    assert gaps(window, window[0].end_us - 60_000_000)[0] == 1
    assert signal_values(signal("volume"), window, None) == gaps(window, None)


def test_categories_are_compared_as_text() -> None:
    assert signal_values(signal("category"), requests("vlm.agrees", [1, None, "a"]), None) == ["1", None, "a"]


def ghostly(number: int) -> Request:
    return request(number, {}, [facts("s", "ghost"), facts("t", "step:chain")])


def test_a_component_that_nobody_declared_is_a_finding_from_five_requests_on() -> None:
    four = look(plan(references={}), Memory(), [ghostly(i) for i in range(4)])
    five = look(plan(references={}), Memory(), [ghostly(i) for i in range(5)])
    assert four == ()
    assert [(f.key, f.state, f.value, f.severity) for f in five] == [("ghost.undeclared", State.BREACH, 5.0, "ticket")]


def test_what_nobody_declared_must_be_seen_in_two_windows_running() -> None:
    the_plan, memory, ghosts = plan(references={}), Memory(), [ghostly(i) for i in range(5)]
    begun = [starting(the_plan, memory, look(the_plan, memory, w)) for w in (ghosts, [request(0)], ghosts, ghosts)]
    assert [list(b) for b in begun] == [[], [], [], ["ghost.undeclared"]]


def test_names_that_are_seen_no_more_are_forgotten() -> None:
    the_plan, memory = plan(references={}), Memory()
    look(the_plan, memory, [ghostly(i) for i in range(5)])
    assert "ghost.undeclared" in memory.history
    look(the_plan, memory, [request(0)])
    assert not any("ghost" in key for key in (*memory.history, *memory.streaks))


def written(of: tuple[e.Draft, ...], kind: type[e.Body]) -> list[Any]:
    return [d.body for d in of if isinstance(d.body, kind)]


def grounded(n: int, good: float) -> list[Request]:
    return [request(i, {"llm.grounded": i < n * good}) for i in range(n)]


def edits_for(
    memory: Memory, window: Sequence[Request], signals: Sequence[Signal] = (), references: Any = None
) -> Said:
    the_plan = plan(*signals, references=references)
    card = card_of()
    sums, errors = sums_of(the_plan, window)
    at = window_of(0, window)
    findings = findings_of(card, the_plan, memory, window, at, Asked())
    return edits_of(card, the_plan, memory, window, at, findings, [(window[-1].end_us, sums)], errors)


def test_a_window_writes_the_status_of_a_claim_with_its_evidence() -> None:
    said = edits_for(Memory(), grounded(200, 1.0))
    (edit,) = written(said.drafts, e.SetClaim)
    assert edit.slices[0].status == "holds"
    assert said.after.evidence[edit.slices[0].evidence].figure.value == 1.0
    assert said.after.claims["grounded"].status == "holds"


def test_the_card_that_edits_lead_to_is_the_fold_of_them() -> None:
    said = edits_for(Memory(), [ghostly(i) for i in range(20)])
    assert said.after == preview(card_of(), said.drafts)
    assert {"ghost"} < said.after.components.keys()


def test_the_same_window_writes_the_same_edits() -> None:
    window = grounded(200, 0.5)
    assert edits_for(Memory(), window) == edits_for(Memory(), window)


def test_a_claim_that_stands_as_it_did_is_written_again_only_when_its_evidence_is_half_expired() -> None:
    memory, the_plan, window = Memory(), plan(references={}), grounded(200, 1.0)
    sums = [(window[-1].end_us, sums_of(the_plan, window)[0])]
    at = window_of(0, window)
    card = edits_of(card_of(), the_plan, memory, window, at, (), sums, {}).after
    later = {h: at.model_copy(update={"end": at.end + timedelta(hours=h)}) for h in (11, 13)}
    kept = [(window[-1].end_us + 13 * 3_600_000_000, sums[0][1])]
    again = {h: edits_of(card, the_plan, memory, window, w, (), kept, {}).drafts for h, w in later.items()}
    assert [bool(written(d, e.SetClaim)) for d in again.values()] == [False, True]


@pytest.mark.parametrize(("n", "again"), [(19, False), (20, True)])
def test_a_claim_without_enough_requests_says_anew_what_it_has_when_that_is_twice_as_much(n: int, again: bool) -> None:
    """Else the card would name the few requests of the first window for ever."""
    memory, the_plan = Memory(), plan(references={})
    card = edits_for(memory, grounded(10, 1.0)).after
    assert (card.claims["grounded"].status, card.claims["grounded"].overall.n) == ("unknown", 10)
    window = grounded(n, 1.0)
    sums = [(window[-1].end_us, sums_of(the_plan, window)[0])]
    said = edits_of(card, the_plan, memory, window, window_of(1, window), (), sums, {})
    assert bool(written(said.drafts, e.SetClaim)) is again


def test_evidence_that_is_too_old_makes_a_claim_stale_once() -> None:
    card = edits_for(Memory(), grounded(200, 1.0)).after
    system = declared()
    assessed = card.claims["grounded"].assessed
    assert assessed is not None
    assert stale_drafts(card, system, assessed + timedelta(days=1)) == []
    drafts = stale_drafts(card, system, assessed + timedelta(days=1, seconds=1))
    after = preview(card, drafts)
    assert after.claims["grounded"].status == "stale"
    assert stale_drafts(after, system, assessed + timedelta(days=2)) == []


def test_a_claim_that_cannot_be_computed_is_an_error_beside_the_others() -> None:
    system = declared(claims=[claim("good"), claim("bad", metric="share(llm.grounded +)")])
    sums, errors = sums_of(plan(system=system), grounded(20, 1.0))
    assert ([key.partition("@")[0] for key in sums], list(errors)) == (["good"], ["bad"])


def test_a_risk_gathers_a_claim_that_broke_while_an_incident_was_firing() -> None:
    memory = Memory(violating={promise(declared().claims[0]): {"all": 1}})
    body = [request(i, {"llm.grounded": i % 2 == 0, "vlm.agrees": 0.0}) for i in range(200)]
    look(plan(signal(), references=YES), memory, body)
    said = edits_for(memory, body, [signal()], YES)
    assert said.after.claims["grounded"].status == "broken"
    (seen,) = written(said.drafts, e.RiskSeen)
    assert (seen.risk, seen.incident) == ("R-1", 1)
    assert said.after.risks["R-1"].says == ("claim grounded broke while INC-1 (vlm) was open",)


def test_a_window_leaves_every_part_with_a_state_and_a_reason() -> None:
    memory = Memory()
    window = [request(i, {"vlm.agrees": 0.0, "vlm.call": 1, "agent.call": 1}) for i in range(20)]
    references: dict[str, Reference] = YES
    look(plan(signal(), references=references), memory, window)
    after = edits_for(memory, window, [signal()], references).after
    assert {r: (p.state, p.why) for r, p in after.parts.items()} == {
        "vlm": ("broken", "agrees 0.90 -> 0.00"),
        "agent": ("unknown", "nothing watches it"),
        "cf": ("unknown", "no request reaches it"),
        "llm": ("unknown", "no request reaches it"),
        "cf->vlm": ("unknown", "no request reaches it"),
        "vlm->llm": ("unknown", "no request reaches it"),
        "llm->agent": ("unknown", "no request reaches it"),
    }


def test_a_claim_that_cannot_be_computed_now_is_unknown_and_its_count_starts_again() -> None:
    the_plan, window = plan(references={}), grounded(200, 0.0)
    memory = Memory(violating={promise(declared().claims[0]): {"all": 1}})
    said = edits_of(card_of(), the_plan, memory, window, window_of(0, window), (), [], {"grounded": "it broke"})
    (only,) = said.claims["grounded"]
    assert (only.status, only.why) == ("unknown", "cannot be computed: it broke")
    assert memory.violating == {}


@pytest.mark.parametrize(("n", "good", "again"), [(220, 1.0, False), (400, 1.0, True), (220, 0.97, True)])
def test_a_figure_that_no_longer_says_what_is_so_is_written_again(n: int, good: float, again: bool) -> None:
    card = edits_for(Memory(), grounded(200, 1.0)).after
    the_plan, window = plan(references={}), grounded(n, good)
    sums = [(window[-1].end_us, sums_of(the_plan, window)[0])]
    said = edits_of(card, the_plan, Memory(), window, window_of(1, window), (), sums, {})
    assert said.after.claims["grounded"].status == "holds"
    assert bool(written(said.drafts, e.SetClaim)) is again


def test_incidents_that_are_open_when_the_baseline_changes_are_remembered() -> None:
    def under(baseline: str) -> e.SetBaseline:
        at = {"name": baseline, "start": NOW, "end": NOW, "requests": 200, "approved_by": "mara"}
        return e.SetBaseline(**at, data_digest=baseline, agreement_p=None, watched=(), too_constant=())

    memory, the_plan, window = Memory(), plan(references={}), grounded(20, 1.0)
    for baseline, remembered in (("a", []), ("a", []), ("b", [1])):
        card = with_drafts(card_of(), [draft(under(baseline)), draft(opening(1))])
        edits_of(card, the_plan, memory, window, window_of(0, window), (), [], {})
        assert memory.rebaselined == remembered


FAIR = a_claim(metric="disparity(accepted)", expect="<= 1.25", by=["age_band"])


def feedback_of(band: str, accepted: Sequence[bool]) -> list[Request]:
    """What came of requests of one band, as `assemble` gives it."""
    return [request(i, {"accepted": a, "segment.age_band": band}) for i, a in enumerate(accepted)]


def test_a_claim_that_no_request_answers_is_asked_of_the_feedback_that_came_meanwhile() -> None:
    system = plan(signal()).system.model_copy(update={"claims": (FAIR,)})
    asked = requests("vlm.agrees", [1.0] * 3)
    sums, errors = sums_of(
        plan(system=system), asked, [*feedback_of("19-24", [True, False]), *feedback_of("65+", [True])]
    )
    assert errors == {}
    assert {name: body["n"] for name, body in sums[promise(FAIR)].items()} == {
        "all": 3,
        "age_band=19-24": 2,
        "age_band=65+": 1,
    }
    assert sums_of(plan(system=system), asked, ())[0] == {promise(FAIR): {}}


def test_a_claim_that_requests_answer_is_not_asked_of_feedback() -> None:
    agrees = a_claim(metric="share(accepted)")
    system = plan(signal()).system.model_copy(update={"claims": (agrees,)})
    sums, _ = sums_of(plan(system=system), requests("accepted", [True] * 4), feedback_of("19-24", [False, False]))
    assert (sums[promise(agrees)]["all"]["n"], sums[promise(agrees)]["all"]["hits"]) == (4, 4)


def test_of_a_fallback_silence_means_that_there_was_none() -> None:
    """Calls say so only where there was one: else the baseline of a fallback would be all fallbacks, or empty."""
    window = [request(i, {"llm.call": 1, "llm.fallback": True if i == 0 else None}) for i in range(3)]
    watched = signal("rate", about="llm", name="fallback", expr="llm.fallback", direction="up", optional=True)
    assert signal_values(watched, [*window, request(3)], None) == [1.0, 0.0, 0.0, None]
    assert signal_values(watched, [request(0)], None) is None
    none = {"llm.fallback": reference([0.0] * 200)}
    bad = [request(i, {"llm.call": 1, "llm.fallback": True}) for i in range(20)]
    the_plan, memory = plan(watched, references=none), Memory()
    assert [look(the_plan, memory, bad)[0].state for _ in range(2)] == ["warn", "breach"]
