"""Dialect tables of a user: a convention that nobody here has heard of is read without a line of code."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.errors import UsageError
from syscard.home import Home
from syscard_tracing.dialects import shipped_dialects
from syscard_tracing.doctor import check, read_trace_file
from syscard_tracing.ingest import ingest
from syscard_tracing.lake import Lake
from syscard_tracing.normalise import Normaliser
from syscard_tracing.own_tables import FreshDialects, home_dialects
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import RawSpan

# As docs/dialects.md prints it; a test holds the two together.
ACME = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0]
SPAN = {
    "acme.kind": "LLM_CALL", "acme.model": "acme-7b", "acme.vendor": "acme-cloud.eu", "acme.room": "r-1",
    "acme.usage": '{"in": 7, "out": 3}', "acme.prompt": "what does bob like", "acme.answer": "{'text': 'red shoes'}",
    "acme.who": "bob", "acme.stage": "reranking", "acme.debug": "words of bob",
}  # fmt: skip


@pytest.fixture
def folder(home: Home) -> Path:
    home.dialects.mkdir()
    (home.dialects / "acme.yaml").write_text(ACME)
    return home.dialects


def _request(spans: list[RawSpan]) -> str:
    def attribute(key: str, value: Any) -> dict[str, Any]:
        return {"key": key, "value": {"stringValue": value}}

    made = [
        {"traceId": s.trace_id, "spanId": s.span_id, "name": s.name, "startTimeUnixNano": str(s.start_ns),
         "endTimeUnixNano": str(s.end_ns), "attributes": [attribute(k, v) for k, v in s.attributes.items()]}
        for s in spans
    ]  # fmt: skip
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "acme.sdk"}, "spans": made}]}]})


def test_a_made_up_dialect_is_read_without_code(folder: Path, span: Callable[..., RawSpan], now: datetime) -> None:
    normaliser = Normaliser(TraceRules(), bytes(32), home_dialects(folder))
    tool = {"acme.kind": "Call_Tool", "acme.stage": "cf"}
    readings = normaliser.read([span(0, SPAN, scope="acme.sdk"), span(1, tool, scope="other")], now)
    first, second = (reading.as_dict() for reading in readings)
    facts = ("dialect", "operation", "component", "model", "provider", "input_tokens", "output_tokens", "counts_tokens")
    assert [first[name] for name in facts] == ["acme", "chat", "chat:acme-7b", "acme-7b", "acme-cloud", 7, 3, True]
    assert [second[name] for name in facts[:3]] == ["acme", "execute_tool", "execute_tool:cf"]
    features = json.loads(first["features"])
    assert features["gen_ai.input.messages.words"] == 4
    assert features["gen_ai.output.messages.words"] == 2, "keys of a repr are no words"
    assert features["acme.stage"] == "reranking"
    assert len(features["gen_ai.conversation.id"]) == len(first["user_key"]) == 32
    assert readings[0].unread == ()
    assert "bob" not in str(readings)


def test_serve_ingest_and_doctor_read_it(
    folder: Path, home: Home, span: Callable[..., RawSpan], tmp_path: Path, clock: ReplayClock
) -> None:
    file = tmp_path / "acme.json"
    file.write_text(_request([span(0, SPAN)]))
    (read,) = read_trace_file(file, TraceRules(), home_dialects(home.dialects))
    assert (read["dialect"], read["model"], read["unread"]) == ("acme", "acme-7b", [])
    (unknown,) = read_trace_file(file, TraceRules())
    assert unknown["dialect"] is None
    assert unknown["unread"] == sorted(SPAN)
    ingest([file], home, TraceRules(), clock)
    assert Lake(home.lake).scan().collect()["dialect"].to_list() == ["acme"]
    assert [f.ok for f in check(home) if "dialects" in f.what] == [True]


def test_a_table_of_a_shipped_name_replaces_it(folder: Path) -> None:
    own = ACME.replace("name: acme", "name: openlit")
    (folder / "acme.yaml").write_text(own)
    found = home_dialects(folder)
    assert [d.name for d in found.all].count("openlit") == 1
    assert found.of("acme.sdk", {}) is not None
    openlit = found.of("openlit.instrumentation.langchain", {})
    assert openlit is None or openlit.name != "openlit", "its scopes went with it"


def test_no_folder_is_the_shipped_tables(home: Home) -> None:
    assert home_dialects(home.dialects) is shipped_dialects()


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("order: 5", "order: five"), 4, "order"),
        (("order: 5", "order: 5\ncolour: red"), 5, "colour"),
        (("columns:\n", "columns:\n  shoe: [acme.shoe]\n"), 24, "shoe"),
        (("also: [otel-genai, syscard]", "also: [otel-genai, nobody]"), 5, "nobody"),
        (("name: acme", "name: [acme"), 4, "no YAML"),
        (("name: acme", "name: Acme Corp"), 3, "name"),
        (("LLM_CALL: chat", "LLM_CALL: Chat!"), 17, "operation.values"),
    ],
)
def test_a_broken_file_is_one_line_that_says_where(change: tuple[str, str], line: int, says: str, folder: Path) -> None:
    assert change[0] in ACME
    (folder / "acme.yaml").write_text(ACME.replace(*change))
    with pytest.raises(UsageError) as caught:
        home_dialects(folder)
    said = str(caught.value)
    assert said.startswith(f"{folder / 'acme.yaml'}:{line}: ")
    assert says in said
    assert "docs/dialects.md" in said
    assert len(said.splitlines()) == 1


def test_two_files_of_one_name_are_refused_and_other_files_are_left(folder: Path) -> None:
    (folder / "notes.txt").write_text("[")
    home_dialects(folder)
    (folder / "b.yml").write_text(ACME)
    with pytest.raises(UsageError, match=r"b\.yml:3: the table 'acme' is in acme\.yaml as well"):
        home_dialects(folder)


@pytest.mark.parametrize("content", [b"\xff", b"", b"a: &a [*a]\n", b"[" * 100_000, b"x" * 300_000])
def test_what_is_no_table_harms_nothing(content: bytes, folder: Path) -> None:
    (folder / "acme.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=r"acme\.yaml"):
        home_dialects(folder)


def test_a_file_that_breaks_under_way_leaves_the_tables_from_before(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = FreshDialects(folder)
    before = fresh()
    assert fresh() is before
    path = folder / "acme.yaml"
    path.write_text("broken: [")
    with caplog.at_level(logging.WARNING, logger="syscard.tracing"):
        assert fresh() is before
        assert fresh() is before
    assert len(caplog.records) == 1, "said once"
    assert "the tables from before are used" in caplog.text
    path.write_text(ACME.replace("acme.model", "acme.brain"))
    os.utime(path, ns=(1, 1))
    assert fresh() is not before


def test_a_broken_table_refuses_to_serve_and_to_ingest(
    folder: Path, home: Home, data: Path, clock: ReplayClock, children: Any
) -> None:
    (folder / "acme.yaml").write_text("broken: [")
    with pytest.raises(UsageError, match=r"acme\.yaml:1: no YAML"):
        ingest([data], home, TraceRules(), clock)
    said = children.refused(home).communicate(timeout=60)[1]
    assert said.startswith("UsageError: ")
    assert "acme.yaml:1: no YAML" in said
    assert [f.ok for f in check(home) if "acme.yaml" in f.what] == [False]
