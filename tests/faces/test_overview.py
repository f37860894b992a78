"""What all faces say alike: verdict, watcher, claims, incidents."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from syscard.faces import claim_row, overview, traffic_line, watcher_line
from syscard.incident_faces import incident_faces
from syscard.owners import owner_of
from syscard.views import View
from tests.faces import sample


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("broken", "BROKEN"),
        ("calm", "OK"),
        ("earlier", "UNKNOWN"),
        ("declared", "UNKNOWN"),
        ("silent", "UNKNOWN"),
        ("idle", "UNKNOWN"),
    ],
)
def test_the_verdict_is_ok_only_where_everything_holds_and_somebody_looked(
    views: dict[str, View], name: str, verdict: str
) -> None:
    assert overview(views[name], sample.NOW).verdict == verdict


def test_an_open_incident_without_a_broken_claim_is_an_incident(broken: View) -> None:
    view = copy.deepcopy(broken)
    for claim in view["card"]["claims"].values():
        claim["slices"] = [{**claim["slices"][0], "status": "holds"}]
    face = overview(view, sample.NOW)
    assert (face.verdict, face.since) == ("INCIDENT", sample.FAULT)


def test_a_broken_part_is_never_ok_even_without_an_incident(views: dict[str, View]) -> None:
    view = copy.deepcopy(views["calm"])
    view["card"]["components"]["cf"]["state"] = "broken"
    assert overview(view, sample.NOW).verdict == "INCIDENT"


def test_it_is_broken_since_the_first_thing_that_broke(broken: View) -> None:
    assert overview(broken, sample.NOW).since == sample.FAULT


def test_a_calm_card_turns_unknown_when_nobody_has_looked_for_a_while(views: dict[str, View]) -> None:
    later = overview(views["calm"], sample.NOW + timedelta(minutes=5))
    assert (later.verdict, later.watcher_state, later.measured) == ("UNKNOWN", "silent", False)
    assert {part.word for part in later.parts} == {"was ok"}
    assert {(claim.word, claim.mark) for claim in later.claims} == {("held", "?")}
    assert "nobody has looked since" in later.gate


def test_a_monitor_error_makes_the_watcher_say_so_and_the_verdict_unsure(views: dict[str, View]) -> None:
    view = copy.deepcopy(views["calm"])
    view["live"]["watcher"]["errors"] = ["vlm.agrees: \x1b[2Jno baseline"]
    face = overview(view, sample.NOW)
    assert (face.verdict, face.watcher_alive, face.measured) == ("UNKNOWN", False, True)
    assert face.watcher.startswith("WATCHER HAS 1 ERROR: vlm.agrees: [2Jno baseline")


def test_restarts_of_the_monitors_stand_on_the_first_line_for_an_hour(views: dict[str, View]) -> None:
    view = copy.deepcopy(views["calm"])
    times = [sample.NOW - timedelta(minutes=minutes) for minutes in (61, 30, 2)]
    view["live"]["watcher"]["restarts"] = [{"at": at.isoformat(), "why": f"exit {at.minute}"} for at in times]
    face = overview(view, sample.NOW)
    said = f"MONITORS WERE RESTARTED 2 times in the last hour (exit {times[-1].minute})"
    assert said in face.watcher
    assert (face.watcher_state, face.verdict) == ("alive", "OK"), "nothing was lost by it"
    later = overview(view, sample.NOW + timedelta(minutes=40))
    assert "RESTARTED 1 time in the last hour" in later.watcher
    assert "RESTARTED" not in overview(view, sample.NOW + timedelta(hours=2)).watcher
    never = {"restarts": view["live"]["watcher"]["restarts"]}
    assert said in watcher_line(never, sample.NOW)[1], "monitors that die before their first look are told of, too"


def test_a_watcher_without_spans_says_that_there_is_no_traffic() -> None:
    run = {"last_run": sample.NOW.isoformat(), "ran": 5, "total": 5}
    assert "NO SPAN yet" in watcher_line(run, sample.NOW)[1]
    old = {**run, "last_span": (sample.NOW - timedelta(hours=3)).isoformat()}
    assert "NO SPAN for 3 h" in watcher_line(old, sample.NOW)[1]
    assert traffic_line(run).startswith("no window of requests has been closed")


def test_a_claim_that_is_broken_in_a_group_names_the_group(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["claims"]["grounded"]["slices"][0]["status"] = "holds"
    row = claim_row(view, "grounded")
    assert (row.status, row.text[:33]) == ("broken", "age_band=45-54: 0.71 [0.66, 0.76]")


def test_a_claim_stands_beside_its_evidence(broken: View) -> None:
    assert claim_row(broken, "sees-the-picture").evidence == "E-6"
    assert claim_row(broken, "no-personal-data").evidence is None


@pytest.mark.parametrize(
    ("expect", "value", "text"),
    [("<= 3s", 2.7, "2.70 s"), ("<= 500ms", 0.4, "0.40 s"), ("<= 2m", 90.0, "90.00 s"), (">= 0.9", 0.93, "0.93")],
)
def test_figures_of_a_promise_about_time_are_seconds(broken: View, expect: str, value: float, text: str) -> None:
    view = copy.deepcopy(broken)
    claim = view["card"]["claims"]["fast"]
    claim["declared"]["expect"] = expect
    claim["slices"] = [{**claim["slices"][0], "value": value, "low": None, "high": None}]
    assert claim_row(view, "fast").text.startswith(f"{text}  promised {expect}")


def test_what_was_first_seen_shortly_before_an_incident_stands_beside_it(broken: View) -> None:
    assert incident_faces(broken)[0].before == ("13:58 vlm version lit-0.3 -> lit-0.4, not declared",)


def test_what_an_incident_itself_says_of_changes_before_it_is_what_is_shown(broken: View) -> None:
    view = copy.deepcopy(broken)
    first = next(iter(view["card"]["incidents"].values()))
    told = {"at": first["since"], "about": "llm", "says": "prompt became 3f2a\x1b (was 1b31)"}
    first["changed"] = [told]
    (face,) = [f for f in incident_faces(view) if f.number == first["number"]]
    assert [line.split(" ", 1)[1] for line in face.before] == ["llm prompt became 3f2a (was 1b31)"]


def test_a_version_that_was_seen_long_before_is_not_blamed(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["components"]["vlm"]["observed"][1]["since"] = sample.LAUNCH.isoformat()
    assert incident_faces(view)[0].before == ()


def test_a_cause_that_was_not_tested_is_said_not_to_be(broken: View) -> None:
    view = copy.deepcopy(broken)
    incident = view["card"]["incidents"]["12"]
    assert incident_faces(view)[0].cause.startswith("vlm (94 % of the rise of misses of grounded) changed itself")
    incident["attribution"] |= {"parts": [], "lowered_by": ["no requests side by side"]}
    told = incident_faces(view)[0].cause
    assert told.endswith("(order, not tested); cannot tell who changed itself: no requests side by side")
    incident["attribution"] = None
    assert incident_faces(view)[0].cause.endswith("may only inherit it (order, not tested)")


def test_open_incidents_come_first_and_worst_first(broken: View) -> None:
    view = copy.deepcopy(broken)
    first = view["card"]["incidents"]["12"]
    view["card"]["incidents"] |= {
        "13": {**first, "number": 13, "severity": "note"},
        "14": {**first, "number": 14, "severity": "page", "state": "resolved"},
        "15": {**first, "number": 15, "severity": "page"},
    }
    assert [i.number for i in incident_faces(view)] == [15, 12, 13, 14]


def test_an_erased_note_says_that_it_was_erased(broken: View) -> None:
    assert incident_faces(broken)[0].events[-1][2] == f"note: {sample.NOTE}"
    assert incident_faces({**broken, "texts": {}})[0].events[-1][2] == "note: (text erased)"


def test_the_owner_of_an_edge_is_that_of_the_part_that_receives(broken: View) -> None:
    assert owner_of(broken["card"], "vlm->llm") == "discovery, #discovery-oncall"
    assert owner_of(broken["card"], "nowhere") == "discovery, #discovery-oncall"


def test_what_is_overdue_is_said_to_be(views: dict[str, View]) -> None:
    view = copy.deepcopy(views["calm"])
    card: dict[str, Any] = view["card"]
    card["unknowns"]["U-1"]["answer_by"] = "2026-01-01"
    card["risks"]["R-2"]["declared"]["until"] = "2026-02-01"
    card["identity"]["review"]["next"] = "2026-03-01"
    also = " ".join(overview(view, sample.NOW).also)
    assert "OVERDUE since 2026-01-01" in also
    assert "accepted until 2026-02-01, which is over" in also
    assert "review of this card was due 2026-03-01" in also


@pytest.mark.parametrize("name", ["broken", "calm", "silent", "idle", "hostile"])
def test_a_view_is_not_changed_by_reading_it(views: dict[str, View], name: str) -> None:
    before = copy.deepcopy(views[name])
    overview(views[name], sample.NOW)
    assert views[name] == before


def test_an_incident_that_calls_nobody_for_now_is_still_said(broken: View) -> None:
    view = copy.deepcopy(broken)
    (raw, *_) = view["card"]["incidents"].values()
    raw |= {"state": "suppressed", "silence": "S-1"}
    face = overview(view, sample.NOW)
    assert any(f"INC-{raw['number']} {raw['severity']}, suppressed by S-1" in line for line in face.also)
    raw |= {"state": "accepted_risk", "silence": None, "accepted_until": "2026-12-01T12:00:00+00:00"}
    assert any("accepted risk until 2026-12-01 12:00 UTC" in line for line in overview(view, sample.NOW).also)
