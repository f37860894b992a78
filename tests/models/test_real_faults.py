"""Every fault really breaks what the table says, on real models; a look-alike breaks nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from recommender import reasons
from recommender.agent import Agent, Asked, Shop
from recommender.clicks import answer
from recommender.faults import FAULTS, Fault, conditions
from recommender.traffic import TODAY, Shopper

REQUESTS = 24
Values = dict[str, list[float]]


@pytest.fixture(scope="module")
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace._TRACER_PROVIDER = provider
    yield exporter
    provider.shutdown()


@pytest.fixture(scope="module", autouse=True)
def _short_deadline() -> Iterator[None]:
    """Ten seconds for each call that hangs would be minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reasons, "DEADLINE_S", 4.0)
        reasons._chat.cache_clear()
        yield
    reasons._chat.cache_clear()


def serve(shop: Shop, spans: InMemorySpanExporter, fault: Fault | None) -> Values:
    """The values of each field over some requests, the same shoppers each time."""
    spans.clear()
    agent = Agent(shop.models)
    accepted = []
    for number in range(REQUESTS):
        chance = np.random.default_rng((7, number))
        comer = shop.pool[int(chance.integers(len(shop.pool)))]
        shopper = Shopper(
            comer.household, comer.age, comer.campaign, new=chance.random() < (fault.mix.new if fault else 0.05)
        )
        on = [(fault, number / (REQUESTS - 1))] if fault else []
        shown = agent.serve(Asked(shopper, conditions(on, chance), (7, number), TODAY))
        accepted.append(answer(shown.items, shop.suits(shopper.household), shown.features, 1.0, chance).accepted)
    return {**values(spans), "accepted": [float(a) for a in accepted]}


def values(spans: InMemorySpanExporter) -> Values:
    found: Values = defaultdict(list)
    for span in spans.get_finished_spans():
        attributes: dict[str, Any] = dict(span.attributes or {})
        component = attributes["syscard.component"]
        found[f"{component}.calls"].append(1 / REQUESTS)
        found[f"{component}.latency_ms"].append(((span.end_time or 0) - (span.start_time or 0)) / 1e6)
        found[f"{component}.error"].append(float(span.status.status_code is StatusCode.ERROR))
        found[f"{component}.fallback"].append(float(attributes.get(f"syscard.{component}.fallback", False)))
        pii = "@" in str(attributes.get("gen_ai.output.messages", ""))
        found[f"{component}.gen_ai.output.messages.pii"].append(float(pii))
        for key, value in attributes.items():
            if isinstance(value, int | float):
                field = key.removeprefix(f"syscard.{component}.").removeprefix("gen_ai.usage.")
                found[f"{component}.{field}"].append(float(value))
    return found


def level(found: Values, field: str) -> float:
    return float(np.sum(found[field]) if field.endswith(".calls") else np.mean(found[field]))


@pytest.fixture(scope="module")
def usual(shop: Shop, spans: InMemorySpanExporter) -> Values:
    return serve(shop, spans, None)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.kind == "fault"], ids=lambda f: str(f.name))
def test_a_fault_moves_the_signals_that_the_table_names(
    fault: Fault, shop: Shop, spans: InMemorySpanExporter, usual: Values
) -> None:
    found = serve(shop, spans, fault)
    for signal in fault.signals:
        field, direction = signal.split()
        if field == "accepted":
            continue  # so few requests say nothing of it; the recordings do
        before, now = level(usual, field), level(found, field)
        assert (now > before) if direction == "up" else (now < before), (signal, before, now)


def test_the_same_requests_without_a_fault_are_the_same_again(
    shop: Shop, spans: InMemorySpanExporter, usual: Values
) -> None:
    again = serve(shop, spans, None)
    for field in ("vlm.agrees", "vlm.confidence", "cf.top_score", "llm.rationale.grounded", "accepted"):
        assert level(again, field) == pytest.approx(level(usual, field), rel=0.05), field
