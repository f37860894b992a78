"""A real server and a real browser: a person without a mouse reads card, history and incident, and nothing leaves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from syscard.home import Home
from tests.browser import PATIENCE_S, browsing
from tests.faces import sample
from tests.functional.helpers import environment
from tests.web.conftest import write


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """`syscard serve --only web` of the sample; its address."""
    home = Home(tmp_path / "home").create()
    write(home.records, "shop-recommender", sample.past(), sample.live())
    log = tmp_path / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "syscard_tui", "--home", str(home.root), "serve", "--only", "web", "--port", "0"],
            stdout=said, stderr=said, env=environment(),
        )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"the card: (http://127\.0\.0\.1:\d+)/", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield found[1]
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def test_a_person_with_a_keyboard_reads_card_history_and_incident_and_nothing_leaves_the_host(
    server: str, tmp_path: Path
) -> None:
    with urllib.request.urlopen(f"{server}/api/v1/incidents", timeout=PATIENCE_S) as answer:
        assert [one["number"] for one in json.load(answer)] == [12]
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"{server}/", b"x", timeout=PATIENCE_S)
    profile = tmp_path / "profile"
    profile.mkdir()
    with browsing(profile) as browser:
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(f"{server}/")
        assert browser.title == "System card: Shop recommender 2026.11.2: BROKEN"
        assert browser.tab_to("Skip to the card") == 1
        assert browser.tab_to("History") <= 3
        assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        browser.follow()
        assert browser.title.startswith("History: Shop recommender")
        browser.tab_to("v2")
        browser.follow()
        assert browser.title.startswith("Version 2: Shop recommender")
        browser.tab_to("Incidents (1 open)")
        browser.follow()
        browser.tab_to("INC-12")
        browser.follow()
        assert browser.title.startswith("INC-12: image reading disagrees with the catalogue")
        assert browser.value("document.querySelectorAll('h1').length") == 1
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        browser.open(f"{server}/nowhere")
        assert "Not here" in browser.title
        visited = [url.removeprefix(server) for url in browser.requested]
        assert visited == ["/", "/history", "/history/2", "/incidents", "/incidents/12", "/nowhere"]
        assert [text for text in browser.complaints if "404" not in text] == []
