"""The demo says what it must, in order, with figures that the records hold; and it never harms a folder of others."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from syscard.views import read_view
from syscard_configs import read_text
from tests.functional.helpers import Demo, one_line, recorded, spans_of, syscard

LABELS = {label["file"]: label for label in yaml.safe_load(read_text("demo", "labels.yaml"))}
TOLD = [entry | LABELS[entry["file"]] for entry in yaml.safe_load(read_text("demo", "story.yaml"))]
FAULTS = [{**told, "part": told["parts"][0]} for told in TOLD if told["kind"] == "fault"]
LOOK_ALIKES = [told for told in TOLD if told["kind"] == "look-alike"]


def test_the_demo_tells_its_story_in_order(demo: Demo) -> None:
    story = (
        r"^syscard demo: a real VLM \+ CF \+ LLM recommender, 2,560 recorded requests",
        r"No model runs, no network",
        r"^1/5  What its team promised",
        r"4 components, 4 interactions, 9 claims, 2 risks, 1 unknown +-> card v1$",
        r"^2/5  Normal traffic: 1,000 requests .*the baseline",
        r"halves agree .* \d+ signals watched for drift",
        r"^3/5  Normal traffic again: 300 requests",
        r"^     0 findings, 0 incidents +-> card v\d+$",
        r"CLAIMS  8 hold   0 broken   1 unknown",
        r"fair-acceptance: needs two groups of 1,000, has \d+ and \d+",
        r"^4/5  Five faults and a look-alike, 160 requests each",
        r"fault \(truth\) +on +syscard says +blames +after",
        *(rf"^     {told['name']} +{(told['parts'] or '-')[0]} " for told in TOLD),
        r"5 faults, 5 incidents, 5 on the right part; false alarms: 0",
        r"^5/5  What the card says now +card v\d+ -> v\d+$",
        r"\+ BROKEN .*promised",
        r"\? UNKNOWN",
        r"chain of \d+ edits verified: ok",
        r"claims that broke on the way: .*sees-the-picture.*grounded",
        r"^INC-\d+ in words +\(.*template, no language model",
        r"From \d\d:\d\d:\d\d UTC llm differs from its baseline",
        r"Not known: ",
        r"^Gate: +promote BLOCKED \(exit 1\)$",
        r"claims broken: 1",
        r"^Snapshot: ",
        r"^Now you:$",
        r" tui +the on-call screen",
        r" incident show INC-\d",
        r" card diff v\d+ v\d+",
        r" init && .*serve",
        r"^Done in \d+ s\.$",
    )
    at = 0
    for words in story:
        found = re.compile(words, re.MULTILINE).search(demo.out, at)
        assert found, f"not said, or too early: {words}"
        at = found.end()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault["file"]))
def test_each_fault_is_found_on_the_part_that_has_it(demo: Demo, fault: dict[str, str]) -> None:
    row = re.search(rf"^     {fault['name']} +{fault['part']} +(.+?)  +(\S+) +(ok|NO) +(\d+) req$", demo.out, re.M)
    assert row, demo.out
    assert row[2] == fault["part"]
    assert row[3] == "ok"
    assert 0 < int(row[4]) <= 60


@pytest.mark.parametrize("told", LOOK_ALIKES, ids=lambda told: str(told["file"]))
def test_a_look_alike_opens_nothing(demo: Demo, told: dict[str, str]) -> None:
    assert re.search(rf"^     {told['name']} +- +nothing: it is no fault$", demo.out, re.M)


def test_what_it_says_is_what_the_records_hold(demo: Demo) -> None:
    view = read_view(demo.home / "records.db")
    card = view["card"]
    incidents = list(card["incidents"].values())
    assert [i["subject"] for i in incidents] == [fault["part"] for fault in FAULTS]
    assert [i["state"] for i in incidents] == ["resolved"] * 4 + ["open"]
    assert f"-> v{card['snapshots'][-1]['version']}" in demo.out
    assert f"chain of {view['edits'] - 1} edits verified: ok" in demo.out, "the snapshot is an edit, too"
    assert {c: body["slices"][0]["status"] for c, body in card["claims"].items()} == {
        **dict.fromkeys(("sees-the-picture", "fast", "only-real-items", "no-offers", "no-personal-data"), "holds"),
        **dict.fromkeys(("taken", "ranked"), "holds"),
        "grounded": "broken",
        "fair-acceptance": "unknown",
    }
    assert view["live"]["watcher"]["requests"] == 2560
    assert card["baseline"]["requests"] == 1000


def test_an_incident_says_what_changed_before_it(demo: Demo) -> None:
    incidents = list(read_view(demo.home / "records.db")["card"]["incidents"].values())
    prompts = [c["says"] for c in incidents[-1].get("changed", ()) if c["about"] == "llm"]
    assert any(re.fullmatch(r"prompt became [0-9a-f]{12} \(was [0-9a-f]{12}\)", says) for says in prompts)
    for incident in incidents:
        assert all(c["at"] <= incident["opened"] for c in incident.get("changed", ()))


def test_no_line_is_wider_than_a_terminal(demo: Demo) -> None:
    assert [line for line in demo.out.splitlines() if len(line) > 80] == []
    assert [line for line in demo.out.splitlines() if line != line.rstrip()] == []
    assert "\x1b" not in demo.out + demo.err


def test_the_page_it_names_is_there_and_asks_for_nothing_outside(demo: Demo) -> None:
    named = re.search(r"^Snapshot: +(\S+\.html)", demo.out, re.MULTILINE)
    assert named
    page = demo.folder / named[1]
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(\s*["']?(https?:)?//|<script""", html)
    assert page.with_suffix(".md").is_file()
    json.loads(page.with_suffix(".json").read_text())


