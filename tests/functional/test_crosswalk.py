"""`syscard crosswalk`: what bodies of rules ask for beside the card of a home."""

from __future__ import annotations

from pathlib import Path

from tests.functional.helpers import one_line, syscard


def test_a_crosswalk_is_printed_for_people_and_for_programs(declared: Path) -> None:
    text = syscard("--home", declared, "crosswalk", "nist_ai_rmf").out
    assert "MEASURE 2.11" in text
    assert "whether the rules are met is for people to judge" in " ".join(text.split())
    document = syscard("--home", declared, "crosswalk", "--json").document
    statuses = {row["id"]: row["status"] for row in document["rows"]}
    assert statuses["Annex IV 1(a)"] == "not applicable"
    assert statuses["MAP 3.3"] == "declared"
    assert statuses["MEASURE 2.4"] == "partly", "claims are declared, and nothing has been measured"
    assert not [row for row in document["rows"] if row["evidence"]]
    card = syscard("--home", declared, "card", "show", "--json").document
    assert card["crosswalks"] == document["frameworks"]
    assert "eu_ai_act     regime not applicable" in syscard("--home", declared, "card", "show").out


def test_a_framework_that_is_not_there_is_one_line(declared: Path) -> None:
    one_line(syscard("--home", declared, "crosswalk", "gdpr"), "no framework 'gdpr'", "eu_ai_act, iso_42001")
