"""The catalogue of interaction risks as data: whole, in order, and short enough for every face."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from syscard_configs import read_text

RISKS: list[dict[str, Any]] = yaml.safe_load(read_text("risks", "catalogue.yaml"))["risks"]
TEXTS = ("name", "edges", "definition", "statistic", "null", "mitigation")
LISTS = ("signals", "needs", "references")
FIELDS = {"id", *TEXTS, *LISTS, "least", "threshold", "calibrated", "severity"}
LONGEST = 320

each = pytest.mark.parametrize("risk", RISKS, ids=[r["id"] for r in RISKS])


def test_all_twenty_seven_are_there_in_order() -> None:
    assert [r["id"] for r in RISKS] == [f"IR-{n:02d}" for n in range(1, 28)]


def test_no_two_are_called_alike() -> None:
    assert len({r["name"] for r in RISKS}) == len(RISKS)


@each
def test_a_risk_says_all_that_a_card_shows_of_it_and_nothing_else(risk: dict[str, Any]) -> None:
    assert set(risk) == FIELDS


@each
def test_every_text_fits_a_line_of_a_report(risk: dict[str, Any]) -> None:
    texts = [*(risk[name] for name in TEXTS), *(text for name in LISTS for text in risk[name])]
    assert all(isinstance(t, str) and 0 < len(t) <= LONGEST and t == " ".join(t.split()) for t in texts)
    assert all(risk[name] for name in LISTS)
    assert len(risk["name"]) <= 50


@each
def test_what_to_do_about_it_is_one_sentence_in_plain_words(risk: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z][^.;]*\.", risk["mitigation"])


@each
def test_a_threshold_is_a_number_and_a_severity_is_one_that_incidents_have(risk: dict[str, Any]) -> None:
    assert type(risk["least"]) is int
    assert risk["least"] >= 1
    assert type(risk["threshold"]) in (int, float)
    assert risk["threshold"] >= 0
    assert type(risk["calibrated"]) is bool
    assert risk["severity"] in ("page", "ticket", "note")


@each
def test_what_must_never_happen_is_no_matter_of_calibration(risk: dict[str, Any]) -> None:
    assert not (risk["threshold"] == 0 and risk["calibrated"])
