"""Records the agent: every planned request served for real, written as OTLP/JSON lines with event times laid out.

What was served is kept as it comes, so a recording that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import lzma
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from recommender.agent import Agent, Asked, Shop
from recommender.clicks import answer
from recommender.faults import FAULTS, conditions
from recommender.otlp import Document, document, end_of, line, starting_at
from recommender.plan import Key, Planned, Stretch, interleaved, planned, stretches
from recommender.prompts import PROMPTS
from recommender.reasons import AGAINST_REPEATING, MOST_TOKENS
from recommender.serving import CURRENT
from recommender.telemetry import answered
from recommender.values import Say

TOGETHER: Final = 60
"""Requests that are written to disk at a time."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Came = tuple[str, timedelta]
"""(reference of the request, delay of its feedback)."""


@dataclass(frozen=True)
class Served:
    """One request that was served, as documents with the times at which it really ran."""

    request: Document
    feedback: Document
    delay: timedelta
    """Between the end of the request and its feedback, in event time."""


class Collector(SpanExporter):
    """Keeps finished spans by trace; a feedback's under the trace that it is linked to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: dict[int, list[ReadableSpan]] = {}

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take finished spans."""
        with self._lock:
            for span in spans:
                trace = span.links[0].context.trace_id if span.links else span.context.trace_id
                self._spans.setdefault(trace, []).append(span)
        return SpanExportResult.SUCCESS

    def take(self, reference: str) -> tuple[Document, Document]:
        """The request's spans and its feedback's, by what `ComponentSpan.reference` gave."""
        with self._lock:
            spans = self._spans.pop(int(reference.split("-")[1], 16))
        return document([s for s in spans if not s.links]), document([s for s in spans if s.links])


class Recorder:
    """Serves planned requests, several at a time, and keeps what came of them in one file."""

    def __init__(self, shop: Shop, agent: Agent, provider: TracerProvider, collector: Collector, kept: Path) -> None:
        self._shop, self._agent = shop, agent
        self._provider, self._collector = provider, collector
        self.kept = kept

    def record(self, plan: Sequence[Planned], concurrency: int, say: Say) -> None:
        """Serve what is not kept yet, and keep it."""
        _mend(self.kept)
        done = set(read(self.kept))
        left = [request for request in plan if request.key not in done]
        say(f"recording {len(left):,} of {len(plan):,} requests, {concurrency} at a time ...")
        with self.kept.open("a", encoding="utf-8") as file:
            for some in _in_batches(left, self._serve, concurrency):
                self._provider.force_flush()
                for request, (reference, delay) in some:
                    file.write(_kept_line(request, Served(*self._collector.take(reference), delay)))
                    done.add(request.key)
                file.flush()
                say(f"  {len(done):,} of {len(plan):,}")

    def _serve(self, request: Planned) -> _Came:
        fault, chance = request.stretch.fault, request.chance()
        on = [(fault, request.progress)] if fault else []
        shown = self._agent.serve(Asked(request.shopper, conditions(on, chance), request.seed, request.moment.date()))
        suits = self._shop.suits(request.shopper.household)
        came = answer(shown.items, suits, shown.features, request.stretch.mix.eager, chance)
        answered(shown.reference, request.shopper, came)
        return shown.reference, came.delay


def _in_batches(
    requests: Sequence[Planned], serve: Callable[[Planned], _Came], concurrency: int
) -> Iterator[list[tuple[Planned, _Came]]]:
    """Requests with what came of them, a batch at a time, while later ones are being served."""
    pool = ThreadPoolExecutor(concurrency)
    try:
        pairs = zip(requests, pool.map(serve, requests), strict=True)
        while some := list(itertools.islice(pairs, TOGETHER)):
            yield some
    finally:
        pool.shutdown(cancel_futures=True)


def _kept_line(request: Planned, found: Served) -> str:
    body = [request.stretch.name, request.number, found.request, found.feedback, found.delay.total_seconds()]
    return json.dumps(body, separators=(",", ":")) + "\n"


def _mend(kept: Path) -> None:
    """Take away a last line that was cut off."""
    if kept.is_file():
        body = kept.read_bytes()
        with kept.open("r+b") as file:
            file.truncate(body.rfind(b"\n") + 1)


