"""Signals that are looked at over several counted windows together: rare events and noisy means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard import edits as e
from syscard.card import Card
from syscard.errors import UsageError
from syscard.finding import Finding, State
from syscard_monitors import detecting
from syscard_monitors.gathering import gather, read_gathered
from syscard_monitors.memory import Memory, recall
from syscard_monitors.packs import read_pack
from syscard_monitors.plan import Plan
from syscard_monitors.telling import Said, edits_of, starting
from syscard_monitors.window import findings_of, log_needed, window_of
from tests.unit.monitors.build import MINUTE, Asked, card_of, plan, reference, requests, signal

YES = {"vlm.agrees": reference([1.0] * 900 + [0.0] * 100)}
BAD, GOOD, ODD = [0.0] * 20, [1.0] * 18 + [0.0] * 2, ["odd"] * 20
SLOW = plan(signal(window=60, persist=1), references=YES)


def look(of: Plan, memory: Memory, values: Sequence[Any], card: Card | None = None) -> tuple[tuple[Finding, ...], Said]:
    """One counted window: its findings, and what they say to the card."""
    window = requests("vlm.agrees", values, first=memory.windows * len(values))
    at = window_of(memory.windows, window)
    memory.windows += 1
    findings = findings_of(card or card_of(), of, memory, window, at, Asked())
    return findings, edits_of(card or card_of(), of, memory, window, at, findings, (), {})


def states(of: Plan, memory: Memory, *windows: Sequence[Any]) -> list[str]:
    return [look(of, memory, values)[0][0].state for values in windows]


def test_a_signal_has_no_verdict_before_its_own_window_is_full() -> None:
    memory = Memory()
    found = [look(SLOW, memory, GOOD)[0][0] for _ in range(3)]
    assert [(f.state, f.why, f.n) for f in found] == [
        ("unknown", "needs n 60, has 20", 20),
        ("unknown", "needs n 60, has 40", 40),
        ("ok", "", 60),
    ]


def test_a_look_is_at_the_requests_of_all_its_windows() -> None:
    memory = Memory()
    first, _, third = (look(SLOW, memory, values)[0][0] for values in (GOOD, GOOD, BAD))
    assert third.value == pytest.approx(0.6)
    assert (third.window.start, third.window.n, third.window.index) == (first.window.start, 60, 2)


def test_between_looks_a_signal_stands_as_its_last_look_left_it() -> None:
    memory = Memory()
    assert states(SLOW, memory, BAD, BAD, BAD)[2:] == ["breach"]
    streak, history = memory.streaks["vlm.agrees"], memory.history["vlm.agrees"]
    assert states(SLOW, memory, GOOD, GOOD) == ["breach", "breach"]
    assert (memory.streaks["vlm.agrees"], memory.history["vlm.agrees"]) == (streak, history)
    assert states(SLOW, memory, GOOD) == ["ok"]


def test_a_breach_begins_with_a_look_and_not_again_between_two() -> None:
    memory, begun = Memory(), []
    for _ in range(6):
        findings, said = look(SLOW, memory, BAD)
        begun.append(sum(isinstance(d.body, e.OpenIncident) for d in said.drafts))
    assert begun == [0, 0, 1, 0, 0, 0]
    assert starting(SLOW, memory, findings) == {}


def test_an_incident_does_not_end_while_its_signal_waits_for_a_look() -> None:
    memory, card = Memory(), card_of()
    for values in (BAD, BAD, BAD, GOOD, GOOD):
        card = look(SLOW, memory, values, card)[1].after
    assert [i.state for i in card.incidents.values()] == ["open"]
    assert card.parts["vlm"].state == "broken"
    for values in (GOOD, GOOD, GOOD):
        card = look(SLOW, memory, values, card)[1].after
    assert [i.state for i in card.incidents.values()] == ["resolved"]


def test_several_looks_in_a_row_make_a_breach_where_that_is_asked_for() -> None:
    twice = plan(signal(window=40), references=YES)
    assert states(twice, Memory(), *[BAD] * 4) == ["unknown", "warn", "warn", "breach"]


def test_a_detector_sees_every_value_once() -> None:
    memory, slow, values = Memory(), signal(window=60), [*GOOD, *BAD[:3], *GOOD[:17], *GOOD]
    states(plan(slow, references=YES), memory, values[:20], values[20:40], values[40:])
    whole = detecting.begun(slow, YES["vlm.agrees"], "")
    cells = detecting.cells_of(whole, slow, YES["vlm.agrees"], values, [])
    share = detecting.share_of_period(detecting.DEFAULT, 3 * MINUTE)
    assert memory.detectors["vlm.agrees"].counts == detecting.looked(
        whole, slow, YES["vlm.agrees"], cells, share
    ).counts  # fmt: skip


def test_a_signal_that_is_looked_at_less_often_needs_evidence_that_is_less_rare() -> None:
    often, seldom = (log_needed(SLOW, signal(window=n), MINUTE) for n in (20, 100))
    assert often - seldom == pytest.approx(1.6094, abs=1e-3)


def test_a_look_takes_as_long_as_its_windows_did_and_not_so_many_times_as_long_as_the_last() -> None:
    """A hundred requests a day: where the last window but one holds the night, each look would count as three days."""
    of, memory, hour = plan(signal(window=60, persist=1, alpha=0.5), references=YES), Memory(), 60 * MINUTE
    for hours in (1, 1, 16):
        memory.pace_us = hours * hour
        (found,) = look(of, memory, GOOD)[0]
    assert found.one_in_needed == 40, "eighteen hours are a fortieth of a month"


@pytest.mark.endurance
@given(st.lists(st.sampled_from([GOOD, BAD, [None] * 20, ODD]), min_size=1, max_size=9))
def test_what_waits_survives_a_restart(windows: list[list[Any]]) -> None:
    whole, parts = Memory(), Memory()
    for values in windows:
        parts = recall(json.loads(json.dumps(parts.body())))
        assert look(SLOW, parts, values) == look(SLOW, whole, values)
    assert parts == whole


def test_what_waits_is_let_go_with_its_baseline() -> None:
    memory = Memory()
    states(SLOW, memory, BAD, BAD, BAD, BAD, BAD)
    anew = Plan(SLOW.system, SLOW.signals, SLOW.graph, YES, baseline="another")
    assert states(anew, memory, GOOD, GOOD, GOOD) == ["unknown", "unknown", "ok"]


def test_what_waits_is_let_go_with_its_signal() -> None:
    memory = Memory()
    states(SLOW, memory, BAD, BAD, BAD, BAD)
    look(plan(references=YES), memory, GOOD)
    assert (memory.waiting, memory.kept) == ({}, {})


def test_spans_that_cannot_be_read_are_an_error_at_once_and_until_the_next_look() -> None:
    assert states(SLOW, Memory(), GOOD, ODD, GOOD, GOOD, GOOD) == ["unknown", "error", "error", "error", "ok"]


def test_an_optional_signal_that_no_span_carries_is_left_out_at_its_looks_and_between() -> None:
    of, memory = plan(signal(window=60, optional=True), references=YES), Memory()
    assert [look(of, memory, [None] * 20)[0] for _ in range(4)] == [()] * 4


def test_what_was_gathered_is_the_same_after_going_through_json() -> None:
    found = gather(signal(), requests("vlm.agrees", [1.0, None, 0.0]), ["a", "", "a"], None)
    assert read_gathered(json.loads(json.dumps(found.body()))) == found
    assert (found.then(found).requests, found.then(found).start_us) == (6, found.start_us)


@pytest.mark.parametrize(
    ("size", "says"), [(30, "a multiple of 20"), (0, "greater than or equal"), (4000, "less than")]
)
def test_a_window_is_some_counted_windows(size: int, says: str) -> None:
    text = f"{{pack: x, signals: [{{name: a, label: a, expr: a, kind: rate, tolerance: 1, window: {size}}}]}}"
    with pytest.raises(UsageError, match=rf"^p.yaml: signals.0.window: input should be {says}"):
        read_pack(text, "p.yaml")


def test_what_waited_in_an_earlier_release_knows_no_time_and_counts_for_none() -> None:
    found = gather(signal(), requests("vlm.agrees", GOOD), [""] * 20, None, MINUTE)
    old = read_gathered(found.body()[:4])
    assert (old.took_us, old.then(found).took_us) == (0, MINUTE)


def test_memory_of_earlier_releases_has_nothing_that_waits() -> None:
    body = Memory().body()
    del body["waiting"], body["kept"]
    assert State.OK in states(SLOW, recall(body), GOOD, GOOD, GOOD)
