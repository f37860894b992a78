"""Made-up requests for the benchmarks: a recommender's spans, six a trace, about twenty attributes each."""

from __future__ import annotations

import json
import random
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE: Final = 6
"""Spans of one trace."""
SERVICE: Final = "shop-recommender"
_STEP_NS: Final = 10_000_000
_WORDS: Final = tuple(
    "red blue cotton running shoe jacket waterproof slim fit summer sale user history item similar colour "  # noqa: SIM905
    "brand because you liked comfortable light wool hiking urban style price picture shows a person".split()
)


class Part(NamedTuple):
    """One component of the made-up system."""

    name: str
    span: str
    operation: str
    model: str | None


PARTS: Final = (
    Part("agent", "invoke_agent recommender", "invoke_agent", None),
    Part("vlm", "chat vlm-mini", "chat", "vlm-mini"),
    Part("cf", "retrieval cf", "retrieval", "als-12"),
    Part("stock", "execute_tool stock", "execute_tool", None),
    Part("rank", "rerank cf", "rerank", "rank-3"),
    Part("llm", "chat rationale-llm", "chat", "rationale-llm"),
)


def request(number: int, spans: int, start_ns: int, *, texts: bool) -> ExportTraceServiceRequest:
    """One request of whole traces (the last one may be cut short), the same for the same number.

    Args:
        number: makes ids and values; two numbers share no id.
        spans: how many.
        start_ns: start of the first span; the next ones follow every 10 ms.
        texts: with prompts and answers, about 1 kB a span, as instrumentors send them with content capture on.
    """
    rng = random.Random(number)  # noqa: S311
    found = ExportTraceServiceRequest()
    resource = found.resource_spans.add()
    for key, value in _RESOURCE.items():
        _put(resource.resource.attributes, key, value)
    scope = resource.scope_spans.add()
    scope.scope.name = "syscard_tracing"
    trace = root = b""
    shopper: dict[str, Any] = {}
    for i in range(spans):
        if i % TRACE == 0:
            trace, root, shopper = rng.randbytes(16), b"", _shopper(rng)
        span = scope.spans.add(trace_id=trace, span_id=rng.randbytes(8), parent_span_id=root)
        root = root or span.span_id
        _fill(span, PARTS[i % TRACE], rng, start_ns + i * _STEP_NS, shopper, texts=texts)
    return found


_RESOURCE: Final = {
    "service.name": SERVICE,
    "service.version": "1.4.2",
    "deployment.environment.name": "production",
    "host.name": "node-7",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
}


def _shopper(rng: random.Random) -> dict[str, Any]:
    """What all spans of one trace say alike."""
    return {
        "syscard.user.segment": rng.choice(("new", "loyal", "lapsed")),
        "syscard.user.id": f"{rng.randrange(200_000):016x}",
        "session.id": rng.randbytes(8).hex(),
        "shop.region": rng.choice(("eu", "us", "apac")),
    }


def _fill(span: Any, part: Part, rng: random.Random, start_ns: int, shopper: dict[str, Any], *, texts: bool) -> None:
    span.name, span.kind = part.span, 3 if part.model else 1
    span.start_time_unix_nano = start_ns
    span.end_time_unix_nano = start_ns + int(rng.lognormvariate(17.5, 1))
    span.status.code = 2 if rng.random() < 0.02 else 1
    for key, value in (shopper | _attributes(part, rng)).items():
        _put(span.attributes, key, value)
    if span.status.code == 2:
        event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano)
        _put(event.attributes, "exception.type", "TimeoutError")
        _put(event.attributes, "exception.message", "read timed out")
    if texts:
        _put(span.attributes, "gen_ai.input.messages", _messages("user", rng, 600 if part.model else 300))
        _put(span.attributes, "gen_ai.output.messages", _messages("assistant", rng, 300))


def _attributes(part: Part, rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "syscard.component": part.name,
        "syscard.component.version": "2026-11",
        "gen_ai.operation.name": part.operation,
        "gen_ai.provider.name": "local",
        "gen_ai.response.id": rng.randbytes(12).hex(),
        "gen_ai.response.finish_reasons": [rng.choice(("stop", "length"))],
        "gen_ai.usage.input_tokens": rng.randrange(100, 3000),
        "gen_ai.usage.output_tokens": rng.randrange(10, 800),
        "gen_ai.request.temperature": rng.choice((0.0, 0.2, 0.7)),
        "gen_ai.request.max_tokens": 1024,
        "shop.cache_hit": rng.random() < 0.3,
        f"syscard.{part.name}.top_score": rng.random(),
        f"syscard.{part.name}.candidate_count": rng.randrange(20, 200),
        f"syscard.{part.name}.item.id": f"i-{rng.randrange(50_000)}",
    }
    models = {"gen_ai.request.model": part.model, "gen_ai.response.model": part.model}
    return found | {key: value for key, value in models.items() if value}


def _messages(role: str, rng: random.Random, chars: int) -> str:
    words: list[str] = []
    while sum(map(len, words)) + len(words) < chars:
        words += rng.choices(_WORDS, k=8)
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": " ".join(words)}]}])


def _put(attributes: Any, key: str, value: Any) -> None:
    into = attributes.add(key=key).value
    if isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        into.int_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, list):
        for item in value:
            into.array_value.values.add(string_value=item)
    else:
        into.string_value = value
