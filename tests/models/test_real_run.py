"""`make example` as a newcomer runs it: requests, faults and spans arrive in `syscard status`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import CACHE, ROOT

SYSCARD = ROOT / ".venv" / "bin" / "syscard"
ENV = {**os.environ, "PYTHONPATH": str(ROOT / "examples")}


def recommender(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recommender", *map(str, arguments), "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=ENV, timeout=900, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh folder, with what was fitted already."""
    found = tmp_path_factory.mktemp("example")
    (found / "cache").symlink_to(CACHE)
    return found


def status(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [SYSCARD, "--home", folder / "home", "status", "--json"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("instrumentor", ["none", "openinference"])
def test_normal_requests_arrive_and_open_nothing(instrumentor: str, folder: Path) -> None:
    ran = recommender("run", "--requests", 40, "--instrumentor", instrumentor, "--syscard", SYSCARD, folder=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "served 40 requests" in ran.stdout
    assert "PART" in ran.stdout
    found = status(folder)
    assert found["incidents"] == []
    assert {part["ref"] for part in found["parts"] if part["declared"]} >= {"cf", "vlm", "llm", "agent", "vlm->llm"}
    assert [part["ref"] for part in found["parts"] if not part["declared"]] == []


def test_a_fault_that_is_switched_on_mid_run_is_an_incident_on_its_part(folder: Path) -> None:
    before = status(folder)["requests"]
    ran = recommender("run", "--requests", 80, "--fault", "dark-pictures@20-80", "--syscard", SYSCARD, folder=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "60 with dark-pictures" in ran.stdout
    found = status(folder)
    assert found["requests"] >= before + 60
    assert [incident["subject"] for incident in found["incidents"]] == ["vlm"]
    assert found["verdict"] in ("BROKEN", "INCIDENT")


def test_ctrl_c_half_way_ends_everything_and_harms_nothing(folder: Path) -> None:
    options = ("--requests", "0", "--syscard", str(SYSCARD), "--folder", str(folder))
    command = [sys.executable, "-m", "recommender", "run", *options]
    log = folder / "run.log"
    with log.open("w") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env=ENV)
        until = time.monotonic() + 300
        while "\n    10" not in log.read_text() and time.monotonic() < until:
            time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        child.wait(120)
    assert "served" in log.read_text()
    assert "Traceback" not in log.read_text()
    doctor = subprocess.run([SYSCARD, "--home", folder / "home", "doctor"], capture_output=True, text=True, check=False)
    assert doctor.returncode == 0, doctor.stdout