def read(kept: Path) -> dict[Key, str]:
    """What was served so far, a line each; as text, because there is much of it."""
    if not kept.is_file():
        return {}
    with kept.open(encoding="utf-8") as file:
        return {(name, number): text for text in file for name, number, *_ in [json.loads(text)]}


def parsed(text: str) -> Served:
    """What one line holds."""
    _, _, request, came, seconds = json.loads(text)
    return Served(request, came, timedelta(seconds=seconds))


def write(plan: Sequence[Planned], kept: dict[Key, str], folder: Path) -> dict[str, int]:
    """The recordings, one file each, with their labels; bytes of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {}
    recordings = {request.stretch.name: request.stretch for request in plan}
    for name in recordings:
        own = [request for request in plan if request.stretch.name == name]
        body = "\n".join(_lines(own, kept)) + "\n"
        file = folder / f"{name}.otlp.jsonl.xz"
        file.write_bytes(lzma.compress(body.encode(), preset=9 | lzma.PRESET_EXTREME))
        sizes[name] = file.stat().st_size
    (folder / "labels.yaml").write_text(labels(recordings.values()), encoding="utf-8")
    return sizes


def _lines(plan: Sequence[Planned], kept: dict[Key, str]) -> Iterator[str]:
    """Requests and feedback in order of event time."""
    laid_out: list[tuple[int, Document]] = []
    for request in plan:
        found = parsed(kept[request.key])
        start = _nanoseconds(request)
        laid_out.append((start, starting_at(found.request, start)))
        later = end_of(found.request) + round(found.delay.total_seconds() * 1e9)
        laid_out.append((later, starting_at(found.feedback, later)))
    return (line(found) for _, found in sorted(laid_out, key=lambda pair: pair[0]))


def _nanoseconds(request: Planned) -> int:
    return (request.moment - _EPOCH) // timedelta(microseconds=1) * 1000


_ABOUT_LABELS: Final = "# What was really done in each recording: ground truth, never read by a monitor."


def labels(recordings: Iterable[Stretch]) -> str:
    """The ground truth about some recordings, as YAML."""
    text = yaml.safe_dump([_label(s) for s in recordings], sort_keys=False, width=120, allow_unicode=True)
    return f"{_ABOUT_LABELS}\n{text}"


def _label(stretch: Stretch) -> dict[str, Any]:
    fault = stretch.fault
    if fault is None:
        return {"file": stretch.name, "kind": "normal", "requests": stretch.requests}
    return {
        "file": stretch.name,
        "kind": fault.kind,
        "requests": stretch.requests,
        "parts": [*fault.parts],
        "inputs": [*fault.inputs],
        "edges": [*fault.edges],
        "inherits": [*fault.inherits],
        "signals": [*fault.signals],
        "done": fault.done,
        "breaks": fault.breaks,
    }


def whole_plan(shop: Shop, seed: int, share: float) -> list[Planned]:
    """Every recording's requests, in order of recording and time."""
    return [request for stretch in stretches(share) for request in planned(stretch, shop.pool, seed)]


def kept_name(shop: Shop, plan: Sequence[Planned]) -> str:
    """Name of the file in which requests are kept: another one for other models, prompts, faults or requests."""
    models = (shop.models.fresh.version, shop.models.reader.version, CURRENT, MOST_TOKENS, AGAINST_REPEATING, PROMPTS)
    faults = [(fault.name, fault.done) for fault in FAULTS]
    said = repr((models, faults, [(request.key, request.moment, request.shopper, request.seed) for request in plan]))
    return f"recording-{hashlib.sha256(said.encode()).hexdigest()[:12]}.jsonl"


def run(recorder: Recorder, plan: list[Planned], folder: Path, concurrency: int, seed: int, say: Say) -> None:
    """Serve everything, interleaved, then write the files."""
    recorder.record(interleaved([plan], seed), concurrency, say)
    sizes = write(plan, read(recorder.kept), folder)
    for name, size in sizes.items():
        say(f"  {name:<22} {size / 1e6:.2f} MB")
    say(f"{sum(sizes.values()) / 1e6:.2f} MB in {folder}")
