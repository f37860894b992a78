"""What came of requests, as it comes later: on the card by the time at which it came, once, and in no way a request."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import system_clock
from syscard.views import read_view
from tests.functional.helpers import ending_at, recorded_lines, sound, syscard

pytestmark = pytest.mark.endurance

LINES = recorded_lines("normal")[800:1_400]


def test_feedback_is_judged_when_it_comes_and_is_neither_a_request_nor_an_orphan(
    declared: Path, tmp_path: Path
) -> None:
    file, lines = tmp_path / "x.jsonl", ending_at(LINES, system_clock() - timedelta(minutes=10))
    requests = sum(b'"name":"invoke_agent agent"' in line for line in lines)
    assert 250 < requests < 350
    for until in (250, len(lines), len(lines)):
        file.write_bytes(b"\n".join(lines[:until]))
        assert syscard("--home", declared, "ingest", file).code == 0
        assert syscard("--home", declared, "monitor", "--once").code == 0
    view = read_view(declared / "records.db")
    watcher = view["live"]["watcher"]
    assert watcher["requests"] + watcher["waiting"] == requests
    assert (watcher["orphans"], watcher["errors"]) == (0, [])
    claims = {name: bodies[0] for name, bodies in view["live"]["claims"].items()}
    came = len(lines) - requests
    assert 0.8 * came < claims["taken"]["n"] <= came
    assert 0.1 < claims["taken"]["value"] < 0.45
    assert claims["taken"]["n"] == claims["ranked"]["n"] == claims["fair-acceptance"]["n"]
    assert re.fullmatch(r"needs two groups of 1,000, has \d+ and \d+", claims["fair-acceptance"]["why"])
    assert claims["ranked"]["value"] < claims["taken"]["value"]
    sound(declared)


@pytest.mark.parametrize(
    ("recording", "taken"), [("aged-recommender", "broken"), ("normal-again", "holds"), ("sale-week", "holds")]
)
def test_offers_that_no_longer_suit_break_a_promise_on_what_is_taken(
    recording: str, taken: str, declared: Path, tmp_path: Path
) -> None:
    lines = recorded_lines(recording)
    lines = lines[len(lines) // 2 - 300 :][:600]
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(ending_at(lines, system_clock() - timedelta(minutes=10))))
    assert syscard("--home", declared, "ingest", tmp_path / "x.jsonl").code == 0
    assert syscard("--home", declared, "monitor", "--once").code == 0
    claims = read_view(declared / "records.db")["live"]["claims"]
    assert claims["taken"][0]["status"] == taken
    assert (claims["ranked"][0]["status"] == "holds") == (taken == "holds")
