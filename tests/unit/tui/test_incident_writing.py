from __future__ import annotations

from datetime import UTC, datetime

import pytest

from syscard.errors import UsageError
from syscard_tui.incident_writing import number_of, time_of
from syscard_tui.options import version_number


def test_an_incident_is_named_with_or_without_its_letters() -> None:
    assert [number_of(text) for text in ("INC-3", "inc-3", "3")] == [3, 3, 3]


@pytest.mark.parametrize("text", ["", "INC-", "-3", "3.0", "\N{SUPERSCRIPT TWO}", "9" * 5_000])
def test_what_is_no_number_of_an_incident_is_refused_shortly(text: str) -> None:
    with pytest.raises(UsageError, match="is no incident: write INC-3 or 3") as refused:
        number_of(text)
    assert len(str(refused.value)) < 100


def test_a_time_is_in_utc_where_it_says_no_zone() -> None:
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert time_of("2026-12-01T12:00") == time_of("2026-12-01T14:00+02:00") == noon


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00+12:00", "9999-12-31T23:59-12:00"])
def test_what_is_no_time_or_none_in_utc_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        time_of(text)


@pytest.mark.parametrize("text", ["", "v", "v0", "v-1", "9" * 5_000])
def test_what_is_no_version_of_a_card_is_refused_shortly(text: str) -> None:
    assert version_number("v2") == version_number("2") == 2
    with pytest.raises(UsageError, match="is no card version: write v2 or 2") as refused:
        version_number(text)
    assert len(str(refused.value)) < 100
