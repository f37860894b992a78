from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from syscard.errors import MonitorError, UsageError
from syscard.observation import arrow_schema
from syscard_monitors.assemble import named_as_declared
from syscard_monitors.look import LARGEST_LOOK, Scan, between, look, newest, sampled
from syscard_monitors.memory import Memory
from syscard_monitors.traces import moment
from tests.unit.build import NOW, declared
from tests.unit.monitors.build import MINUTE, SECOND, START_US, span

NOW_US = START_US + 60 * MINUTE
SHOP = declared(traces={"select": {"service.name": "shop"}, "request": {"root": "request"}})


def lake(spans: Sequence[dict[str, Any]]) -> Scan:
    """Observations that can be scanned from a moment on, as the lake's are."""
    schema = arrow_schema()
    times = [{k: datetime.fromtimestamp(s[f"{k}_us"] / 1e6, UTC) for k in ("start", "received")} for s in spans]
    rows = [
        {"service": "shop", "clock_suspect": False, **{k: v for k, v in s.items() if k in schema.names}, **t}
        for s, t in zip(spans, times, strict=True)
    ]
    frame = pl.from_arrow(pa.Table.from_pylist(rows, schema=schema))
    assert isinstance(frame, pl.DataFrame)
    return lambda since: frame.lazy() if since is None else frame.lazy().filter(pl.col("start") >= since)


def roots(n: int, *, first: int = 0) -> list[dict[str, Any]]:
    """A root every ten seconds."""
    return [span(f"{i:04}", start_us=START_US + 10 * SECOND * i) for i in range(first, first + n)]


def test_a_look_takes_what_is_new_and_remembers_how_far_it_saw() -> None:
    memory = Memory()
    assert len(look(lake(roots(4)), SHOP, memory, NOW_US).complete) == 4
    assert (memory.newest_us, memory.watermark_us) == (START_US + 30 * SECOND, NOW_US)


def test_the_next_look_goes_on_where_the_windows_end() -> None:
    memory, spans = Memory(), roots(5)
    memory.frontier = look(lake(spans), SHOP, memory, NOW_US).complete[1].place
    assert [r.trace_id for r in look(lake(spans), SHOP, memory, NOW_US).complete] == ["0002", "0003", "0004"]


def test_spans_of_another_system_are_not_looked_at() -> None:
    spans = [{**s, "service": "bank"} for s in roots(3)] + roots(2, first=3)
    assert [r.trace_id for r in look(lake(spans), SHOP, Memory(), NOW_US).complete] == ["0003", "0004"]


def test_a_look_that_may_take_little_takes_the_oldest_whole_requests_and_leaves_the_rest() -> None:
    found = look(lake(roots(40)), SHOP, Memory(), NOW_US, most_rows=10).complete
    assert 0 < len(found) < 10
    assert [r.trace_id for r in found] == [f"{i:04}" for i in range(len(found))]


def test_many_small_looks_see_what_one_large_look_sees() -> None:
    memory, spans, seen = Memory(), roots(40), list[str]()
    while found := look(lake(spans), SHOP, memory, NOW_US, most_rows=80).complete:
        seen += [r.trace_id for r in found]
        memory.frontier = found[-1].place
    assert seen == [f"{i:04}" for i in range(40)]


def test_more_spans_at_once_than_can_be_put_together_are_an_error_not_a_gap() -> None:
    crowd = [span(f"{i:04}") for i in range(2 * LARGEST_LOOK)]
    with pytest.raises(MonitorError, match=f"more than {LARGEST_LOOK} spans within"):
        look(lake(crowd), SHOP, Memory(), NOW_US, most_rows=1)


def test_a_heap_of_spans_without_any_root_is_looked_at_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syscard_monitors.look.HOPELESS", 50)  # 10,000 take seconds to make
    memory = Memory()
    heap = [span(f"{i}", name="call", parent_span_id="gone") for i in range(50)]
    assert look(lake(heap), SHOP, memory, NOW_US).orphans == 50
    assert memory.floor_us > START_US
    assert look(lake(heap), SHOP, memory, NOW_US + MINUTE).orphans == 0


def test_feedback_neither_hides_that_requests_have_stopped_nor_that_they_have_no_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("syscard_monitors.look.HOPELESS", 50)
    memory = Memory()
    answers = [
        span(f"f{i}", name="feedback", operation="feedback", start_us=START_US + (20 + i) * MINUTE) for i in range(60)
    ]
    look(lake(roots(4) + answers), SHOP, memory, START_US + 90 * MINUTE)
    assert memory.newest_us == START_US + 30 * SECOND
    floor = memory.floor_us
    assert look(lake(answers), SHOP, memory, START_US + 91 * MINUTE).roots == 0
    assert memory.floor_us == floor


