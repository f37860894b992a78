"""How incidents come back, hold, inhibit, stay bounded and get worse: windows of findings into edits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.attribution import Attribution
from syscard.card import SEVERITIES
from syscard.edits import ExtendIncident, MoveIncident, OpenIncident, ReopenIncident
from syscard.finding import Finding, State
from syscard.incident_edits import (
    AttributeIncident,
    EndSilence,
    GroupReached,
    HoldIncident,
    Impact,
    ImpactIncident,
    Matcher,
    SetSeverity,
)
from syscard.incident_keys import overflow_fingerprint
from syscard_monitors.incidents import Firing
from syscard_monitors.memory import Memory, recall
from syscard_monitors.placing import MOST_A_DAY, MOST_LISTED, MOST_OPEN
from syscard_monitors.reach import OTHERS, Reached, Served, reached_of
from syscard_monitors.settling import HELD_AFTER, RESOLVE_AFTER
from syscard_monitors.telling import released_drafts
from tests.unit.build import declared, silence
from tests.unit.monitors.build import finding, request, window
from tests.unit.monitors.incident_watch import Watch, ok

WEEK = 7 * 24 * 60
MINUTE = timedelta(minutes=1)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def calm(watch: Watch, windows: int = RESOLVE_AFTER, *others: Finding) -> None:
    for _ in range(windows):
        watch.window(ok("vlm"), *others, begun=[])


# --- coming back -----------------------------------------------------------------------------------------------------


def test_what_breaks_again_within_a_week_keeps_its_number(watch: Watch) -> None:
    watch.window(finding("vlm", severity="page"))
    calm(watch)
    assert watch.only.state == "resolved"
    (edit,) = watch.window(finding("vlm", value=0.2))
    assert isinstance(edit, ReopenIncident)
    assert (watch.only.state, watch.only.severity, watch.only.findings[0].value) == ("open", "page", 0.2)
    assert [event.what for event in watch.only.events] == ["opened", "resolved", "reopened: the same broke again"]


@pytest.mark.parametrize(("minutes", "number"), [(WEEK - 10, 1), (WEEK + 10, 2)])
def test_after_a_week_it_is_another_incident(watch: Watch, minutes: int, number: int) -> None:
    watch.window(finding("vlm"))
    calm(watch)
    watch.index += minutes
    watch.window(finding("vlm"))
    assert max(watch.numbers) == number


def test_it_comes_back_whichever_version_figure_or_severity_it_has(watch: Watch) -> None:
    watch.window(finding("vlm", label="agrees", tolerance=0.1))
    calm(watch)
    watch.window(finding("vlm", label="agrees, as v2 has it", tolerance=0.3, severity="page"))
    assert watch.numbers == {1: "open"}


@pytest.mark.parametrize("state", ["false_positive", "reviewed", "merged"])
def test_what_people_have_closed_for_good_does_not_come_back_by_itself(watch: Watch, state: str) -> None:
    watch.window(finding("vlm"))
    calm(watch)
    watch.people(MoveIncident.model_validate({"number": 1, "state": state}))
    watch.window(finding("vlm"))
    assert watch.numbers == {1: state, 2: "open"}


def test_what_is_joined_by_others_when_it_comes_back_has_them_too(watch: Watch) -> None:
    watch.window(finding("vlm"))
    calm(watch)
    watch.window(finding("vlm"), finding("llm"))
    assert [f.key for f in watch.only.findings] == ["vlm.agrees", "llm.agrees"]
    assert watch.only.inherited_by == ("llm",)


# --- flapping --------------------------------------------------------------------------------------------------------


def test_what_comes_and_goes_too_often_is_held_open_until_it_was_calm_for_long(watch: Watch) -> None:
    watch.window(finding("vlm", severity="page"))
    calm(watch)
    watch.window(finding("vlm"))
    calm(watch)
    assert any(isinstance(edit, HoldIncident) for edit in watch.written)
    assert (watch.only.state, watch.only.flapping, watch.only.severity) == ("open", True, "page")
    calm(watch, HELD_AFTER - RESOLVE_AFTER - 1)
    assert watch.only.state == "open"
    calm(watch, 1)
    assert (watch.only.state, watch.only.flapping) == ("resolved", False)


def test_what_comes_and_goes_slowly_is_not_held(watch: Watch) -> None:
    for _ in range(4):
        watch.window(finding("vlm"))
        calm(watch)
        watch.index += 60
    assert (watch.only.state, watch.only.flapping) == ("resolved", False)


def test_what_people_closed_again_and_again_is_held_when_it_comes_back(watch: Watch) -> None:
    for _ in range(2):
        watch.window(finding("vlm"))
        watch.people(MoveIncident(number=1, state="resolved", resolution="fixed"))
        watch.window(ok("vlm"))
    edits = watch.window(finding("vlm"))
    assert [type(edit) for edit in edits] == [ReopenIncident, HoldIncident]


def test_however_it_flaps_there_are_few_edits(watch: Watch) -> None:
    written = 0
    for turn in range(240):
        written += len(watch.window(ok("vlm") if turn % 4 else finding("vlm")))
    assert watch.numbers == {1: "open"}
    assert written < 10


# --- inhibition ------------------------------------------------------------------------------------------------------


def test_what_lies_below_an_incident_that_pages_joins_it_until_that_is_over(watch: Watch) -> None:
    watch.window(finding("vlm", severity="page"))
    watch.window(ok("vlm"), ok("llm"))
    (edit,) = watch.window(ok("vlm"), finding("llm"))
    assert isinstance(edit, ExtendIncident)
    assert (watch.only.inherited_by, [f.key for f in watch.only.findings]) == (("llm",), ["vlm.agrees", "llm.agrees"])


def test_what_lies_above_an_incident_that_pages_is_not_inhibited(watch: Watch) -> None:
    watch.window(finding("llm", severity="page"))
    watch.window(ok("llm"), ok("vlm"))
    watch.window(ok("llm"), finding("vlm"))
    assert {n: i.subject for n, i in watch.card.incidents.items()} == {1: "llm", 2: "vlm"}


def test_what_a_rollout_changes_in_its_component_stays_with_the_rollout() -> None:
    watch = Watch(declared(interactions={}))
    watch.window(finding("llm", signal="IR-14", kind="risk"), finding("vlm"))
    watch.window(
        ok("llm", "IR-14"), finding("llm", signal="words"), finding("vlm", signal="words"), begun=["llm.words"]
    )
    subjects = {i.subject: [f.key for f in i.findings] for i in watch.card.incidents.values()}
    assert subjects == {"llm": ["llm.IR-14", "llm.words"], "vlm": ["vlm.agrees"]}


@given(st.lists(st.tuples(st.sampled_from(("cf", "vlm", "llm", "agent")), st.sampled_from(SEVERITIES)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_severity_is_the_worst_that_was_ever_found_whatever_joins(found: list[tuple[str, str]]) -> None:
    """Never lowered by what joins, by what inhibits, by going quiet or by coming back."""
    watch = Watch()
    worst: dict[int, int] = {}
    for turn, (about, severity) in enumerate(found):
        watch.window(finding(about, severity=severity), ok("vlm") if about != "vlm" else ok("cf"))
        if turn % 5 == 4:
            calm(watch, RESOLVE_AFTER, ok("cf"), ok("llm"), ok("agent"))
        now = {n: SEVERITIES.index(i.severity) for n, i in watch.card.incidents.items()}
        assert all(now[n] <= rank for n, rank in worst.items())
        worst = now
    ranks = [SEVERITIES.index(severity) for _, severity in found if severity != "note"]
    assert min(worst.values(), default=9) == min(ranks, default=9)


# --- getting worse ---------------------------------------------------------------------------------------------------


def test_a_breach_that_stands_and_gets_worse_raises_the_severity_once(watch: Watch) -> None:
    watch.window(finding("vlm"))
    (edit,) = watch.window(finding("vlm", severity="page"), begun=[])
    assert edit == ExtendIncident(number=1, findings=(), severity="page")
    assert watch.window(finding("vlm", severity="page"), begun=[]) == []
    assert watch.window(finding("vlm"), begun=[]) == []
    assert (watch.only.severity, len(watch.only.findings)) == ("page", 1)


def test_a_breach_that_gets_worse_raises_what_a_human_may_not_go_below(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.people(SetSeverity(number=1, severity="page", text_sha256="a" * 64))
    watch.window(finding("vlm", severity="page"), begun=[])
    assert (watch.only.severity, watch.only.least_severity) == ("page", "page")
    assert watch.window(finding("vlm", severity="page"), begun=[]) == []


def test_who_acknowledged_it_does_not_keep_it_from_getting_worse(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.people(MoveIncident(number=1, state="acknowledged"))
    watch.window(finding("vlm", severity="page"), begun=[])
    assert (watch.only.state, watch.only.severity) == ("acknowledged", "page")


# --- silences --------------------------------------------------------------------------------------------------------


def quiet_for(watch: Watch, minutes: float, **said: str) -> None:
    matcher = Matcher(**said) if said else Matcher(about="vlm")
    watch.people(
        silence(hours=minutes / 60, minute=watch.index, matcher=matcher, maintenance=True),
    )


def test_what_breaks_under_a_silence_is_recorded_and_calls_nobody(watch: Watch) -> None:
    quiet_for(watch, 60)
    watch.window(finding("vlm", severity="page"))
    assert (watch.only.state, watch.only.silence, watch.only.severity) == ("suppressed", "S-1", "page")
    watch.window(finding("vlm"), finding("vlm", signal="words"), begun=["vlm.words"])
    assert [f.key for f in watch.only.findings] == ["vlm.agrees", "vlm.words"]
    assert watch.card.open_incidents == ()


def test_what_still_fires_when_the_silence_ends_is_open_then(watch: Watch) -> None:
    quiet_for(watch, 3)
    watch.window(finding("vlm"))
    watch.window(finding("vlm"), begun=[])
    assert watch.only.state == "suppressed"
    (edit,) = watch.window(finding("vlm"), begun=[])
    assert isinstance(edit, MoveIncident)
    assert (watch.only.state, edit.why) == (
        "open",
        "the silence ended, or does not cover all of it, and it still fires",
    )


@pytest.mark.parametrize(("runs", "minutes", "released"), [(0, 4, 1), (1, 4, 0), (0, 2, 0)])
def test_without_a_window_what_still_fired_is_open_by_the_clock(
    watch: Watch, runs: int, minutes: int, released: int
) -> None:
    quiet_for(watch, 3)
    watch.window(finding("vlm"))
    drafts = released_drafts(watch.card, {1: runs}, watch.card.silences["S-1"].declared.start + minutes * MINUTE)
    assert [(d.body.kind, getattr(d.body, "state", "")) for d in drafts] == [("incident.state", "open")] * released


def test_a_silence_does_not_begin_without_a_window(watch: Watch) -> None:
    watch.window(finding("vlm"))
    quiet_for(watch, 3)
    assert released_drafts(watch.card, {1: 0}, watch.card.silences["S-1"].declared.start + MINUTE) == []


def test_what_was_calm_under_its_silence_is_resolved_and_never_calls(watch: Watch) -> None:
    quiet_for(watch, 60)
    watch.window(finding("vlm"))
    calm(watch)
    assert (watch.only.state, watch.only.silence, watch.only.resolution) == ("resolved", None, "self_cleared")


def test_a_silence_that_is_ended_by_hand_lets_it_call_at_the_next_window(watch: Watch) -> None:
    quiet_for(watch, 60)
    watch.window(finding("vlm"))
    watch.people(EndSilence(id="S-1"))
    watch.window(finding("vlm"), begun=[])
    assert watch.only.state == "open"


def test_what_joins_and_is_not_silenced_lets_it_call(watch: Watch) -> None:
    quiet_for(watch, 60)
    watch.window(finding("vlm"))
    watch.window(finding("vlm"), finding("cf", severity="page"), begun=["cf.agrees"])
    assert (watch.only.state, watch.only.severity) == ("open", "page")


def test_maintenance_of_the_system_that_was_declared_ahead_takes_what_is_open_by_then(watch: Watch) -> None:
    watch.people(silence(minute=3, matcher=Matcher(), maintenance=True))
    watch.window(finding("vlm"))
    watch.window(finding("vlm"), begun=[])
    assert watch.only.state == "open"
    watch.window(finding("vlm"), begun=[])
    assert (watch.only.state, watch.only.silence) == ("suppressed", "S-1")


def test_what_comes_back_under_a_silence_is_suppressed(watch: Watch) -> None:
    watch.window(finding("vlm"))
    calm(watch)
    quiet_for(watch, 60)
    watch.window(finding("vlm"))
    assert (watch.numbers, watch.only.silence) == ({1: "suppressed"}, "S-1")


def test_an_accepted_risk_takes_what_breaks_again_and_is_open_when_the_acceptance_runs_out(watch: Watch) -> None:
    watch.window(finding("vlm"))
    until = window(watch.index + 6).start
    watch.people(MoveIncident(number=1, state="accepted_risk", until=until, approver="lead"))
    calm(watch)
    watch.window(finding("vlm"))
    assert watch.numbers == {1: "accepted_risk"}
    watch.window(finding("vlm"), begun=[])
    watch.window(finding("vlm"), begun=[])
    assert (watch.only.state, watch.only.accepted_by) == ("open", None)


def test_an_accepted_risk_that_is_calm_is_resolved_when_the_acceptance_runs_out(watch: Watch) -> None:
    watch.window(finding("vlm"))
    until = window(watch.index + 5).start
    watch.people(MoveIncident(number=1, state="accepted_risk", until=until, approver="lead"))
    calm(watch, 4)
    assert watch.numbers == {1: "accepted_risk"}
    calm(watch, 1)
    assert watch.numbers == {1: "resolved"}


# --- how far it reaches ----------------------------------------------------------------------------------------------


def served(n: int = 20, group: str = "18-24", part: str = "vlm") -> Served:
    values = {f"{part}.call": 1.0, "segment.age_band": group}
    return Served(tuple(request(i, values) for i in range(n)), ("age_band",))


def test_an_incident_says_how_many_requests_of_whom_it_reaches(watch: Watch) -> None:
    watch.window(finding("vlm", n=12), served=served())
    groups = (GroupReached(segment="age_band", group="18-24", requests=20),)
    assert watch.only.impact == Impact(requests=12, of=20, groups=groups)


def test_it_is_written_again_only_when_it_has_doubled_and_when_it_is_over(watch: Watch) -> None:
    watch.window(finding("vlm"), served=served())
    written = [watch.window(finding("vlm"), begun=[], served=served()) for _ in range(7)]
    assert [len(edits) for edits in written] == [1, 0, 1, 0, 0, 0, 1]
    watch.window(finding("vlm"), begun=[], served=served(group="25-34"))
    for _ in range(RESOLVE_AFTER):
        edits = watch.window(ok("vlm"), served=served())
    assert [type(edit) for edit in edits] == [ImpactIncident, MoveIncident]
    groups = {g.group: g.requests for g in watch.only.impact.groups} if watch.only.impact else {}
    assert watch.only.impact
    assert (watch.only.impact.requests, watch.only.impact.of, groups) == (180, 240, {"18-24": 160, "25-34": 20})


def test_what_does_not_fire_reaches_nobody_more(watch: Watch) -> None:
    watch.window(finding("vlm"), served=served())
    watch.window(ok("vlm"), served=served())
    assert watch.firing.reached[1].requests == 20
    assert watch.firing.reached[1].of == 40


def test_groups_that_spans_make_up_are_bounded_and_none_is_lost() -> None:
    reached = Reached()
    for turn in range(50):
        found = (finding("vlm"),)
        groups = {"age_band": {f"made-up-{turn}-{i}": 1 for i in range(20)}}
        reached = reached.after(found, served(), groups)
    counts = reached.groups["age_band"]
    assert (len(counts), sum(counts.values())) == (20, 1000)
    assert counts[OTHERS] == 981


def test_what_is_remembered_of_incidents_survives_a_restart() -> None:
    reached = {3: Reached(40, 60, 7, {"age_band": {"18-24": 9}})}
    assert recall(Memory(reached=reached, quiet={3: 0}).body()).reached == reached


def test_what_comes_back_goes_on_counting_where_its_card_stood(watch: Watch) -> None:
    watch.window(finding("vlm"), served=served())
    calm(watch)
    assert reached_of(watch.only).groups == {"age_band": {"18-24": 20}}
    watch.window(finding("vlm"), served=served())
    assert watch.firing.reached[1].requests == 40


# --- bounds ----------------------------------------------------------------------------------------------------------


def made_up(count: int, minute: int, severity: str = "ticket") -> list[Finding]:
    """Findings of parts and signals that nobody has seen before."""
    return [
        finding(f"p{minute}-{i}", signal=f"s{i % 7}", severity="page" if i == count - 1 else severity)
        for i in range(count)
    ]


@pytest.mark.endurance
def test_ten_thousand_findings_a_minute_open_a_bounded_number_of_incidents_with_bounded_edits(watch: Watch) -> None:
    for minute in range(6):
        found = made_up(10_000, minute)
        edits = watch.window(*found)
        assert len(edits) <= 3 * (MOST_OPEN + 1)
        assert len(watch.card.live_incidents) <= MOST_OPEN + 1
    every = watch.card.incidents.values()
    assert len(every) == MOST_A_DAY + 1
    (gathering,) = (i for i in every if i.fingerprint == overflow_fingerprint("shop"))
    assert len(gathering.findings) == MOST_LISTED
    assert (gathering.subject, gathering.severity) == ("system", "page")
    listed = sum(len(i.findings) for i in every)
    assert listed + watch.firing.reached[gathering.number].gathered == 60_000
    assert 2 * gathering.gathered > watch.firing.reached[gathering.number].gathered


def test_where_there_is_no_room_for_all_the_worst_have_it(watch: Watch) -> None:
    watch.window(*made_up(100, 0))
    by_severity = {i.severity for i in watch.card.incidents.values() if i.subject == "p0-99"}
    assert by_severity == {"page"}


def test_new_incidents_of_a_day_are_bounded_however_fast_they_are_closed(watch: Watch) -> None:
    for minute in range(40):
        watch.window(*made_up(3, minute))
        watch.people(*(MoveIncident(number=i.number, state="resolved") for i in watch.card.live_incidents))
    opened = [i for i in watch.card.incidents.values() if i.fingerprint != overflow_fingerprint("shop")]
    assert len(opened) == MOST_A_DAY
    assert len(watch.card.incidents) == MOST_A_DAY + 1


def test_the_next_day_there_is_room_again(watch: Watch) -> None:
    for minute in range(11):
        watch.window(*made_up(3, minute))
        watch.people(*(MoveIncident(number=i.number, state="false_positive") for i in watch.card.live_incidents))
    watch.index += 24 * 60
    watch.window(finding("fresh"))
    assert [i.subject for i in watch.card.live_incidents] == ["fresh"]


def test_what_gathers_the_rest_stays_open_while_anything_that_it_only_counts_is_in_breach(watch: Watch) -> None:
    found = made_up(200, 0)
    watch.window(*found)
    (gathering,) = (i.number for i in watch.card.live_incidents if i.gathered)
    listed = {f.key for i in watch.card.live_incidents for f in i.findings}
    for _ in range(4):
        watch.window(*(f for f in found if f.key not in listed), begun=[])
    assert watch.card.incidents[gathering].state == "open"
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("vlm"))
    assert watch.card.incidents[gathering].state == "resolved"


def test_what_had_no_room_is_no_path_that_others_lie_on(watch: Watch) -> None:
    watch.window(*made_up(100, 0))
    closed = [i for i in watch.card.live_incidents if not i.gathered][:2]
    watch.people(*(MoveIncident(number=i.number, state="false_positive") for i in closed))
    watch.window(*made_up(100, 0), finding("vlm"), begun=["vlm.agrees"])
    assert watch.card.live_incidents[-1].subject == "vlm"


def run(windows: Sequence[Sequence[Finding]], *, restarts: bool) -> Watch:
    watch = Watch()
    for found in windows:
        watch.window(*found, served=served())
        if restarts:
            memory = recall(Memory(quiet=dict(watch.firing.quiet), reached=dict(watch.firing.reached)).body())
            watch.firing = Firing(memory.quiet, reached=memory.reached)
    return watch


@given(st.lists(st.lists(st.sampled_from(("cf", "vlm", "llm")), max_size=3, unique=True), max_size=12))
@settings(max_examples=30, deadline=None)
def test_a_restart_after_any_window_changes_nothing(abouts: list[list[str]]) -> None:
    every = ("cf", "vlm", "llm")
    windows = [[finding(a) if a in off else ok(a) for a in every] for off in abouts]
    assert run(windows, restarts=True).card == run(windows, restarts=False).card


def test_every_way_into_an_incident_has_its_own_edit(watch: Watch) -> None:
    kinds = [
        type(edit) for edit in (*watch.window(finding("vlm")), *watch.window(finding("llm"), begun=["llm.agrees"]))
    ]
    calm(watch, RESOLVE_AFTER, ok("llm"))
    kinds += [type(edit) for edit in watch.window(finding("vlm"))]
    assert kinds == [OpenIncident, ExtendIncident, ReopenIncident]
    assert watch.only.events[-1].at - watch.only.events[0].at == timedelta(minutes=5)


def test_a_risk_that_a_silence_does_not_cover_brings_back_the_quiet_incident_that_it_joins(watch: Watch) -> None:
    watch.window(finding("vlm", State.BREACH, signal="agrees"))
    silenced = silence(
        matcher=Matcher(signal="agrees"), start=window(1).start, until=window(1).start + timedelta(hours=9)
    )
    watch.people(silenced, MoveIncident(number=1, state="suppressed", silence="S-1"))
    watch.window(ok(), begun=[])
    assert watch.numbers == {1: "suppressed"}
    watch.window(ok(), finding("vlm", State.BREACH, signal="IR-17").model_copy(update={"risk": "IR-17"}))
    assert watch.numbers == {1: "open"}


@pytest.mark.parametrize(("state", "seen"), [("open", State.BREACH), ("resolved", State.OK)])
def test_an_acceptance_that_runs_out_while_only_a_risk_is_still_seen_calls_again(
    watch: Watch, state: str, seen: State
) -> None:
    watch.window(finding("vlm"), finding("vlm", signal="IR-17", risk="IR-17"))
    until = window(watch.index + 5).start
    watch.people(MoveIncident(number=1, state="accepted_risk", until=until, approver="lead"))
    calm(watch, 4, finding("vlm", signal="IR-17", risk="IR-17"))
    assert watch.numbers == {1: "accepted_risk"}
    calm(watch, 1, finding("vlm", seen, signal="IR-17", risk="IR-17"))
    assert watch.numbers == {1: state}


@pytest.mark.parametrize(("first", "state"), [("vlm", "resolved"), ("llm", "open")])
def test_what_only_repeats_the_attribution_of_an_incident_does_not_keep_it_open(
    watch: Watch, first: str, state: str
) -> None:
    """IR-14 of a part that an open incident says changed itself is over with the incident: it would never be."""
    watch.window(finding("vlm"), finding("vlm", signal="IR-14", risk="IR-14"))
    found = Attribution(first=first, n_before=900, n_now=100, method="hc3", confidence="medium")
    watch.people(AttributeIncident(number=1, attribution=found))
    calm(watch, RESOLVE_AFTER, finding("vlm", signal="IR-14", risk="IR-14"))
    assert watch.numbers == {1: state}
