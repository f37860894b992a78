"""Faults are switched on mid-run and off again: by the command line, or while the agent runs."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from recommender.errors import Unavailable
from recommender.faults import NORMAL
from recommender.later import FASTER, Later
from recommender.switches import FULLY_AFTER, Switchboard, mix_of, switch, switched_on, window


def names(board: Switchboard, request: int) -> list[str]:
    return [fault.name for fault, _ in board.on(request)]


def test_a_fault_is_on_for_the_requests_that_are_named(tmp_path: Path) -> None:
    board = Switchboard([window("blurred-pictures@20-40"), window("tool-loop")], tmp_path / "switches")
    assert [names(board, n) for n in (19, 20, 39, 40)] == [
        ["tool-loop"], ["blurred-pictures", "tool-loop"], ["blurred-pictures", "tool-loop"], ["tool-loop"],
    ]  # fmt: skip


def test_a_gradual_fault_is_at_its_worst_at_the_end_of_its_window() -> None:
    found = window("gradual-haze@10-20")
    assert [found.progress(n) for n in (9, 10, 19, 20)] == [None, 0.0, 1.0, None]
    assert window("gradual-haze").progress(FULLY_AFTER - 1) == 1.0
    assert window("gradual-haze").progress(10 * FULLY_AFTER) == 1.0


@pytest.mark.parametrize(
    "spec", ["blurred-pictures@", "blurred-pictures@9", "blurred-pictures@9-9", "Blur", "", "@1-2"]
)
def test_what_cannot_be_read_is_one_line(spec: str) -> None:
    with pytest.raises(Unavailable, match="write blurred-pictures, or blurred-pictures@20-40"):
        window(spec)


def test_a_running_agent_sees_a_switch_at_its_next_request_and_its_end(tmp_path: Path) -> None:
    file = tmp_path / "there" / "switches"
    board = Switchboard([], file)
    assert names(board, 0) == []
    assert switch(file, "llm-timeouts", on=True) == ("llm-timeouts",)
    assert switch(file, "dark-pictures", on=True) == ("llm-timeouts", "dark-pictures")
    assert switch(file, "dark-pictures", on=True) == ("llm-timeouts", "dark-pictures")
    assert names(board, 1) == ["llm-timeouts", "dark-pictures"]
    assert switch(file, "llm-timeouts", on=False) == ("dark-pictures",)
    assert switched_on(file) == ("dark-pictures",)
    assert names(board, 2) == ["dark-pictures"]
    switch(file, "dark-pictures", on=False)
    assert names(board, 3) == []


def test_a_switch_that_is_set_again_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "switches"
    board = Switchboard([], file)
    switch(file, "gradual-haze", on=True)
    assert [share for request in (100, 100 + FULLY_AFTER) for _, share in board.on(request)] == [0.0, 1.0]
    switch(file, "gradual-haze", on=False)
    board.on(500)
    switch(file, "gradual-haze", on=True)
    assert board.on(600)[0][1] == 0.0


def test_a_switch_that_does_not_exist_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no fault 'nonsense'"):
        switch(tmp_path / "switches", "nonsense", on=True)
    assert not (tmp_path / "switches").exists()


def test_who_comes_is_as_the_fault_says_that_is_on(tmp_path: Path) -> None:
    board = Switchboard([window("cold-start-flood@5-10"), window("blurred-pictures")], tmp_path / "switches")
    assert mix_of(board.on(0)) == NORMAL
    assert mix_of(board.on(5)).new == 0.6


def test_answers_are_sent_when_they_are_due_and_the_rest_when_the_shop_closes() -> None:
    sent: list[str] = []
    first = threading.Event()

    def soon() -> None:
        sent.append("soon")
        first.set()

    later = Later()
    later.call(timedelta(hours=3), lambda: sent.append("after hours"))
    later.call(timedelta(seconds=0.05 * FASTER), soon)
    assert first.wait(20)
    assert sent == ["soon"]
    later.finish()
    assert sent == ["soon", "after hours"]
