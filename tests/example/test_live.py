"""The agent at work, with small models: requests are served, faults come and go, answers arrive later."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recommender.agent import Agent, Shop
from recommender.errors import Unavailable
from recommender.live import Pace, Run
from recommender.switches import Switchboard, switch, window
from tests.example.small import Ranks, shop


def run(small: Shop, folder: Path, *faults: str, rate: float | None = None, say: Any = lambda _: None) -> Run:
    board = Switchboard([window(fault) for fault in faults], folder / "switches")
    return Run(small, Agent(small.models), board, Pace(rate, 1), 1, say)


def named(spans: InMemorySpanExporter) -> Counter[str]:
    return Counter(span.name for span in spans.get_finished_spans())


def test_so_many_requests_are_served_and_each_is_answered_by_the_end(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    tally = run(shop(tmp_path), tmp_path).serve(25, 3)
    found = named(spans)
    assert (tally.served, found["invoke_agent agent"], found["feedback"]) == (25, 25, 25)
    took = [(s.attributes or {})["syscard.feedback.accepted"] for s in spans.get_finished_spans() if s.links]
    assert tally.accepted == sum(map(bool, took))


def test_what_is_left_to_chance_is_the_same_for_the_same_seed_however_many_at_a_time(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    hung = []
    for at_a_time in (1, 4):
        spans.clear()
        run(shop(tmp_path), tmp_path, "llm-timeouts@5-45").serve(50, at_a_time)
        hung.append(sum(span.name == "chat llm" and not span.status.is_ok for span in spans.get_finished_spans()))
    assert hung[0] == hung[1]
    assert 4 < hung[0] < 24


def test_a_fault_is_on_for_its_requests_alone(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    assert run(shop(tmp_path), tmp_path, "tool-loop@5-9").serve(20, 2).faulty == Counter({"tool-loop": 4})
    assert named(spans)["retrieval cf"] == 20 + 4 * 7


def test_a_fault_is_switched_on_and_off_while_requests_are_served(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    class Switches(Ranks):
        def recommend(self, *asked: Any) -> Any:
            number = len(self.asked)
            if number in (5, 12):
                switch(tmp_path / "switches", "dark-pictures", on=number == 5)
            return super().recommend(*asked)

    small = shop(tmp_path)
    small = replace(small, models=replace(small.models, fresh=Switches()))
    assert run(small, tmp_path).serve(20, 1).faulty == Counter({"dark-pictures": 7})


def test_a_request_that_cannot_be_served_ends_the_run_in_one_line(spans: object, tmp_path: Path) -> None:
    class Breaks(Ranks):
        def recommend(self, *asked: Any) -> Any:
            if len(self.asked) == 6:
                raise MemoryError("no room")
            return super().recommend(*asked)

    small = shop(tmp_path)
    small = replace(small, models=replace(small.models, fresh=Breaks()))
    found = run(small, tmp_path)
    with pytest.raises(Unavailable, match=r"request 6 failed: MemoryError: no room"):
        found.serve(0, 1)
    assert found.tally.served == 6


def test_after_an_interrupt_what_is_being_served_is_served_to_its_end(
    spans: InMemorySpanExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    class Tells(Ranks):
        def recommend(self, *asked: Any) -> Any:
            begun.set()
            return super().recommend(*asked)

    def interrupted(*_: Any, **__: Any) -> None:
        begun.wait(30)
        raise KeyboardInterrupt

    monkeypatch.setattr("recommender.live.wait", interrupted)
    small = shop(tmp_path)
    found = run(replace(small, models=replace(small.models, fresh=Tells())), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        found.serve(0, 3)
    assert found.tally.served == named(spans)["invoke_agent agent"] == named(spans)["feedback"] > 0


def test_more_traffic_without_a_rate_is_said_to_be_none(spans: object, tmp_path: Path) -> None:
    said: list[str] = []
    run(shop(tmp_path), tmp_path, "more-traffic", say=said.append).serve(5, 1)
    assert [text for text in said if "more-traffic: without --rate" in text] == said[:1]


def waits(rate: float | None, busier: float, count: int = 400) -> list[float]:
    """Waits of a run whose clock stands still: how far each request lies from the begin."""
    pace = Pace(rate, 1, lambda: 0.0)
    return [pace.wait_s(busier) for _ in range(count)]


def test_requests_come_at_the_rate_and_more_often_when_there_is_more_traffic() -> None:
    usual, busy = waits(60.0, 1.0), waits(60.0, 3.0)
    assert usual == sorted(usual)
    assert usual[-1] == pytest.approx(400, rel=0.15)
    assert busy == pytest.approx([at / 3 for at in usual])
    assert waits(None, 1.0) == [0.0] * 400


def test_who_is_late_serves_at_once() -> None:
    clock = iter([0.0, 1e9])
    assert Pace(60.0, 1, lambda: next(clock)).wait_s(1.0) == 0.0
