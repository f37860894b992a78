"""Reports every so often, and how long pages stay, in a replayed demo with the real Evidently."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from syscard.card import Card
from syscard.clock import ReplayClock
from syscard.evidence_files import keep
from syscard.home import Home
from syscard_configs import read_text
from syscard_tui.beside import ReportsBeside
from syscard_tui.scheduled import SETTLED
from syscard_tui.wiring import House
from tests.functional.helpers import PATIENCE_S, REF, sound, syscard

pytestmark = pytest.mark.endurance
DAY = timedelta(days=1)


def declare(home: Path, folder: Path, report: str) -> None:
    file = folder / "with-reports.yaml"
    text = read_text("examples", "recommender.yaml")
    file.write_text(text.replace("  false_alarms:", f"  report: {report}\n  false_alarms:"))
    assert syscard("--home", home, "apply", file).code == 0


def card(house: House) -> Card:
    with house.records() as records:
        return records.current(REF)


def look(house: House) -> Card:
    """As after a look of the monitors in a process of its own: what is asked for is made, and then the card."""
    beside = ReportsBeside(house)
    for _ in range(2):
        beside.ask(card(house))
    beside.close()
    if beside._thread is not None:
        beside._thread.join(PATIENCE_S)
    return card(house)


def newest(house: House) -> datetime:
    """Event time of the newest span that was looked at."""
    with house.records() as records:
        live = records.live(REF)
    assert live is not None
    return live.as_of


def test_a_report_is_made_once_a_period_and_pages_stay_as_long_as_they_are_needed(
    demo_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    declare(demo_home, tmp_path, "{every: 1d, keep: 1}")
    folder = demo_home / "reports" / REF
    stale = keep(folder, b"a page from long ago", ".html")
    clock = ReplayClock(newest(House(Home(demo_home))) + SETTLED)
    house = House(Home(demo_home), clock)

    (first,) = look(house).reports
    assert (first.end, first.end - first.start) == (clock() - SETTLED, DAY)
    assert first.requests > 100
    assert 0 < first.drifted <= first.compared
    assert look(house).reports == (first,), "once a period, whichever process looks"
    assert (folder / f"{first.page_sha256}.html").is_file()
    document = json.loads((folder / f"{first.document_sha256}.json").read_bytes())
    assert document["window"]["requests"] == first.requests
    assert {ranking["component"] for ranking in document["rankings"]} == {"agent", "cf"}

    clock.move_to(clock() + 2.5 * DAY)
    _, empty = look(house).reports
    assert (empty.start, empty.end) == (first.end, first.end + 2 * DAY)
    assert (empty.requests, empty.page_sha256, empty.why) == (0, None, "there was no complete request in that time")

    assert not stale.path.exists()
    assert "1 older page let go (" in syscard("--home", demo_home, "report", "--last", "100").out
    of_incident = [r.page_sha256 for i in card(house).open_incidents for r in i.reports]
    assert len(list(folder.glob("*.html"))) <= 1 + len(of_incident)
    assert of_incident
    assert all((folder / f"{page}.html").is_file() for page in of_incident), "somebody works with it"

    assert not (folder / f"{first.page_sha256}.html").exists()
    verified = syscard("--home", demo_home, "card", "verify")
    assert (verified.code, "1 file of reports gone" in verified.out) == (0, True)
    assert syscard("--home", demo_home, "card", "verify", "--json").document["gone_reports"] == [first.page_sha256]
    shown = " ".join(syscard("--home", demo_home, "card", "show").out.split())
    assert f"{first.page_sha256}.html (gone)" in shown
    assert "none, there was no complete request in that time" in shown
    assert "and their digests stay" in syscard("--home", demo_home, "doctor").out
    sound(demo_home)

    (folder / f"{first.document_sha256}.json").write_text("{}")
    assert syscard("--home", demo_home, "card", "verify").code == 1
    doctor = syscard("--home", demo_home, "doctor")
    assert (doctor.code, f"{first.document_sha256}.json" in doctor.out) == (1, True)
    assert "report of" not in capfd.readouterr().err
