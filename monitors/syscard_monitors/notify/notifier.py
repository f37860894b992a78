"""Tells people: decides in one transaction what is to be told, and sends what is in the outbox, one by one.

It runs beside the monitors, in a thread of another process where there is one, and waits for them nowhere: what hangs
here holds up no look.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from syscard.card import Card
from syscard.clock import Clock
from syscard.errors import MonitorError, RecordsError
from syscard.live import NoticesNow
from syscard.notification import Message, Notification, Outcome
from syscard.records.notifications import has_work, mark, put, remember, remembered, settle, take, undelivered
from syscard.records.store import Records, Transaction
from syscard.system import Notify
from syscard_monitors.notify.deciding import decide
from syscard_monitors.notify.jobs import Job, Result
from syscard_monitors.notify.sending import send
from syscard_monitors.notify.state import NotifierState
from syscard_monitors.notify.targets import Target
from syscard_monitors.notify.watching import Watch, tell_outage, trouble

LEASE: Final = "notify"
LEASE_FOR: Final = timedelta(seconds=60)
LATELY: Final = timedelta(days=1)
"""The watcher's line tells of what was not delivered in so long."""
_AT_A_TIME: Final = 20
"""Messages sent in one look: the next look may have graver ones."""
_LOUD: Final = frozenset({"opened", "worse", "repeat", "silent"})

Send = Callable[[Job], Result]


class _Decision(NamedTuple):
    """What one look at one system comes to."""

    before: NotifierState | None
    state: NotifierState
    messages: tuple[Message, ...]
    notices: NoticesNow
    known_notices: NoticesNow | None


