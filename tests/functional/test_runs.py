"""What the monitors did, look by look, in real homes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.functional.helpers import Demo, one_line, recorded, sound, syscard


def runs(home: Path, *options: str) -> list[dict[str, Any]]:
    ran = syscard("--home", home, "monitor", "runs", "--json", *options)
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.document
    return found


@pytest.mark.endurance
def test_every_look_is_recorded_and_those_at_nothing_new_are_one_row(declared: Path, tmp_path: Path) -> None:
    assert runs(declared) == []
    assert "never looked" in syscard("--home", declared, "monitor", "runs").err
    assert "never looked" in syscard("--home", declared, "doctor").out
    spans = tmp_path / "spans.jsonl"
    spans.write_bytes(b"\n".join(recorded("normal")[:40]))
    assert syscard("--home", declared, "ingest", spans).code == 0
    for _ in range(4):
        assert syscard("--home", declared, "monitor", "--once").code == 0
    idle, busy = runs(declared)
    assert (busy["windows"], busy["requests"], busy["looks"], busy["error"]) == (2, 40, 1, "")
    assert busy["rows"] == 200
    assert sum(busy["findings"].values()) > 20
    assert busy["cpu_s"] > 0
    assert busy["wall_s"] > 0
    assert (idle["windows"], idle["looks"]) == (0, 3)
    assert 0 < idle["rows"] < 600
    table = syscard("--home", declared, "monitor", "runs").out.splitlines()
    assert len(table) == 3
    assert "200" in table[2]
    assert "40" in table[2]
    assert "looked last" in syscard("--home", declared, "doctor").out
    sound(declared)


def test_a_look_that_is_given_up_is_recorded_with_its_reason_and_the_doctor_says_so(
    declared: Path, tmp_path: Path
) -> None:
    spans = tmp_path / "spans.jsonl"
    spans.write_bytes(b"\n".join(recorded("normal")[:20]))
    assert syscard("--home", declared, "ingest", spans).code == 0
    (declared / "packs").mkdir()
    pack = declared / "packs" / "llm.yaml"
    pack.write_text("pack: [")
    for _ in range(2):
        one_line(syscard("--home", declared, "monitor", "--once"), "llm.yaml")
    (given_up,) = runs(declared, "--failed")
    assert given_up["looks"] == 2
    assert "llm.yaml" in given_up["error"]
    doctor = syscard("--home", declared, "doctor")
    assert doctor.code == 1
    assert "the last 2 looks of the monitors failed, since" in doctor.out
    assert "given up: " in syscard("--home", declared, "monitor", "runs").out
    pack.unlink()
    assert syscard("--home", declared, "monitor", "--once").code == 0
    sound(declared)


def test_a_signal_that_cannot_be_computed_is_named_in_its_run(declared: Path, tmp_path: Path) -> None:
    (declared / "packs").mkdir()
    (declared / "packs" / "llm.yaml").write_text(
        "pack: llm\n"
        "applies_to: {kind: llm}\n"
        "signals:\n"
        "  - {name: bad, label: bad, expr: \"{c}.latency_ms + 'text'\", kind: number, tolerance: 0.1}\n"
    )
    spans = tmp_path / "spans.jsonl"
    spans.write_bytes(b"\n".join(recorded("normal")[:20]))
    assert syscard("--home", declared, "ingest", spans).code == 0
    assert syscard("--home", declared, "monitor", "--once").code == 0
    (run,) = runs(declared, "--failed")
    assert [text for text in run["failed"] if text.startswith("llm.bad: ")], run
    assert run["findings"]["error"] == run["windows"] == 1
    assert "llm.bad" in syscard("--home", declared, "doctor").out


def test_the_demo_has_run_its_monitors(demo: Demo) -> None:
    found = runs(demo.home, "--last", "100")
    assert sum(run["requests"] for run in found) > 2_000
    assert not [run for run in found if run["error"] or run["failed"]]


@pytest.mark.parametrize(
    "asked",
    [
        ("monitor", "runs", "--last", "99999999999999999999"),
        ("monitor", "runs", "--last", "0"),
        ("monitor", "--every", "0"),
        ("serve", "--every", "-1", "--port", "0"),
    ],
    ids=" ".join,
)
def test_figures_that_no_look_can_go_by_are_refused(declared: Path, asked: tuple[str, ...]) -> None:
    ran = syscard("--home", declared, *asked)
    assert ran.code == 2
    assert "invalid value for '--" in ran.err
    assert "Traceback" not in ran.err
