"""`syscard report` on the replayed demo, with the real Evidently."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syscard.evidence_files import is_whole
from syscard.home import Home
from syscard.views import read_view
from syscard_tui.beside import ReportsBeside
from syscard_tui.wiring import House
from tests.functional.helpers import PATIENCE_S, Server, one_line, sound, syscard, wait_for

pytestmark = pytest.mark.endurance

Serve = Callable[..., Server]


def kept_baseline(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_view(home / "records.db")["card"]["baseline"]
    return found


def test_a_report_is_two_files_of_evidence_under_their_digests(demo_home: Path, tmp_path: Path) -> None:
    ran = syscard("--home", demo_home, "report", "--last", "200", "-o", tmp_path / "page.html", "--json")
    assert ran.code == 0, ran.err
    told = ran.document
    for kind, content in told["files"].items():
        path = Path(content["path"])
        assert path.parent == demo_home / "reports" / "shop-recommender", kind
        assert path.stem == content["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), kind
        assert path.stat().st_mode & 0o777 == 0o600, kind
    page, document = (Path(told["files"][kind]["path"]) for kind in ("html", "json"))
    kept = json.loads(document.read_bytes())
    assert kept["page_sha256"] == told["files"]["html"]["sha256"]
    assert (tmp_path / "page.html").read_bytes() == page.read_bytes()
    assert sorted(page.parent.iterdir()) == sorted([page, document])

    rows = {row["signal"]: row for row in told["signals"]}
    assert told["window"]["requests"] == 200
    assert rows["llm.cites_history"]["method"] == "syscard_fisher"
    assert rows["llm.cites_history"]["drifted"], "the newest recording is of a changed prompt"
    assert not rows["vlm.agrees_with_catalogue"]["drifted"]
    lists = {row["component"]: row for row in told["rankings"]}
    assert lists.keys() == {"cf", "agent"}
    assert lists["cf"]["answered"] > 150
    assert lists["cf"]["metrics"].keys() == {"NDCG", "MAP", "HitRate", "MRR", "Personalization"}
    assert 0.05 < lists["cf"]["metrics"]["HitRate"] < 0.5
    assert "--trained-on" in lists["cf"]["missing"]["Novelty"]
    assert "cf.history" in lists["cf"]["missing"]["Serendipity"]
    assert lists["cf"]["before"].keys() == lists["cf"]["metrics"].keys()
    assert lists["cf"]["lists_before"] == kept_baseline(demo_home)["requests"]
    assert 0.05 < lists["cf"]["before"]["HitRate"] < 0.5
    assert told["missing"].keys().isdisjoint(rows)


def test_a_report_without_a_baseline_or_of_nothing_is_one_line(declared: Path) -> None:
    one_line(syscard("--home", declared, "report"), "no baseline", "syscard baseline set")
    one_line(syscard("--home", declared, "report", "--last", "5", "--from", "2026-11-01"), "--last", "--from")
    one_line(syscard("--home", declared, "report", "--by", "eye"), "test, psi or js")
    assert not list((declared / "reports").glob("*"))


def reports(home: Path) -> list[dict[str, Any]]:
    """Of the demo's open incident."""
    open_ones = [i for i in read_view(home / "records.db")["card"]["incidents"].values() if i["state"] == "open"]
    return [report for incident in open_ones for report in incident.get("reports", ())]


def test_an_incident_gets_its_report_beside_the_watch(demo_home: Path, serve: Serve) -> None:
    """The demo leaves an incident open that has none: whoever starts to watch makes it."""
    server = serve(demo_home, "--only", "monitor", "--every", "0.5")
    wait_for(lambda: bool(reports(demo_home)))
    time.sleep(1.5)  # further looks ask for nothing that is there
    assert server.stop() == 0
    (found,) = reports(demo_home)
    folder = demo_home / "reports" / "shop-recommender"
    assert {path.name for path in folder.iterdir()} == {
        f"{found['document_sha256']}.json",
        f"{found['page_sha256']}.html",
    }
    assert all(is_whole(path) for path in folder.iterdir())
    document = json.loads((folder / f"{found['document_sha256']}.json").read_bytes())
    assert document["window"]["requests"] == 40, "the windows with which it began"
    assert {row["signal"] for row in document["signals"]} >= {"llm.cites_history", "vlm->llm.grounded"}
    assert document["rankings"] == []
    assert 0 < found["drifted"] <= found["compared"] == len(document["signals"])
    shown = syscard("--home", demo_home, "incident", "show", "5").out
    assert found["document_sha256"] in shown
    assert "monitor:report" in shown
    sound(demo_home)


def test_a_report_that_cannot_be_made_is_a_line_and_harms_nothing(
    demo_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house, before = House(Home(demo_home)), read_view(demo_home / "records.db")
    with house.records() as records:
        card = records.current("shop-recommender")
    shutil.rmtree(demo_home / "lake")
    beside = ReportsBeside(house)
    for _ in range(3):
        beside.ask(card)
    beside.close()
    assert beside._thread is not None
    beside._thread.join(PATIENCE_S)
    said = capfd.readouterr().err
    assert said.startswith("report of INC-5 of shop-recommender")
    assert len(said.splitlines()) == 1, "tried once"
    assert read_view(demo_home / "records.db") == before