class Notifier:
    """Who tells people of the systems of one home."""

    def __init__(
        self,
        records: Records,
        targets: tuple[Target, ...],
        clock: Clock,
        owner: str,
        deliver: Send = send,
        every: timedelta = timedelta(0),
    ) -> None:
        """`owner` is unlike any other process's: of several, one tells. `every` is how often the monitors look."""
        self._records = records
        self._urls = {target.label: target.url for target in targets}
        self._clock = clock
        self._owner = owner
        self._deliver = deliver
        self._watch = Watch(clock(), every)

    def look(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Decide for every system, and send what is due; returns how many messages were sent, or tried.

        Raises:
            RecordsError: the records refused; what was being sent is then not sent again.
            MonitorError: of one system or more nobody can say what is to be told; of the others it was.
        """
        if not self._urls or not self._leased():
            return 0
        failed, tried = self._decide_all(), 0
        while tried < _AT_A_TIME and not stopping() and self._leased() and self._send_one():
            tried += 1
        if failed:
            raise MonitorError(f"nobody is told of {'; '.join(failed)}")
        return tried

    def _decide_all(self) -> list[str]:
        """Decide for every system; which failed, and how. One that cannot be read must not silence the others."""
        failed = []
        for ref in self._records.systems():
            try:
                self.decide(ref)
            except RecordsError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever it is, the other systems have people, too)
                failed.append(f"{ref}: {type(error).__name__}")
        return failed

    def close(self) -> None:
        """Let another process tell, without waiting for the lease to end."""
        with self._records.transaction() as transaction:
            transaction.release(LEASE, self._owner)

    def decide(self, ref: str) -> None:
        """Put what is to be told of a system into the outbox, in the transaction that remembers that it was."""
        now = self._clock()
        with self._records.reading() as transaction:
            if _nothing_new(self._decision(transaction, ref, now)):
                return
        with self._records.transaction() as transaction:
            decision = self._decision(transaction, ref, now)
            for message in decision.messages:
                put(transaction, ref, message, list(self._urls), now)
            remember(transaction, ref, decision.state.model_dump(mode="json"))
            _tell_faces(transaction, ref, decision.notices, now)

    def _leased(self) -> bool:
        with self._records.transaction() as transaction:
            return transaction.lease(LEASE, self._owner, self._clock(), LEASE_FOR) is not None

    def _decision(self, transaction: Transaction, ref: str, now: datetime) -> _Decision:
        card, _ = transaction.newest(ref)
        live, raw, policy = transaction.live(ref), remembered(transaction, ref), policy_of(card)
        before = NotifierState.model_validate(raw) if raw else None
        state, messages = decide(ref, card.incidents, unsure_of(card), before, policy, now, links_of(card))
        watcher: dict[str, Any] = live.watcher.model_dump(mode="json") if live else {}
        state, more = tell_outage(ref, trouble(watcher, policy, self._watch, now), state, now)
        known = live.watcher.notices if live else None
        return _Decision(before, state, (*messages, *more), _notices(transaction, ref, state, now), known)

    def _send_one(self) -> bool:
        """Send the oldest message that is due; False where there is none."""
        now = self._clock()
        with self._records.reading() as transaction:
            if not has_work(transaction, list(self._urls), now):
                return False
        with self._records.transaction() as transaction:
            for lost in settle(transaction, now):
                _count(transaction, lost, now)
            taken = take(transaction, list(self._urls), now)
        if taken is None:
            return False
        outcome = self._outcome(taken)
        now = self._clock()
        with self._records.transaction() as transaction:
            _count(transaction, mark(transaction, taken, outcome, now), now)
        return True

    def _outcome(self, taken: Notification) -> Outcome:
        message = taken.message
        severity = "page" if message.kind in _LOUD else "note"
        result = self._deliver(Job("tell", self._urls[taken.target], message.title, message.text, severity))
        return Outcome(state=result.state, why=result.why)


def policy_of(card: Card) -> Notify:
    """When people want to be told, as a card declares it; else as nobody declared it."""
    return Notify.model_validate(card.monitors.get("notify") or {})


def unsure_of(card: Card) -> tuple[str, ...]:
    """Claims that are unknown or stale: `grounded is stale`."""
    return tuple(f"{ref} is {c.status}" for ref, c in card.claims.items() if c.status in ("unknown", "stale"))


def links_of(card: Card) -> tuple[str, ...]:
    """Runbooks that the team declared."""
    declared = (component.declared or {} for component in card.components.values())
    return tuple(dict.fromkeys(str(one["runbook"]) for one in declared if one.get("runbook")))


def _nothing_new(decision: _Decision) -> bool:
    told = decision.before == decision.state and not decision.messages
    return told and decision.notices == (decision.known_notices or NoticesNow())


def _notices(transaction: Transaction, ref: str, state: NotifierState, now: datetime) -> NoticesNow:
    lost = undelivered(transaction, ref, now - LATELY)
    why = f"{lost[0].target}: {lost[0].why or lost[0].state}" if lost else ""
    counts = {"sent": state.sent, "failed": state.failed, "perhaps": state.perhaps}
    return NoticesNow(held=state.held, undelivered=len(lost), why=why, **counts)


def _tell_faces(transaction: Transaction, ref: str, notices: NoticesNow, now: datetime) -> None:
    """Put it where every face sees it; before the monitors have run there is no face of them."""
    live = transaction.live(ref)
    if live is None or (live.watcher.notices or NoticesNow()) == notices:
        return
    watcher = live.watcher.model_copy(update={"notices": notices})
    live = live.model_copy(update={"watcher": watcher})
    transaction.append(ref, [], cause="people were told", recorded=now, live=live)


def _count(transaction: Transaction, one: Notification, now: datetime) -> None:
    """One more delivery that is settled."""
    raw = remembered(transaction, one.system)
    state = NotifierState.model_validate(raw) if raw else NotifierState(digested=now)
    if one.state in ("sent", "failed", "perhaps"):
        state = state.model_copy(update={one.state: getattr(state, one.state) + 1})
        remember(transaction, one.system, state.model_dump(mode="json"))
    _tell_faces(transaction, one.system, _notices(transaction, one.system, state, now), now)
