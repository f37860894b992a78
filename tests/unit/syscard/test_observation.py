from __future__ import annotations

import pyarrow as pa
import pytest

import syscard
from syscard.observation import COLUMNS, arrow_schema, field_name, segment_or_none


@pytest.mark.parametrize(
    "value", [None, "", " ", "nan", "NaN", "None", "null", "N/A", "unknown", "undefined", float("nan")]
)
def test_a_label_that_the_sender_did_not_have_is_no_segment(value: object) -> None:
    assert segment_or_none(value) is None


@pytest.mark.parametrize(("value", "label"), [("45-54", "45-54"), (" adult ", "adult"), (0, "0"), (True, "True")])
def test_any_other_label_is_a_segment(value: object, label: str) -> None:
    assert segment_or_none(value) == label


@pytest.mark.parametrize(
    ("key", "component", "name"),
    [
        ("syscard.llm.rationale.grounded", "llm", "rationale.grounded"),
        ("syscard.vlm.agrees", "llm", "vlm.agrees"),
        ("syscard.accepted", None, "accepted"),
        ("gen_ai.request.temperature", "llm", "gen_ai.request.temperature"),
        ("my-own key", "llm", "my_own_key"),
    ],
)
def test_a_field_is_named_as_signals_and_claims_write_it(key: str, component: str | None, name: str) -> None:
    assert field_name(key, component) == name


def test_every_column_has_a_type_that_arrow_has_and_a_meaning() -> None:
    schema = arrow_schema()
    assert schema.names == [c.name for c in COLUMNS]
    assert schema.field("start").type == pa.timestamp("us", tz="UTC")
    assert all(c.meaning for c in COLUMNS)


def test_the_package_s_face_is_what_it_says_it_is() -> None:
    assert syscard.__all__ == sorted(syscard.__all__)
    assert all(getattr(syscard, name) is not None for name in syscard.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'crad'"):
        _ = syscard.crad
