# ruff: noqa: E501 - the tables below read best with one case a line
"""Whatever is done to system.yaml, what is told of it lies inside the file."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.errors import Problem, SystemFileError
from syscard.system_file import parse_system
from tests.unit.syscard.test_system_file import GOOD, JARGON

LINES = GOOD.splitlines(keepends=True)
SCALARS = [m.span() for m in re.finditer(r"(?<=[:\[-] )[^\s{}\[\],][^{}\[\],\n]*", GOOD)]
NASTY = ["", "~", "null", "#x", "@", "*a", "&a", "[", "{", "]", "'", '"', ">", "|", "no", "0", "-1", "1e999", ".inf", "nan", "---"]  # fmt: skip
NASTIER = ["2027-02-30", "[a, b]", "{a: b}", "[key]", "'[key]': {}", "a->b", "a->a", "share(x.y)", "== 0", ">= 101%", "9" * 400]  # fmt: skip
NASTIEST = ["!!int x", "a: b", "- x", "<<: x", "? x", "\u2028", "\x85x", "\r", "\t", "9" * 30 + "d", "&a [*a]"]
GARBAGE = st.one_of(st.text(max_size=12), st.sampled_from([*NASTY, *NASTIER, *NASTIEST]))
QUICK = settings(deadline=None, max_examples=60)


def problems_if_any(text: str) -> tuple[Problem, ...]:
    """Reading raises nothing but SystemFileError; what that carries, or nothing."""
    try:
        parse_system(text, "system.yaml")
    except SystemFileError as error:
        return error.problems or (Problem(0, "", ""),)
    return ()


def assert_only_honest_problems(text: str) -> None:
    last = max(1, len(text.rstrip("\n").split("\n")))
    for problem in problems_if_any(text):
        assert 1 <= problem.line <= last
        assert problem.where
        assert problem.what
        assert "\n" not in problem.text("f")
        assert not [word for word in JARGON[:-2] if word in problem.what]


@QUICK
@given(st.sets(st.integers(0, len(LINES) - 1), min_size=1, max_size=5))
def test_deleting_any_lines_gives_only_problems_inside_the_file(gone: set[int]) -> None:
    assert_only_honest_problems("".join(line for i, line in enumerate(LINES) if i not in gone))


@QUICK
@given(st.sampled_from(SCALARS), GARBAGE)
def test_garbling_any_value_gives_only_problems_inside_the_file(span: tuple[int, int], garbage: str) -> None:
    assert_only_honest_problems(GOOD[: span[0]] + garbage + GOOD[span[1] :])


@QUICK
@given(st.integers(0, len(GOOD)), GARBAGE)
def test_garbage_anywhere_gives_only_problems_inside_the_file(at: int, garbage: str) -> None:
    assert_only_honest_problems(GOOD[:at] + garbage + GOOD[at:])


@QUICK
@given(st.integers(0, len(GOOD)))
def test_a_file_cut_off_anywhere_gives_only_problems_inside_the_file(at: int) -> None:
    assert_only_honest_problems(GOOD[:at])
