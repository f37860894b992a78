"""Incidents that somebody held back for a time call again when it is over, even where no request comes any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.card import Card
from syscard.clock import ReplayClock, system_clock
from syscard.home import Home
from syscard_monitors.drift import Comparison, DriftWorker
from syscard_tui.wiring import House
from tests.functional.helpers import REF, syscard

HELD = {
    "suppressed": ("silence", "subject=*", "--for", "2h", "--reason", "known"),
    "accepted_risk": ("accept", "5", "--until", "2h", "--reason", "known"),
}


class Unasked(DriftWorker):
    """Nothing is compared where no window comes."""

    def p_values(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        raise AssertionError(comparisons)


def looked(home: Path, later: timedelta) -> Card:
    """The card after a look without any new request, by a clock that has gone on."""
    house = House(Home(home), ReplayClock(system_clock() + later))
    with house.records() as records:
        tick = house.watcher(records, Unasked()).tick(REF)
        assert tick.windows == 0
        return tick.card


@pytest.mark.parametrize("state", HELD)
def test_what_was_held_back_is_open_again_at_its_time_without_any_request(state: str, demo_home: Path) -> None:
    assert syscard("--home", demo_home, "incident", *HELD[state]).code == 0
    assert looked(demo_home, timedelta(hours=1, minutes=59)).incidents[5].state == state
    card = looked(demo_home, timedelta(hours=2, minutes=1))
    assert (card.incidents[5].state, card.incidents[5].severity) == ("open", "page")
    assert card.incidents[5].events[-1].author.startswith("monitor")
    assert looked(demo_home, timedelta(hours=2, minutes=2)).version == card.version
    assert "verified: ok" in syscard("--home", demo_home, "card", "verify").out


def test_what_was_resolved_meanwhile_stays_so(demo_home: Path) -> None:
    assert syscard("--home", demo_home, "incident", *HELD["suppressed"]).code == 0
    assert syscard("--home", demo_home, "incident", "resolve", "5").code == 0
    assert looked(demo_home, timedelta(hours=3)).incidents[5].state == "resolved"
