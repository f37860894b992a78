"""Recordings: real spans with laid out times, written once however often the recording is stopped."""

from __future__ import annotations

import itertools
import json
import lzma
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from recommender import record
from recommender.agent import Agent, Shop
from recommender.faults import FAULTS
from recommender.otlp import spans_of
from recommender.plan import FAULT_REQUESTS, Planned, interleaved, planned, stretches
from recommender.record import Collector, Recorder, kept_name, labels, parsed, read, run, write
from recommender.traffic import REQUESTS_A_DAY, TODAY
from syscard_configs import read_text
from syscard_tracing.files import requests
from tests.example import small

SHARE = 0.01
Make = Callable[[Path], Recorder]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return small.shop(tmp_path)


@pytest.fixture
def plan(shop: Shop) -> list[Planned]:
    return [request for stretch in stretches(SHARE) for request in planned(stretch, shop.pool, 1)]


@pytest.fixture
def recorder(shop: Shop, provider: TracerProvider) -> Make:
    collector = Collector()
    provider.add_span_processor(BatchSpanProcessor(collector))
    return lambda kept: Recorder(shop, Agent(shop.models), provider, collector, kept)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text_of(file).splitlines()]


def text_of(file: Path) -> str:
    return lzma.decompress(file.read_bytes()).decode()


def test_the_whole_plan_is_two_normal_days_and_three_hundred_requests_of_everything_else() -> None:
    counts = Counter(stretch.requests for stretch in stretches())
    assert counts == {REQUESTS_A_DAY: 2, FAULT_REQUESTS: 23}
    assert [s.name for s in stretches()][:2] == ["normal", "normal-again"]
    assert stretches()[0].begin.date() == TODAY
    assert all(s.begin.date() == TODAY + timedelta(days=2) for s in stretches()[2:])


def test_a_plan_is_the_same_for_the_same_seed_and_no_two_requests_share_their_chance(shop: Shop) -> None:
    every = [request for stretch in stretches(0.1) for request in planned(stretch, shop.pool, 7)]
    again = [request for stretch in stretches(0.1) for request in planned(stretch, shop.pool, 7)]
    assert every == again
    assert len({request.seed for request in every}) == len(every)
    assert every != [request for stretch in stretches(0.1) for request in planned(stretch, shop.pool, 8)]


