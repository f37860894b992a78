"""What the monitors make of every fault, look-alike and normal day that was recorded on the reference recommender.

Each recording is put behind the same baseline, the whole normal day, in a home of its own; event times move, durations
stay. Caught: an incident opened. Right: one of the incidents names a part that the fault was on (`labels.yaml`).
"""

from __future__ import annotations

import json
import lzma
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import yaml

from syscard.card import Incident
from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.edits import Author, AuthorKind
from syscard.home import Home
from syscard.risks import AssessRisks
from syscard.system_file import parse_system
from syscard_configs import read_bytes, read_text
from syscard_monitors.drift import DriftWorker
from syscard_tracing.ingest import ingest_lines
from syscard_tui.wiring import House

REF: Final = "shop-recommender"
_HUMAN: Final = Author(kind=AuthorKind.HUMAN, name="benchmark")
_AFTER: Final = timedelta(minutes=10)
Made = TypeVar("Made")
_PAUSE: Final = timedelta(minutes=1)
"""Between the baseline and what is judged against it."""


class Outcome(NamedTuple):
    """What was made of one recording."""

    name: str
    kind: str
    parts: tuple[str, ...]
    requests: int
    incidents: tuple[str, ...]
    """What each names, with its title."""
    subjects: tuple[str, ...]
    after: int | None
    """Requests of the recording that had ended when the first incident opened."""
    breaches: tuple[str, ...]
    edits: int
    attributed: tuple[str, ...]
    """Of each incident, whom the attribution names first and how sure it is; empty where it names nobody."""
    risks: tuple[str, ...]
    """Risks of the catalogue that were seen, with their places."""


def outcomes(pool: ProcessPoolExecutor, only: Sequence[str] = ()) -> list[Outcome]:
    """Of every recording but the baseline, in the order of the labels."""
    labels = [one for one in yaml.safe_load(read_text("demo", "labels.yaml")) if one["file"] != "normal"]
    with tempfile.TemporaryDirectory() as folder:
        _with_baseline(Path(folder) / "baseline")
        asked = [one for one in labels if not only or one["file"] in only]
        return list(pool.map(partial(_outcome, Path(folder)), asked))


def table(found: Iterable[Outcome]) -> list[str]:
    """Markdown."""
    lines = ["| Recording | On | Requests | Incidents | Right part | Requests until the first | Edits |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for one in found:
        told = "; ".join(one.incidents) or "none"
        right = ("yes" if {*one.subjects} & {*one.parts} else "no") if one.parts and one.subjects else "-"
        after = "-" if one.after is None else one.after
        on = ", ".join(one.parts) or one.kind
        lines.append(f"| {one.name} | {on} | {one.requests} | {told} | {right} | {after} | {one.edits} |")
    return lines


def _with_baseline(folder: Path) -> None:
    """A home in which the normal day is the baseline."""
    lines = _lines("normal")
    _in_home(folder, _end(lines), lambda house, records: _set_baseline(house, records, lines))


def _set_baseline(house: House, records: Any, lines: Sequence[bytes]) -> None:
    system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
    with records.transaction() as transaction:
        drafts = declaring(transaction.newest(REF)[0], system, _HUMAN, house.clock())
        transaction.append(REF, drafts, cause="apply", recorded=house.clock())
    ingest_lines(lines, house.home, house.rules(records), house.clock)
    watcher = house.watcher(records, DriftWorker())
    watcher.tick(REF)
    watcher.set_baseline(REF, "launch", _HUMAN, None, None)


def _outcome(folder: Path, label: dict[str, Any]) -> Outcome:
    home, lines = folder / label["file"], _lines(label["file"])
    shutil.copytree(folder / "baseline", home)
    shift = _end(_lines("normal")) + _PAUSE - _start(lines)
    found = _in_home(home, _end(lines) + shift, lambda house, records: _judged(house, records, lines, shift, label))
    shutil.rmtree(home)
    return found


def _judged(house: House, records: Any, lines: Sequence[bytes], shift: timedelta, label: dict[str, Any]) -> Outcome:
    ingest_lines(lines, house.home, house.rules(records), house.clock, shift=shift)
    before = sum(1 for _ in records.edits(REF))
    worker = DriftWorker()
    try:
        tick = house.watcher(records, worker).tick(REF)
    finally:
        worker.close()
    incidents = sorted(tick.card.incidents.values(), key=lambda incident: incident.number)
    ends = [end + shift for end in sorted(_times(line)[1] for line in lines if b'"name":"feedback"' not in line)]
    return Outcome(
        name=label["file"],
        kind=label["kind"],
        parts=(*label.get("parts", ()), *label.get("edges", ())),
        requests=len(ends),
        incidents=tuple(f"{i.subject}: {i.title}" for i in incidents),
        subjects=tuple(i.subject for i in incidents),
        after=sum(end <= incidents[0].opened for end in ends) if incidents else None,
        breaches=tuple(sorted({f.key for f in tick.findings if f.state == "breach"})),
        edits=sum(1 for _ in records.edits(REF)) - before,
        attributed=tuple(_attributed(i) for i in incidents),
        risks=_risks_seen(records),
    )


def _attributed(incident: Incident) -> str:
    found = incident.attribution
    return f"{' = '.join(found.causes) or found.first} ({found.confidence})" if found and found.first else ""


def _risks_seen(records: Any) -> tuple[str, ...]:
    """Whether or not they are seen still."""
    bodies = (edit.body for edit in records.edits(REF))
    told = (one for body in bodies if isinstance(body, AssessRisks) for one in body.told)
    return tuple(sorted({f"{one.risk} {one.about}" for one in told if one.state == "seen"}))


def _in_home(folder: Path, end: datetime, work: Callable[[House, Any], Made]) -> Made:
    house = House(Home(folder).create(), ReplayClock(end + _AFTER))
    with house.records() as records:
        return work(house, records)


def _lines(name: str) -> list[bytes]:
    return lzma.decompress(read_bytes("demo", f"{name}.otlp.jsonl.xz")).splitlines()


def _start(lines: Sequence[bytes]) -> datetime:
    return min(_times(line)[0] for line in lines)


def _end(lines: Sequence[bytes]) -> datetime:
    return max(_times(line)[1] for line in lines)


def _times(line: bytes) -> tuple[datetime, datetime]:
    """First start and last end of a line's spans."""
    groups = json.loads(line)["resourceSpans"]
    spans = [span for group in groups for scope in group["scopeSpans"] for span in scope["spans"]]
    start, end = min(int(s["startTimeUnixNano"]) for s in spans), max(int(s["endTimeUnixNano"]) for s in spans)
    return tuple(datetime.fromtimestamp(ns // 1000 / 1e6, UTC) for ns in (start, end))  # type: ignore[return-value]
