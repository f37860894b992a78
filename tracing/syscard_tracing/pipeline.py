"""What every door shares: from decoded spans to rows in the inbox, and a thread that rolls them into the lake."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from syscard.clock import Clock
from syscard.errors import SyscardError, place_of
from syscard.home import Home
from syscard_tracing import keys
from syscard_tracing.batch import to_table
from syscard_tracing.dialects import Dialects
from syscard_tracing.encoders import Encoders
from syscard_tracing.inbox import Inbox
from syscard_tracing.logs import LogRecord, as_spans
from syscard_tracing.normalise import Normaliser, moment
from syscard_tracing.otlp import count_json_points, decode_json, decode_json_logs
from syscard_tracing.own_tables import FreshDialects
from syscard_tracing.roller import RollResult, open_lake, roll_all
from syscard_tracing.rotation import note_lost
from syscard_tracing.rules import TraceRules
from syscard_tracing.signals import Accepted, Signal
from syscard_tracing.spans import Decoded, RawSpan

if TYPE_CHECKING:
    import pyarrow as pa

    from syscard_tracing.lake import Lake

_log = logging.getLogger("syscard.tracing")


class Ready(NamedTuple):
    """One request, read and redacted: rows that wait for the disk."""

    table: pa.Table
    accepted: Accepted


def decode(body: bytes, *, as_json: bool) -> Decoded:
    """Spans of one request body.

    Raises:
        BadSpanData: it is not what it says it is.
        MissingExtra: protobuf is not installed.
    """
    if as_json:
        return decode_json(body)
    from syscard_tracing.otlp_proto import decode_protobuf

    return decode_protobuf(body)


def decode_logs(body: bytes, *, as_json: bool) -> list[LogRecord]:
    """Log records of one request body; raises as `decode` does."""
    if as_json:
        return decode_json_logs(body)
    from syscard_tracing.otlp_proto import decode_protobuf_logs

    return decode_protobuf_logs(body)


def count_points(body: bytes, *, as_json: bool) -> int:
    """How many metric data points one request body holds; raises as `decode` does."""
    if as_json:
        return count_json_points(body)
    from syscard_tracing.otlp_proto import count_protobuf_points

    return count_protobuf_points(body)


class Pipeline:
    """Normalises and redacts by the rules of the moment and stores in an inbox. Safe to use from several threads.

    Raises:
        MissingExtra: the rules ask for Presidio, and it is not installed.
    """

    def __init__(self, home: Home, inbox: Inbox, rules: Callable[[], TraceRules], clock: Clock) -> None:
        """Read the dialect tables of the home.

        Raises:
            UsageError: one of them is no table.
        """
        self._inbox = inbox
        self._rules = rules
        self._dialects = FreshDialects(home.dialects)
        self._clock = clock
        # Before the key is read: it is not changed while somebody uses it.
        self.close = weakref.finalize(self, os.close, keys.hold(home.keys))
        note_lost(home, clock())
        self._key = keys.load_or_make(home.keys / keys.FILE)
        self._ring = keys.ring(home.keys)
        self._since = self._ring[-1].since_us
        self.encoders = Encoders(self._key, lambda rows: inbox.put(to_table(rows)))
        self._normaliser: tuple[TraceRules, Dialects, Normaliser] | None = None
        self._current()  # what the rules need must be there before the first span is

    def store(self, spans: Sequence[RawSpan], *, moved_us: int = 0, received: datetime | None = None) -> None:
        """Store one batch; returns after the commit.

        Raises:
            InboxFull: no room; nothing is stored.
        """
        readings = self._current().read(spans, self._received(received))
        self._inbox.put(to_table(self.encoders.now(readings)), moved_us=moved_us)

    def accept(self, body: bytes, *, as_json: bool, signal: Signal = Signal.TRACES) -> Accepted:
        """Decode one request and store what is good in it.

        Raises:
            BadSpanData: not decodable.
            InboxFull: no room; nothing is stored.
        """
        ready = self.read(signal, body, as_json=as_json)
        self.keep(ready).result()
        return ready.accepted

    def read(self, signal: Signal, body: bytes, *, as_json: bool) -> Ready:
        """The rows of one request; nothing is stored yet.

        Raises:
            BadSpanData: not decodable.
        """
        normaliser = self._current()
        spans, accepted = self._decoded(signal, body, as_json, normaliser.dialects)
        readings = normaliser.read(spans, self._received())
        return Ready(to_table(self.encoders.later(readings)), accepted)

    def keep(self, ready: Ready) -> Future[None]:
        """Hand the rows of one request to the disk; they are stored when the future is done without an error.

        Raises:
            InboxFull: no room; the future raises it where that shows later. Nothing is stored.
        """
        return self._inbox.begin(ready.table)

    def _received(self, stated: datetime | None = None) -> datetime:
        """Now, but not before the key was in use, however clocks are set: the time tells under which key a row is."""
        now = stated or self._clock()
        return max(now, moment(self._since)) if self._since else now

    def _decoded(
        self, signal: Signal, body: bytes, as_json: bool, dialects: Dialects
    ) -> tuple[list[RawSpan], Accepted]:
        if signal is Signal.METRICS:
            points = count_points(body, as_json=as_json)
            return [], Accepted(0, Counter({"metrics are not read": points} if points else {}), signal)
        if signal is Signal.LOGS:
            spans, rejected = as_spans(decode_logs(body, as_json=as_json), dialects, self._key_at)
        else:
            spans, rejected = decode(body, as_json=as_json)
        return spans, Accepted(len(spans), rejected, signal)

    def _key_at(self, time_ns: int) -> bytes:
        """The key of a moment; the one in use where that is gone, or no moment is told."""
        return (keys.key_at(self._ring, time_ns // 1_000).secret if time_ns else None) or self._key

    def _current(self) -> Normaliser:
        known = self._normaliser
        try:
            rules = self._rules()
        except SyscardError as error:
            # Spans cannot wait until somebody has mended the file: the rules from before go on.
            _log.warning("the declared systems cannot be read, the rules from before are used: %s", error)
            rules = known[0] if known else TraceRules()
        dialects = self._dialects()
        if known is None or known[0] != rules or known[1] is not dialects:
            known = self._normaliser = (rules, dialects, Normaliser(rules, self._key, dialects))
        return known[2]


class RollerThread:
    """Rolls every few seconds until it is stopped, and once more then. A failed roll is said and tried again."""

    def __init__(self, inbox: Inbox, home: Home, every: float) -> None:
        self._inbox = inbox
        self._home = home
        self._lake: Lake | None = None
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syscard-roller", daemon=True)
        self.last_error: str | None = None
        self.last: RollResult | None = None

    def start(self) -> None:
        """Start rolling."""
        self._thread.start()

    def stop(self) -> None:
        """Roll what is left and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(self._every)
            self._roll()

    def _roll(self) -> None:
        try:
            # Opened late: the lake's libraries take half a second to load, and a sender waits for the start.
            self._lake = self._lake or open_lake(self._home)
            self.last = roll_all(self._inbox, self._lake)
            self.last_error = None
        except (SyscardError, OSError) as error:
            self.last_error = str(error)
            _log.warning("roll failed, the spans stay in the inbox: %s", error)
        except Exception as error:  # noqa: BLE001 - a dead roller would look like peace
            self.last_error = place_of(error)
            _log.error("roll failed, the spans stay in the inbox: %s", self.last_error)
