"""A name in somebody else's text: found as a whole word in whatever case and wrapping, and nothing else is touched."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_tracing.blanking import ERASED, Blanking
from syscard_tracing.kept import written

FIELD = "gen_ai.input.messages"


def blanked(name: str, **features: Any) -> dict[str, Any] | None:
    after = Blanking([name]).blanked(written(features))
    return None if after is None else dict(json.loads(after))


@pytest.mark.parametrize(
    "text",
    [
        "u-77",
        "is u-77 here?",
        "U-77",
        "(u-77)",
        "id=u-77,",
        '{"who": "u-77"}',
        "u-77\u2019s order",
        "see u-77.",
        "xu u-77",
    ],
)
def test_a_text_that_holds_the_name_as_a_word_is_blanked(text: str) -> None:
    assert blanked("u-77", said=text, n=3) == {"said": ERASED, "n": 3}


@pytest.mark.parametrize("text", ["u-777", "xu-77", "u-77_b", "u-7", "", "u 77", "üu-77"])
def test_another_word_is_left(text: str) -> None:
    assert blanked("u-77", said=text) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Zoë Öz", "ask ZOË ÖZ"),
        ("a\\b", json.dumps({"who": "a\\b"})),
        ('the "cat"', json.dumps(['the "cat" said'])),
        ("zoë", json.dumps({"who": "zoë"})),
        ("+31 6 1234", "call +31 6 1234."),
        ("two\nlines", "in two lines it stands"),
    ],
)
def test_a_name_is_found_however_json_and_cleaning_write_it(name: str, text: str) -> None:
    assert blanked(name, said=text) == {"said": ERASED}


def test_what_lies_in_lists_and_maps_is_blanked_alone() -> None:
    assert blanked("ann", tags=["ann", "red"], deep={"a": ["x", {"b": "by ann"}]}) == {
        "tags": [ERASED, "red"],
        "deep": {"a": ["x", {"b": ERASED}]},
    }


def test_the_fingerprints_of_a_blanked_text_go_and_its_counts_stay() -> None:
    text = {FIELD: "by ann", f"{FIELD}.terms": ["a1"], f"{FIELD}.shingles": ["b2"], f"{FIELD}.chars": 6}
    other = {"other.terms": ["a1"], "other": "by ben"}
    assert blanked("ann", **text, **other) == {FIELD: ERASED, f"{FIELD}.chars": 6, **other}


def test_several_names_are_looked_for_at_once_and_none_finds_nothing() -> None:
    both = Blanking(["ann", "0123456789abcdef"])
    assert json.loads(both.blanked('{"a":"ann","b":"0123456789ABCDEF","c":"ben"}') or "") == {
        "a": ERASED, "b": ERASED, "c": "ben",
    }  # fmt: skip
    assert (
        Blanking([]).blanked('{"a":"ann"}') is Blanking(["ann"]).blanked(None) is Blanking([" "]).blanked("{}") is None
    )


NAMES = st.text(min_size=1, max_size=12).filter(lambda name: Blanking([name]).hints != ())


@given(NAMES, st.sampled_from(["{}", "a {} b", "({})", '"{}"']), st.booleans())
def test_every_row_that_is_blanked_holds_a_hint(name: str, around: str, nested: bool) -> None:
    text = around.replace("{}", name)
    features = written({"said": json.dumps({"x": text}) if nested else text})
    blanking = Blanking([name])
    if blanking.blanked(features) is not None:
        assert any(re.search(re.escape(hint), features, re.IGNORECASE) for hint in blanking.hints)
