"""Functions over lists, and over the requests of a window, that SQL has no words for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.errors import MonitorError
from syscard_monitors.baseline import signal_values
from syscard_monitors.frames import evaluate
from syscard_monitors.functions import BLOCK, rbo, repeated
from tests.unit.monitors.build import request, requests, signal

ORDERS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True)
ANSWERS = st.lists(st.sampled_from("abcde"), max_size=60)


def test_an_answer_like_an_earlier_one_is_repeated_and_the_first_of_its_kind_is_not() -> None:
    assert repeated(requests("llm.hash", ["a", "b", "a", None, "a"]), "llm.hash") == [0, 0, 1, None, 1]


def test_answers_of_one_request_count_each() -> None:
    found = repeated([request(0, {"llm.hash": ["a", "a", "b", "c"]})], "llm.hash")
    assert found == [pytest.approx(0.25)]


def test_fingerprints_are_compared_as_wholes_and_an_empty_one_is_no_answer() -> None:
    same, other = [["x", "y"]], [["x", "z"]]
    assert repeated([request(i, {"llm.s": s}) for i, s in enumerate((same, other, same, [[]]))], "llm.s") == [
        0,
        0,
        1,
        None,
    ]


def test_a_baseline_is_looked_at_in_stretches_as_long_as_a_window() -> None:
    """Else a long baseline would have repeated nearly everything, and every window fewer."""
    found = repeated(requests("llm.hash", ["a"] * (2 * BLOCK)), "llm.hash")
    assert [i for i, value in enumerate(found) if value == 0] == [0, BLOCK]


@given(ANSWERS)
def test_windows_one_by_one_say_what_all_of_them_say_together(answers: list[str]) -> None:
    whole = requests("llm.hash", answers)
    parts = [whole[i : i + BLOCK] for i in range(0, len(whole), BLOCK)]
    assert repeated(whole, "llm.hash") == [value for part in parts for value in repeated(part, "llm.hash")]


@given(ANSWERS.filter(lambda answers: 0 < len(answers) <= BLOCK))
def test_of_one_window_all_but_the_different_answers_are_repeated(answers: list[str]) -> None:
    found = repeated(requests("llm.hash", answers), "llm.hash")
    assert sum(value or 0 for value in found) == len(answers) - len({*answers})


@given(ORDERS, ORDERS)
def test_the_likeness_of_two_orders_is_the_same_both_ways_and_between_none_and_all(one: str, other: str) -> None:
    assert rbo(one, other) == pytest.approx(rbo(other, one))
    assert -1e-9 <= rbo(one, other) <= 1 + 1e-9


@given(ORDERS)
def test_an_order_is_wholly_like_itself_and_like_what_it_begins_with(order: list[str]) -> None:
    assert rbo(order, order) == pytest.approx(1)
    assert rbo(order[:3], order) == pytest.approx(1)
    assert rbo(order, [item.upper() for item in order]) == 0


def test_a_change_at_the_top_weighs_more_than_one_at_the_end() -> None:
    order = list("abcdef")
    assert rbo(order, list("bacdef")) < rbo(order, list("abcdfe")) < 1


def test_functions_are_expressions_of_signals() -> None:
    one = [request(0, {"cf.items": [["a", "b"]], "agent.items": [["b", "a"]]})]
    assert evaluate(one, "same_first(cf.items, agent.items)") == [0.0]
    assert evaluate(one, " rbo( cf.items ,agent.items ) ") == [pytest.approx(rbo("ab", "ba"))]
    assert evaluate(one, "first(cf.items)") == ["a"]
    assert signal_values(signal("category", expr="first(cf.items)"), one, None) == ["a"]


def test_of_several_lists_in_a_request_the_last_one_counts() -> None:
    one = [request(0, {"cf.items": [["a", "b"], ["c", "d"]]})]
    assert evaluate(one, "first(cf.items)") == ["c"]


def test_a_request_without_one_of_the_lists_has_no_value() -> None:
    some = [request(0, {"cf.items": [["a"]], "agent.items": [["a"]]}), request(1, {"cf.items": [["a"]]})]
    assert evaluate(some, "same_first(cf.items, agent.items)") == [1.0, None]


@pytest.mark.parametrize("expression", ["repeated(llm.hash)", "first(llm.hash)", "rbo(a.items, b.items)"])
def test_what_no_request_carries_is_told_as_none_at_all(expression: str) -> None:
    assert evaluate([request(0), request(1)], expression) is None


@pytest.mark.parametrize("expression", ["rbo(cf.items)", "first(cf.items, agent.items)", "repeated(a.b) + 1"])
def test_a_function_with_the_wrong_number_of_fields_or_inside_another_is_refused(expression: str) -> None:
    with pytest.raises(MonitorError):
        evaluate([request(0, {"cf.items": [["a"]], "agent.items": [["a"]], "a.b": 1.0})], expression)
