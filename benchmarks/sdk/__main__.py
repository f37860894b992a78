"""What the SDK costs on the caller's thread, beside OpenTelemetry alone in the same run: `make bench-sdk`.

CPU time of the calling thread, not wall time: the worker that sends has a thread of its own. Rounds take turns, so
that a busy machine burdens all alike.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from syscard_tracing import component, feedback, instrument

ROUNDS, SPANS, CALLS, CALL_S = 41, 250, 150, 0.01
SPAN_TARGET_US, TARGET = 20.0, 5.0
FIELDS: dict[str, bool | int | float | str] = {
    "known": True, "history": 12, "affinity": 0.8, "pop": 3.5, "n": 5, "label": "fresh", "top": 0.9, "gap": 0.3,
}  # fmt: skip
ITEMS, SCORES = [f"p{i}" for i in range(10)], [1 - i / 10 for i in range(10)]
REFERENCE = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
say = sys.stdout.write


class Nowhere(SpanExporter):
    """Takes everything at once: what is measured is the caller's side."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002, D102
        return SpanExportResult.SUCCESS


def subjects() -> dict[str, Callable[[], Any]]:
    """What is measured, by name; those that begin with OpenTelemetry are the yardstick."""
    alone = TracerProvider(shutdown_on_exit=False)
    alone.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = alone.get_tracer("alone")

    def bare_span() -> None:
        tracer.start_span("chat llm").end()

    def bare() -> None:
        with tracer.start_as_current_span("chat llm"):
            pass

    facts = {"syscard.component": "llm", "gen_ai.operation.name": "chat"}

    def bare_facts() -> None:
        with tracer.start_as_current_span("chat llm", attributes=facts):
            pass

    def bare_fields() -> None:
        with tracer.start_as_current_span("chat llm") as span:
            for field, value in FIELDS.items():
                span.set_attribute(f"syscard.cf.{field}", value)

    def block() -> None:
        with component("llm", kind="chat"):
            pass

    @component("llm", kind="chat")
    def decorated() -> None:
        pass

    def fields() -> None:
        with component("cf", kind="retrieval", version="1") as cf:
            cf.set(**FIELDS)

    def slate() -> None:
        with component("cf", kind="retrieval") as cf:
            cf.slate(ITEMS, SCORES, candidates=2000)

    found = {
        "OpenTelemetry: start_span().end()": bare_span,
        "OpenTelemetry: start_as_current_span": bare,
        "OpenTelemetry: the same with our 2 facts": bare_facts,
        "OpenTelemetry: the same with 8 attributes": bare_fields,
        "with component()": block,
        "@component": decorated,
        "with component(), 8 fields": fields,
        "with component(), slate of 10": slate,
        "feedback()": lambda: feedback(REFERENCE, accepted=True, position=2),
    }
    return found | handler()


def handler() -> dict[str, Callable[[], Any]]:
    """The callback handler, where LangChain is installed."""
    try:
        from syscard_tracing.langchain import SyscardCallbackHandler
    except ImportError:
        return {}
    callbacks = SyscardCallbackHandler({"ranker": "cf"}, own_spans=True)

    def tool() -> None:
        run = uuid4()
        callbacks.on_tool_start({"name": "ranker"}, "", run_id=run, metadata={})
        callbacks.on_tool_end([{"id": "a", "score": 0.9}, {"id": "b", "score": 0.4}], run_id=run)

    return {"callback handler: a tool with a slate": tool}


def spent(call: Callable[[], Any], times: int) -> float:
    """Seconds of this thread's CPU a call."""
    began = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - began) / times


def microseconds(called: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """Least and median CPU microseconds of each, in rounds that take turns."""
    rounds: dict[str, list[float]] = {name: [] for name in called}
    for _ in range(ROUNDS):
        for name, call in called.items():
            rounds[name].append(spent(call, SPANS) * 1e6)
            time.sleep(0.002)  # the worker empties its queue
    return {name: (min(times), statistics.median(times)) for name, times in rounds.items()}


def computing() -> Callable[[], Any]:
    """A loop of some 10 ms of CPU time."""
    turns = 20_000
    each = min(spent(lambda: sum(range(turns)), 20) for _ in range(5))
    return lambda: sum(range(round(turns * CALL_S / each)))


def around(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of CPU that a span with 8 fields adds around a call: ours, and OpenTelemetry's own; medians of turns.

    Timed around the call, and not as a difference of two calls: on a busy machine calls differ by more than this.
    """
    tracer, now = trace.get_tracer("alone"), time.thread_time
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(CALLS):
        began = now()
        with component("cf", kind="retrieval") as cf:
            before = now()
            call()
            after = now()
            cf.set(**FIELDS)
        ours.append(now() - after + before - began)
        began = now()
        with tracer.start_as_current_span("retrieval cf") as span:
            before = now()
            call()
            after = now()
            for field, value in FIELDS.items():
                span.set_attribute(f"syscard.cf.{field}", value)
        theirs.append(now() - after + before - began)
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    """Measure, and print."""
    instrument("bench", exporter=Nowhere(), instrumentors="none")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    say(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load}\n")
    say("CPU microseconds a span, on the caller's thread\n\n")
    found = microseconds(subjects())
    yard = found["OpenTelemetry: start_as_current_span"][1]
    say(f"{'':46}{'least':>8}{'median':>8}{'of OTel':>9}\n")
    for name, (least, median) in found.items():
        say(f"{name:46}{least:8.1f}{median:8.1f}{median / yard:9.2f}\n")
    ours = found["with component()"][0]
    say(f"\nwith component(), least: {ours:.1f} us (target under {SPAN_TARGET_US:.0f})\n")
    for name, call in {"computing": computing(), "waiting": lambda: time.sleep(CALL_S)}.items():
        ours_s, theirs_s = (each / CALL_S * 100 for each in around(call))
        beside = f"OpenTelemetry alone {theirs_s:.1f} %; target under {TARGET:.0f}"
        say(f"added to 10 ms of {name}: {ours_s:.1f} % ({beside})\n")
    trace.get_tracer_provider().shutdown()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
