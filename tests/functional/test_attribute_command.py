"""`syscard incident attribute` on the replayed demo: what its card was told is found again from the lake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from syscard.views import read_view
from tests.functional.helpers import one_line, syscard
from tests.functional.test_cli import section

pytestmark = pytest.mark.endurance


@pytest.fixture
def attributes(demo_home: Path) -> Any:
    return lambda *arguments: syscard("--home", demo_home, "incident", "attribute", *arguments)


@pytest.mark.parametrize("number", [1, 5])
def test_of_the_same_requests_it_is_what_the_card_was_told(demo_home: Path, attributes: Any, number: int) -> None:
    kept = read_view(demo_home / "records.db")["card"]["incidents"][str(number)]
    found = attributes(number, "--json").document
    assert kept["attribution"]["first"] is not None
    assert found["attribution"] == kept["attribution"]
    assert (found["as_on_card"], found["sampled"], found["number"]) == (True, False, number)


def test_it_is_told_in_words_and_nothing_is_written(demo_home: Path, attributes: Any) -> None:
    before = read_view(demo_home / "records.db")
    told = attributes("INC-5")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("INC-5: ")
    assert "changed itself, given what reaches it" in " ".join(told.out.split())
    assert told.out.endswith("the card says the same; nothing was written\n")
    assert read_view(demo_home / "records.db") == before


def test_its_document_is_described(attributes: Any) -> None:
    said = section("incident attribute")
    assert [key for key in attributes(5, "--json").document if f"`{key}`" not in said] == []


def test_what_cannot_be_done_is_one_line(demo_home: Path, attributes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one_line(attributes(99), "no INC-99")
    one_line(attributes("x"), "'x' is no incident")
    one_line(attributes(5, "--check", "other"), "--check other: write dowhy")
    monkeypatch.setitem(sys.modules, "dowhy", None)
    one_line(attributes(5, "--check", "dowhy"), "--check dowhy needs the extra 'causal': pip install 'syscard[causal]'")
