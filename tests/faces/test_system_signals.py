"""Signals and incidents of the system as a whole: no part of the card has that name, and every face takes them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from syscard.blindspots import blind_spots
from syscard.faces import overview
from syscard.render.cardtext import card_text, incident_text
from syscard.render.snapshot import html, markdown
from syscard.render.status import status_text
from syscard.views import View
from tests.faces import sample


@pytest.fixture
def view(broken: View) -> View:
    """A page of the system, with its signal."""
    found = copy.deepcopy(broken)
    signal = next(s for s in found["live"]["signals"].values() if s["history"])
    told = {"key": "system.error", "about": "system", "label": "requests that fail", "topic": "quality"}
    found["live"]["signals"]["system.error"] = {**signal, **told, "kind": "rate", "state": "breach"}
    incident = next(i for i in found["card"]["incidents"].values() if i["state"] == "open")
    incident |= {"subject": "system", "inherited_by": ["system"]}
    return found


FACES: dict[str, Callable[[View], str]] = {
    "status": lambda view: status_text(overview(view, sample.NOW), sample.NOW),
    "card": card_text,
    "markdown": lambda view: markdown(view, None, sample.NOW),
    "html": lambda view: html(view, None, sample.NOW),
    "incident": lambda view: incident_text(view, 12),
}


@pytest.mark.parametrize("face", FACES)
def test_every_face_names_the_system_as_what_an_incident_is_about(face: str, view: View) -> None:
    assert "system" in FACES[face](view)


def test_the_snapshot_shows_the_system_s_signal_beside_those_of_the_parts(view: View) -> None:
    assert "requests that fail" in html(view, None, sample.NOW)


def test_what_watches_the_system_is_no_blind_spot(view: View) -> None:
    (cell,) = [cell for cell in blind_spots(view) if (cell.part, cell.topic) == ("system", "quality")]
    assert (cell.state, "error" in cell.by) == ("watched", True)
