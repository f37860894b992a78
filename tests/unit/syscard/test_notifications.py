"""The outbox: what is put in once is taken once, whoever asks, and marked; nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.notification import (
    GIVEN_UP_AFTER,
    KEPT_FOR,
    LOST_AFTER,
    MOST_KEPT,
    MOST_TRIES,
    WAITS,
    Message,
    Notification,
    Outcome,
    after,
    key_of,
)
from syscard.records.notifications import has_work, mark, notifications, put, remember, remembered, settle, take
from syscard.records.store import Records
from tests.unit.build import GATE, NOW

SENT, FAILED, PERHAPS = Outcome(state="sent"), Outcome(state="failed", why="refused"), Outcome(state="perhaps")
SECOND = timedelta(seconds=1)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with closing(Records.open(tmp_path / "records.db", GATE)) as opened:
        yield opened


def message(ordinal: int = 1, incident: int = 3) -> Message:
    return Message(kind="opened", incidents=(incident,), ordinal=ordinal, title="title", text="text")


def filled(records: Records, *messages: Message, targets: tuple[str, ...] = ("a", "b")) -> None:
    with records.transaction() as transaction:
        for one in messages:
            put(transaction, "shop", one, targets, NOW)


def taken(records: Records, *targets: str, later: timedelta = timedelta(0)) -> Notification | None:
    with records.transaction() as transaction:
        return take(transaction, targets, NOW + later)


def states(records: Records) -> dict[str, str]:
    return {one.target: one.state for one in notifications(records, "shop")}


def test_a_message_is_taken_once_for_each_target_and_never_again(records: Records) -> None:
    filled(records, message())
    first, second = taken(records, "a", "b"), taken(records, "a", "b")
    assert first is not None
    assert second is not None
    assert {first.target, second.target} == {"a", "b"}
    assert taken(records, "a", "b", later=timedelta(days=30)) is None


def test_the_same_decision_put_in_twice_is_one_message(records: Records) -> None:
    filled(records, message())
    taken(records, "a")
    filled(records, message())
    assert states(records) == {"a": "sending", "b": "waiting"}


def test_a_target_without_an_address_here_is_left_to_who_has_it(records: Records) -> None:
    filled(records, message())
    assert taken(records, "c") is None
    assert taken(records) is None


def test_what_certainly_did_not_arrive_is_tried_again_later_each_time_and_then_given_up(records: Records) -> None:
    filled(records, message(), targets=("a",))
    now = timedelta(0)
    for wait in WAITS:
        one = taken(records, "a", later=now)
        assert one is not None
        with records.transaction() as transaction:
            assert mark(transaction, one, FAILED, NOW + now).state == "waiting"
        assert taken(records, "a", later=now + wait - SECOND) is None
        now += wait
    one = taken(records, "a", later=now)
    assert one is not None
    assert one.tries == MOST_TRIES
    with records.transaction() as transaction:
        assert mark(transaction, one, FAILED, NOW + now).state == "failed"
    assert taken(records, "a", later=now + GIVEN_UP_AFTER) is None


@pytest.mark.parametrize("outcome", [SENT, PERHAPS])
def test_what_arrived_or_may_have_is_not_sent_again(records: Records, outcome: Outcome) -> None:
    filled(records, message(), targets=("a",))
    one = taken(records, "a")
    assert one is not None
    with records.transaction() as transaction:
        mark(transaction, one, outcome, NOW)
    assert states(records) == {"a": outcome.state}
    assert taken(records, "a", later=timedelta(days=2)) is None


def test_what_was_being_sent_when_the_process_died_is_perhaps_delivered_and_not_sent_again(records: Records) -> None:
    filled(records, message(), targets=("a",))
    taken(records, "a")
    for later, expected in ((LOST_AFTER - SECOND, "sending"), (LOST_AFTER, "perhaps")):
        with records.transaction() as transaction:
            assert has_work(transaction, ["a"], NOW + later) == (expected == "perhaps")
            settle(transaction, NOW + later)
        assert states(records) == {"a": expected}
    assert taken(records, "a", later=timedelta(days=2)) is None


def test_what_nobody_could_send_for_a_day_is_given_up(records: Records) -> None:
    filled(records, message(), targets=("gone",))
    with records.transaction() as transaction:
        assert not has_work(transaction, ["a"], NOW + GIVEN_UP_AFTER - SECOND)
        assert has_work(transaction, ["a"], NOW + GIVEN_UP_AFTER)
        (settled,) = settle(transaction, NOW + GIVEN_UP_AFTER)
    assert (settled.state, settled.why) == ("failed", "nobody could send it for a day")


@pytest.mark.endurance
def test_the_outbox_is_bounded_and_what_waits_goes_last(records: Records) -> None:
    with records.transaction() as transaction:
        put(transaction, "shop", message(0), ["a"], NOW)
        for ordinal in range(1, MOST_KEPT + 20):
            put(transaction, "shop", message(ordinal), ["b"], NOW + ordinal * SECOND)
            one = take(transaction, ["b"], NOW + ordinal * SECOND)
            assert one is not None
            mark(transaction, one, SENT, NOW)
    kept = notifications(records, "shop", 2 * MOST_KEPT)
    assert len(kept) == MOST_KEPT
    assert kept[-1].message.ordinal == 0


def test_old_ones_go(records: Records) -> None:
    filled(records, message(1))
    with records.transaction() as transaction:
        put(transaction, "shop", message(2), ["a"], NOW + KEPT_FOR + SECOND)
    assert [one.message.ordinal for one in notifications(records, "shop")] == [2]


def test_each_system_has_its_own_outbox_and_memory(records: Records) -> None:
    filled(records, message())
    with records.transaction() as transaction:
        remember(transaction, "shop", {"a": 1})
        remember(transaction, "shop", {"a": 2})
        assert remembered(transaction, "shop") == {"a": 2}
        assert remembered(transaction, "other") is None
    assert notifications(records, "other") == []


@given(ordinal=st.integers(0, 99), incident=st.integers(1, 99), system=st.sampled_from(("shop", "bank")))
def test_a_key_tells_system_incident_kind_and_ordinal_apart(ordinal: int, incident: int, system: str) -> None:
    one = message(ordinal, incident)
    others = [
        key_of("x", one),
        key_of(system, message(ordinal + 1, incident)),
        key_of(system, message(ordinal, incident + 1)),
        key_of(system, one.model_copy(update={"kind": "repeat"})),
    ]
    assert key_of(system, one) not in others
    assert key_of(system, one) == key_of(system, one.model_copy(update={"title": "other words"}))


@given(tries=st.integers(1, 20), hours=st.integers(0, 100), state=st.sampled_from(("sent", "failed", "perhaps")))
def test_only_a_certain_failure_is_tried_again_and_not_for_ever(tries: int, hours: int, state: str) -> None:
    made = Notification(key="k", target="a", system="s", message=message(), made=NOW, changed=NOW, due=NOW, tries=tries)
    now = NOW + timedelta(hours=hours)
    tried = after(made, Outcome.model_validate({"state": state}), now)
    if tried.state == "waiting":
        assert state == "failed"
        assert tries < MOST_TRIES
        assert tried.due > now
    else:
        assert tried.state == state
