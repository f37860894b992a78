"""A host that seeds `random` makes the ids of its spans again: nothing of it may be lost, and nothing put together."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import system_clock
from syscard.views import read_view
from tests.functional.helpers import ending_at, sound, spans_of, syscard

FILE = Path(__file__).parents[1] / "data" / "traces" / "repeated-ids.otlp.jsonl.gz"
LINES = tuple(gzip.decompress(FILE.read_bytes()).splitlines())
HALF = len(LINES) // 2
SPANS = sum(len(spans_of(json.loads(line))) for line in LINES)


def test_the_fixture_repeats_every_id_of_its_first_half_at_another_time() -> None:
    first, second = (
        {(s["traceId"], s["spanId"]): s["startTimeUnixNano"] for line in half for s in spans_of(json.loads(line))}
        for half in (LINES[:HALF], LINES[HALF:])
    )
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


@pytest.mark.parametrize("options", [(), ("--retime", "end=now")], ids=["as they are", "moved in time"])
@pytest.mark.parametrize("together", [True, False], ids=["in one file", "one after another"])
def test_every_request_is_kept_and_counted(
    options: tuple[str, ...], together: bool, declared: Path, tmp_path: Path
) -> None:
    if options and not together:
        pytest.skip("moved to the same end, the second half would be the first once more")
    lines = ending_at(LINES, system_clock() - timedelta(seconds=40))
    said = ""
    for number, part in enumerate([lines] if together else [lines[:HALF], lines[HALF:]]):
        file = tmp_path / f"{number}.jsonl"
        file.write_bytes(b"\n".join(part))
        said += syscard("--home", declared, "ingest", file, *options).out
    assert sum(int(words.split(" new")[0]) for words in said.split(" spans: ")[1:]) == SPANS
    assert syscard("--home", declared, "ingest", tmp_path / "0.jsonl", *options).out.count(" 0 new,") == 1
    if not options:  # what ends now is complete in half a minute
        assert syscard("--home", declared, "monitor", "--once").code == 0
        assert read_view(declared / "records.db")["live"]["watcher"]["waiting"] == len(LINES)
    sound(declared)
