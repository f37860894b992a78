"""Error budgets on real traffic: a promise that is spent too fast pages, without any baseline."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import system_clock
from syscard.views import View, read_view
from syscard_configs import read_text
from tests.functional.helpers import ending_at, recorded_lines, sound, syscard

pytestmark = pytest.mark.endurance

PROMISED = (
    ('expect: "<= 3s"', 'expect: "<= 3s"\n    burn: true'),
    ("agent.volume: {off: true}", "agent.volume: {off: true}\n    agent.latency: {objective: {p95: 200ms}}"),
)


def test_a_promise_that_is_spent_too_fast_pages_and_one_that_is_kept_does_not(declared: Path, tmp_path: Path) -> None:
    view = judged(declared, tmp_path)
    signals = view["live"]["signals"]
    assert signals["agent.fast.burn"]["state"] == "ok"
    broken = signals["agent.latency.p95.burn"]
    assert (broken["state"], broken["reference"], broken["topic"]) == ("breach", 1.0, "latency")
    assert broken["one_in"] >= broken["one_in_needed"]
    (incident,) = view["card"]["incidents"].values()
    assert (incident["subject"], incident["severity"]) == ("agent", "page")
    assert incident["title"].startswith("error budget of latency.p95, over ")
    figures = {f["key"]: view["card"]["evidence"][f["evidence"]]["figure"] for f in incident["findings"]}
    assert figures["agent.latency.p95.burn"]["method"] == "burn rate"
    sound(declared)


def test_a_budget_is_listed_and_explained_like_a_signal(declared: Path, tmp_path: Path) -> None:
    judged(declared, tmp_path)
    listed = syscard("--home", declared, "explain").out.splitlines()
    assert next(line for line in listed if line.startswith("agent.fast.burn")).split()[1] == "ok"
    told = syscard("--home", declared, "explain", "agent.fast.burn").out
    for words in ("says      what the promise may miss", "breach    a rate of 14.4 over 1 h and over 5 min or",
                  "from      system.yaml", "severity  page", "now       OK error budget of fast"):  # fmt: skip
        assert words in told
    assert "rate of 1 over 3 d and over 6 h" in syscard("--home", declared, "explain", "agent.fast.slow-burn").out
    document = syscard("--home", declared, "explain", "agent.fast.burn", "--json").document
    assert (document["expr"], document["tolerance"], document["owner"]) == ("latency", 6.0, "discovery")


def judged(home: Path, folder: Path) -> View:
    """What 300 requests of the normal day make of a promise of 3 s and of an objective of 200 ms."""
    text = read_text("examples", "recommender.yaml")
    for before, after in PROMISED:
        assert before in text
        text = text.replace(before, after)
    (folder / "promised.yaml").write_text(text.replace("complete_after: 30s", "complete_after: 1s"), encoding="utf-8")
    assert syscard("--home", home, "apply", folder / "promised.yaml").code == 0
    lines = ending_at(recorded_lines("normal")[:600], system_clock() - timedelta(minutes=10))
    (folder / "x.jsonl").write_bytes(b"\n".join(lines))
    assert syscard("--home", home, "ingest", folder / "x.jsonl").code == 0
    assert syscard("--home", home, "monitor", "--once").code == 0
    return read_view(home / "records.db")
