"""Whatever is killed, whenever, and however many tell: no message that may have arrived is sent again."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syscard import edits as e
from syscard.clock import ReplayClock
from syscard.records.notifications import notifications
from syscard.records.store import Records
from syscard_monitors.notify.jobs import Job, Result
from syscard_monitors.notify.notifier import Notifier
from tests.unit.build import GATE, NOW, opening
from tests.unit.monitors.test_notify_notifier import TARGETS, change, declare, looked


class Killed(Exception):
    """As by SIGKILL: nothing of the process goes on."""


class World:
    """Those who are told. What happens to each message is drawn: it arrives, is refused, or who sends it is killed."""

    def __init__(self, fates: list[str]) -> None:
        self.fates = fates
        self.arrived = Counter[tuple[str, str, str]]()

    def __call__(self, job: Job) -> Result:
        fate = self.fates.pop() if self.fates else "arrives"
        if fate in ("arrives", "killed after", "no answer"):
            self.arrived[job.url, job.title, job.body] += 1
        if fate.startswith("killed"):
            raise Killed
        return {"refused": Result("failed", "refused with 500"), "no answer": Result("perhaps")}.get(
            fate, Result("sent")
        )


@pytest.fixture(scope="module")
def empty() -> Any:
    """Records with a system, made once: their tables take a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.db"
        with closing(Records.open(file, GATE)) as records:
            declare(records, ticket="at_once", budget={"at_most": 100, "per": "1d"})
        yield file


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("open", "resolve", "look", "look", "look")),
        st.integers(0, 1),
        st.sampled_from((0, 20, 40, 200, 400, 20_000)),
    ),
    min_size=5,
    max_size=20,
)
FATES = st.lists(
    st.sampled_from(("arrives", "arrives", "refused", "no answer", "killed before", "killed after")), max_size=20
)


@pytest.mark.endurance
@given(steps=STEPS, fates=FATES)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_may_have_arrived_is_sent_again(steps: Any, fates: list[str], empty: Path) -> None:
    world, clock = World(fates), ReplayClock(NOW)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as rooms:
        file = Path(shutil.copy(empty, folder))
        records = [rooms.enter_context(closing(Records.open(file, GATE))) for _ in range(2)]
        lives = [0, 0]
        tellers = [Notifier(records[i], TARGETS, clock, f"{i}", world) for i in range(2)]
        number = 0
        for what, who, seconds in steps:
            clock.advance(timedelta(seconds=seconds))
            looked(records[0], clock)
            if what == "open":
                number += 1
                change(records[0], opening(number, ("llm", "cf", "vlm")[number % 3], severity="page"))
            elif what == "resolve" and number:
                change(records[0], e.MoveIncident(number=number, state="resolved", resolution="fixed"))
            else:
                try:
                    tellers[who].look()
                except Killed:
                    lives[who] += 1
                    tellers[who] = Notifier(records[who], TARGETS, clock, f"{who}:{lives[who]}", world)
        for _ in range(16):
            clock.advance(timedelta(minutes=10))
            looked(records[0], clock)
            with suppress(Killed):
                tellers[0].look()
        assert not world.arrived or max(world.arrived.values()) == 1
        rows = notifications(records[0], "shop", 1000)
        assert {row.state for row in rows} <= {"sent", "failed", "perhaps"}, "nothing waits for ever"
        sent = Counter(row.target for row in rows if row.state == "sent")
        assert sum(sent.values()) <= sum(world.arrived.values())
