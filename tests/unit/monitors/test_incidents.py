from __future__ import annotations

import pytest

from syscard.edits import ExtendIncident, MoveIncident, OpenIncident
from syscard.finding import Finding, State
from syscard_monitors.settling import RESOLVE_AFTER
from tests.unit.build import declared, draft
from tests.unit.monitors.build import finding, with_drafts
from tests.unit.monitors.incident_watch import SINCE, Watch, ok


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_nothing_off_opens_nothing(watch: Watch) -> None:
    assert watch.window(ok(), finding("llm", State.WARN), finding("cf", State.UNKNOWN)) == []


def test_several_signals_of_one_fault_are_one_incident(watch: Watch) -> None:
    watch.window(
        finding("vlm"), finding("vlm", signal="confidence"), finding("llm"), finding("vlm->llm", signal="grounded")
    )
    assert [f.key for f in watch.only.findings] == [
        "vlm.agrees",
        "vlm.confidence",
        "llm.agrees",
        "vlm->llm.grounded",
    ]


def test_an_incident_is_named_after_the_most_upstream_component_that_changed(watch: Watch) -> None:
    watch.window(finding("agent"), finding("llm"), finding("vlm"))
    assert (watch.only.subject, watch.only.group, watch.only.title) == ("vlm", "shop/vlm", "agrees 0.90 -> 0.30")
    assert watch.only.inherited_by == ("agent", "llm")


def test_what_is_upstream_and_was_looked_at_is_unchanged(watch: Watch) -> None:
    watch.window(finding("llm"), ok("cf"), finding("vlm", State.WARN), finding("agent", State.UNKNOWN))
    assert watch.only.unchanged == ("cf",)


def test_components_that_do_not_reach_each_other_have_incidents_of_their_own() -> None:
    watch = Watch(declared(interactions={}))
    watch.window(finding("llm"), finding("cf"))
    assert {i.subject for i in watch.card.incidents.values()} == {"llm", "cf"}


def test_an_edge_finding_goes_to_its_target_when_that_changed(watch: Watch) -> None:
    watch.window(finding("vlm->llm", signal="grounded"), finding("llm", signal="words"))
    assert watch.only.subject == "llm"
    assert {f.about for f in watch.only.findings} == {"llm", "vlm->llm"}


def test_an_edge_finding_goes_upstream_when_that_changed(watch: Watch) -> None:
    watch.window(finding("vlm->llm", signal="grounded"), finding("vlm"))
    assert (watch.only.subject, watch.only.inherited_by) == ("vlm", ("vlm->llm",))


def test_an_edge_whose_ends_did_not_change_is_named_itself(watch: Watch) -> None:
    watch.window(finding("vlm->llm", signal="grounded"), ok("vlm"), ok("llm"))
    assert (watch.only.subject, watch.only.group) == ("vlm->llm", "shop/llm")


def test_a_change_that_has_not_persisted_names_an_incident_already(watch: Watch) -> None:
    """The evidence upstream may take a window more; the blame must not go downstream meanwhile."""
    watch.window(finding("vlm"), finding("llm"), begun=["llm.agrees"])
    assert (watch.only.subject, [f.key for f in watch.only.findings]) == ("vlm", ["llm.agrees"])


def test_what_nobody_declared_is_an_incident_of_its_own(watch: Watch) -> None:
    for about in ("ghost", "ghost->llm"):
        watch.window(finding(about, signal="undeclared", kind="undeclared", label="seen in spans, declared by nobody"))
    assert [i.subject for i in watch.card.incidents.values()] == ["ghost", "ghost->llm"]
    assert {i.title for i in watch.card.incidents.values()} == {"seen in spans, declared by nobody"}
    assert watch.card.incidents[1].unknowns == ("whether it is meant to be there: nobody declared it",)


def test_many_parts_that_nobody_declared_are_one_incident_of_the_system(watch: Watch) -> None:
    ghosts = [finding(f"ghost-{i}", signal="undeclared", kind="undeclared", label="seen") for i in range(5)]
    watch.window(*ghosts, finding("vlm"))
    assert {i.subject: len(i.findings) for i in watch.card.incidents.values()} == {"vlm": 1, "system": 5}


