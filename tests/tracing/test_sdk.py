"""Emitting: spans say what they are, and the host never notices that tracing is there."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import syscard_tracing
from syscard_tracing.sdk import _id_generator, component


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def _attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_block_is_a_span_of_its_component(spans: InMemorySpanExporter) -> None:
    with component("llm", kind="chat", version="v1") as span:
        span.set(grounded=0.5)
        span.attribute("gen_ai.request.model", "m")
    (found,) = spans.get_finished_spans()
    assert found.name == "chat llm"
    assert _attributes(found) == {
        "syscard.component": "llm",
        "syscard.component.version": "v1",
        "gen_ai.operation.name": "chat",
        "syscard.llm.grounded": 0.5,
        "gen_ai.request.model": "m",
    }


def test_functions_coroutines_and_generators_are_decorated(spans: InMemorySpanExporter) -> None:
    @component("plain")
    def plain(a: int, *, b: int = 2) -> int:
        """Adds."""
        return a + b

    @component("later")
    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return a

    @component("many")
    def many() -> Iterator[int]:
        yield 1
        yield 2

    async def both() -> list[int]:
        return list(await asyncio.gather(later(1), later(2)))

    assert (plain(1, b=3), asyncio.run(both()), list(many())) == (4, [1, 2], [1, 2])
    assert plain.__doc__ == "Adds."
    names = [_attributes(span)["syscard.component"] for span in spans.get_finished_spans()]
    assert names == ["plain", "later", "later", "many"]


def test_the_hosts_own_errors_go_through_and_mark_the_span(spans: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError), component("llm"):
        raise KeyError("x")
    (found,) = spans.get_finished_spans()
    assert found.status.status_code is trace.StatusCode.ERROR


def test_tracing_that_breaks_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> None:
        raise RuntimeError("tracing is broken")

    monkeypatch.setattr(trace, "get_tracer", broken)
    with component("llm") as span:
        span.set(x=1)
        span.fallback("why")
    with pytest.raises(KeyError), component("llm"):
        raise KeyError("x")


def test_ids_do_not_repeat_in_a_host_that_seeds_random() -> None:
    ids = []
    for _ in range(2):
        random.seed(7)
        generator = _id_generator()
        ids += [generator.generate_trace_id(), generator.generate_span_id()]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("missing", "module"),
    [("polars", "lake"), ("deltalake", "lake"), ("starlette", "receiver"), ("opentelemetry.proto", "otlp_proto")],
)
def test_a_library_that_is_not_there_is_one_line_that_names_the_extra(missing: str, module: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import syscard_tracing.{module}"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip().splitlines()[-1]
    assert told.startswith("syscard.errors.MissingExtra: ")
    assert "pip install 'syscard[server]'" in told


def test_the_face_is_what_it_says_and_loads_nothing_heavy() -> None:
    for _ in range(2):
        for name in syscard_tracing.__all__:
            assert callable(getattr(syscard_tracing, name))
    assert sorted(syscard_tracing.__all__) == syscard_tracing.__all__
    with pytest.raises(AttributeError):
        _ = syscard_tracing.nothing
    code = "import sys, syscard_tracing, syscard_tracing.sdk; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "polars",
        "pandas",
        "pyarrow",
        "deltalake",
        "sqlmodel",
        "starlette",
        "uvicorn",
        "evidently",
        "textual",
        "torch",
    }
    assert not heavy & {name.partition(".")[0] for name in loaded}
