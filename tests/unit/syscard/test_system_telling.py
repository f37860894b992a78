"""How soon people are told of incidents, as system.yaml declares it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syscard.system import System
from syscard.system_file import parse_system
from tests.unit.syscard.test_system_file import GOOD, swap, the_problem


def test_how_soon_people_are_told_is_declared_and_read_again_from_the_body() -> None:
    notify = "{ticket: at_once, budget: {at_most: 3, per: 12h}, repeat: 2h, quiet: 1h}"
    system = parse_system(swap("monitors:\n", f"monitors:\n  notify: {notify}\n"), "system.yaml")
    found = system.monitors.notify
    assert found is not None
    assert (found.page, found.ticket, found.note) == ("at_once", "at_once", "digest")
    assert (found.budget.at_most, found.budget.per, found.digest) == (3, timedelta(hours=12), timedelta(days=1))
    assert System.model_validate(system.body()) == system


def test_a_system_without_a_word_of_it_has_the_body_that_it_had() -> None:
    assert "notify" not in parse_system(GOOD, "system.yaml").body()["monitors"]


@pytest.mark.parametrize(
    ("notify", "what", "write"),
    [
        (
            "{url: slack://T/B/C}",
            "is not declared here: an address holds a password, and this file is in git",
            "SYSCARD_NOTIFY_URL",
        ),
        ("{webhooks: [x]}", "is not declared here", "SYSCARD_NOTIFY_FILE"),
        ("{page: soon}", "'soon' is not", "at_once"),
        ("{budget: {at_most: 0}}", "must be at least 1", "at_most: 6"),
        ("{budget: {per: 0s}}", "not zero", "per: 1d"),
        ("{repeat: 0s}", "not zero", "repeat: 1d"),
        ("{quiet: soon}", "is no duration", "30s"),
    ],
)
def test_what_is_wrong_with_how_people_are_told_is_said(notify: str, what: str, write: str) -> None:
    problem = the_problem(swap("monitors:\n", f"monitors:\n  notify: {notify}\n"))
    assert what in problem.what
    assert write in problem.write
    assert "slack" not in problem.text("f")


def test_that_it_stands_under_monitors_is_said() -> None:
    problem = the_problem(f"{GOOD}\nnotify: {{url: x}}\n")
    assert (problem.where, problem.what) == ("notify", "stands under monitors")
