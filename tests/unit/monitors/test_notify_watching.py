"""That nobody watches is told once an outage, and once when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from syscard.digest import iso
from syscard.notification import Message
from syscard.system import Notify
from syscard_monitors.notify.state import NotifierState
from syscard_monitors.notify.watching import DEAD_AFTER, OFTEN, WELL_FOR, Trouble, Watch, tell_outage, trouble
from tests.unit.build import NOW

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
LONG_AGO = NOW - timedelta(days=1)
DEAD = Trouble("monitors", "the monitors have not looked for 4 min")


def watcher(**changes: Any) -> dict[str, Any]:
    return {"last_run": iso(NOW), "last_span": iso(NOW), "per_minute": 20.0, "restarts": [], **changes}


def found(now: datetime, started: datetime = LONG_AGO, policy: Notify | None = None, **changes: Any) -> Trouble | None:
    return trouble(watcher(**changes), policy or Notify(), Watch(started), now)


def test_monitors_that_look_and_spans_that_come_are_no_trouble() -> None:
    assert found(NOW + MINUTE) is None


def test_monitors_that_have_not_looked_for_long_are_dead() -> None:
    assert found(NOW + DEAD_AFTER) is None
    dead = found(NOW + DEAD_AFTER + SECOND)
    assert dead is not None
    assert dead.kind == "monitors"


def test_where_looks_are_rare_three_of_them_must_be_missing() -> None:
    rare = Watch(LONG_AGO, timedelta(minutes=10))
    assert trouble(watcher(per_minute=None), Notify(), rare, NOW + timedelta(minutes=30)) is None
    assert trouble(watcher(), Notify(), rare, NOW + timedelta(minutes=30) + SECOND) is not None


def test_why_they_were_restarted_last_is_told_with_it() -> None:
    restarts = [{"at": iso(NOW), "why": "no progress for 120 s while judging llm.words of shop"}]
    dead = found(NOW + timedelta(hours=2), restarts=restarts)
    assert dead is not None
    assert "the last time: no progress for 120 s" in dead.what


def test_time_before_the_one_who_asks_began_is_nobodys_fault() -> None:
    later = NOW + timedelta(days=3)
    assert found(later, started=later - MINUTE) is None
    assert found(later, started=later - 2 * DEAD_AFTER) is not None
    assert found(later, started=later - MINUTE, last_run=None, last_span=None) is None
    assert found(later, started=later - 2 * DEAD_AFTER, last_run=None) is not None


def test_monitors_that_die_again_and_again_are_an_outage_though_they_look_between() -> None:
    once = [{"at": iso(NOW - MINUTE), "why": "killed by SIGKILL"}]
    assert found(NOW, restarts=once * (OFTEN - 1)) is None
    often = found(NOW, restarts=once * OFTEN)
    assert often is not None
    assert "restarted 3 times in an hour" in often.what


def test_no_span_is_trouble_once_a_hundred_requests_should_have_come() -> None:
    looked: dict[str, Any] = {"last_run": iso(NOW + 60 * MINUTE)}
    assert found(NOW + 60 * MINUTE, per_minute=1.0, **looked) is None
    silent = found(NOW + 60 * MINUTE, per_minute=2.0, **looked)
    assert silent is not None
    assert silent == Trouble("spans", "no span has come for 1 h")
    assert found(NOW + 14 * MINUTE, per_minute=1000.0, last_run=iso(NOW + 14 * MINUTE)) is None


def test_a_declared_silence_is_what_counts_where_there_is_one() -> None:
    looked: dict[str, Any] = {"last_run": iso(NOW + 60 * MINUTE), "per_minute": 0.1}
    quiet = Notify(quiet=timedelta(minutes=30))
    assert found(NOW + 60 * MINUTE, policy=quiet, **looked) is not None
    assert found(NOW + 60 * MINUTE, policy=Notify(quiet=timedelta(hours=2)), **looked) is None
    assert found(NOW + 60 * MINUTE, policy=quiet, last_run=iso(NOW + 60 * MINUTE), last_span=None) is None


def told(*steps: tuple[int, Trouble | None]) -> list[Message]:
    """What is told when so many seconds later it is so."""
    state, now, said = NotifierState(digested=NOW), NOW, list[Message]()
    for seconds, one in steps:
        now += timedelta(seconds=seconds)
        state, messages = tell_outage("shop", one, state, now)
        state = NotifierState.model_validate(state.model_dump(mode="json"))
        said += messages
    return said


def test_an_outage_is_told_once_and_its_end_once() -> None:
    well = int(WELL_FOR.total_seconds())
    messages = told((0, None), (5, DEAD), (5, DEAD), (3600, DEAD), (5, None), (well, None), (5, None))
    assert [m.kind for m in messages] == ["silent", "back"]
    assert messages[0].title == "(shop) NOT WATCHED: the monitors have not looked for 4 min"
    assert "after 1 h" in messages[1].text
    assert [m.ordinal for m in messages] == [1, 2]


def test_an_outage_that_comes_and_goes_is_one() -> None:
    assert [m.kind for m in told(*[(60, DEAD), (60, None)] * 20)] == ["silent"]
