"""The page of a snapshot in a real browser: axe finds nothing, it asks nobody for anything, and it shrinks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from syscard.render.snapshot import html
from tests.browser import Browser, browsing
from tests.faces import sample
from tests.faces.test_paper import occasion

AXE: Final = Path(__file__).parents[2] / ".axe" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def opened(browser: Browser, folder: Path, name: str) -> str:
    """The page of a sample, opened from the disk; its address."""
    page = folder / f"{name}.html"
    page.write_text(html(sample.variants()[name], sample.earlier_view()["card"], sample.NOW, occasion()))
    browser.events.clear()
    browser.open(page.as_uri())
    return page.as_uri()


@pytest.mark.parametrize("name", ["broken", "hostile"])
def test_the_page_asks_nobody_for_anything_and_nothing_of_it_is_refused(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    address = opened(browser, tmp_path, name)
    assert browser.requested == [address]
    assert browser.complaints == []


@pytest.mark.parametrize("name", ["broken", "hostile"])
def test_axe_finds_nothing_that_keeps_anybody_from_reading_the_page(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    if not AXE.is_file():
        pytest.skip("no axe-core here: make axe (it needs npm and a network)")
    opened(browser, tmp_path, name)
    browser.call("Runtime.evaluate", expression=AXE.read_text())
    assert violations(browser) == []


def violations(browser: Browser) -> list[Any]:
    """What axe finds wrong, with the elements that it is wrong in."""
    shown = "r.violations.map(v => [v.id, v.help, v.nodes.slice(0, 3).map(n => n.html)])"
    asked = f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then(r => JSON.stringify({shown}))"
    told = browser.call("Runtime.evaluate", expression=asked, awaitPromise=True, returnByValue=True)
    found: list[Any] = json.loads(told["result"]["value"])
    return found


def test_on_a_narrow_screen_only_tables_and_charts_are_scrolled(browser: Browser, tmp_path: Path) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
    opened(browser, tmp_path, "broken")
    assert browser.value("document.documentElement.scrollWidth") <= 400
    browser.call("Emulation.clearDeviceMetricsOverride")
