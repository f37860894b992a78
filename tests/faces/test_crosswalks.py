"""Crosswalks as text and as a document."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from syscard.crosswalks import LIMITS
from syscard.errors import UsageError
from syscard.render.cardtext import card_text
from syscard.render.crosswalks import crosswalk_document, crosswalk_lines, crosswalk_text
from syscard.views import View
from syscard.words import cells
from tests.faces.sample import NOW


@pytest.mark.parametrize("framework", ["eu_ai_act", "nist_ai_600_1"])
def test_a_crosswalk_reads_as_accepted(broken: View, as_accepted: Callable[[str, str], None], framework: str) -> None:
    as_accepted(f"crosswalk-{framework}.txt", crosswalk_text(broken, NOW, framework))


def test_the_card_has_a_line_for_each_framework_where_they_are_given(
    broken: View, as_accepted: Callable[[str, str], None]
) -> None:
    lines = tuple(crosswalk_lines(broken))
    as_accepted("crosswalk-lines.txt", "\n".join(lines) + "\n")
    text = card_text(broken, maps=lines)
    assert "\n".join(("CROSSWALKS", *lines)) in text
    assert "CROSSWALKS" not in card_text(broken)


@pytest.mark.parametrize("name", ["broken", "declared", "hostile"])
def test_no_line_is_too_wide_or_holds_a_control_character(views: dict[str, View], name: str) -> None:
    for line in (*crosswalk_text(views[name], NOW).splitlines(), *crosswalk_lines(views[name])):
        assert cells(line) <= 80
        assert line.isprintable()


def test_what_a_regime_that_does_not_apply_asks_for_is_not_listed(broken: View) -> None:
    assert broken["card"]["identity"]["regimes"]["eu_ai_act"] == "not_applicable"
    text = crosswalk_text(broken, NOW, "eu_ai_act")
    assert "regime not applicable" in text
    assert "Annex IV 2(g)" not in text


def test_the_document_holds_all_frameworks_or_the_one_that_is_named(broken: View) -> None:
    whole, one = crosswalk_document(broken, NOW), crosswalk_document(broken, NOW, "iso_42001")
    assert json.loads(json.dumps(whole)) == whole
    assert (one["card"], one["limits"]) == (broken["digest"], LIMITS)
    assert [f["framework"] for f in one["frameworks"]] == ["iso_42001"]
    assert len(whole["frameworks"]) == 4
    assert [r for r in whole["rows"] if r["framework"] == "iso_42001"] == one["rows"]


def test_by_a_later_clock_there_is_less_that_counts(broken: View) -> None:
    def seen(days: int) -> int:
        document = crosswalk_document(broken, NOW + timedelta(days=days), "nist_ai_rmf")
        return sum("live.signals: seen" in row["says"] for row in document["rows"])

    assert seen(0) > seen(1) == 0


def test_a_framework_that_is_not_there_is_an_error_that_names_those_that_are(broken: View) -> None:
    with pytest.raises(UsageError, match="there is: eu_ai_act"):
        crosswalk_text(broken, NOW, "gdpr")
