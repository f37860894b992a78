"""A signal in words: what it means, how it is judged, and how small a change it can show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syscard_monitors import detecting, judge
from syscard_monitors.explain import explanation
from syscard_monitors.packs import Kind, origin
from tests.unit.monitors.build import reference, signal

KINDS: tuple[Kind, ...] = ("share", "rate", "number", "category", "ratio", "latency", "volume", "embedding")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_words_for_meaning_effect_and_evidence(kind: str) -> None:
    found = explanation(signal(kind), reference([0.0, 1.0] * 20), 40_000.0)
    assert all((found.means, found.effect, found.evidence, found.breach))
    assert ("vlm.agrees" in found.means) is (kind != "volume")
    assert "1 in 40,000 or rarer" in found.breach


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("share", [0.0, 1.0] * 20, "e-detector"),
        ("number", [0.1, 0.2] * 20, "e-detector"),
        ("number", [0.1] * 40, "left the value that the baseline always had"),
        (
            "rate",
            [0.0, 1.0] * 20,
            "group by group, or Fisher's exact test",
        ),
        ("volume", [0.1, 0.2] * 20, "Erlang"),
    ],
)
def test_the_evidence_that_is_told_is_the_one_that_decides(kind: str, values: list[Any], says: str) -> None:
    of, known = signal(kind), reference(values, per_minute=1.0)
    assert says in explanation(of, known, None).evidence
    assert ("e-detector" in explanation(of, known, None).evidence) is detecting.uses_detector(of, known)
    measured = judge.measure(of, values[:20], known)
    assert isinstance(measured, judge.Measured)
    assert (measured.method == "e-detector") is (detecting.uses_detector(of, known) and kind != "rate")


def test_without_a_baseline_nothing_is_said_of_how_rare_evidence_must_be() -> None:
    found = explanation(signal(), None, None)
    assert "evidence that the budget accepts" in found.breach
    assert found.shows == ""


def test_a_signal_with_a_window_of_its_own_says_how_many_requests_are_looked_at_together() -> None:
    found = explanation(signal(window=100, tolerance=0.01), reference([1.0] * 900 + [0.0] * 100), 231_000.0)
    assert (found.window, "in 2 windows of 100 requests running" in found.breach) == (100, True)
    assert found.shows.startswith("200 requests show")
    assert "in one window of 20 requests, " in explanation(signal(persist=1), None, None).breach


def test_what_two_windows_cannot_show_is_said() -> None:
    found = explanation(signal(tolerance=0.05), reference([1.0] * 900 + [0.0] * 100), 231_000.0)
    assert found.shows == "40 requests show an effect of about 0.28; one between 0.05 and that takes longer"
    assert explanation(signal(tolerance=0.3), reference([1.0] * 900 + [0.0] * 100), 231_000.0).shows == ""


def test_it_is_said_which_file_a_signal_comes_from(tmp_path: Path) -> None:
    assert origin("agrees_with_catalogue", ("vision-language",), tmp_path) == "packs/vision-language.yaml of syscard"
    own = tmp_path / "vision-language.yaml"
    own.write_text(
        "pack: vision-language\napplies_to: {kind: vision-language}\nsignals:\n"
        "  - {name: sharpness, label: s, expr: '{c}.sharpness', kind: number, tolerance: 0.1}\n"
    )
    assert origin("sharpness", ("vision-language",), tmp_path) == str(own)
    assert origin("entropy", ("vision-language",), tmp_path) == "packs/vision-language.yaml of syscard"
