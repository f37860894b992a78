"""`syscard serve` beside the agent: the real program, the recorded day as its baseline, spans over OTLP."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from opentelemetry import trace

from recommender import telemetry
from recommender.agent import Agent
from recommender.errors import Unavailable
from recommender.live import Pace, Run
from recommender.switches import Switchboard
from recommender.watched import WINDOW, Watched
from tests.example.small import shop

pytestmark = pytest.mark.endurance

SYSCARD = str(Path(sys.executable).parent / "syscard")
VERSIONS = {"cf": "als-small", "vlm": "lit-small"}


@pytest.mark.xdist_group("recordings")
def test_requests_arrive_on_the_card_of_a_home_that_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        trace, "set_tracer_provider", lambda found: monkeypatch.setattr(trace, "_TRACER_PROVIDER", found)
    )
    monkeypatch.setattr("recommender.watched.BASELINE", "more-traffic")  # 300 requests are quicker to take in
    watched, said = Watched(SYSCARD, tmp_path / "home"), list[str]()
    for _ in range(2):
        watched.prepare(VERSIONS, said.append)
    assert len(said) == 1
    before = watched.status()
    assert before["requests"] == 300
    assert before["verdict"] not in ("BROKEN", "INCIDENT")
    with watched.served() as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        provider = telemetry.start("none")
        small = shop(tmp_path)
        Run(small, Agent(small.models), Switchboard([], tmp_path / "switches"), Pace(None, 1), 1, said.append).serve(
            25, 2
        )
        provider.shutdown()
        found = watched.wait(before["requests"] + WINDOW)
    assert found["requests"] == before["requests"] + WINDOW
    assert "PART" in watched.run("status")


def test_a_home_that_could_not_be_finished_is_not_left_behind(tmp_path: Path) -> None:
    broken = tmp_path / "syscard"
    broken.write_text("#!/bin/sh\necho no room >&2; exit 3\n")
    broken.chmod(0o755)
    with pytest.raises(Unavailable, match="no room"):
        Watched(str(broken), tmp_path / "home").prepare(VERSIONS, lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["syscard"]


def test_a_server_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "syscard"
    broken.write_text("#!/bin/sh\necho port taken >&2; exit 2\n")
    broken.chmod(0o755)
    (tmp_path / "home").mkdir()
    with (
        pytest.raises(Unavailable, match="syscard serve did not start: port taken"),
        Watched(str(broken), tmp_path / "home").served(),
    ):
        pass