def test_a_note_opens_nothing_and_blames_nobody(watch: Watch) -> None:
    assert watch.window(finding("agent", signal="volume", severity="note")) == []
    watch.window(finding("vlm", severity="note"), finding("llm"))
    assert watch.only.subject == "llm"


def test_an_incident_is_as_severe_as_its_worst_signal(watch: Watch) -> None:
    watch.window(finding("vlm"), finding("llm", severity="page"))
    assert watch.only.severity == "page"


def test_an_incident_brings_its_evidence(watch: Watch) -> None:
    watch.window(finding("vlm", p_value=1e-9, method="ks", traces=("t@1",)))
    (member,) = watch.only.findings
    figure = watch.card.evidence[member.evidence].figure
    assert (figure.about, figure.metric, figure.value, figure.p_value, figure.traces) == (
        "vlm", "agrees", 0.3, 1e-9, ("t@1",),
    )  # fmt: skip


def test_an_incident_says_since_when_and_shows_three_traces(watch: Watch) -> None:
    watch.window(finding("vlm", traces=("a@1", "b@1")), finding("llm", traces=("b@1", "c@1", "d@1")))
    assert watch.only.since == SINCE
    assert watch.only.traces == ("a@1", "b@1", "c@1")


def test_a_signal_that_follows_joins_the_incident_that_is_burning(watch: Watch) -> None:
    watch.window(finding("vlm"))
    (edit,) = watch.window(finding("vlm"), finding("llm"), begun=["llm.agrees"])
    assert isinstance(edit, ExtendIncident)
    assert watch.only.inherited_by == ("llm",)
    assert [f.key for f in watch.only.findings] == ["vlm.agrees", "llm.agrees"]


def test_what_follows_upstream_joins_too_and_the_name_stays(watch: Watch) -> None:
    watch.window(finding("llm"))
    watch.window(finding("llm"), finding("vlm"), begun=["vlm.agrees"])
    assert watch.only.subject == "llm"


@pytest.mark.parametrize(("first", "second", "after"), [("page", "ticket", "page"), ("ticket", "page", "page")])
def test_joining_never_lowers_the_severity(watch: Watch, first: str, second: str, after: str) -> None:
    watch.window(finding("vlm", severity=first))
    watch.window(finding("vlm", severity=first), finding("llm", severity=second), begun=["llm.agrees"])
    assert watch.only.severity == after


def test_two_groups_that_join_in_one_window_do_not_lower_each_other() -> None:
    watch = Watch(declared(interactions={"cf->agent": {}, "vlm->agent": {}}))
    watch.window(finding("agent"))
    late = [finding("cf", severity="page"), finding("vlm")]
    watch.window(finding("agent"), *late, begun=["cf.agrees", "vlm.agrees"])
    assert (watch.only.severity, len(watch.only.findings)) == ("page", 3)


def test_a_breach_that_stands_says_nothing_new(watch: Watch) -> None:
    watch.window(finding("vlm"))
    assert watch.window(finding("vlm"), begun=[]) == []
    assert watch.window(finding("vlm")) == []


def test_an_incident_resolves_by_itself_after_three_quiet_windows(watch: Watch) -> None:
    watch.window(finding("vlm"))
    states = []
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("vlm"))
        states.append(watch.only.state)
    assert states == ["open", "open", "resolved"]
    assert watch.only.resolution == "self_cleared"
    assert watch.firing.quiet == {}


@pytest.mark.parametrize("state", [State.WARN, State.UNKNOWN, State.ERROR])
def test_what_is_not_ok_is_not_quiet_and_does_not_start_the_count_again(watch: Watch, state: State) -> None:
    watch.window(finding("vlm"))
    for each in (ok("vlm"), ok("vlm"), finding("vlm", state)):
        watch.window(each)
    assert watch.numbers == {1: "open"}
    watch.window(ok("vlm"))
    assert watch.numbers == {1: "resolved"}


