"""A monitor that is killed at any moment, and started again, says what one says that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.edits import Author, AuthorKind
from syscard.home import Home
from syscard.records.store import Records
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.drift import Comparison, DriftWorker
from syscard_tracing.ingest import ingest_lines
from syscard_tui.wiring import House
from tests.functional.helpers import REF, environment, times
from tests.functional.test_determinism import COMPLETE, moment, stretches

pytestmark = pytest.mark.endurance

HUMAN = Author(kind=AuthorKind.HUMAN, name="tester")
LOOK = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from syscard.clock import ReplayClock
from syscard.home import Home
from syscard.records.store import Transaction
from syscard_monitors.drift import DriftWorker
from syscard_tui.wiring import House
from tests.functional.helpers import REF

home, now, where, number = sys.argv[1], datetime.fromisoformat(sys.argv[2]), sys.argv[3], int(sys.argv[4])
left = [number]

def die():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Nobody(DriftWorker):
    def p_values(self, comparisons):
        return {}

if where == "within":
    set_watch = Transaction.set_watch
    def dying(self, *said):
        set_watch(self, *said)
        die()  # written, and not committed
    Transaction.set_watch = dying
house = House(Home(Path(home)), ReplayClock(now))
with house.records() as records:
    house.watcher(records, Nobody()).tick(REF, lambda *_: die() if where == "behind" else None)
"""


class Unasked(DriftWorker):
    """Gives no second opinion: what is compared here is our own."""

    def p_values(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        return dict.fromkeys((c.key for c in comparisons), 0.5)


def prepared(folder: Path) -> tuple[House, datetime]:
    """A home with a baseline and a fault that nobody has looked at; and the time at which it is over."""
    normal, faulty = stretches()
    house = with_baseline(folder, normal)
    return house, taken_in(house, faulty)


def with_baseline(folder: Path, normal: Sequence[bytes]) -> House:
    """A home in which the recommender is declared and has a baseline over some requests."""
    clock = ReplayClock(moment(times(normal)[1]) + COMPLETE)
    house = House(Home(folder).create(), clock)
    with house.records() as records:
        system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
        with records.transaction() as transaction:
            drafts = declaring(transaction.newest(REF)[0], system, HUMAN, clock())
            transaction.append(REF, drafts, cause="apply", recorded=clock())
        ingest_lines(normal, house.home, house.rules(records), clock)
        watcher = house.watcher(records, Unasked())
        watcher.tick(REF)
        watcher.set_baseline(REF, "launch", HUMAN, None, None)
    return house


def taken_in(house: House, lines: Sequence[bytes]) -> datetime:
    """More requests, that nobody looks at; returns the time at which they are over."""
    end = moment(times(lines)[1]) + COMPLETE
    with house.records() as records:
        ingest_lines(lines, house.home, house.rules(records), ReplayClock(end))
    return end


def look(house: House, now: datetime, where: str = "", number: int = 0) -> int:
    asked = (sys.executable, "-c", LOOK, str(house.home.root), now.isoformat(), where, str(number))
    root = Path(__file__).parents[2]
    return subprocess.run(asked, env=environment(), cwd=root, capture_output=True, timeout=120, check=False).returncode


def said(house: House) -> tuple[tuple[str, ...], str, int]:
    """Every edit, the card, and how many requests were counted."""
    with house.records() as records:
        return _said(records)


def _said(records: Records) -> tuple[tuple[str, ...], str, int]:
    edits = tuple(edit.draft.digest for edit in records.edits(REF))
    return edits, records.card(REF).digest, int(records.watch(REF)["requests"])


def test_a_monitor_that_is_killed_again_and_again_says_what_one_says_that_was_not(tmp_path: Path) -> None:
    """Behind a window that is stored, and within the transaction of one that is not."""
    straight, now = prepared(tmp_path / "straight")
    assert look(straight, now) == 0
    killed, _ = prepared(tmp_path / "killed")
    for where, number in (("within", 1), ("behind", 1), ("within", 2)):
        assert look(killed, now, where, number) == -signal.SIGKILL
    assert look(killed, now) == 0
    assert said(killed) == said(straight)
    edits, _, requests = said(straight)
    assert requests == 320
    assert len(edits) > 20
