"""Other people's instrumentors: found by their entry points, on when their library is used, and one for each call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syscard_tracing.sdk_known import known, library_of, same_call

OI_COHERE, GENAI_COHERE = "openinference-instrumentation-cohere", "opentelemetry-instrumentation-genai-cohere"
TRACELOOP_COHERE, OI_AGNO = "opentelemetry-instrumentation-cohere", "openinference-instrumentation-agno"
INSTRUMENTOR = """
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
class Instrumentor(BaseInstrumentor):
    def instrumentation_dependencies(self): return ()
    def _instrument(self, **kwargs):
        if {breaks}: raise RuntimeError("broken on purpose")
        kwargs["tracer_provider"].get_tracer("{name}").start_span("{name}").end()
    def _uninstrument(self, **kwargs): pass
"""
PROGRAM = """
import json, logging, sys
said = []
class Told(logging.Handler):
    def emit(self, record): said.append(record.getMessage())
logging.getLogger("syscard.tracing").addHandler(Told(logging.WARNING))
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from syscard_tracing import instrument
spans = InMemorySpanExporter()
def tracing(*args, **kwargs): return instrument("shop", exporter=spans, **kwargs)
{code}
from opentelemetry import trace
trace.get_tracer_provider().force_flush()
from syscard_tracing.sdk_instrumentors import _on_now
print(json.dumps([sorted(_on_now()), [span.name for span in spans.get_finished_spans()], said]))
"""


@pytest.fixture
def ran(tmp_path: Path) -> Callable[..., tuple[list[str], list[str], list[str]]]:
    """What is on, which were turned on, and what was said, after a program with these distributions installed."""

    def run(code: str, *distributions: str, breaks: str = "") -> tuple[list[str], list[str], list[str]]:
        for library in ("cohere", "agno"):
            (tmp_path / f"{library}.py").touch()
        for name in distributions:
            module = name.replace("-", "_")
            text = INSTRUMENTOR.format(name=name, breaks=name == breaks)
            (tmp_path / f"{module}.py").write_text(text)
            about = tmp_path / f"{module}-1.0.dist-info"
            about.mkdir()
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (about / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\nit = {module}:Instrumentor\n")
        command = [sys.executable, "-c", PROGRAM.format(code=code)]
        env = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)
        assert done.returncode == 0, done.stderr
        on, turned_on, said = json.loads(done.stdout)
        return on, turned_on, said

    return run


Ran = Callable[..., Any]


@pytest.mark.parametrize("code", ["tracing(); import cohere", "import cohere; tracing()"], ids=["first", "after it"])
def test_an_instrumentor_is_on_as_soon_as_its_library_is_used(code: str, ran: Ran) -> None:
    assert ran(code, OI_COHERE)[1:] == ([OI_COHERE], [])


def test_a_library_that_is_not_used_costs_nothing(ran: Ran) -> None:
    code = "tracing(); assert not {'cohere', 'openinference_instrumentation_cohere'} & set(sys.modules)"
    assert ran(code, OI_COHERE) == ([], [], [])


def test_of_two_for_one_library_the_preferred_one_is_on_and_the_other_named(ran: Ran) -> None:
    _, on, said = ran("tracing(); import cohere", TRACELOOP_COHERE, GENAI_COHERE, OI_COHERE)
    assert on == [OI_COHERE]
    assert [line.split(";")[0] for line in said] == [
        f"{OI_COHERE} records the calls that {other} would, which stays off"
        for other in (GENAI_COHERE, TRACELOOP_COHERE)
    ]
    assert all("instrument(instrumentors=[...]) chooses" in line for line in said)


@pytest.mark.parametrize("order", ["agno, cohere", "cohere, agno"])
def test_a_framework_is_preferred_to_the_client_it_calls_whichever_comes_first(order: str, ran: Ran) -> None:
    on, _, said = ran(f"tracing(); import {order}", OI_AGNO, OI_COHERE)
    assert on == ["openinference_instrumentation_agno"]
    assert len(said) == 1
    assert f"{OI_COHERE} would, which stays off (calls to cohere past it are not seen)" in said[0]


def test_the_next_best_takes_the_place_of_one_that_breaks(ran: Ran) -> None:
    _, on, said = ran("tracing(); import cohere", OI_COHERE, GENAI_COHERE, breaks=OI_COHERE)
    assert on == [GENAI_COHERE]
    assert said == ["an instrumentor could not be turned on"]


@pytest.mark.parametrize("name", [GENAI_COHERE, GENAI_COHERE.upper().replace("-", "_")])
def test_one_is_chosen_by_name(name: str, ran: Ran) -> None:
    assert ran(f"tracing(instrumentors=['{name}']); import cohere", OI_COHERE, GENAI_COHERE)[1:] == ([GENAI_COHERE], [])


def test_a_librarys_name_chooses_the_preferred_one(ran: Ran) -> None:
    code = "tracing(instrumentors=['cohere']); import cohere"
    assert ran(code, OI_COHERE, GENAI_COHERE)[1:] == ([OI_COHERE], [])


def test_two_that_are_chosen_by_name_are_both_on_and_the_doubling_is_said(ran: Ran) -> None:
    _, on, said = ran(
        f"tracing(instrumentors=['{OI_COHERE}', '{GENAI_COHERE}']); import cohere", OI_COHERE, GENAI_COHERE
    )
    assert on == [OI_COHERE, GENAI_COHERE]
    assert said == [f"{OI_COHERE} and {GENAI_COHERE} record the same calls: they will be there twice"]


def test_a_name_that_is_not_there_is_told_with_those_that_are(ran: Ran) -> None:
    _, on, said = ran("tracing(instrumentors=['cohera']); import cohere", OI_COHERE)
    assert on == []
    assert said[0].startswith("no instrumentor cohera is installed; those that are: ")
    assert OI_COHERE in said[0]


def test_none_turns_on_none(ran: Ran) -> None:
    assert ran("tracing(instrumentors='none'); import cohere", OI_COHERE) == ([], [], [])


def test_called_twice_each_is_turned_on_once(ran: Ran) -> None:
    assert ran("tracing(); tracing(); import cohere; tracing()", OI_COHERE)[1:] == ([OI_COHERE], [])


HOSTS = "import openinference_instrumentation_cohere as host; "
TURNED_ON = (
    "from opentelemetry import trace; host.Instrumentor().instrument(tracer_provider=trace.get_tracer_provider())"
)


@pytest.mark.parametrize("later", [False, True], ids=["before", "after"])
def test_what_the_program_turns_on_itself_is_left_to_it(later: bool, ran: Ran) -> None:
    code = (
        f"{HOSTS} tracing(); import cohere; {TURNED_ON}" if later else f"{HOSTS} {TURNED_ON}; tracing(); import cohere"
    )
    on, turned_on, said = ran(code, OI_COHERE)
    assert on == ["openinference_instrumentation_cohere"]
    assert turned_on == ([OI_COHERE] if later else [])
    assert said == [f"{OI_COHERE} was imported by the program: turning it on is left to the program"]


def test_the_content_that_instrumentors_send_is_a_word_of_its_own(ran: Ran) -> None:
    keys = (
        "OPENINFERENCE_HIDE_INPUTS",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "TRACELOOP_TRACE_CONTENT",
    )
    code = f"tracing(content={{}}); import os; said += [os.environ.get(k, '') for k in {keys}]"
    assert ran(code.format("None"))[2] == ["", "", ""]
    assert ran(code.format("False"))[2] == ["true", "NO_CONTENT", "false"]
    assert ran(code.format("True"))[2] == ["false", "SPAN_ONLY", "true"]


def test_threads_without_the_package_are_one_line_that_names_it(ran: Ran) -> None:
    code = "sys.modules['opentelemetry.instrumentation.threading'] = None; tracing(threads=True)"
    assert ran(code)[2] == ["threads=True needs: pip install opentelemetry-instrumentation-threading"]


def test_threads_with_the_package_turns_it_on(ran: Ran) -> None:
    code = """
