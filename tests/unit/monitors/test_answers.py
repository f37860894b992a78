"""What came of requests is joined to them by the span that was kept, as far as it is known, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard_monitors.answers import (
    MOST,
    Came,
    accepted_of,
    added,
    answer_to,
    answered,
    body_of,
    name_of,
    names_of,
    read_answers,
)
from syscard_monitors.assemble import Answer, Request
from syscard_monitors.memory import Memory, recall
from tests.unit.monitors.build import MINUTE, SECOND, facts, request


def feedback(about: Request, *, accepted: bool = True, span: str = "root", after_us: int = MINUTE) -> Request:
    """What a user did with a request, a minute later."""
    values: dict[str, list[Any]] = {"span.links": [[f"{about.trace_id}/{span}"]], "accepted": [accepted]}
    at = about.end_us + after_us
    return Request(f"f{about.trace_id}", "s", at, at, at, values)


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        ({"accepted": True}, True),
        ({"accepted": False, "position": 3}, False),
        ({"position": 0}, False),
        ({"position": 2}, True),
        ({"item": "i7"}, True),
        ({"rating": 4}, None),
        ({"accepted": "yes"}, None),
        ({}, None),
    ],
)
def test_feedback_says_what_was_accepted_or_where_it_stood_or_which_it_was(
    said: Mapping[str, Any], accepted: bool | None
) -> None:
    assert accepted_of({name: [value] for name, value in said.items()}) is accepted


def test_an_answer_is_found_by_whichever_span_of_the_request_a_program_kept() -> None:
    one = replace(request(1), spans=(facts("root", "agent"), facts("s7", "llm")))
    for span in ("root", "s7"):
        known = added({}, [feedback(one, span=span)])
        assert answer_to(one, names_of(one), known) == Answer(accepted=True, at_us=one.end_us + MINUTE)
    assert answer_to(one, names_of(one), added({}, [feedback(one, span="s8")])) is None
    assert answer_to(request(2), names_of(request(2)), added({}, [feedback(one)])) is None


def test_the_first_answer_counts_and_one_that_came_before_the_request_is_about_another() -> None:
    one = request(1)
    both = [feedback(one, accepted=False), feedback(one, after_us=2 * MINUTE)]
    assert answer_to(one, names_of(one), added({}, both)) == Answer(accepted=False, at_us=one.end_us + MINUTE)
    assert answer_to(one, names_of(one), added({}, [feedback(one, after_us=-2 * SECOND)])) is None


def test_what_links_to_nothing_or_says_nothing_is_forgotten() -> None:
    silent = replace(feedback(request(1)), values={"span.links": [["x/y"]], "rating": [1]})
    alone = replace(feedback(request(1)), values={"accepted": [True], "span.links": ["x/y"]})
    assert added({}, [silent, alone]) == {}


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=15), st.lists(st.integers(0, 15), max_size=3))
@settings(max_examples=40, deadline=None)
def test_how_feedback_was_cut_into_windows_changes_nothing(told: list[tuple[int, bool]], cuts: Sequence[int]) -> None:
    """Nor does a restart between any two of them."""
    came = [feedback(request(n), accepted=yes, after_us=i) for i, (n, yes) in enumerate(told)]
    bounds = sorted({0, *cuts, len(came)})
    known: dict[str, Came] = {}
    for start, end in pairwise(bounds):
        known = read_answers(json.loads(json.dumps(body_of(added(known, came[start:end], most=5)))))
    assert known == added({}, came, most=5)
    assert len(known) <= 5


def test_the_newest_answers_are_remembered_and_survive_a_restart() -> None:
    memory = Memory(answers=added({}, [feedback(request(n)) for n in range(MOST + 5)]))
    kept = recall(json.loads(json.dumps(memory.body()))).answers
    assert kept == memory.answers
    assert len(kept) == MOST
    assert name_of(f"{request(4).trace_id}/root") not in kept
    assert len(json.dumps(memory.body()["answers"])) < 60_000
    assert recall({k: v for k, v in memory.body().items() if k != "answers"}).answers == {}


def test_requests_of_a_stretch_that_is_over_carry_what_came_of_them() -> None:
    two, told = (request(1), request(2)), (feedback(request(2), accepted=False),)
    assert [r.answer and r.answer.accepted for r in answered(two, told)] == [None, False]
    assert answered(two, ()) == two
