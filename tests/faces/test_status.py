"""`syscard status` as text."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest

from syscard.faces import overview
from syscard.render.status import status_text
from syscard.views import View
from syscard.words import cells
from tests.faces import sample

NAMES = ("broken", "earlier", "calm", "declared", "silent", "idle", "hostile")


def _status(view: View, width: int = 80, *, colour: bool = False) -> str:
    return status_text(overview(view, sample.NOW), sample.NOW, width=width, colour=colour)


@pytest.mark.parametrize("name", NAMES)
def test_the_status_reads_as_accepted(
    views: dict[str, View], as_accepted: Callable[[str, str], None], name: str
) -> None:
    as_accepted(f"status-{name}.txt", _status(views[name]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(views: dict[str, View], name: str, width: int) -> None:
    assert max(cells(line) for line in _status(views[name], width).splitlines()) <= width


@pytest.mark.parametrize("name", NAMES)
def test_colour_adds_nothing_but_colour(views: dict[str, View], name: str) -> None:
    painted = re.sub(r"\x1b\[[0-9;]*m", "", _status(views[name], colour=True))
    assert [line.rstrip() for line in painted.splitlines()] == _status(views[name]).splitlines()


def test_without_colour_there_is_no_escape_character_even_in_hostile_text(views: dict[str, View]) -> None:
    assert "\x1b" not in _status(views["hostile"])
    assert all(line.isprintable() for line in _status(views["hostile"]).splitlines())


@pytest.mark.parametrize("name", ["silent", "declared"])
def test_a_watcher_that_is_not_there_is_the_first_thing_seen(views: dict[str, View], name: str) -> None:
    text = _status(views[name])
    assert text.startswith("WATCHER ")
    assert not re.search(r"^  \S+ +ok\b", text, re.MULTILINE)
    assert "nobody is looking" in text


def test_peace_is_told_with_the_proof_that_somebody_looked(views: dict[str, View]) -> None:
    text = _status(views["calm"])
    assert "watcher alive: last span 2 s ago, monitors 5/5 ran 6 s ago" in text
    assert "all 6 claims hold over 1,204 requests in 60 windows" in text


def test_no_traffic_is_not_peace(views: dict[str, View]) -> None:
    assert "which is not the same as OK: no request was seen" in " ".join(_status(views["idle"]).split())


def test_the_worst_incident_says_what_to_do_and_what_to_type(broken: View) -> None:
    text = _status(broken)
    assert "do      roll back lit-0.4: https://runbooks.shop.example/vlm" in text
    assert "next    syscard incident ack INC-12" in text
    assert "UNACKED" in text


def test_an_acknowledged_incident_names_who_has_it(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["incidents"]["12"] |= {"state": "acknowledged", "acknowledged_by": "human:mara"}
    text = _status(view)
    assert "ACKNOWLEDGED by human:mara" in text
    assert "next    syscard incident show INC-12" in text


def test_more_signals_than_two_are_counted(broken: View) -> None:
    view = copy.deepcopy(broken)
    incident = view["card"]["incidents"]["12"]
    incident["findings"] = incident["findings"] * 3
    assert "+4 more signals" in _status(view)


def test_other_open_incidents_are_named_too(broken: View) -> None:
    view = copy.deepcopy(broken)
    first = view["card"]["incidents"]["12"]
    view["card"]["incidents"]["13"] = {**first, "number": 13, "severity": "ticket", "title": "cf is slow"}
    assert "ALSO    INC-13 ticket since 14:02: vlm: cf is slow; UNACKED" in _status(view)
