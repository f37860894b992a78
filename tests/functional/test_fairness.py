"""What groups get, from recorded requests to the page."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syscard.disparity import CompareGroups
from syscard.home import Home
from syscard.views import read_view
from syscard_configs import read_text
from syscard_monitors.measuring import is_due
from syscard_tui.wiring import House
from tests.functional.helpers import REF, Demo, ending_at, one_line, recorded, syscard


def test_the_groups_of_the_recorded_shop_are_compared_at_each_stage(demo_home: Path) -> None:
    ran = syscard("--home", demo_home, "fairness", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = ran.document["disparities"]
    stages = list(dict.fromkeys(told["about"] for told in found))
    assert [ref for ref in stages if "->" not in ref] == ["cf", "vlm", "llm", "agent", "system"]
    assert {told["segment"] for told in found} == {"age_band"}
    agrees = next(told for told in found if told["key"] == "vlm.agrees_with_catalogue")
    assert {g["group"] for g in agrees["groups"]} == {"19-24", "25-34", "35-44", "45-54", "55-64", "65+"}
    requests = read_view(demo_home / "records.db")["live"]["watcher"]["requests"]
    assert sum(g["n"] for g in agrees["groups"]) + agrees["without"] == requests
    assert agrees["state"] == "even"


def test_what_a_claim_needs_more_requests_for_is_unknown_and_says_how_many(demo_home: Path) -> None:
    ran = syscard("--home", demo_home, "fairness", "--json")
    taken = next(told for told in ran.document["disparities"] if told["key"] == "taken")
    assert (taken["state"], taken["ratio"], taken["needs"]) == ("unknown", None, 1000)
    assert all(g["value"] is None and g["needs"] == 1000 for g in taken["groups"])


def test_the_card_the_page_and_the_json_show_what_was_compared(demo_home: Path, tmp_path: Path) -> None:
    assert syscard("--home", demo_home, "snapshot", "--out", tmp_path / "out").code == 0
    page = next((tmp_path / "out").glob("v*.html"))
    files = {suffix: page.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".md", ".html", ".json")}
    groups = json.loads(files[".json"])["live"]["groups"]
    states = Counter(told["state"] for told in groups["disparities"])
    assert states["even"]
    assert states["unknown"]
    shown = syscard("--home", demo_home, "card", "show").out
    for text in (files[".md"], files[".html"], shown):
        assert "known shoppers by age" in text.replace("\\_", "_").replace("\n", " ")
    assert "not compared" not in shown


@pytest.mark.endurance
def test_every_figure_names_the_edit_that_holds_it_and_the_chain_is_verified_with_it(demo_home: Path) -> None:
    found = syscard("--home", demo_home, "fairness", "--json").document["disparities"]
    with House(Home(demo_home)).records() as records:
        held = {edit.draft.digest: edit.body for edit in records.edits(REF) if isinstance(edit.body, CompareGroups)}
    for told in found:
        figures = {k: v for k, v in told.items() if k not in ("evidence", "measured")}
        assert figures in [d.model_dump(mode="json") for d in held[told["evidence"]].disparities]
    assert "verified: ok" in syscard("--home", demo_home, "card", "verify").out
    shown = syscard("--home", demo_home, "fairness").out
    assert all(told["evidence"][:12] in shown for told in found)


def test_figures_that_are_not_those_of_their_evidence_break_the_verification(demo_home: Path) -> None:
    with closing(sqlite3.connect(demo_home / "records.db")) as connection, connection:
        view = json.loads(connection.execute("select body from view").fetchone()[0])
        told = next(d for d in view["live"]["groups"]["disparities"] if d["state"] == "even")
        told["groups"][0]["value"] += 0.01
        connection.execute("update view set body = ?", (json.dumps(view),))
    one_line(syscard("--home", demo_home, "card", "verify"), told["key"], "evidence", code=1)


@pytest.mark.endurance
def test_asking_twice_gives_the_same_and_the_second_time_changes_no_card(demo_home: Path) -> None:
    first = syscard("--home", demo_home, "fairness", "--json").out
    before = read_view(demo_home / "records.db")
    assert syscard("--home", demo_home, "fairness", "--json").out == first
    after = read_view(demo_home / "records.db")
    assert (before["digest"], before["head"]) == (after["digest"], after["head"])


def test_lines_are_no_wider_than_a_terminal(demo_home: Path) -> None:
    lines = syscard("--home", demo_home, "fairness").out.splitlines()
    assert len(lines) > 20
    assert max(map(len, lines)) <= 80


def test_before_a_request_was_looked_at_it_says_what_to_type(declared: Path) -> None:
    one_line(syscard("--home", declared, "fairness"), "no request", "syscard monitor --once")


def test_without_a_declared_segment_it_says_where_to_name_one(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "system.yaml"
    home.mkdir()
    text = read_text("examples", "recommender.yaml").replace("  segments: {age_band: syscard.user.segment}\n", "")
    text = text.replace("    by: [age_band]\n", "").replace("disparity(accepted)", "mean(accepted)")
    file.write_text(text, encoding="utf-8")
    assert syscard("--home", home, "apply", file).code == 0
    one_line(syscard("--home", home, "fairness"), "traces.segments")


def test_the_blind_spots_of_the_recorded_shop_are_on_its_card(demo: Demo) -> None:
    cells = syscard("--home", demo.home, "card", "show", "--json").document["blind_spots"]
    states = {(c["part"], c["topic"]): c for c in cells}
    assert states["vlm", "quality"]["state"] == "watched"
    assert "agrees_with_catalogue" in states["vlm", "quality"]["by"]
    assert {"offers", "personal_data"} <= set(states["llm", "safety"]["by"])
    assert states["cf->llm", "quality"]["state"] == "not watched"
    assert states["cf", "fairness"]["state"] == "watched"
    assert "known shoppers by age_band" in states["cf", "fairness"]["by"]


def test_groups_are_compared_again_when_an_hour_of_requests_has_come_and_not_before(demo_home: Path) -> None:
    house = House(Home(demo_home))
    with house.records() as records:
        live = records.live(REF)
        assert live is not None
        assert live.groups is not None
        assert not is_due(records, REF)
        for minutes, due in ((59, False), (60, True)):
            with records.transaction() as transaction:
                later = live.model_copy(update={"as_of": live.groups.as_of + timedelta(minutes=minutes)})
                transaction.append(REF, [], cause="", recorded=house.clock(), live=later)
            assert is_due(records, REF) is due


def test_windows_that_close_later_keep_what_was_compared(demo_home: Path) -> None:
    before = read_view(demo_home / "records.db")["live"]
    assert syscard("--home", demo_home, "monitor", "--once").code == 0
    assert read_view(demo_home / "records.db")["live"]["groups"] == before["groups"]


@pytest.mark.endurance
def test_one_look_compares_groups_as_the_server_does(declared: Path, tmp_path: Path) -> None:
    lines = ending_at(recorded("normal")[:200], datetime.now(UTC) - timedelta(seconds=40))
    (tmp_path / "some.jsonl").write_bytes(b"\n".join(lines))
    assert syscard("--home", declared, "ingest", tmp_path / "some.jsonl").code == 0
    ran = syscard("--home", declared, "monitor", "--once")
    assert (ran.code, ran.err) == (0, "")
    view = read_view(declared / "records.db")
    assert f"card v{view['card']['version']}" in ran.out
    assert all(told["evidence"] for told in view["live"]["groups"]["disparities"])
    told = view["live"]["groups"]
    assert len(view["card"]["groups"]) == len(told["disparities"]) + len(told["amplifications"])


@pytest.mark.endurance
def test_what_becomes_of_groups_along_the_pipeline_is_told_stage_by_stage(demo_home: Path) -> None:
    found = syscard("--home", demo_home, "fairness", "--json").document["amplifications"]
    quality = next(told for told in found if told["family"] == "quality")
    stages = [s["about"] for s in quality["groups"][0]["stages"]]
    assert stages[:2] == ["cf", "vlm"]
    assert stages[-1] == "system"
    assert {g["group"] for g in quality["groups"]} == {"19-24", "25-34", "35-44", "45-54", "55-64", "65+"}
    assert "amplified" not in {g["state"] for told in found for g in told["groups"]}
    shown = " ".join(syscard("--home", demo_home, "fairness").out.split())
    assert "quality by age_band, 65+: " in shown
    assert quality["evidence"][:12] in shown
