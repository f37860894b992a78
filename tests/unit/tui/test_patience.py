from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from syscard.steps import Step
from syscard_tui.patience import GIB, Limits, Patience, Stop, resident

LIMITS = Limits(silent_s=10, memory=4 * GIB)
READING, WORDS = Step("shop", "reading the lake"), Step("shop", signal="llm.words")
SMALL = GIB // 4


def looks(*seen: tuple[int, Step, int], seconds: float = 1) -> Stop | None:
    """The first reason to stop it, over looks at (beats, step, memory)."""
    patience = Patience(LIMITS)
    return next((stop for one in seen if (stop := patience.look(*one, seconds))), None)


def test_a_process_that_beats_is_never_stopped_however_long_one_step_takes() -> None:
    assert looks(*((beat, WORDS, SMALL) for beat in range(1_000))) is None


def test_one_that_does_not_beat_for_so_long_is_stopped_and_what_it_was_at_is_named() -> None:
    assert looks(*[(7, WORDS, SMALL)] * 10) is None
    stop = looks(*[(7, WORDS, SMALL)] * 11)
    assert stop == Stop("no progress for 10 s", WORDS)
    assert f"{stop.why} while {stop.step}" == "no progress for 10 s while judging llm.words of shop"


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40))
def test_every_beat_begins_the_wait_anew(pauses: Sequence[int]) -> None:
    """However often it paused before: only one pause that is too long counts."""
    seen = [(beat, WORDS, SMALL) for beat, pause in enumerate(pauses) for _ in range(pause + 1)]
    assert (looks(*seen) is not None) == any(pause >= 10 for pause in pauses)


def test_one_that_grows_within_a_step_is_stopped_and_the_step_is_blamed() -> None:
    stop = looks((1, READING, SMALL), (2, WORDS, SMALL), (2, WORDS, 5 * GIB))
    assert stop == Stop("5.0 GiB of memory, more than 4 GiB", WORDS, blames=True)


def test_a_step_that_is_faster_than_two_looks_is_blamed_as_well() -> None:
    stop = looks((1, READING, SMALL), (2, WORDS, 5 * GIB))
    assert stop is not None
    assert stop.blames


def test_the_step_in_which_it_happened_to_be_is_not_blamed_for_what_was_there_before() -> None:
    large = 4 * GIB - 1000
    stop = looks((1, READING, SMALL), (1, READING, large), (2, WORDS, large), (2, WORDS, 4 * GIB + 1))
    assert stop is not None
    assert (stop.step, stop.blames) == (WORDS, False)


def test_the_memory_of_a_process_is_what_it_holds() -> None:
    assert 10 * 2**20 < resident(os.getpid()) < 100 * GIB
    assert resident(2**22 + 1) == 0, "no process has this number"
