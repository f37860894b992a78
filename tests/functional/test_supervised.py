"""Monitors that hang, blow up or are killed, under a real `serve`: the others go on, and every face says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard.views import read_view
from tests.functional.helpers import JSON_TYPE, Server, as_json, ending_at, recorded, running, sound, syscard, wait_for

pytestmark = pytest.mark.endurance
Serve = Callable[..., Server]
BLOW_UP = "rpad(segment.age_band, 1000000000, 'y')"
"""A gigabyte a request: Polars takes many seconds over it, and more memory than there is."""


def watcher(home: Path) -> dict[str, Any]:
    """What the monitors, and who watches over them, say of themselves."""
    live = read_view(home / "records.db")["live"] or {"watcher": {}}
    found: dict[str, Any] = live["watcher"]
    return found


def restarts(home: Path) -> list[str]:
    return [one["why"] for one in watcher(home).get("restarts", ())]


def deaths(home: Path) -> list[dict[str, Any]]:
    return [run for run in syscard("--home", home, "monitor", "runs", "--json").document if run["died"]]


def requests(count: int) -> list[bytes]:
    """Recorded ones, as if the last had just been answered."""
    return ending_at(recorded("normal")[:count], datetime.now(UTC) - timedelta(seconds=5))


def post(server: Server, lines: list[bytes]) -> None:
    assert server.post(as_json(lines), JSON_TYPE) == 200


def monitors(server: Server) -> int:
    """The process of the monitors, once there is one."""
    wait_for(lambda: bool(server.children()))
    return server.children()[0]


def test_monitors_that_hang_or_are_killed_are_started_again_and_every_face_says_so(
    declared: Path, serve: Serve
) -> None:
    server = serve(declared, "--port", "0", "--every", "0.5", "--hang-after", "10").ready()
    lines = requests(80)
    post(server, lines[:40])
    wait_for(lambda: watcher(declared).get("requests") == 40)
    hanging = monitors(server)
    os.kill(hanging, signal.SIGSTOP)
    wait_for(lambda: len(restarts(declared)) == 1)
    assert not running(hanging)
    assert restarts(declared)[0].startswith("no progress for 10 s while ")
    os.kill(monitors(server), signal.SIGKILL)
    wait_for(lambda: len(restarts(declared)) == 2)
    assert restarts(declared)[1].startswith("killed by SIGKILL while ")

    post(server, lines[40:])
    wait_for(lambda: watcher(declared).get("requests") == 80)
    assert len(restarts(declared)) == 2, "a window that is stored keeps what is known of deaths"
    said = "MONITORS WERE RESTARTED 2 times in the last hour (killed by SIGKILL while "
    assert said in syscard("--home", declared, "status", "--json").document["watcher"]
    assert "MONITORS WERE RESTARTED 2 times" in " ".join(syscard("--home", declared, "status").out.split())
    killed, hung = deaths(declared)
    assert (hung["wall_s"] > 0, hung["cpu_s"] > 0, hung["pid"], killed["judging"]) == (True, True, hanging, "")
    assert server.stop() == 0
    sound(declared)


def test_a_signal_that_blows_up_twice_is_set_aside_and_the_others_go_on(declared: Path, serve: Serve) -> None:
    (declared / "packs").mkdir()
    (declared / "packs" / "llm.yaml").write_text(
        "pack: llm\n"
        "applies_to: {kind: llm}\n"
        "signals:\n"
        f'  - {{name: blows, label: blows, expr: "{BLOW_UP}", kind: category, tolerance: 0.1}}\n'
    )
    server = serve(declared, "--port", "0", "--every", "0.5", "--monitor-memory", "1").ready()
    post(server, requests(40))
    wait_for(lambda: len(restarts(declared)) == 1)
    wait_for(lambda: watcher(declared).get("requests") == 40)
    assert [death["judging"] for death in deaths(declared)] == ["llm.blows"] * 2
    for why in restarts(declared):
        assert "GiB of memory, more than 1 GiB while judging llm.blows of shop-recommender" in why
    (error,) = watcher(declared)["errors"]
    assert error.startswith("llm.blows: its monitor was stopped: ")
    assert "tried again after" in error
    status = syscard("--home", declared, "status", "--json").document
    assert status["watcher"].startswith("WATCHER HAS 1 ERROR: llm.blows: its monitor was stopped")
    signals = read_view(declared / "records.db")["live"]["signals"]
    assert signals["llm.blows"]["state"] == "error"
    assert len([key for key, one in signals.items() if one["state"] != "error"]) > 20, "all others were judged"
    assert server.stop() == 0
    sound(declared)
