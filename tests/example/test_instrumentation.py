"""The instrumentation as it reaches syscard: alone, and beside an existing LangChain instrumentor."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recommender import telemetry
from recommender.agent import Agent, Asked
from recommender.conditions import Conditions
from recommender.otlp import document, line
from recommender.serving import Addresses, hanging
from recommender.traffic import TODAY
from recommender.values import LANGUAGE_MODEL, Reason
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.assemble import Frontier, Request, assemble, micros
from syscard_tracing.normalise import Normaliser
from syscard_tracing.otlp import decode_json
from syscard_tracing.rules import TraceRules
from tests.example.small import NEW, SHOPPER, models

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SYSTEM = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")


class Chats:
    """A writer on a real LangChain chat model, so that the instrumentor has something to follow."""

    def write(self, said: str, conditions: Conditions, seed: int) -> Reason:
        tokens = {"input_tokens": 150, "output_tokens": 20, "total_tokens": 170}
        answer = AIMessage("You may enjoy this apple.", usage_metadata=tokens)
        chat = GenericFakeChatModel(messages=iter([answer]), metadata={"ls_model_name": LANGUAGE_MODEL})
        said = str(chat.invoke(said).content)
        return Reason(said, "small-q4_1", "stop", 150, 20, -0.5)


def seen(spans: InMemorySpanExporter) -> Request:
    """The one request that was served, as the monitors of syscard see it."""
    body = line(document(spans.get_finished_spans())).encode()
    received = datetime.now(UTC)
    rows = []
    for reading in Normaliser(TraceRules.of([SYSTEM]), bytes(32)).read(decode_json(body).spans, received):
        row = reading.as_dict()
        rows.append({**row, "start_us": row["start"], "received_us": row["received"]})
    found = assemble(
        rows,
        root=SYSTEM.traces.request.root, frontier=Frontier(), watermark_us=micros(received + timedelta(hours=1)),
        before_us=0, complete_after=timedelta(0), seen_before_us=0,
    )  # fmt: skip
    (request,) = found.complete
    return request


@pytest.fixture
def openinference(provider: TracerProvider) -> Iterator[None]:
    LangChainInstrumentor().instrument(tracer_provider=provider)
    yield
    LangChainInstrumentor().uninstrument()


def components(request: Request) -> set[str]:
    return {s.component for s in request.spans if s.component is not None and not s.component.startswith("step:")}


def test_syscard_sees_the_declared_components_and_nothing_else(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    Agent(models(tmp_path)).serve(Asked(SHOPPER, Conditions(), (1, 1), TODAY))
    request = seen(spans)
    assert components(request) == {"agent", "cf", "llm", "vlm"}
    found = request.values
    assert (found["cf.call"], found["vlm.call"], found["llm.call"]) == ([1], [1, 1], [1])
    assert found["llm.input_tokens"] == [150]
    assert found["vlm.output_tokens"] == [5, 5]
    assert found["segment.age_band"] == ["35-44"]
    assert (found["llm.model_response"], len(found["llm.prompt"][0])) == (["small-q4_1"], 12)
    assert found["cf.data.age_days"] == [1]


def test_a_fallback_and_a_failure_arrive_with_their_reasons(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    Agent(models(tmp_path)).serve(Asked(NEW, Conditions(model_hangs=True), (1, 1), TODAY))
    found = seen(spans).values
    assert (found["cf.fallback"], found["cf.error"]) == ([True], [False])
    assert (found["llm.fallback"], found["llm.error"], found["llm.error_type"]) == ([True], [True], ["TimeoutError"])
    assert "agent.fallback" not in found


def test_personal_data_in_a_reason_is_counted_and_kept_nowhere(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    Agent(models(tmp_path)).serve(Asked(SHOPPER, Conditions(prompt="contact"), (1, 1), TODAY))
    found = seen(spans).values
    assert found["llm.gen_ai.output.messages.pii"] == [1]
    assert "miller" not in str(found).lower()


def test_an_instrumentor_beside_ours_changes_neither_components_nor_counts(
    spans: InMemorySpanExporter, openinference: None, tmp_path: Path
) -> None:
    Agent(models(tmp_path, writer=Chats()), speaks=False).serve(Asked(SHOPPER, Conditions(), (1, 1), TODAY))
    scopes = {s.instrumentation_scope.name for s in spans.get_finished_spans() if s.instrumentation_scope}
    assert scopes == {"syscard_tracing", "openinference.instrumentation.langchain"}
    request = seen(spans)
    assert components(request) == {"agent", "cf", "llm", "vlm"}
    found = request.values
    assert (found["llm.call"], found["llm.input_tokens"], found["llm.output_tokens"]) == ([1], [150], [20])
    assert found["llm.rationale.names_item"] == [True]
    assert len(found["llm.latency_ms"]) == 1


def test_the_readmes_lines_are_the_examples() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code
    source = {text.strip() for text in Path(telemetry.__file__).read_text(encoding="utf-8").splitlines()}
    assert [text for text in code[1].splitlines() if text.strip() and text.strip() not in source] == []


def test_a_model_that_hangs_takes_the_connection_and_never_answers() -> None:
    with hanging() as address:
        addresses = Addresses("http://a", "http://b", address)
        assert addresses.of("current", hangs=True) == addresses.of("requantised", hangs=True) == address
        with pytest.raises((TimeoutError, socket.timeout)):
            urllib.request.urlopen(f"{address}/v1", timeout=0.3)
    assert (addresses.of("current", hangs=False), addresses.of("requantised", hangs=False)) == ("http://a", "http://b")
    with pytest.raises(OSError):  # noqa: PT011
        urllib.request.urlopen(f"{address}/v1", timeout=0.3)


OPEN = Path("/proc/self/fd")


@pytest.mark.skipif(not OPEN.is_dir(), reason="counts open files as Linux tells them")
def test_clients_that_gave_up_leave_nothing_open() -> None:
    with hanging() as address:
        before = len([*OPEN.iterdir()])
        for _ in range(20):
            with pytest.raises((TimeoutError, socket.timeout)):
                urllib.request.urlopen(f"{address}/v1", timeout=0.05)
        until = time.monotonic() + 30
        while len([*OPEN.iterdir()]) > before and time.monotonic() < until:
            time.sleep(0.01)
        assert len([*OPEN.iterdir()]) <= before


def test_nobody_listening_is_not_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "set_tracer_provider", lambda own: monkeypatch.setattr(trace, "_TRACER_PROVIDER", own))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    started = telemetry.start("none")
    shown = Agent(models(tmp_path)).serve(Asked(SHOPPER, Conditions(), (1, 1), TODAY))
    started.shutdown()
    assert shown.items == (0, 1, 2)
    assert shown.reference