def test_a_stretch_of_time_has_the_requests_that_lie_whole_in_it() -> None:
    found = between(
        lake(roots(6)), SHOP, moment(START_US + 10 * SECOND), moment(START_US + 41 * SECOND), NOW_US
    ).requests
    assert [r.trace_id for r in found] == ["0001", "0002", "0003", "0004"]
    assert len(between(lake(roots(6)), SHOP, None, None, NOW_US).requests) == 6
    assert between(lake(roots(6)), SHOP, NOW.replace(year=2027), None, NOW_US).requests == ()


def test_what_came_long_after_a_stretch_of_time_is_not_read_but_for_its_feedback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = span("f1", name="feedback", operation="feedback", start_us=START_US + 40 * MINUTE)
    spans = [*roots(6), *roots(100, first=120), late]
    monkeypatch.setattr("syscard_monitors.look.MOST_ROWS", 1)
    until = moment(START_US + 2 * MINUTE)
    found = between(lake(spans), SHOP, moment(START_US), until, NOW_US)
    assert (len(found.requests), [f.trace_id for f in found.feedback]) == (6, ["f1"])
    with pytest.raises(UsageError, match="name a shorter one"):
        between(lake(spans), SHOP, moment(START_US), None, NOW_US)


@pytest.mark.parametrize("most", [150, 299, 10_000])
def test_of_a_long_time_with_too_many_spans_a_sample_is_taken_from_all_of_it(most: int) -> None:
    """Three hundred requests over 50 minutes; `most` spans fit into memory."""
    spans, since, until = roots(300), moment(START_US), moment(START_US + 50 * MINUTE)
    found, is_sample = sampled(lake(spans), SHOP, since, until, NOW_US, most=most)
    starts = [r.start_us for r in found.requests]
    assert is_sample == (most < 300)
    assert starts == sorted({*starts})
    if is_sample:
        assert len(starts) <= most
        assert starts[0] < START_US + 5 * MINUTE
        assert starts[-1] > START_US + 45 * MINUTE
    else:
        assert len(starts) == 300


def test_spans_beyond_the_end_do_not_make_a_stretch_of_time_a_sample() -> None:
    found, is_sample = sampled(lake(roots(300)), SHOP, NOW, moment(START_US + 2 * MINUTE), NOW_US, most=40)
    assert ([r.trace_id for r in found.requests], is_sample) == ([f"{i:04}" for i in range(12)], False)


def named(system_select: dict[str, str], **columns: Any) -> str | None:
    components = {"llm": {"kind": "llm", "owner": "discovery", "select": system_select}}
    system = declared(components=components, interactions={}, claims=[], risks=[])
    (row,) = named_as_declared([span(**columns)], system)
    found: str | None = row["component"]
    return found


def test_a_span_from_before_the_declaration_gets_the_name_that_is_declared_now() -> None:
    assert named({"gen_ai.operation.name": "chat"}, component="chat:gpt", operation="chat") == "llm"
    assert named({"gen_ai.operation.name": "chat"}, component="chat:gpt", operation="embed") == "chat:gpt"
    assert named({"gen_ai.operation.name": "chat"}, component=None, operation="chat") is None


def test_what_only_makes_an_agent_gets_no_name() -> None:
    makes = {"operation": "create_agent", "component": "create_agent:shop", "model": "gpt"}
    assert named({"gen_ai.request.model": "gpt"}, **makes) == "create_agent:shop"


def test_a_selection_by_what_was_not_kept_renames_nothing() -> None:
    assert named({"my.own.key": "chat"}, component="chat:gpt", operation="chat") == "chat:gpt"


def test_the_newest_requests_are_looked_for_further_and_further_back() -> None:
    spans = [*roots(4), *({**s, "start_us": s["start_us"] + 30 * MINUTE} for s in roots(3, first=4))]
    found = [r.trace_id for r in newest(lake(spans), SHOP, 5, NOW_US, NOW_US + 20 * MINUTE).requests]
    assert found == ["0002", "0003", "0004", "0005", "0006"]
    assert len(newest(lake(spans), SHOP, 99, NOW_US, NOW_US).requests) == 7
