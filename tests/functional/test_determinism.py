"""The same events give the same card and the same edits, however they were cut into batches on their way in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.edits import Author, AuthorKind
from syscard.home import Home
from syscard.records.store import Records
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.drift import Comparison, DriftWorker
from syscard_monitors.watch import Watcher
from syscard_tracing.ingest import ingest, ingest_lines
from syscard_tui.wiring import House
from tests.functional.helpers import REF, recorded_lines, shifted, spans_of, times

pytestmark = [pytest.mark.xdist_group("determinism"), pytest.mark.endurance]

NORMAL, FAULTY = 240, 80
COMPLETE = timedelta(seconds=31)
HUMAN = Author(kind=AuthorKind.HUMAN, name="tester")
Feed = Callable[["Run", Sequence[bytes]], None]


class Remembering(DriftWorker):
    """Evidently, which is not asked twice for the very same comparison: most runs here are to give the same ones."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Comparison, float] = {}

    def p_values(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        asked = [c for c in comparisons if c not in self._known]
        found = super().p_values(asked)
        self._known.update({c: found[c.key] for c in asked})
        return {c.key: self._known[c] for c in comparisons}


class Outcome(NamedTuple):
    """What must not depend on the way."""

    card: str
    edits: tuple[str, ...]
    versions: int
    incidents: tuple[str, ...]
    requests: int
    groups: str
    """What is kept of groups, as JSON."""


class Run:
    """A home into which requests are fed, with a clock that goes with the data and stands still in between."""

    def __init__(self, folder: Path, records: Records, house: House, clock: ReplayClock, watcher: Watcher) -> None:
        self.folder = folder
        self.records = records
        self.house = house
        self.clock = clock
        self.watcher = watcher

    def store(self, lines: Sequence[bytes]) -> None:
        """One batch into inbox and lake."""
        ingest_lines(lines, self.house.home, self.house.rules(self.records), self.clock)

    def look(self) -> None:
        """One look of the monitors."""
        self.watcher.tick(REF)


def moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC)


def stretches(
    fault: str = "prompt-regression", requests: int = FAULTY, before: int = NORMAL
) -> tuple[list[bytes], list[bytes]]:
    """Normal requests at their original times, and a fault right behind them; with what came of them meanwhile."""
    normal, faulty = some("normal", before), some(fault, requests)
    by = times(normal)[1] + 40_000_000_000 - times(faulty)[0]
    return normal, [shifted(line, by) for line in faulty]


def some(name: str, requests: int) -> list[bytes]:
    """So many requests of a recording and the feedback that came by then, in the order in which they ended."""
    lines = recorded_lines(name)
    last = [place for place, line in enumerate(lines) if b'"name":"feedback"' not in line][requests - 1]
    return sorted(lines[: last + 1], key=lambda line: times([line])[1])


def outcome(folder: Path, worker: DriftWorker, feed: Feed) -> Outcome:
    """Normal traffic, a baseline over it, then the fault: all of it fed in one way."""
    normal, faulty = stretches()
    clock = ReplayClock(moment(times(normal)[0]))
    house = House(Home(folder).create(), clock)
    with house.records() as records:
        system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
        with records.transaction() as transaction:
            drafts = declaring(transaction.newest(REF)[0], system, HUMAN, clock())
            transaction.append(REF, drafts, cause="apply", recorded=clock())
        run = Run(folder, records, house, clock, house.watcher(records, worker))
        _fed(run, feed, normal)
        run.watcher.set_baseline(REF, "launch", HUMAN, None, None)
        _fed(run, feed, faulty)
        card = records.current(REF)
        assert card.digest == records.card(REF).digest
        seen = run.watcher.tick(REF)
        assert seen.windows == 0
        digests = tuple(edit.draft.digest for edit in records.edits(REF))
        live = json.dumps(records.watch(REF)["requests"])
        titles = tuple(i.title for i in card.incidents.values())
        groups = json.dumps(records.group_sums(REF), sort_keys=True)
        return Outcome(card.digest, digests, card.version, titles, int(live), groups)


