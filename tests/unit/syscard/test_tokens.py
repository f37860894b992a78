"""Whose tokens count where several spans tell of one model call."""

from __future__ import annotations

import pytest

from syscard.tokens import Call, Nested, sums, told_again


def _span(key: str, parent: str | None, *, counts: bool = True) -> Nested:
    return Nested(key, parent, counts)


def test_what_is_above_a_call_that_counts_is_its_sum() -> None:
    tree = [_span("a", None), _span("b", "a", counts=False), _span("c", "b"), _span("d", None)]
    assert sums(tree) == {0}
    assert sums([_span("a", "b"), _span("b", "a")]) <= {0, 1}, "a circle ends"


@pytest.mark.parametrize(
    ("other", "again"),
    [
        (Call(1, "m 57/23", "openai", 2, 8), {0}),
        (Call(1, "m 57/23", "openai", 0, 10), {1}),
        (Call(1, "m 57/23", "langchain", 2, 8), set()),  # one teller: two calls
        (Call(1, "m 57/24", "openai", 2, 8), set()),
        (Call(1, "m 57/23", "openai", 2, 11), set()),
    ],
)
def test_a_call_that_two_tell_of_counts_where_it_is_shorter(other: Call, again: set[int]) -> None:
    assert told_again([Call(0, "m 57/23", "langchain", 0, 10), other]) == again