def test_the_commands_it_names_work(demo: Demo, demo_home: Path) -> None:
    named = re.findall(
        r"^  (?:syscard|\S+/syscard) --home \S+ (incident show INC-\d+|card diff v\d+ v\d+) ", demo.out, re.M
    )
    assert len(named) == 2
    for command in named:
        ran = syscard("--home", demo_home, *command.split())
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.strip()


@pytest.mark.endurance
def test_no_text_of_a_span_is_kept(demo: Demo) -> None:
    """Texts of the recordings' `gen_ai.output.messages`; lake files are compressed, so their rows are read as well."""
    names = ("normal", "normal-again", *(fault["file"] for fault in FAULTS))
    texts = {text for name in names for line in recorded(name) for text in _texts(line) if len(text) > 20}
    assert len(texts) > 300
    kept = b"".join(p.read_bytes() for p in sorted(demo.home.rglob("*")) if p.is_file())
    kept += _rows(demo.home)
    pieces = {text[i : i + 20].encode() for text in texts for i in (0, len(text) - 20)}
    assert [piece for piece in pieces if piece in kept] == []


def _texts(line: bytes) -> list[str]:
    found = []
    for span in spans_of(json.loads(line)):
        for attribute in span["attributes"]:
            if attribute["key"] == "gen_ai.output.messages":
                messages = json.loads(attribute["value"]["stringValue"])
                found += [part["content"] for message in messages for part in message["parts"]]
    return found


def _rows(home: Path) -> bytes:
    """The lake and what is left of the inbox as plain text."""
    import sqlite3

    import deltalake
    import polars as pl

    rows = pl.read_delta(str(home / "lake")).write_ndjson().encode()
    assert deltalake.DeltaTable(str(home / "lake")).version() >= 0
    with sqlite3.connect(home / "inbox.db") as inbox:
        assert inbox.execute("pragma integrity_check").fetchone() == ("ok",)
    inbox.close()
    return rows


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "records.db").write_text("precious")
    one_line(syscard("--home", folder, "demo"), "was not made by the demo", "--home")
    assert [p.name for p in folder.iterdir()] == ["records.db"]
    assert (folder / "records.db").read_text() == "precious"


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("precious")
    one_line(syscard("--home", file, "demo"), str(file))
    assert file.read_text() == "precious"


@pytest.mark.endurance
def test_the_demo_runs_again_over_its_own_folder_and_ctrl_c_leaves_a_sound_home(demo: Demo, tmp_path: Path) -> None:
    """One run for both: it is stopped as soon as the old home is gone and new spans are in."""
    import signal
    import subprocess

    from tests.functional.helpers import SYSCARD, environment, sound, wait_for

    shutil.copytree(demo.home, tmp_path / ".demo")
    old = (tmp_path / ".demo" / "inbox.db").stat().st_ino
    child = subprocess.Popen(
        [*SYSCARD, "demo"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    inbox = tmp_path / ".demo" / "inbox.db"
    wait_for(lambda: inbox.exists() and inbox.stat().st_ino != old)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert err.splitlines()[-1] == "syscard: stopped; nothing that was stored is harmed"
    assert "Traceback" not in err
    assert "1/5" in out
    home = tmp_path / ".demo"
    sound(home)
    assert syscard("--home", home, "monitor", "--once").code == 0
    sound(home)
