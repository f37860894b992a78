from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syscard.card import Card
from syscard.edits import MoveIncident
from syscard.errors import NotOnTheCard, UsageError
from syscard.fold import empty_card, fold
from syscard_tui.incident_writing import may_merge, number_of, time_of
from syscard_tui.options import version_number
from tests.unit.build import HUMAN, NOW, chained, draft, opening


def test_an_incident_is_named_with_or_without_its_letters() -> None:
    assert [number_of(text) for text in ("INC-3", "inc-3", "3")] == [3, 3, 3]


@pytest.mark.parametrize("text", ["", "INC-", "-3", "3.0", "\N{SUPERSCRIPT TWO}", "9" * 5_000])
def test_what_is_no_number_of_an_incident_is_refused_shortly(text: str) -> None:
    with pytest.raises(UsageError, match="is no incident: write INC-3 or 3") as refused:
        number_of(text)
    assert len(str(refused.value)) < 100


def test_a_time_is_in_utc_where_it_says_no_zone() -> None:
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert time_of("2026-12-01T12:00") == time_of("2026-12-01T14:00+02:00") == noon


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00+12:00", "9999-12-31T23:59-12:00"])
def test_what_is_no_time_or_none_in_utc_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        time_of(text)


@pytest.mark.parametrize("text", ["", "v", "v0", "v-1", "9" * 5_000])
def test_what_is_no_version_of_a_card_is_refused_shortly(text: str) -> None:
    assert version_number("v2") == version_number("2") == 2
    with pytest.raises(UsageError, match="is no card version: write v2 or 2") as refused:
        version_number(text)
    assert len(str(refused.value)) < 100


def _card(*moved: MoveIncident) -> Card:
    """INC-1 and INC-2, a page."""
    page = opening(number=2, subject="vlm", fingerprint="f" * 16, severity="page")
    people = [draft(one, author=HUMAN) for one in moved]
    batches = [[draft(opening()), draft(page)], *([people] if people else [])]
    return fold(chained(batches), start=empty_card("shop"))


def _accepted(number: int) -> MoveIncident:
    until = NOW + timedelta(days=30)
    return MoveIncident(number=number, state="accepted_risk", until=until, approver="mara", text_sha256="a" * 64)


def test_an_open_incident_is_not_hidden_in_an_accepted_one_unless_somebody_insists() -> None:
    card = _card(_accepted(1))
    with pytest.raises(
        UsageError, match=r"INC-1 is accepted until 20\d\d-.* UTC and calls nobody: INC-2 \(an open page"
    ):
        may_merge(card, 2, 1, force=False)
    may_merge(card, 2, 1, force=True)
    may_merge(card, 1, 2, force=False)  # the accepted one into the open one: that calls


def test_what_is_accepted_itself_and_what_is_open_are_merged_as_ever() -> None:
    may_merge(_card(_accepted(1), _accepted(2)), 2, 1, force=False)
    may_merge(_card(), 2, 1, force=False)


def test_what_is_over_takes_nothing_however_one_insists() -> None:
    card = _card(MoveIncident(number=1, state="resolved", resolution="fixed"))
    with pytest.raises(UsageError, match="INC-1 is resolved: merge into one that is open"):
        may_merge(card, 2, 1, force=True)
    with pytest.raises(NotOnTheCard, match="no INC-7"):
        may_merge(card, 2, 7, force=True)