def _fed(run: Run, feed: Feed, lines: Sequence[bytes]) -> None:
    feed(run, lines)
    run.clock.move_to(moment(times(lines)[1]) + COMPLETE)
    run.look()


def at_once(run: Run, lines: Sequence[bytes]) -> None:
    run.clock.move_to(moment(times(lines)[1]) + COMPLETE)
    run.store(lines)
    run.look()


def by_37(run: Run, lines: Sequence[bytes]) -> None:
    """The clock stands at the end while they come: a request is stored whole, so it may be looked at at once."""
    run.clock.move_to(moment(times(lines)[1]) + COMPLETE)
    for batch in _batches(lines, 37):
        run.store(batch)
        run.look()


def cut_through_traces(run: Run, lines: Sequence[bytes]) -> None:
    """As exporters send: in order of the spans' ends, children before parents, cut anywhere."""
    spans = sorted((e for line in lines for e in _single_spans(line)), key=lambda pair: pair[0])
    for batch in _batches(spans, 83):
        run.clock.move_to(moment(batch[-1][0]))
        run.store([line for _, line in batch])
        run.look()


def each_twice(run: Run, lines: Sequence[bytes]) -> None:
    """Within a batch, and once more when the requests are in windows already."""
    run.clock.move_to(moment(times(lines)[1]) + COMPLETE)
    for batch in _batches(lines, 90):
        run.store([line for line in batch for _ in range(2)])
        run.look()
    run.store(lines)
    run.look()


def two_files_out_of_order(run: Run, lines: Sequence[bytes]) -> None:
    """Later requests first, each file and each request backwards, and spans of a neighbour in between."""
    run.clock.move_to(moment(times(lines)[1]) + COMPLETE)
    half = len(lines) // 2
    files = (run.folder / f"a-{len(lines)}.jsonl", run.folder / f"b-{len(lines)}.jsonl")
    for file, part in zip(files, (lines[half:], lines[:half]), strict=True):
        theirs = [_neighbours(line) for line in part[:40]]
        file.write_bytes(b"\n".join([*theirs, *(_backwards(line) for line in reversed(part))]))
    ingest(files, run.house.home, run.house.rules(run.records), run.clock)
    run.look()


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _single_spans(line: bytes) -> Iterator[tuple[int, bytes]]:
    document = json.loads(line)
    (group,) = document["resourceSpans"]
    for span in spans_of(document):
        alone = {"resource": group["resource"], "scopeSpans": [{"spans": [span]}]}
        yield int(span["endTimeUnixNano"]), json.dumps({"resourceSpans": [alone]}).encode()


def _backwards(line: bytes) -> bytes:
    document = json.loads(line)
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            scope["spans"].reverse()
    return json.dumps(document).encode()


def _neighbours(line: bytes) -> bytes:
    """The same, of a service that is not ours."""
    document = json.loads(line.replace(b"shop-recommender", b"somebody-else"))
    for span in spans_of(document):
        span["traceId"] = span["traceId"][::-1]
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def worker() -> Iterator[DriftWorker]:
    found = Remembering()
    found.warm()
    yield found
    found.close()


@pytest.fixture(scope="module")
def expected(worker: DriftWorker, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome(tmp_path_factory.mktemp("at-once"), worker, at_once)


def test_there_is_something_to_compare(expected: Outcome) -> None:
    assert expected.requests == NORMAL + FAULTY
    assert len(expected.incidents) == 1
    assert len(expected.edits) > 40
    normal, faulty = stretches()
    assert all(sum(b'"name":"feedback"' in line for line in lines) > 20 for lines in (normal, faulty))
    assert expected.versions > 5


@pytest.mark.parametrize("feed", [by_37, cut_through_traces, each_twice, two_files_out_of_order])
def test_the_way_in_changes_no_digest(feed: Feed, expected: Outcome, worker: DriftWorker, tmp_path: Path) -> None:
    assert outcome(tmp_path / "home", worker, feed) == expected
