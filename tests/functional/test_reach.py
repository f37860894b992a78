"""A part that few requests reach misses whole windows: that is no sign that nothing reaches it any more."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import system_clock
from syscard.views import read_view
from tests.functional.helpers import ending_at, recorded, spans_of, syscard

WINDOW = 20
REQUESTS = recorded("normal")[: 3 * WINDOW]


def without_vlm(line: bytes) -> bytes:
    """A request whose pictures were not read."""
    document = json.loads(line)
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            scope["spans"] = [s for s in scope["spans"] if not s["name"].endswith(" vlm")]
    return json.dumps(document).encode()


def reasons(home: Path, folder: Path, reached: Collection[int]) -> tuple[str, str]:
    """Why `vlm` and an edge of it are unknown after three windows, of whose requests these reached it."""
    lines = [line if i in reached else without_vlm(line) for i, line in enumerate(REQUESTS)]
    assert sum(len(spans_of(json.loads(line))) for line in lines) < sum(len(spans_of(json.loads(r))) for r in REQUESTS)
    file = folder / "requests.jsonl"
    file.write_bytes(b"\n".join(ending_at(lines, system_clock() - timedelta(seconds=40))))
    assert syscard("--home", home, "ingest", file).code == 0
    assert syscard("--home", home, "monitor", "--once").code == 0
    view = read_view(home / "records.db")
    assert view["live"]["watcher"]["windows"] == 3
    parts = {**view["card"]["components"], **view["card"]["interactions"]}
    return parts["vlm"]["why"], parts["cf->vlm"]["why"]


@pytest.mark.endurance
@pytest.mark.parametrize(
    ("reached", "said"),
    [
        ({3, 32}, "no request yet in this window"),
        (set(range(2 * WINDOW)), "no request reaches it"),
        ((), "no request reaches it"),
    ],
    ids=["few ever do", "all did until now", "none ever did"],
)
def test_that_no_request_reaches_a_part_is_said_when_more_than_chance_missed_it(
    reached: Collection[int], said: str, declared: Path, tmp_path: Path
) -> None:
    assert reasons(declared, tmp_path, reached) == (said, said)
