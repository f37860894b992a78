"""The newest requests of closed windows, from memory or, after a restart, from the lake."""

from __future__ import annotations

from collections.abc import Sequence

from syscard_monitors.assemble import Frontier, Request
from syscard_monitors.look import look
from syscard_monitors.memory import Memory, recall
from syscard_monitors.recent import MOST_RECENT, Recent, from_lake
from tests.unit.build import declared
from tests.unit.monitors.build import request
from tests.unit.monitors.test_look import NOW_US, SHOP, lake, roots

NOTHING: tuple[Request, ...] = ()


def numbers(requests: Sequence[Request]) -> list[int]:
    return [int(r.trace_id, 16) for r in requests]


def window(first: int, n: int = 20) -> tuple[Request, ...]:
    return tuple(request(i) for i in range(first, first + n))


def test_the_newest_end_with_the_window_that_is_not_closed_yet() -> None:
    recent = Recent(SHOP, Frontier(), lambda: NOTHING)
    recent.add(window(0))
    recent.add(window(20))
    assert numbers(recent.with_window(window(40), 50)) == list(range(10, 60))
    assert numbers(recent.with_window(window(40), 20)) == list(range(40, 60))


def test_there_are_fewer_where_so_many_have_not_come() -> None:
    assert numbers(Recent(SHOP, Frontier(), lambda: NOTHING).with_window(window(0), 500)) == list(range(20))


def test_a_window_may_be_larger_than_what_is_asked_for() -> None:
    assert numbers(Recent(SHOP, Frontier(), lambda: NOTHING).with_window(window(0), 5)) == list(range(15, 20))


def test_no_more_are_kept_than_the_memory_allows() -> None:
    recent = Recent(SHOP, Frontier(), lambda: NOTHING)
    for first in range(0, 2 * MOST_RECENT, 20):
        recent.add(window(first))
    found = recent.with_window(window(2 * MOST_RECENT), 2 * MOST_RECENT)
    assert len(found) == MOST_RECENT + 20


def test_the_lake_is_read_once_and_only_where_what_is_known_is_not_enough() -> None:
    reads: list[int] = []

    def read() -> Sequence[Request]:
        reads.append(1)
        return window(0)

    recent = Recent(SHOP, window(0)[-1].place, read)
    recent.add(window(20))
    assert numbers(recent.with_window(window(40), 40)) == list(range(20, 60))
    assert not reads
    assert numbers(recent.with_window(window(40), 60)) == list(range(60))
    assert numbers(recent.with_window(window(40), 500)) == list(range(60))
    assert len(reads) == 1


def test_after_a_restart_the_lake_gives_the_same_requests() -> None:
    spans = roots(60)
    memory = Memory()
    complete = look(lake(spans), SHOP, memory, NOW_US).complete
    kept = Recent(SHOP, memory.frontier, lambda: NOTHING)
    for i in (0, 20):
        kept.add(complete[i : i + 20])
        memory.frontier = complete[i + 19].place
        memory.starts = [*memory.starts, complete[i].start_us]
    again = recall(memory.body())
    restarted = Recent(SHOP, again.frontier, from_lake(lake(spans), SHOP, again, NOW_US))
    assert restarted.with_window(complete[40:], 55) == kept.with_window(complete[40:], 55) == complete[5:]


def test_what_was_put_together_as_another_system_says_goes_on_no_more() -> None:
    recent = Recent(SHOP, Frontier(), lambda: NOTHING)
    recent.add(window(0))
    end = window(0)[-1].place
    assert recent.goes_on(SHOP, end)
    assert not recent.goes_on(SHOP, Frontier())
    assert not recent.goes_on(declared(traces={"select": {"service.name": "shop"}}), end)
