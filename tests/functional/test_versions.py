"""Version signals end to end: what the card says of them is what the kept spans say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard.home import Home
from syscard_tracing.roller import open_lake
from tests.functional.helpers import ending_at, recorded, syscard


def ingest(home: Path, lines: list[bytes], tmp_path: Path) -> None:
    """Store requests, and look once."""
    spans = tmp_path / "spans.jsonl"
    spans.write_bytes(b"\n".join(lines))
    assert syscard("--home", home, "ingest", spans).code == 0
    assert syscard("--home", home, "monitor", "--once").code == 0


def in_the_lake(home: Path, component: str, version: str) -> tuple[datetime, datetime, int]:
    """First and last start and number of the spans that carry a version."""
    rows = open_lake(Home(home)).scan().collect().to_dicts()
    starts = [r["start"] for r in rows if (r["component"], r["component_version"]) == (component, version)]
    return min(starts), max(starts), len(starts)


def on_the_card(home: Path) -> dict[str, Any]:
    """What the card says of the ranking component's only version."""
    (said,) = [v for v in shown(home)["live"]["versions"]["cf"] if v["what"] == "version"]
    return dict(said)


def shown(home: Path) -> dict[str, Any]:
    return dict(syscard("--home", home, "card", "show", "--json").document)


@pytest.mark.endurance
def test_first_seen_last_seen_and_calls_are_those_of_the_kept_spans(declared: Path, tmp_path: Path) -> None:
    end = datetime.now(UTC) - timedelta(minutes=2)
    lines = ending_at(recorded("normal")[:60], end)
    ingest(declared, lines[:40], tmp_path)
    said = on_the_card(declared)
    first, last, calls = in_the_lake(declared, "cf", said["value"])
    assert (datetime.fromisoformat(said["first_seen"]), datetime.fromisoformat(said["last_seen"])) == (first, last)
    assert said["calls"] == calls == 40
    ingest(declared, lines[40:], tmp_path)
    again = on_the_card(declared)
    assert (again["first_seen"], again["calls"]) == (said["first_seen"], 60)
    assert datetime.fromisoformat(again["last_seen"]) == in_the_lake(declared, "cf", said["value"])[1] > last


@pytest.mark.endurance
def test_the_terminal_the_page_and_the_document_say_the_same(declared: Path, tmp_path: Path) -> None:
    lines = ending_at(recorded("normal")[:20], datetime.now(UTC) - timedelta(minutes=2))
    ingest(declared, lines, tmp_path)
    said = on_the_card(declared)
    first = f"{datetime.fromisoformat(said['first_seen']):%Y-%m-%d %H:%M} UTC"
    text = " ".join(syscard("--home", declared, "card", "show").out.split())
    assert f"version {said['value']}: {first} to" in text.replace(" (NOT DECLARED)", "")
    assert syscard("--home", declared, "snapshot", "--out", tmp_path / "page").code == 0
    for page in (tmp_path / "page").glob("*.[hm]*"):
        body = page.read_text("utf-8")
        assert "Version signals" in body
        assert first in body
