"""Snapshots on the card: which are told, when one is due, and when there is one already."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.card import Card
from syscard.fold import fold
from syscard.snapshots import (
    ON_REQUEST,
    SCHEDULED,
    SNAPSHOTS_SHOWN,
    Snapshot,
    SnapshotCard,
    Wish,
    of_incidents,
    of_release,
    scheduled,
    taken,
    wishes,
)
from tests.unit import build

DAY = timedelta(days=1)
LATE = timedelta(minutes=10)


def body(number: int = 1, version: int = 1, **changes: object) -> Snapshot:
    plain = {
        "number": number,
        "version": version,
        "card": "c" * 64,
        "reason": ON_REQUEST,
        "verdict": "OK",
        "files": {"md": "a" * 64},
        "envelope": f"{number:064d}",
    }
    return Snapshot.model_validate({**plain, **changes})


def card_with(*bodies: Snapshot) -> Card:
    first = [build.draft(build.component())]
    return fold(build.chained([first, *([build.draft(b, minute=i)] for i, b in enumerate(bodies, 1))]), start="shop")


def test_the_card_tells_when_and_why_a_snapshot_was_taken_and_what_was_written() -> None:
    (told,) = card_with(body()).snapshots
    assert (told.number, told.version, told.reason, told.verdict) == (1, 1, ON_REQUEST, "OK")
    assert told.at == build.NOW + timedelta(minutes=1)
    assert told.files == {"md": "a" * 64}


def test_a_card_without_snapshots_has_the_digest_that_it_had_before_there_were_any() -> None:
    assert "snapshots" not in card_with().model_dump(mode="json")


def test_the_newest_twenty_stand_on_the_card() -> None:
    told = card_with(*(body(n, n) for n in range(1, 31))).snapshots
    assert [s.number for s in told] == list(range(11, 31))


def test_the_newest_scheduled_one_stays_because_the_next_period_begins_where_it_ended() -> None:
    planned = body(2, 2, reason=SCHEDULED, start=build.NOW - DAY, end=build.NOW)
    told = card_with(body(1, 1), planned, *(body(n, n) for n in range(3, 60))).snapshots
    assert [s.number for s in told] == [2, *range(41, 60)]
    wish = scheduled(told, DAY, build.NOW + DAY + LATE)
    assert wish is not None
    assert (wish.start, wish.end) == (build.NOW, build.NOW + DAY)


@given(build.histories(), st.integers(0, 3))
def test_however_it_is_folded_the_card_tells_the_same_snapshots(history: tuple[object, ...], at: int) -> None:
    batches = [*history, [build.draft(body(1, len(history)))]]
    edits = build.chained(batches)  # type: ignore[arg-type]
    cut = min(at, len(edits))
    assert fold(edits[cut:], start=fold(edits[:cut], start="shop")).digest == fold(edits, start="shop").digest


def test_the_same_card_and_reason_give_no_second_one() -> None:
    card = card_with(body(1, 1))
    assert taken(card.snapshots, card.version, Wish(), "OK") == card.snapshots[0]


def test_what_is_due_by_itself_is_taken_once_though_the_card_and_its_verdict_changed_meanwhile() -> None:
    """Two processes saw that it is due; one took it, and then the monitors wrote."""
    period = {"start": build.NOW - DAY, "end": build.NOW}
    of_incident = {"reason": "incident INC-5", "incidents": (5,), **period}
    card = card_with(body(1, 1, reason=SCHEDULED, **period), body(2, 2, **of_incident))
    due = (Wish(reason=SCHEDULED, **period), Wish(reason="incident INC-5", incidents=(5,)))
    assert [taken(card.snapshots, card.version + 3, wish, "BROKEN") for wish in due] == list(card.snapshots)
    later = Wish(reason=SCHEDULED, start=build.NOW, end=build.NOW + DAY)
    both = Wish(reason="incident INC-5, INC-6", incidents=(5, 6))
    assert [taken(card.snapshots, card.version, wish, "OK") for wish in (later, both)] == [None, None]


@pytest.mark.parametrize(
    ("wish", "verdict"),
    [(Wish(reason="release 2"), "OK"), (Wish(start=build.NOW, end=build.NOW + DAY), "OK"), (Wish(), "UNKNOWN")],
)
def test_another_reason_period_or_verdict_is_another_snapshot(wish: Wish, verdict: str) -> None:
    card = card_with(body(1, 1))
    assert taken(card.snapshots, card.version, wish, verdict) is None


def test_a_card_on_which_something_else_changed_gets_another() -> None:
    card = card_with(body(1, 1))
    assert taken(card.snapshots, card.version + 1, Wish(), "OK") is None


def test_snapshots_for_other_reasons_are_no_change_of_the_card() -> None:
    card = card_with(body(1, 1), body(2, 2, reason="release 2"))
    assert taken(card.snapshots, card.version, Wish(), "OK") == card.snapshots[0]


def test_a_period_is_told_once_it_is_over_and_its_requests_were_looked_at() -> None:
    known = card_with(body(reason=SCHEDULED, start=build.NOW - DAY, end=build.NOW)).snapshots
    assert scheduled(known, DAY, build.NOW + DAY) is None
    wish = scheduled(known, DAY, build.NOW + DAY + LATE)
    assert wish == Wish(reason=SCHEDULED, start=build.NOW, end=build.NOW + DAY)


@given(st.integers(0, 20_000), st.integers(1, 500))
def test_periods_follow_each_other_without_gap_or_overlap(late: int, hours: int) -> None:
    every = timedelta(hours=hours)
    known = card_with(body(reason=SCHEDULED, start=build.NOW - every, end=build.NOW)).snapshots
    wish = scheduled(known, every, build.NOW + timedelta(minutes=late))
    if wish is None:
        assert timedelta(minutes=late) < every + LATE
        return
    assert wish.start == build.NOW
    assert wish.end is not None
    assert (wish.end - build.NOW) % every == timedelta(0)
    assert wish.end <= build.NOW + timedelta(minutes=late)


def test_one_snapshot_is_of_all_incidents_that_have_none() -> None:
    opened = {7: build.NOW, 5: build.NOW, 4: build.NOW}
    known = card_with(body(reason="incident INC-4", incidents=(4,))).snapshots
    assert of_incidents(known, opened) == Wish(reason="incident INC-5, INC-7", incidents=(5, 7))
    assert of_incidents(known, {4: build.NOW}) is None
    assert of_incidents((), {}) is None


def test_an_incident_older_than_what_the_card_remembers_is_not_told_again() -> None:
    known = card_with(*(body(n, n) for n in range(1, SNAPSHOTS_SHOWN + 5))).snapshots
    assert of_incidents(known, {1: build.NOW - DAY}) is None
    assert of_incidents(known, {1: build.NOW + DAY}) == Wish(reason="incident INC-1", incidents=(1,))


def test_what_an_incident_asks_for_goes_before_the_schedule() -> None:
    found = list(wishes((), DAY, {1: build.NOW}, build.NOW))
    assert [w.reason for w in found] == ["incident INC-1", SCHEDULED]
    assert of_release("2.1").reason == "release 2.1"


def test_a_period_has_a_start_and_an_end() -> None:
    told: SnapshotCard = card_with(body(start=build.NOW, end=build.NOW + DAY)).snapshots[0]
    assert told.period == (build.NOW, build.NOW + DAY)
    assert card_with(body()).snapshots[0].period is None
    assert isinstance(told.at, datetime)
