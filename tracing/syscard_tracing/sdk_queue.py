"""The queue between the program and the receiver: bounded, counted, and never in the program's way.

OpenTelemetry's batch processor does the work. What is added: a door in front of it that counts (OpenTelemetry drops
without saying how many), an exporter of its own for each process after a fork (two processes on one connection would
garble each other's requests), and an end that comes within seconds when nobody is listening.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from syscard_tracing.sdk_spans import quietly

QUEUE_SIZE = 2048
"""Spans that wait at most, where neither the program nor OTEL_BSP_MAX_QUEUE_SIZE says otherwise."""
BATCH_SIZE = 512
PATIENCE_S = 5.0
"""How long the end of a program waits for spans that are left, at most."""
_log = logging.getLogger("syscard.tracing")


class Delivery(NamedTuple):
    """What became of this process's spans so far, in spans."""

    waiting: int
    sent: int
    failed: int
    """Handed to the exporter, which could not deliver them."""
    dropped: int
    """Never queued: the queue was full."""
    sending: int = 0
    """Handed to the exporter, which has not answered yet."""


class Queue(BatchSpanProcessor):
    """A batch processor that holds at most so many spans; more are dropped, counted, and mentioned once."""

    def __init__(self, make_exporter: Callable[[], SpanExporter], size: int | None = None) -> None:
        self._size = max(1, size if size is not None else _number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SIZE))
        self._counts = _Counts()
        self._ended = False
        self._begun: set[int] | None = None
        """Ids of spans that were begun here, in a process that was forked off; None in one that was not."""
        batch = min(self._size, _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_SIZE))
        exporter = _Exporter(make_exporter, self._counts)
        _in_forked_children(exporter.fresh)
        _in_forked_children(self._note_fork)
        super().__init__(exporter, max_queue_size=self._size, max_export_batch_size=batch)
        _flushed_in_workers(self)

    @property
    def is_over(self) -> bool:
        """Whether it has been shut down."""
        return self._ended

    def delivery(self) -> Delivery:
        """What became of the spans."""
        return self._counts.delivery()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended, if there is room."""
        if self._ended or not (span.context and span.context.trace_flags.sampled):
            return
        if self._begun is not None:
            if span.context.span_id not in self._begun:
                return  # begun before the fork: the parent process has it, and sends it
            self._begun.discard(span.context.span_id)
        if self._counts.take(self._size):
            super().on_end(span)
        elif self._counts.is_first_drop():
            _log.warning(
                "%d spans are waiting to be sent, and further ones are dropped: is the receiver up? "
                "(said once; syscard_tracing.delivery() counts them)",
                self._size,
            )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Know a span again, in a process that was forked off."""
        if self._begun is not None and span.context is not None:
            self._begun.add(span.context.span_id)
        super().on_start(span, parent_context)

    def _note_fork(self) -> None:
        self._begun = set()

    def shutdown(self) -> None:
        """Send what is left, for some seconds at most."""
        if self._ended:
            return
        self._ended = True
        self._batch_processor.shutdown(timeout_millis=int(PATIENCE_S * 1000))
        if (left := self.delivery()).waiting:
            _log.warning("%d spans were not sent: nobody took them within %.0f s", left.waiting, PATIENCE_S)

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Send what is waiting; False where that took longer than the time given (OpenTelemetry's takes any time)."""
        worker = threading.Thread(target=super().force_flush, name="syscard-flush", daemon=True)
        worker.start()
        worker.join(PATIENCE_S if timeout_millis is None else timeout_millis / 1000)
        return not worker.is_alive()


class _Counts:
    """Counters that many threads write."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin at nothing, with a lock that nobody holds: so it is in a process that was just forked."""
        self._lock = threading.Lock()
        self._waiting = self._sending = self._sent = self._failed = self._dropped = 0
        self._mentioned = False

    def take(self, size: int) -> bool:
        with self._lock:
            if self._waiting >= size:
                self._dropped += 1
                return False
            self._waiting += 1
            return True

    def is_first_drop(self) -> bool:
        first, self._mentioned = not self._mentioned, True
        return first

    def handed(self, spans: int) -> None:
        with self._lock:
            self._waiting -= spans
            self._sending += spans

    def done(self, spans: int, result: SpanExportResult) -> None:
        with self._lock:
            self._sending -= spans
            if result is SpanExportResult.SUCCESS:
                self._sent += spans
            else:
                self._failed += spans

    def delivery(self) -> Delivery:
        with self._lock:
            return Delivery(self._waiting, self._sent, self._failed, self._dropped, self._sending)


class _Exporter(SpanExporter):
    """The real exporter, counted; a new one in each process."""

    def __init__(self, make: Callable[[], SpanExporter], counts: _Counts) -> None:
        self._make, self._counts = make, counts
        self._real: SpanExporter | None = make()

    def fresh(self) -> None:
        """Forget the parent's connections and counts."""
        self._real = None
        self._counts.reset()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._counts.handed(len(spans))
        return self._sent(spans)

    def _sent(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; where one of them cannot be written down, the others alone."""
        try:
            self._real = self._real or self._make()
            result = self._real.export(spans)
        except Exception as error:
            if len(spans) == 1 or not _is_of_a_span(error):
                self._counts.done(len(spans), SpanExportResult.FAILURE)
                raise
        else:
            self._counts.done(len(spans), result)
            return result
        middle = len(spans) // 2
        halves = [self._quietly_sent(half) for half in (spans[:middle], spans[middle:])]
        return SpanExportResult.FAILURE if SpanExportResult.FAILURE in halves else SpanExportResult.SUCCESS

    def _quietly_sent(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._sent(spans)
        except Exception:  # noqa: BLE001 - it is counted, and costs only itself
            _log.debug("a span could not be sent", exc_info=True)
            return SpanExportResult.FAILURE

    @quietly
    def shutdown(self) -> None:
        if self._real is not None:
            self._real.shutdown()


def _is_of_a_span(error: Exception) -> bool:
    """Whether something could not be written down, rather than sent."""
    return isinstance(error, ValueError | TypeError) and not isinstance(error, OSError)


def _number(variable: str, otherwise: int) -> int:
    try:
        return max(1, int(os.environ.get(variable) or otherwise))
    except ValueError:
        _log.warning("%s=%s is no number: %d is used", variable, os.environ[variable], otherwise)
        return otherwise


def _in_forked_children(method: Callable[[], None]) -> None:
    kept = weakref.WeakMethod(method)

    def in_child() -> None:
        if (alive := kept()) is not None:
            alive()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


def _flushed_in_workers(queue: Queue) -> None:
    """Workers of `multiprocessing` end without the interpreter's own clean-up: theirs sends what is left."""
    from multiprocessing import parent_process, util

    def at_end(of: Queue) -> None:
        util.Finalize(None, of.shutdown, exitpriority=10)

    util.register_after_fork(queue, at_end)
    if parent_process() is not None:
        at_end(queue)
