"""A version of the card has a number, a time, a place from the end, and the names that people gave it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.errors import NotOnTheCard, UsageError
from syscard.fold import fold
from syscard.tags import MOST_TAGS, Stamp, Tag, TagVersion, checked_name, in_order, stamps, version_of, with_room
from tests.unit.build import HUMAN, NOW, chained, component, draft

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KNOWN = tuple(Stamp(n, NOON + timedelta(days=n - 1)) for n in (1, 2, 3, 4))
TAGS = {"launch": Tag(version=2, at=NOON, by="human:mara")}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3", 3), ("3", 3), ("latest", 4), ("-1", 3), ("-3", 1), ("launch", 2), (" v3 ", 3),
        ("2026-11-20", 1), ("2026-11-22", 3), ("2030-01-01", 4), ("9999-12-31", 4),
        ("2026-11-21T11:59", 1), ("2026-11-21T12:00", 2),
        ("2026-11-21 12:00", 2), ("2026-11-21T14:00+02:00", 2), ("2026-11-21T11:59:00Z", 1),
    ],
)  # fmt: skip
def test_a_version_is_named_by_number_place_time_or_tag(text: str, version: int) -> None:
    assert version_of(text, KNOWN, TAGS) == version


@pytest.mark.parametrize("text", ["v9", "-4", "9", "2026-11-19", "2026-11-20T11:00"])
def test_a_version_that_is_not_there_is_told_with_what_is(text: str) -> None:
    with pytest.raises(NotOnTheCard, match=r"the newest is v4|the first is of 2026-11-20 12:00"):
        version_of(text, KNOWN, TAGS)


@pytest.mark.parametrize(
    "text", ["", "v", "v0", "0", "lunch", "--full", "v1.5", "2026-13-01", "9" * 5000, "-0", "0001-01-01T00:00+12:00"]
)
def test_what_names_no_version_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no card version: write v2, latest, -1, .* or a tag"):
        version_of(text, KNOWN, TAGS)


def test_a_card_without_versions_has_none_of_any_name() -> None:
    for text in ("latest", "-1", "2026-11-20", "v1"):
        with pytest.raises(NotOnTheCard, match="there is none yet"):
            version_of(text, (), {})


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=20))
def test_late_edits_move_no_version_before_an_older_one(minutes: list[int]) -> None:
    edits = [(n // 2 + 1, NOON + timedelta(minutes=at)) for n, at in enumerate(minutes)]
    found = stamps(edits)
    assert [s.version for s in found] == sorted({version for version, _ in edits})
    assert [s.observed for s in found] == sorted(s.observed for s in found)
    assert found[-1].observed == max(at for _, at in edits)


def test_versions_are_compared_from_the_older_to_the_newer() -> None:
    assert in_order("launch", None, KNOWN, TAGS) == (2, 4)
    assert in_order("v2", "v2", KNOWN, TAGS) == (2, 2)
    with pytest.raises(UsageError, match="v4 is later than v2: write: syscard card diff v2 v4"):
        in_order("latest", "launch", KNOWN, TAGS)


@pytest.mark.parametrize("name", ["latest", "v2", "Launch", "", "2026-11-20", "-1", "a b", "a" * 65, "[x]"])
def test_a_tag_is_no_other_name_of_a_version(name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot name a version|means a version already"):
        checked_name(name)
    assert checked_name("launch-2.1") == "launch-2.1"


def test_a_tag_stands_on_the_card_with_who_gave_it_and_moves_when_it_is_given_again() -> None:
    names = [draft(TagVersion(name="launch", version=n), minute=n, author=HUMAN) for n in (1, 2)]
    card = fold(chained([[draft(component())], *([one] for one in names)]), start="shop")
    assert card.tags == {"launch": Tag(version=2, at=NOW + timedelta(minutes=2), by="human:mara")}
    assert "tags" not in fold(chained([[draft(component())]]), start="shop").model_dump(), "older digests stay"


def test_a_card_keeps_so_many_names_and_no_more() -> None:
    full = {f"t{n}": TAGS["launch"] for n in range(MOST_TAGS)}
    with_room(full, "t3")
    with pytest.raises(UsageError, match="versions have names"):
        with_room(full, "one-more")
