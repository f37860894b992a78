"""Risks over recordings of the reference recommender: none on a normal day or a look-alike, the planted one on a fault.

The requests come from spans by the whole way in (ingest, lake, assembling); then the risks are assessed as the watch
does it. Only a part of the long recordings is taken: it is the same day. All of them are in `make bench-risks`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.home import Home
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.assemble import Request, micros
from syscard_monitors.look import between
from syscard_monitors.memory import Memory
from syscard_tracing.ingest import ingest_lines
from syscard_tui.wiring import House
from tests.functional.helpers import REF, recorded_lines, spans_of
from tests.unit.build import HUMAN
from tests.unit.monitors.risks.build import look, planned

pytestmark = [pytest.mark.xdist_group("recorded-risks"), pytest.mark.endurance]
BASELINE, DAY = 1_000, 500
JUDGED = (2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 24, 25, 27)
"""Of which the recommender's spans tell enough on any day."""
SYSTEM = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")


def requests_of(name: str, folder: Path, most: int) -> tuple[Request, ...]:
    """The first requests of a recording, as the watch gets them."""
    lines = recorded_lines(name)[: 2 * most]  # a request and its feedback are two lines
    ends = [int(span["endTimeUnixNano"]) for span in spans_of(json.loads(lines[-1]))]
    now = datetime.fromtimestamp(max(ends) // 1_000_000_000, UTC) + timedelta(minutes=10)
    house = House(Home(folder / name).create(), ReplayClock(now))
    with house.records() as records:
        with records.transaction() as transaction:
            drafts = declaring(transaction.newest(REF)[0], SYSTEM, HUMAN, now)
            transaction.append(REF, drafts, cause="apply", recorded=now)
        ingest_lines(lines, house.home, house.rules(records), house.clock)
        return between(house.scan, SYSTEM, None, None, micros(now)).requests[:most]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, int]:
    found = requests_of("normal", tmp_path_factory.mktemp("baseline"), BASELINE)
    assert len(found) > BASELINE * 0.9
    return (*planned(found, SYSTEM), found[-1].end_us)


def behind(requests: Sequence[Request], end_us: int) -> list[Request]:
    """The same requests after a moment."""
    shift = end_us + 60_000_000 - requests[0].start_us
    return [replace(r, start_us=r.start_us + shift, end_us=r.end_us + shift) for r in requests]


def seen(baseline: tuple[Any, Any, int], name: str, folder: Path) -> tuple[set[str], set[str]]:
    """Risks that were ever seen, and those that a verdict was given of."""
    card, plan, end_us = baseline
    requests, memory = behind(requests_of(name, folder, DAY), end_us), Memory()
    found, judged = set[str](), set[str]()
    for index in range(1, len(requests) // 100 + 1):
        for one in look(card, plan, memory, requests[: 100 * index], index).assessments:
            found |= {one.name} if one.state == "seen" else set()
            judged |= {one.risk} if one.state != "unknown" else set()
    return found, judged


@pytest.mark.parametrize("name", ["new-customer-mix"])
def test_no_risk_is_seen_where_nothing_is_wrong(baseline: tuple[Any, Any, int], name: str, tmp_path: Path) -> None:
    found, judged = seen(baseline, name, tmp_path)
    assert found == set()
    assert judged >= {f"IR-{number:02}" for number in JUDGED}


@pytest.mark.parametrize(
    ("name", "risk"),
    [
        ("tool-loop", "IR-13 agent->cf"),
    ],
)
def test_a_fault_shows_as_the_risk_that_it_is(
    baseline: tuple[Any, Any, int], name: str, risk: str, tmp_path: Path
) -> None:
    assert risk in seen(baseline, name, tmp_path)[0]
