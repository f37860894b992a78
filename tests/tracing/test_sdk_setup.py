"""Setting up: one call, whatever the host has done before, and nothing of it is the host's problem."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from syscard_tracing import component, delivery, instrument, sdk_setup
from syscard_tracing.sdk_queue import Delivery
from syscard_tracing.sdk_setup import LONGEST


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which nobody has set up tracing."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(sdk_setup, "_process", sdk_setup._Process())
    yield
    if (setup := sdk_setup._process.setup) is not None:
        setup.provider.shutdown()


def host_provider(name: str = "shop") -> tuple[TracerProvider, InMemorySpanExporter]:
    """A host that has set up tracing for itself."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider, exporter


def work(name: str = "llm") -> None:
    with component(name):
        pass


def test_spans_can_go_somewhere_else_and_say_whose_they_are() -> None:
    exporter = InMemorySpanExporter()
    provider = instrument("shop", version="3", environment="test", exporter=exporter, instrumentors="none")
    work()
    provider.force_flush()
    (found,) = exporter.get_finished_spans()
    kept = {k: found.resource.attributes[k] for k in ("service.name", "service.version", "deployment.environment.name")}
    assert kept == {"service.name": "shop", "service.version": "3", "deployment.environment.name": "test"}
    assert delivery() == Delivery(waiting=0, sending=0, sent=1, failed=0, dropped=0)


def test_before_anything_is_set_up_nothing_was_delivered() -> None:
    assert delivery() == Delivery(0, 0, 0, 0)


def test_ids_do_not_repeat_in_a_host_that_seeds_random() -> None:
    caught = InMemorySpanExporter()
    provider = instrument("shop", exporter=caught, instrumentors="none")
    for _ in range(2):
        random.seed(7)
        work()
    provider.force_flush()
    found = [span.context for span in caught.get_finished_spans()]
    assert len({context.trace_id for context in found}) == len({context.span_id for context in found}) == 2


def test_a_host_with_a_provider_of_its_own_keeps_it_and_its_spans_are_sent_as_well() -> None:
    hosts, seen_by_host = host_provider()
    exporter = InMemorySpanExporter()
    provider = instrument("shop", exporter=exporter, instrumentors="none")
    work()
    hosts.get_tracer("host").start_span("its own").end()
    provider.force_flush()
    assert provider is hosts is trace.get_tracer_provider()
    for where in (exporter, seen_by_host):
        assert [span.name for span in where.get_finished_spans()] == ["call llm", "its own"]


def test_a_host_with_another_name_is_told_what_to_select_by(caplog: pytest.LogCaptureFixture) -> None:
    host_provider("billing")
    instrument("shop", exporter=InMemorySpanExporter(), instrumentors="none")
    assert "service.name is billing, not shop" in caplog.text


def test_a_host_whose_provider_takes_no_processor_is_told(caplog: pytest.LogCaptureFixture) -> None:
    trace.set_tracer_provider(trace.NoOpTracerProvider())
    provider = instrument("shop", exporter=InMemorySpanExporter(), instrumentors="none")
    work()
    provider.shutdown()
    assert "takes no processor" in caplog.text


@pytest.mark.parametrize("own", [False, True], ids=["alone", "beside a provider of the host's"])
def test_called_twice_nothing_is_sent_twice(own: bool, caplog: pytest.LogCaptureFixture) -> None:
    if own:
        host_provider()
    exporter = InMemorySpanExporter()
    first = instrument("shop", exporter=exporter, instrumentors="none")
    again = instrument("shop", exporter=exporter, instrumentors="none")
    assert caplog.text == ""
    other = instrument("till", exporter=exporter, instrumentors="none")
    work()
    first.force_flush()
    assert first is again is other
    assert len(exporter.get_finished_spans()) == 1
    assert "spans go on as shop" in caplog.text


def test_after_a_shutdown_it_can_be_called_again() -> None:
    first, second = InMemorySpanExporter(), InMemorySpanExporter()
    instrument("shop", exporter=first, instrumentors="none").shutdown()
    provider = instrument("shop", exporter=second, instrumentors="none")
    work()
    provider.force_flush()
    assert (len(first.get_finished_spans()), len(second.get_finished_spans())) == (0, 1)


@pytest.mark.parametrize("size", ["many", -1, 0])
def test_settings_that_make_no_sense_are_the_logs_problem(size: object, caplog: pytest.LogCaptureFixture) -> None:
    exporter = InMemorySpanExporter()
    provider = instrument("shop", max_queue_size=size, exporter=exporter, instrumentors="none")  # type: ignore[arg-type]
    work()
    provider.shutdown()
    assert (size == "many") == ("the program goes on without" in caplog.text)


def test_a_batch_size_variable_that_is_no_number_is_said_and_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "lots")
    instrument("shop", exporter=InMemorySpanExporter(), instrumentors="none")
    assert "OTEL_BSP_MAX_QUEUE_SIZE=lots is no number: 2048 is used" in caplog.text


def test_an_attribute_that_would_cost_its_batch_is_cut() -> None:
    exporter = InMemorySpanExporter()
    provider = instrument("shop", exporter=exporter, instrumentors="none")
    with component("llm") as span:
        span.attribute("long", "x" * (LONGEST + 5))
    provider.force_flush()
    (found,) = exporter.get_finished_spans()
    assert len(str((found.attributes or {})["long"])) == LONGEST
