"""Words, widths and times."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.words import cells, clip, figure, one_in, one_line, pad, plural, safe, span_of, wrap
from tests.faces import sample


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "-"),
        (0.305, "", "0.30"),
        (1204.0, "", "1,204"),
        (812.4, "ms", "812 ms"),
        (2400.0, "ms", "2.4 s"),
        (2.713, "s", "2.71 s"),
        (1204.0, "tokens", "1,204"),
        (412.0, "per min", "412/min"),
    ],
)
def test_a_figure_is_written_as_people_read_it(value: float | None, unit: str, text: str) -> None:
    assert figure(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (4, "4 s"), (1860, "31 min"), (7200, "2 h"), (518400, "6 d")]
)
def test_a_duration_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    assert span_of(timedelta(seconds=seconds)) == text


def test_one_thing_is_not_plural() -> None:
    assert (plural(1, "claim"), plural(1204, "request"), plural(2, "is", "are")) == (
        "1 claim",
        "1,204 requests",
        "2 are",
    )


def test_text_from_outside_loses_what_could_move_a_cursor_or_turn_a_line_around() -> None:
    assert safe("a\x1b[31m\x07\u202eb\u200b\u2028\ud83d\U000e0041c") == "a[31mbc"
    assert one_line("a\r\n\tb\u2029  c") == "a b c"


@given(st.text(), st.integers(0, 60))
def test_clipped_text_is_never_wider_than_it_may_be(text: str, width: int) -> None:
    assert cells(clip(text, width)) <= width


@given(st.text(), st.integers(0, 60), st.booleans())
def test_padded_text_is_exactly_as_wide_as_it_should_be(text: str, width: int, right: bool) -> None:
    assert cells(pad(text, width, right=right)) == width


@given(st.text(), st.integers(8, 100), st.sampled_from(["", "? ", "NOW  "]), st.none() | st.integers(1, 4))
def test_wrapped_lines_fit_and_are_no_more_than_asked_for(text: str, width: int, first: str, most: int | None) -> None:
    lines = wrap(text, width, first=first, most=most)
    assert all(cells(line) <= width and "\n" not in line for line in lines)
    assert most is None or len(lines) <= most


@given(st.lists(st.text("abcdef", min_size=1, max_size=30), min_size=1), st.integers(10, 80))
def test_wrapping_loses_no_letter(words: list[str], width: int) -> None:
    assert "".join("".join(wrap(" ".join(words), width)).split()) == "".join(words)


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert (cells("漢字"), cells("e\u0301"), cells("abc")) == (4, 1, 3)
    assert cells(clip(sample.HOSTILE, 20)) <= 20


@pytest.mark.parametrize(
    ("rarity", "told"),
    [
        (None, ""),
        (1.0, "1 in 1"),
        (40_100.0, "1 in 40,100"),
        (1e6, "1 in 1 million"),
        (4.2e7, "1 in 42 million"),
        (9.99e8, "1 in 999 million"),
        (1e9, "1 in over a billion"),
        (1e299, "1 in over a billion"),
    ],
)
def test_how_rare_evidence_is_is_told_as_people_say_it(rarity: float | None, told: str) -> None:
    assert one_in(rarity) == told
