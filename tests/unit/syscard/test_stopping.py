"""How a server is told to stop."""

from __future__ import annotations

import os
import signal
import threading

from syscard.stopping import stopped_by_signals


def test_both_signals_reach_the_server_and_what_was_there_before_comes_back() -> None:
    told: list[int] = []
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stopped_by_signals(lambda number, _frame: told.append(number)):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert told == [signal.SIGTERM, signal.SIGINT]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_in_a_thread_that_is_not_the_main_one_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), list[object]()

    def run() -> None:
        with stopped_by_signals(lambda _number, _frame: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