def test_a_breach_starts_the_count_of_quiet_windows_again(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.window(ok("vlm"))
    watch.window(ok("vlm"))
    watch.window(finding("vlm"), begun=[])
    assert watch.firing.quiet == {1: 0}


def test_every_signal_of_an_incident_must_be_quiet(watch: Watch) -> None:
    watch.window(finding("vlm"), finding("llm"))
    for _ in range(4):
        watch.window(ok("vlm"), finding("llm"), begun=[])
    assert watch.only.state == "open"


def test_a_part_that_is_seen_no_more_is_quiet(watch: Watch) -> None:
    watch.window(finding("ghost", signal="undeclared", kind="undeclared"))
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("vlm"))
    assert (watch.only.state, watch.only.resolution) == ("resolved", "self_cleared")


def test_a_signal_that_nobody_watches_any_more_did_not_come_back(watch: Watch) -> None:
    watch.window(finding("vlm"))
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("cf"))
    assert (watch.only.state, watch.only.resolution) == ("resolved", "no_longer_watched")


def test_a_signal_that_is_watched_and_has_no_finding_is_not_quiet(watch: Watch) -> None:
    watch.configured = frozenset({"vlm.agrees"})
    watch.window(finding("vlm"))
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("cf"))
    assert watch.only.state == "open"


def test_quiet_against_another_baseline_is_no_recovery(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.rebaselined = frozenset({1})
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("vlm"))
    assert (watch.only.state, watch.only.resolution) == ("resolved", "rebaselined")


