from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.steps import Step
from syscard_tui.heartbeat import _HEAD, VARIABLE, Heartbeat, Pulse, own_heartbeat

CHILD = """
import os, signal
from syscard.steps import Step
from syscard_tui.heartbeat import own_heartbeat
heart = own_heartbeat()
heart.at(Step("shop", "reading the lake"))
heart.at(Step("shop", signal="llm.words"))
heart.beat()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def pulse() -> Iterator[Pulse]:
    with closing(Pulse()) as opened:
        yield opened


def test_what_a_process_was_at_outlives_that_it_was_killed(pulse: Pulse) -> None:
    pulse.begin()
    before, step = pulse.read()
    assert str(step) == "starting"
    env = {**os.environ, VARIABLE: str(pulse.descriptor)}
    ended = subprocess.run([sys.executable, "-c", CHILD], env=env, pass_fds=[pulse.descriptor], timeout=120)
    assert ended.returncode == -9
    count, step = pulse.read()
    assert (count - before, step) == (3, Step("shop", signal="llm.words", doing="starting"))
    pulse.begin()
    assert pulse.read()[1] == Step()


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=3, max_size=3))
def test_a_step_is_read_as_it_was_told_and_a_long_one_is_cut(pulse: Pulse, parts: list[str]) -> None:
    step = Step(*parts)
    Heartbeat(pulse.descriptor).at(step)
    read = pulse.read()[1]
    if len("".join(parts).encode()) < 1000:
        assert read == step
    else:
        assert len("".join(read).encode()) < 1100


def test_where_nobody_watches_a_heart_beats_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    own, pulse = own_heartbeat(), Pulse()
    own.at(Step("shop", "reading the lake"))
    assert pulse.read()[0] == 0, "it is on a page of its own, that nobody else reads"
    assert bytes(own._page[_HEAD.size :]).startswith(b"shop\0reading the lake\0")
    pulse.close()
