from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.finding import State
from syscard.records.runs import add_run, runs
from syscard.records.store import Records
from syscard.runs import ASIDE_FOR, DEADLY_WITHIN, KEPT_FOR, LONGEST_ROW, MonitorRun, folded, set_aside
from tests.unit.build import GATE, NOW

LOOK_S = 5


def a_run(at: float = 0, **changes: Any) -> MonitorRun:
    """A look so many seconds after `NOW` that saw nothing new."""
    started = NOW + timedelta(seconds=at)
    body = {"started": started, "ended": started, "wall_s": 0.5, "cpu_s": 0.25, "rows": 100, "pid": 7, "version": "1"}
    return MonitorRun.model_validate({**body, **changes})


BUSY = {"windows": 2, "requests": 40, "findings": {State.OK: 30, State.BREACH: 2}}


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with closing(Records.open(tmp_path / "records.db", GATE)) as opened:
        yield opened


def keep(records: Records, *kept: MonitorRun, system: str = "shop") -> None:
    with records.transaction() as transaction:
        for run in kept:
            add_run(transaction, system, run)


def test_looks_that_saw_nothing_new_are_one_row_until_one_sees_something(records: Records) -> None:
    keep(records, *(a_run(LOOK_S * i) for i in range(100)), a_run(500, **BUSY), a_run(505), a_run(510))
    newest, busy, before = runs(records, "shop")
    assert (before.looks, before.wall_s, before.cpu_s, before.rows) == (100, 50.0, 25.0, 10_000)
    assert (before.started, before.ended) == (NOW, NOW + timedelta(seconds=495))
    assert busy == a_run(500, **BUSY)
    assert newest.looks == 2


@pytest.mark.parametrize(
    "other",
    [{"pid": 8}, {"version": "2"}, {"error": "the lake is gone"}, {"failed": ("groups: no worker",)}, {"died": True},
     BUSY],
)  # fmt: skip
def test_what_another_process_did_or_what_was_otherwise_is_a_row_of_its_own(other: dict[str, Any]) -> None:
    assert folded(a_run(), a_run(5, **other)) is None
    assert folded(a_run(**other), a_run(5)) is None


def test_looks_that_are_given_up_for_the_same_reason_are_one_row() -> None:
    both = folded(a_run(error="the lake is gone"), a_run(5, error="the lake is gone"))
    assert both is not None
    assert (both.looks, both.error) == (2, "the lake is gone")


def test_a_quiet_month_is_a_row_a_day_so_that_the_newest_look_is_not_let_go_with_the_oldest(records: Records) -> None:
    hours = KEPT_FOR // timedelta(hours=1) + 48
    keep(records, *(a_run(3600 * i) for i in range(hours)))
    found = runs(records, "shop")
    assert found[0].ended == NOW + timedelta(hours=hours - 1)
    assert all(run.ended - run.started <= LONGEST_ROW for run in found)
    assert found[-1].started >= found[0].started - KEPT_FOR
    assert len(found) in (29, 30, 31)


def test_of_many_runs_the_newest_stay(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syscard.records.runs.MOST_RUNS", 5)
    keep(records, *(a_run(i, **BUSY) for i in range(12)))
    assert [run.started for run in runs(records, "shop")] == [NOW + timedelta(seconds=i) for i in range(11, 6, -1)]
    assert len(runs(records, "shop", 2)) == 2


def test_deaths_are_found_among_many_looks_and_systems_are_kept_apart(records: Records) -> None:
    keep(records, a_run(0, **BUSY), a_run(5, died=True, error="killed", judging="llm.words"), a_run(10, **BUSY))
    keep(records, a_run(7, died=True, error="other"), system="bank")
    (death,) = runs(records, "shop", only_deaths=True)
    assert (death.error, death.judging) == ("killed", "llm.words")
    assert [run.error for run in runs(records, "bank")] == ["other"]


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=30))
def test_folding_loses_no_look_and_no_second(kinds: list[int]) -> None:
    changes: list[dict[str, Any]] = [{}, {"error": "no lake"}, BUSY]
    rows: list[MonitorRun] = []
    for at, kind in enumerate(kinds):
        run = a_run(at, **changes[kind])
        together = folded(rows[-1] if rows else None, run)
        rows[-1:] = [together] if together else [*rows[-1:], run]
    assert sum(row.looks for row in rows) == len(kinds)
    assert sum(row.wall_s for row in rows) == 0.5 * len(kinds)
    assert sum(row.rows for row in rows) == 100 * len(kinds)
    assert sum(row.windows for row in rows) == 2 * kinds.count(2)


def a_death(hours_ago: float, judging: str = "llm.words") -> MonitorRun:
    return a_run(-3600 * hours_ago, died=True, judging=judging, error="no progress for 120 s while judging llm.words")


def test_a_signal_in_which_the_monitors_died_twice_within_a_day_is_set_aside_for_a_while() -> None:
    assert set_aside([a_death(1)], NOW) == {}
    assert set_aside([a_death(1), a_death(2, "vlm.agrees"), a_death(3, "")], NOW) == {}
    (why,) = set_aside([a_death(1), a_death(2)], NOW).values()
    assert why.startswith("its monitor was stopped: no progress for 120 s")
    assert why.endswith("tried again after 19:00 UTC")


def test_it_is_tried_again_and_one_death_more_sets_it_aside_anew() -> None:
    hours = ASIDE_FOR / timedelta(hours=1)
    assert set_aside([a_death(hours), a_death(hours + 1)], NOW) == {}
    assert set_aside([a_death(0), a_death(hours), a_death(hours + 1)], NOW).keys() == {"llm.words"}
    day = DEADLY_WITHIN / timedelta(hours=1)
    assert set_aside([a_death(1), a_death(day)], NOW) == {}, "once a day is not again and again"