def test_what_breaks_again_before_it_is_over_is_still_the_same_incident(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.window(ok("vlm"))
    assert watch.window(finding("vlm")) == []
    assert (watch.numbers, watch.firing.quiet) == ({1: "open"}, {1: 0})


def test_another_signal_that_breaks_after_quiet_opens_a_new_incident(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.window(ok("vlm"))
    (edit,) = watch.window(ok("vlm"), finding("vlm", signal="words"))
    assert isinstance(edit, OpenIncident)
    assert watch.numbers == {1: "open", 2: "open"}


def test_the_signal_that_broke_again_belongs_to_the_new_incident_only(watch: Watch) -> None:
    watch.window(finding("vlm"), finding("llm"))
    watch.window(ok("vlm"), ok("llm"))
    watch.window(ok("vlm"), finding("llm"), begun=["llm.agrees"])
    watch.window(ok("vlm"), finding("llm"), begun=[])
    assert watch.numbers == {1: "resolved", 2: "open"}


def test_what_a_human_is_working_on_resolves_by_itself_too_and_what_he_closed_stays_closed(watch: Watch) -> None:
    watch.window(finding("vlm"))
    watch.card = with_drafts(watch.card, [draft(MoveIncident(number=1, state="acknowledged"))])
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("vlm"))
    assert watch.only.state == "resolved"
    watch.window(ok("vlm"))
    assert watch.written == []


def test_after_an_incident_was_resolved_numbers_go_on(watch: Watch) -> None:
    watch.window(finding("vlm"))
    for _ in range(RESOLVE_AFTER):
        watch.window(ok("vlm"))
    watch.window(ok("vlm"), finding("llm"))
    assert watch.numbers == {1: "resolved", 2: "open"}


def test_what_the_whole_request_shows_belongs_to_the_part_that_changed(watch: Watch) -> None:
    watch.window(finding("llm", signal="error"), finding("system", signal="error"))
    assert (watch.only.subject, watch.only.inherited_by) == ("llm", ("system",))
    watch.window(finding("llm", signal="error"), finding("system", signal="latency"), begun=["system.latency"])
    assert [f.key for f in watch.only.findings] == ["llm.error", "system.error", "system.latency"]


def test_what_only_the_whole_request_shows_is_an_incident_of_the_system(watch: Watch) -> None:
    watch.window(finding("system", signal="error", kind="rate"), ok("llm"), ok("vlm"))
    assert (watch.only.subject, watch.only.title) == ("system", "agrees 0.90 -> 0.30")
    assert watch.only.unchanged == ("llm", "vlm")
    watch.window(finding("system", signal="error", kind="rate"), finding("llm"), begun=["llm.agrees"])
    assert [f.key for f in watch.only.findings] == ["system.error", "llm.agrees"]


def test_parts_that_nobody_declared_lie_on_no_path_of_the_system_s_incidents(watch: Watch) -> None:
    ghosts = [finding(f"ghost-{i}", signal="undeclared", kind="undeclared", label="seen") for i in range(2)]
    watch.window(finding("system", signal="error"))
    watch.window(finding("system", signal="error"), *ghosts, begun=[g.key for g in ghosts])
    watch.window(finding("system", signal="error"), *ghosts, finding("llm"), begun=["llm.agrees"])
    assert [len(i.findings) for i in watch.card.incidents.values()] == [2, 2]


def test_what_begins_at_once_for_the_system_and_for_strangers_loses_neither(watch: Watch) -> None:
    ghosts = [finding(f"ghost-{i}", signal="undeclared", kind="undeclared", label="seen") for i in range(2)]
    watch.window(finding("system", signal="error"), *ghosts)
    assert {f.about for f in watch.only.findings} == {"system", "ghost-0", "ghost-1"}


def risk(about: str = "vlm->llm", state: State = State.BREACH) -> Finding:
    return finding(about, state, signal="IR-05", kind="risk", risk="IR-05", label="Ungrounded rationale")


def test_a_risk_joins_the_incident_of_its_path_though_that_is_quiet_already(watch: Watch) -> None:
    """It is seen late: it looks at hundreds of requests together."""
    watch.window(finding())
    watch.window(finding(state=State.OK), begun=())
    watch.window(finding(state=State.OK), risk(), begun=["vlm->llm.IR-05"])
    assert [f.risk for f in watch.only.findings] == [None, "IR-05"]


def test_a_risk_that_joined_keeps_the_incident_open_until_it_is_seen_no_more(watch: Watch) -> None:
    watch.window(finding())
    watch.window(finding(), risk(), begun=["vlm->llm.IR-05"])
    for _ in range(RESOLVE_AFTER + 2):
        watch.window(finding(state=State.OK), risk(), begun=())
    assert watch.numbers == {1: "open"}
    watch.window(finding(state=State.OK), risk(state=State.OK))
    assert watch.numbers == {1: "resolved"}


def test_a_note_that_joined_holds_no_incident_open(watch: Watch) -> None:
    """As a risk whose severity has fallen to that of its reading."""
    watch.window(finding())
    watch.window(finding(), risk(), begun=["vlm->llm.IR-05"])
    for _ in range(RESOLVE_AFTER):
        watch.window(finding(state=State.OK), risk().model_copy(update={"severity": "note"}), begun=())
    assert watch.numbers == {1: "resolved"}


def test_what_only_a_risk_keeps_open_takes_nothing_that_begins_below_it(watch: Watch) -> None:
    """Its signals are calm: what breaks now is another matter, though the incident paged."""
    watch.window(finding(severity="page"))
    watch.window(finding(), risk("vlm"), begun=["vlm.IR-05"])
    for _ in range(RESOLVE_AFTER):
        watch.window(finding(state=State.OK), risk("vlm"), begun=())
    watch.window(finding(state=State.OK), risk("vlm"), finding("llm", signal="words"), begun=["llm.words"])
    assert watch.numbers == {1: "open", 2: "open"}


def test_an_incident_of_risks_alone_is_over_with_them(watch: Watch) -> None:
    watch.window(risk())
    assert watch.only.subject == "vlm->llm"
    for _ in range(RESOLVE_AFTER):
        watch.window(risk(), begun=())
    assert watch.numbers == {1: "open"}
    for _ in range(RESOLVE_AFTER):
        watch.window(risk(state=State.OK))
    assert watch.numbers == {1: "resolved"}


def test_a_signal_that_begins_does_not_join_an_incident_of_risks_alone(watch: Watch) -> None:
    """Those stand for long: what breaks meanwhile is another matter."""
    watch.window(risk())
    watch.window(risk(), finding("llm", signal="words"), begun=["llm.words"])
    assert watch.numbers == {1: "open", 2: "open"}


def test_a_risk_does_not_make_its_part_the_one_that_changed(watch: Watch) -> None:
    watch.window(risk("vlm"), begun=())
    watch.window(risk("vlm"), finding("llm", signal="words"), begun=["llm.words"])
    assert watch.only.subject == "llm"