import types
from openinference_instrumentation_cohere import Instrumentor
class ThreadingInstrumentor(Instrumentor):
    def _instrument(self, **kwargs): said.append("threads are on")
module = types.SimpleNamespace(ThreadingInstrumentor=ThreadingInstrumentor)
sys.modules['opentelemetry.instrumentation.threading'] = module
tracing(threads=True, instrumentors="none"); tracing(threads=True, instrumentors="none")
"""
    assert ran(code, OI_COHERE)[2] == ["threads are on"]


@pytest.mark.parametrize(
    ("distribution", "library"),
    [
        ("openinference-instrumentation-langchain", "langchain"),
        ("opentelemetry-instrumentation-genai-openai", "openai"),
        ("opentelemetry-instrumentation-openai-v2", "openai"),
        ("opentelemetry-instrumentation-llamaindex", "llama-index"),
        ("opentelemetry-instrumentation-requests", None),
        ("opentelemetry-instrumentation-threading", None),
        ("requests", None),
    ],
)
def test_whose_calls_a_distribution_records(distribution: str, library: str | None) -> None:
    found = known(distribution)
    assert (found.library if found is not None else None) == library


def test_which_instrumentors_record_the_same_call() -> None:
    assert same_call("langchain", "langchain")
    assert same_call("langchain", "openai")
    assert same_call("openai", "llama-index")
    assert not same_call("openai", "anthropic")
    assert not same_call("langchain", "chromadb")
    assert library_of("openlit.instrumentation.langchain.langchain") == "langchain"
    assert library_of("opentelemetry.instrumentation.genai.openai") == "openai"
    assert library_of("flask") is None
