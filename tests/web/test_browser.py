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

import pytest

from syscard.home import Home
from tests.browser import PATIENCE_S, Browser, browsing
from tests.faces import sample
from tests.functional.helpers import environment
from tests.web.conftest import write


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`syscard serve --only web` of the sample; its address."""
    folder = tmp_path_factory.mktemp("served")
    home = Home(folder / "home").create()
    write(home.records, "shop-recommender", sample.past(), sample.live())
    log = folder / "log"
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_a_person_with_a_keyboard_reads_card_history_and_incident_and_nothing_leaves_the_host(
    server: str, browser: Browser
) -> None:
    with urllib.request.urlopen(f"{server}/api/v1/incidents", timeout=PATIENCE_S) as answer:
        assert [one["number"] for one in json.load(answer)] == [12]
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"{server}/", b"x", timeout=PATIENCE_S)
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
    browser.open(f"{server}/nowhere")
    assert "Not here" in browser.title
    visited = [url.removeprefix(server) for url in browser.requested]
    assert visited == ["/", "/history", "/history/2", "/incidents", "/incidents/12", "/nowhere"]
    assert [text for text in browser.complaints if "404" not in text] == []


PAGES = ("/", "/history", "/history/2", "/incidents", "/incidents/12", "/crosswalk", "/systems", "/nowhere")


@pytest.mark.endurance
def test_axe_finds_nothing_on_any_page_and_on_a_narrow_screen_only_tables_and_charts_are_scrolled(
    server: str, browser: Browser
) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=False)  # axe is one; the pages have none
    for path in PAGES:
        browser.open(f"{server}{path}")
        assert browser.width_on_a_screen_of(380) <= 380, path
        assert browser.faults() == [], path
