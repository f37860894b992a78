"""That the process of the monitors died: into the record of their runs, and onto the first line of every face."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import Final, NamedTuple

from syscard import __version__
from syscard.live import Live, RestartNow, WatcherNow, restarts_with
from syscard.records.runs import add_run
from syscard.records.store import Transaction
from syscard.runs import MonitorRun
from syscard_tui.patience import Stop
from syscard_tui.wiring import House

LEASE: Final = "monitor"


def owner_of(pid: int) -> str:
    """How the name begins by which a process of this machine holds a lease."""
    return f"{socket.gethostname()}:{pid}:"


class Death(NamedTuple):
    """One process of the monitors that ended."""

    stop: Stop
    pid: int
    lived_s: float
    cpu_s: float


def tell(house: House, death: Death) -> None:
    """Record it for every system of the home: none of them was watched for a while.

    Raises:
        RecordsError: the records refused.
    """
    now = house.clock()
    with house.records() as records:
        with records.transaction() as transaction:  # it has ended: the next one need not wait until its lease is over
            transaction.release(LEASE, owner_of(death.pid))
        for ref in records.systems():
            with records.transaction() as transaction:
                add_run(transaction, ref, _run(ref, death, now))
                live = _live(transaction, ref, f"{death.stop.why} while {death.stop.step}", now)
                transaction.append(ref, [], cause="the monitors stopped", recorded=now, live=live)


def _run(ref: str, death: Death, now: datetime) -> MonitorRun:
    stop = death.stop
    return MonitorRun(
        started=now,
        ended=now,
        wall_s=round(death.lived_s, 3),
        cpu_s=round(death.cpu_s, 3),
        error=f"{stop.why} while {stop.step}",
        died=True,
        judging=stop.step.signal if stop.blames and stop.step.system == ref else "",
        pid=death.pid,
        version=__version__,
    )


def _live(transaction: Transaction, ref: str, why: str, now: datetime) -> Live:
    """What the faces are drawn from, with one restart more."""
    card, _ = transaction.newest(ref)
    live = transaction.live(ref) or Live(as_of=card.observed, watcher=WatcherNow())
    restarts = restarts_with(live.watcher.restarts, RestartNow(at=now, why=why))
    return live.model_copy(update={"watcher": live.watcher.model_copy(update={"restarts": restarts})})
