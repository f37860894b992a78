"""Pictures of the screens as accepted. Accept new ones with: pytest tests/faces/test_pictures.py --snapshot-update."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest
from textual.pilot import Pilot

from syscard.clock import ReplayClock
from syscard.views import View
from syscard_tui.app import SyscardApp
from tests.faces import sample
from tests.faces.fakes import FakeSource

# Another Textual draws borders and footers differently: then the Pilot tests still hold, the pictures say nothing.
pytestmark = pytest.mark.skipif(version("textual") != "8.2.8", reason="pictures were accepted with Textual 8.2.8")


async def drawn(pilot: Pilot[None]) -> None:
    """Wait until the first data are on the screen."""
    app = pilot.app
    assert isinstance(app, SyscardApp)
    for _ in range(300):
        await pilot.pause(0.01)
        if app.shown is not None:
            break
    await pilot.pause(0.1)


async def card(pilot: Pilot[None]) -> None:
    """The second screen."""
    await drawn(pilot)
    await pilot.press("2")
    await pilot.pause(0.1)


@pytest.mark.parametrize("name", ["broken", "silent"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_overview_looks_as_accepted(
    views: dict[str, View], snap_compare: Callable[..., bool], name: str, size: tuple[int, int]
) -> None:
    app = SyscardApp(FakeSource(views[name]), ReplayClock(sample.NOW))
    assert snap_compare(app, terminal_size=size, run_before=drawn)


def test_the_card_looks_as_accepted(broken: View, snap_compare: Callable[..., bool]) -> None:
    app = SyscardApp(FakeSource(broken), ReplayClock(sample.NOW))
    assert snap_compare(app, terminal_size=(100, 30), run_before=card)


def test_without_colour_the_states_are_still_told_apart(
    broken: View, snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = SyscardApp(FakeSource(broken), ReplayClock(sample.NOW))
    assert snap_compare(app, terminal_size=(80, 24), run_before=drawn)


def test_the_palette_of_the_terminal_itself_is_legible(broken: View, snap_compare: Callable[..., bool]) -> None:
    app = SyscardApp(FakeSource(broken), ReplayClock(sample.NOW))
    app.theme = "ansi-dark"
    assert snap_compare(app, terminal_size=(80, 24), run_before=drawn)


async def interaction(pilot: Pilot[None]) -> None:
    """The window of an interaction: filtered to it, then opened."""
    await drawn(pilot)
    await pilot.press("slash", *"vlm-", "enter", "enter")
    await pilot.pause(0.2)


async def incident(pilot: Pilot[None]) -> None:
    """The window of the worst incident."""
    await drawn(pilot)
    await pilot.press("tab", "tab", "enter")
    await pilot.pause(0.2)


@pytest.mark.parametrize("window", [interaction, incident], ids=lambda opened: opened.__name__)
def test_the_windows_of_an_interaction_and_of_an_incident_look_as_accepted(
    broken: View, snap_compare: Callable[..., bool], window: Callable[..., object]
) -> None:
    app = SyscardApp(FakeSource(broken), ReplayClock(sample.NOW))
    assert snap_compare(app, terminal_size=(80, 40), run_before=window)
