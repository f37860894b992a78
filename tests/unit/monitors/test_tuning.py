"""What is tuned and comes to nothing is told when the file is applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.tuning import tune_faults
from tests.unit.build import declared


def told(folder: Path | None = None, **monitors: Any) -> list[str]:
    return [f"{fault.path[-1]}: {fault.what}" for fault in tune_faults(declared(monitors=monitors), folder)]


def test_the_example_tunes_nothing_that_is_not_there() -> None:
    assert not list(tune_faults(parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")))


def test_a_signal_that_no_pack_has_is_told_with_the_one_that_was_meant() -> None:
    (fault,) = tune_faults(declared(monitors={"tune": {"llm.fallbak": {"off": True}}}))
    assert fault.path == ("monitors", "tune", "llm.fallbak")
    assert fault.write == "llm.fallback"


def test_a_signal_of_the_home_s_own_pack_is_there_and_one_that_is_switched_off_too(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "{pack: mine, signals: [{name: own, label: own, expr: '{c}.own', kind: rate, tolerance: 0.1}]}"
    )
    assert not told(tmp_path, packs=["mine"], tune={"llm.own": {"tolerance": 0.2}, "llm.error": {"off": True}})


def test_a_pack_that_is_not_there_is_told_as_nothing_is_watched_without_it() -> None:
    assert told(packs=["lllm"])[0].startswith("packs: nothing is watched: no monitor pack 'lllm'; there is: agent")


@pytest.mark.parametrize(
    ("key", "tune", "says"),
    [
        ("llm.fallback", {"objective": {"p95": "2s"}}, "llm.fallback is none: it is not watched"),
        ("llm.latency", {"objective": {}}, "names no quantile, so nothing is watched"),
        ("llm.latency", {"objective": {"p95": "2s"}, "off": True}, "off: true is said beside it"),
    ],
)
def test_an_objective_that_nothing_is_watched_for_is_told(key: str, tune: dict[str, Any], says: str) -> None:
    (found,) = told(tune={key: tune})
    assert says in found


def test_an_objective_of_a_signal_in_milliseconds_is_watched() -> None:
    assert not told(tune={"llm.latency": {"objective": {"p95": "2s"}}})
