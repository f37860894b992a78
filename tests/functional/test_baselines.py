"""Baselines as a user meets them: set, listed, gone back to, never lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from syscard.views import read_view
from tests.functional.helpers import one_line, syscard

pytestmark = pytest.mark.endurance


def test_an_older_baseline_is_kept_listed_and_can_be_put_in_force_again(demo_home: Path) -> None:
    launch = syscard("--home", demo_home, "baseline", "show", "--json").document
    middle = datetime.fromisoformat(launch["start"]) + timedelta(hours=10)
    ran = syscard("--home", demo_home, "baseline", "set", "--to", f"{middle:%Y-%m-%dT%H:%M:%S}", "--name", "winter",
                  "--approved-by", "Ada")  # fmt: skip
    assert ran.code == 0, ran
    assert "winter: " in ran.out
    assert "approved by Ada" in ran.out

    listed = syscard("--home", demo_home, "baseline", "show", "--all", "--json").document
    assert [(p["baseline"]["name"], p["in_force"], p["kept"]) for p in listed] == [
        ("launch", False, True), ("winter", True, True),
    ]  # fmt: skip
    assert listed[0]["baseline"] == launch
    assert listed[1]["set_by"].startswith("human:")
    assert listed[1]["baseline"]["approved_by"] == "Ada"
    shown = syscard("--home", demo_home, "baseline", "show", "--all").out
    assert "replaced" in shown
    assert launch["data_digest"][:12] in shown
    assert max(map(len, shown.splitlines())) <= 80

    assert "is in force again" in syscard("--home", demo_home, "baseline", "use", "launch").out
    again = read_view(demo_home / "records.db")["card"]["baseline"]
    assert again == launch
    one_line(syscard("--home", demo_home, "baseline", "use", launch["data_digest"][:12]), "in force already")
    one_line(syscard("--home", demo_home, "baseline", "use", "summer"), "no one baseline", "launch", "winter")
    assert "verified: ok" in syscard("--home", demo_home, "card", "verify").out

    with closing(sqlite3.connect(demo_home / "records.db")) as connection, connection:
        winter = listed[1]["baseline"]["data_digest"]
        connection.execute("update baseline set body = x'00' where digest = ?", (winter,))
    one_line(syscard("--home", demo_home, "baseline", "use", "winter"), "do not match their digest")
    one_line(syscard("--home", demo_home, "card", "verify"), "do not match their digest", code=1)
    shown = syscard("--home", demo_home, "baseline", "show", "--all").out
    assert "VALUES ARE GONE OR CHANGED" in " ".join(shown.split())


def test_what_a_baseline_would_be_can_be_looked_at_without_setting_it(demo_home: Path) -> None:
    before = read_view(demo_home / "records.db")
    # The whole recording with its faults: no stretch that anybody should call usual.
    ran = syscard("--home", demo_home, "baseline", "set", "--check")
    assert ran.code == 1, ran
    assert "halves DISAGREE" in ran.out
    assert "nothing was set" in ran.err
    assert read_view(demo_home / "records.db")["head"] == before["head"]


def test_a_baseline_says_how_its_halves_agree_signal_by_signal_and_what_says_little(demo_home: Path) -> None:
    found = syscard("--home", demo_home, "baseline", "show", "--json").document
    assert not [one for one in found["halves"] if one["p_adjusted"] < 0.01]
    assert {"vlm.agrees_with_catalogue", "cf.top_score"} <= {one["signal"] for one in found["halves"]}
    assert {one["kind"] for one in found["degenerate"]} >= {"constant"}
    shown = syscard("--home", demo_home, "baseline", "show").out
    assert "halves agree (A/A, smallest of" in shown
    assert "stretches" in shown


def test_before_the_first_baseline_there_is_nothing_to_list(declared: Path) -> None:
    assert syscard("--home", declared, "baseline", "show", "--all", "--json").document == []
    assert "no baseline yet" in syscard("--home", declared, "baseline", "show", "--all").out
    one_line(syscard("--home", declared, "baseline", "use", "launch"), "no one baseline")
