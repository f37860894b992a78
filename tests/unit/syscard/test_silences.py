from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.card import Card
from syscard.fold import fold
from syscard.silences import due_moves, matches, silence_of
from tests.unit.build import MONITOR, NOW, chained, draft, member, opening, silence

LATER = NOW + timedelta(hours=1)
AFTER = NOW + timedelta(hours=3)


def card_of(*bodies: e.Body) -> Card:
    return fold(chained([[draft(body) for body in bodies]]), start="shop")


def quiet(matcher: ie.Matcher, subject: str, *keys: str, inherited: tuple[str, ...] = (), at: datetime = LATER) -> bool:
    found = tuple(member(key) for key in keys)
    card = card_of(silence(matcher=matcher, maintenance=True))
    return silence_of(card, subject, found, inherited, at) is not None


@pytest.mark.parametrize(
    ("said", "is_quiet"),
    [
        ({"about": "vlm"}, True),
        ({"about": "llm"}, False),
        ({"about": "v*"}, True),
        ({"about": "system"}, True),
        ({"signal": "agrees"}, True),
        ({"signal": "vlm.agrees"}, True),
        ({"signal": "agree"}, False),
        ({"risk": "IR-14"}, False),
        ({"subject": "vlm"}, True),
        ({"subject": "llm", "about": "vlm"}, False),
        ({"about": "vlm", "signal": "agrees"}, True),
        ({}, True),
    ],
)
def test_everything_that_a_silence_says_must_match(said: dict[str, str], is_quiet: bool) -> None:
    assert quiet(ie.Matcher(**said), "vlm", "vlm.agrees") is is_quiet


def test_a_silence_matches_the_name_of_a_risk() -> None:
    assert matches(ie.Matcher(risk="IR-*"), "llm", member("llm.IR-14"), ())


def test_a_silence_does_not_hide_what_it_is_not_about() -> None:
    assert not quiet(ie.Matcher(about="vlm"), "vlm", "vlm.agrees", "llm.words")


def test_what_may_only_be_inherited_from_a_silenced_part_is_quiet_with_it() -> None:
    assert quiet(ie.Matcher(about="vlm"), "vlm", "vlm.agrees", "llm.words", inherited=("llm",))


@pytest.mark.parametrize(("at", "is_quiet"), [(NOW - timedelta(minutes=1), False), (LATER, True), (AFTER, False)])
def test_a_silence_that_is_declared_ahead_begins_and_ends_in_its_time(at: datetime, is_quiet: bool) -> None:
    assert quiet(ie.Matcher(about="vlm"), "vlm", "vlm.agrees", at=at) is is_quiet


def moves(card: Card, at: datetime, *firing: int) -> list[tuple[int, str, str | None]]:
    found = [draft.body for draft in due_moves(card, at, firing, MONITOR)]
    return [(b.number, b.state, b.silence) for b in found if isinstance(b, e.MoveIncident)]


def test_an_open_incident_is_suppressed_when_a_silence_begins() -> None:
    card = card_of(opening(1, "vlm"), opening(2, "llm"), silence())
    assert moves(card, LATER) == [(1, "suppressed", "S-1")]


def test_what_somebody_has_stays_with_him() -> None:
    card = card_of(opening(1, "vlm"), e.MoveIncident(number=1, state="acknowledged"), silence())
    assert moves(card, LATER, 1) == []


def test_what_still_fires_when_its_silence_ends_is_open_again_and_what_does_not_waits() -> None:
    card = card_of(opening(1, "vlm", silence="S-1"), silence())
    assert moves(card, LATER, 1) == []
    assert moves(card, AFTER) == []
    assert moves(card, AFTER, 1) == [(1, "open", None)]


def test_a_window_that_ended_before_a_silence_was_declared_does_not_lift_it() -> None:
    card = card_of(opening(1, "vlm", silence="S-1"), silence())
    assert moves(card, NOW - timedelta(seconds=30), 1) == []


def test_a_window_that_ended_before_a_silence_was_ended_by_hand_does_not_bring_it_back() -> None:
    card = card_of(opening(1, "vlm"), silence(minute=-60), ie.EndSilence(id="S-1"))
    assert moves(card, NOW - timedelta(seconds=30), 1) == []


def test_a_silence_that_is_ended_by_hand_is_over() -> None:
    card = card_of(opening(1, "vlm", silence="S-1"), silence(), ie.EndSilence(id="S-1"))
    assert moves(card, LATER, 1) == [(1, "open", None)]


def test_what_joins_and_is_not_silenced_brings_a_suppressed_incident_back() -> None:
    joined = e.ExtendIncident(number=1, findings=(member("cf.words"),), severity="ticket")
    assert moves(card_of(opening(1, "vlm", silence="S-1"), silence(), joined), LATER, 1) == [(1, "open", None)]


def test_an_accepted_risk_is_open_again_when_the_acceptance_runs_out_and_it_still_fires() -> None:
    accepted = e.MoveIncident(number=1, state="accepted_risk", until=LATER, approver="lead")
    card = card_of(opening(1, "vlm"), accepted)
    assert moves(card, NOW, 1) == []
    assert moves(card, LATER) == []
    assert moves(card, LATER, 1) == [(1, "open", None)]
