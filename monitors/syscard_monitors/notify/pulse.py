"""Signs of life and open incidents, sent every minute to whoever watches from outside.

If this host dies nobody here can say so. Who is asked for every minute, and then no more, can: that is the dead man's
switch. It is asked for only while the monitors live.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from syscard.card import Card
from syscard.clock import Clock
from syscard.errors import MonitorError, RecordsError
from syscard.records.store import Records
from syscard_monitors.notify.alertmanager import ENDED_LATELY, PATH, alerts, over
from syscard_monitors.notify.jobs import Job, Result
from syscard_monitors.notify.notifier import Send, policy_of
from syscard_monitors.notify.sending import send
from syscard_monitors.notify.state import TOLD
from syscard_monitors.notify.targets import Addresses, Target
from syscard_monitors.notify.watching import Watch, trouble


class Beat(NamedTuple):
    """What came of one sign of life."""

    target: str
    result: Result


class Pulse:
    """Sends both; remembers which incidents it has seen open, to say that they are over."""

    def __init__(
        self,
        records: Records,
        addresses: Addresses,
        clock: Clock,
        deliver: Send = send,
        every: timedelta = timedelta(0),
    ) -> None:
        """`every` is how often the monitors look."""
        self._records = records
        self._addresses = addresses
        self._clock = clock
        self._deliver = deliver
        self._watch = Watch(clock(), every)
        self._open: set[tuple[str, int]] = set()
        self._ended: dict[str, dict[int, datetime]] = {}

    def look(self) -> list[Beat]:
        """Send what is to be sent now.

        Raises:
            RecordsError: the records refused; nothing was sent.
            MonitorError: of one system or more nobody can say how it is: there is no sign of life, and of the others
                alerts were sent.
        """
        now = self._clock()
        heartbeat, alertmanager = self._addresses.heartbeat, self._addresses.alertmanager
        alive, found, failed = self._of_all(now)
        sent = []
        if heartbeat and alive:
            sent.append(self._beat(heartbeat, Job("get", heartbeat.url)))
        if alertmanager and found:
            sent.append(self._beat(alertmanager, posted(alertmanager, found)))
        if failed:
            raise MonitorError(f"nobody can say how it is with {'; '.join(failed)}")
        return sent

    def _of_all(self, now: datetime) -> tuple[bool, list[dict[str, Any]], list[str]]:
        """Whether all are alive, their alerts, and which failed: alerts that are not sent again count as resolved."""
        alive, found, failed = True, list[dict[str, Any]](), list[str]()
        for ref in self._records.systems():
            try:
                found += self._alerts(ref, now) if self._addresses.alertmanager else ()
                alive = alive and self._alive(ref, now)
            except RecordsError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever it is, the other systems have people, too)
                failed.append(f"{ref}: {type(error).__name__}")
        return alive and not failed, found, failed

    def _beat(self, target: Target, job: Job) -> Beat:
        return Beat(target.label, self._deliver(job))

    def _alive(self, ref: str, now: datetime) -> bool:
        live = self._records.live(ref)
        watcher = live.watcher.model_dump(mode="json") if live else {}
        found = trouble(watcher, policy_of(self._records.current(ref)), self._watch, now)
        return found is None or found.kind != "monitors"

    def _alerts(self, ref: str, now: datetime) -> list[dict[str, Any]]:
        card = self._records.current(ref)
        self._follow(card, now)
        return alerts(ref, card.incidents.values(), now, self._ended.get(ref, {}))

    def _follow(self, card: Card, now: datetime) -> None:
        """Which of them are over since the last look. One that ended while nobody looked ends by itself there."""
        ended = {n: at for n, at in self._ended.get(card.system, {}).items() if now - at < ENDED_LATELY}
        for number, incident in card.incidents.items():
            if incident.state in TOLD:
                self._open.add((card.system, number))
                ended.pop(number, None)
            elif (card.system, number) in self._open:
                self._open.discard((card.system, number))
                if over(incident):
                    ended[number] = now
        self._ended[card.system] = ended


def posted(alertmanager: Target, found: list[dict[str, Any]]) -> Job:
    """The request that an Alertmanager takes."""
    return Job("post", f"{alertmanager.url.rstrip('/')}{PATH}", body=json.dumps(found))