def test_recordings_are_interleaved_so_that_machine_load_meets_all_alike(shop: Shop) -> None:
    every = [planned(stretch, shop.pool, 1) for stretch in stretches(0.2)]
    order = interleaved(every, 1)
    assert sorted(map(repr, order)) == sorted(repr(request) for one in every for request in one)
    half = Counter(request.stretch.name for request in order[: len(order) // 2])
    assert all(0.3 < half[one[0].stretch.name] / len(one) < 0.7 for one in every)


def test_a_gradual_fault_goes_from_nothing_to_its_worst(shop: Shop) -> None:
    haze = next(s for s in stretches() if s.name == "gradual-haze")
    progress = [request.progress for request in planned(haze, shop.pool, 1)]
    assert (progress[0], progress[-1], progress == sorted(progress)) == (0.0, 1.0, True)


@pytest.mark.endurance
def test_a_recording_is_a_request_a_line_with_its_feedback_later(
    recorder: Make, plan: list[Planned], tmp_path: Path
) -> None:
    run(recorder(tmp_path / "kept"), plan, tmp_path / "out", 3, 1, lambda _: None)
    for stretch in stretches(SHARE):
        found = lines(tmp_path / "out" / f"{stretch.name}.otlp.jsonl.xz")
        roots = [next(spans_of(line)) for line in found]
        starts = [int(root["startTimeUnixNano"]) for root in roots]
        assert starts == sorted(starts)
        by_id = {root["spanId"]: root for root in roots if root["name"] == "invoke_agent agent"}
        came = [root for root in roots if root["name"] == "feedback"]
        assert (len(by_id), len(came)) == (stretch.requests, stretch.requests)
        for feedback in came:
            asked = by_id.pop(feedback["links"][0]["spanId"])
            assert feedback["links"][0]["traceId"] == asked["traceId"]
            assert int(feedback["startTimeUnixNano"]) >= int(asked["endTimeUnixNano"])


@pytest.mark.endurance
def test_times_are_laid_out_and_durations_are_as_they_were(recorder: Make, plan: list[Planned], tmp_path: Path) -> None:
    recorder(tmp_path / "kept").record(plan, 2, lambda _: None)
    kept = read(tmp_path / "kept")
    write(plan, kept, tmp_path / "out")
    laid_out = [
        line for stretch in stretches(SHARE) for line in lines(tmp_path / "out" / f"{stretch.name}.otlp.jsonl.xz")
    ]
    found = {next(spans_of(line))["spanId"]: line for line in laid_out}
    for request in plan:
        really = parsed(kept[request.key]).request
        there = found[next(spans_of(really))["spanId"]]
        assert _durations(there) == _durations(really)
        start = min(int(s["startTimeUnixNano"]) for s in spans_of(there))
        assert datetime.fromtimestamp(start / 1e9, request.moment.tzinfo) == request.moment
        assert start % 1000 == 0, "whole microseconds"


def _durations(document: dict[str, Any]) -> list[int]:
    return [int(s["endTimeUnixNano"]) - int(s["startTimeUnixNano"]) for s in spans_of(document)]


@pytest.mark.endurance
def test_no_two_spans_have_the_same_id_and_none_holds_a_stack_trace(
    recorder: Make, plan: list[Planned], tmp_path: Path
) -> None:
    run(recorder(tmp_path / "kept"), plan, tmp_path / "out", 3, 1, lambda _: None)
    text = "".join(text_of(file) for file in sorted((tmp_path / "out").glob("*.xz")))
    every = [span for line in text.splitlines() for span in spans_of(json.loads(line))]
    assert len({span["spanId"] for span in every}) == len(every) > 5 * len(plan)
    assert "stacktrace" not in text
    assert str(Path.home()) not in text


@pytest.mark.endurance
def test_what_is_written_can_be_read_by_syscard(recorder: Make, plan: list[Planned], tmp_path: Path) -> None:
    run(recorder(tmp_path / "kept"), plan, tmp_path / "out", 3, 1, lambda _: None)
    found = list(requests(tmp_path / "out" / "tool-loop.otlp.jsonl.xz"))
    assert sum(bool(request.decoded.rejected) for request in found) == 0
    spans = [span for request in found for span in request.decoded.spans]
    assert Counter(span.name for span in spans)["retrieval cf"] == 8 * 3
    assert all(span.links for span in spans if span.name == "feedback")


@pytest.mark.endurance
def test_the_truth_is_in_a_file_of_its_own_and_in_no_span(recorder: Make, plan: list[Planned], tmp_path: Path) -> None:
    run(recorder(tmp_path / "kept"), plan, tmp_path / "out", 3, 1, lambda _: None)
    labels = yaml.safe_load((tmp_path / "out" / "labels.yaml").read_text())
    assert [label["file"] for label in labels] == [stretch.name for stretch in stretches()]
    assert labels[0] == {"file": "normal", "kind": "normal", "requests": 20}
    two = next(label for label in labels if label["file"] == "two-at-once")
    assert (two["kind"], two["parts"]) == ("fault", ["vlm", "llm"])
    text = text_of(tmp_path / "out" / "two-at-once.otlp.jsonl.xz")
    assert not [word for word in ("two-at-once", "fault", "look-alike", "scenario") if word in text]


def test_what_was_kept_is_not_mixed_with_what_other_models_or_faults_would_serve(
    plan: list[Planned], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = kept_name(shop, plan)
    assert name == kept_name(shop, [*plan])
    other = replace(shop, models=replace(shop.models, fresh=small.Ranks(version="als-other")))
    names = {name, kept_name(other, plan), kept_name(shop, plan[1:])}
    monkeypatch.setattr(record, "FAULTS", FAULTS[1:])
    assert len({*names, kept_name(shop, plan)}) == 4


def test_the_labels_that_ship_are_those_of_the_faults() -> None:
    assert read_text("demo", "labels.yaml") == labels(stretches())


def test_a_recording_that_was_stopped_goes_on_where_it_was(
    recorder: Make, plan: list[Planned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "TOGETHER", 10)
    kept = tmp_path / "kept"
    recorder(kept).record(plan[:25], 2, lambda _: None)
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-40])  # the machine went down while a line was written
    said: list[str] = []
    recorder(kept).record(plan[:30], 2, said.append)
    assert said[0] == "recording 6 of 30 requests, 2 at a time ..."
    assert set(read(kept)) == {request.key for request in plan[:30]}
    assert kept.read_bytes().splitlines()[:24] == whole.splitlines()[:24], "what was whole is still there"


def test_a_request_that_cannot_be_served_stops_the_recording_and_loses_nothing(
    plan: list[Planned], tmp_path: Path, shop: Shop, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "TOGETHER", 5)
    asked = itertools.count(1)

    def suits(_household: int) -> frozenset[int]:
        if next(asked) == 13:
            raise MemoryError
        return frozenset()

    collector = Collector()
    provider.add_span_processor(BatchSpanProcessor(collector))
    failing = Recorder(replace(shop, suits=suits), Agent(shop.models), provider, collector, tmp_path / "kept")
    with pytest.raises(MemoryError):
        failing.record(plan[:20], 1, lambda _: None)
    assert len(read(tmp_path / "kept")) == 10
