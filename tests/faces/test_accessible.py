"""The page of a snapshot in a real browser: axe finds nothing, it asks nobody for anything, and it shrinks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syscard.render.snapshot import html
from tests.browser import Browser, browsing
from tests.faces import sample
from tests.faces.test_paper import occasion


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
    opened(browser, tmp_path, name)
    assert browser.faults() == []


@pytest.mark.parametrize("name", ["broken", "hostile"])
@pytest.mark.parametrize("width", [400, 320])
def test_on_a_narrow_screen_only_tables_and_charts_are_scrolled(
    browser: Browser, tmp_path: Path, name: str, width: int
) -> None:
    opened(browser, tmp_path, name)
    assert browser.width_on_a_screen_of(width) <= width


def test_a_chart_is_not_shrunk_until_nobody_can_read_it(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, "broken")
    browser.call("Emulation.setDeviceMetricsOverride", width=380, height=800, deviceScaleFactor=1, mobile=False)
    written = browser.value("document.querySelector('figure .scroll text').getBoundingClientRect().height")
    browser.call("Emulation.clearDeviceMetricsOverride")
    assert written >= 10
