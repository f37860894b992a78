from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.digest import canonical, digest, iso, plain, text_digest

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def shuffled(value: Any) -> Any:
    """The same value with every object's keys the other way round."""
    if isinstance(value, dict):
        return {k: shuffled(value[k]) for k in reversed(value)}
    return [shuffled(v) for v in value] if isinstance(value, list) else value


def test_keys_are_sorted_by_utf16_units_as_rfc_8785_section_3_2_3_shows() -> None:
    vector = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji:", "Hebrew"]
    assert [v.split()[0] for v in json.loads(canonical(vector)).values()] == order


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (333333333.33333329, "333333333.333"),
        (1e30, "1e+30"),
        (4.5, "4.5"),
        (2e-3, "0.002"),
        (1e-27, "1e-27"),
        (-0.0, "0"),
        (1.0, "1"),
        (10, "10"),
        (1e21, "1e+21"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_numbers_are_written_as_ecmascript_writes_them_after_rounding(number: float, text: str) -> None:
    assert canonical(number).decode() == text


def test_strings_are_escaped_as_rfc_8785_section_3_2_2_2_shows() -> None:
    assert canonical('\u20ac$\u000f\nA\'B"\\\\"/').decode() == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


def test_a_digest_is_the_sha_256_of_the_canonical_form() -> None:
    assert digest({"b": 1, "a": [None, True]}) == text_digest('{"a":[null,true],"b":1}')
    assert text_digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(_json)
def test_the_order_of_keys_changes_no_digest(value: Any) -> None:
    assert digest(shuffled(value)) == digest(value)


@given(_json)
def test_the_plain_form_is_plain_already(value: Any) -> None:
    assert plain(plain(value)) == plain(value)


@given(_json)
def test_a_value_that_went_through_json_has_the_same_digest(value: Any) -> None:
    assert digest(json.loads(json.dumps(plain(value)))) == digest(value)


@given(st.floats(min_value=0.001, max_value=1e6), st.floats(-1e-14, 1e-14))
def test_a_difference_behind_the_twelfth_digit_is_none(value: float, part: float) -> None:
    rounded = plain(value)
    assert plain(rounded * (1 + part)) == rounded
    assert math.isclose(rounded, value, rel_tol=1e-11)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"a": [math.nan]}])
def test_a_figure_that_is_not_finite_has_no_digest(value: Any) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        digest(value)


def test_a_type_that_json_does_not_have_has_no_digest() -> None:
    with pytest.raises(ValueError, match="no JSON form for set"):
        digest({"a": {1}})


def test_an_integer_beyond_what_json_holds_exactly_is_written_as_text() -> None:
    assert plain(2**53 - 1) == 2**53 - 1
    assert plain(2**53) == "9007199254740992"


def test_the_same_moment_in_two_zones_is_one_text() -> None:
    here = datetime(2026, 11, 22, 14, 0, 0, 5, tzinfo=UTC)
    assert iso(here) == iso(here.astimezone(timezone(timedelta(hours=5)))) == "2026-11-22T14:00:00.000005Z"
    assert plain(here.replace(microsecond=0)) == "2026-11-22T14:00:00Z"
