"""Dialect tables of a user: a convention that nobody here has heard of is read without a line of code."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
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
        (("name: acme", "name: [acme"), 3, "is not closed"),
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


KEYS, MODEL = "  keys: [acme.kind]\n\n", "  model: [acme.model]"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("order: 5", "order: 5\norder: 6"), 5, "order: is written twice; the first is on line 4"),
        ((MODEL, f"{MODEL}\n  model: [acme.brain]"), 25, "columns.model: is written twice; the first is on line 24"),
        (("scopes: [acme.]", 'scopes: [acme., ""]'), 7, "detect.scopes[1]: is empty and fits every scope"),
        (("scopes: [acme.]", 'scopes: ["acme.*"]'), 7, "a scope is told by its beginning"),
        (("scopes: [acme.]", 'exact: [" "]'), 7, "detect.exact[0]: is empty"),
        ((KEYS, '  keys: ["*"]\n'), 8, "detect.keys[0]: '*' stands for every attribute"),
        ((KEYS, '  keys: [""]\n'), 8, "detect.keys[0]: is empty"),
        ((KEYS, '  keys: ["acme.*.kind"]\n'), 8, "here * stands for anything at the end only"),
        ((KEYS, '  keys: ["acme.usage#in"]\n'), 8, "a member is not read here"),
        (("dropped: [acme.debug]", 'dropped: ["*"]'), 40, "dropped[0]: '*' stands for every attribute"),
        (("text: [acme.prompt,", 'text: ["**",'), 33, "text[0]: '**' stands for every attribute"),
        ((MODEL, '  model: ["#"]'), 24, "columns.model[0]: '#' names no attribute or no member"),
        ((MODEL, '  model: ["#in"]'), 24, "'#in' names no attribute or no member"),
        ((MODEL, '  model: ["acme.model#"]'), 24, "'acme.model#' names no attribute or no member"),
        ((MODEL, '  model: ["acme.*.model"]'), 24, "* stands for nothing here"),
        (("user: [acme.who]", 'user: ["acme.who#"]'), 31, "user[0]: 'acme.who#' names no attribute"),
        (("subject: [acme.stage]", 'subject: ["acme.s*"]'), 30, "subject[0]: 'acme.s*': * stands for nothing here"),
        (("where: {acme.dry_run:", 'where: {"acme.*":'), 20, "* stands for nothing here"),
        (("where: {acme.dry_run:", 'where: {"acme.dry_run#":'), 20, "'acme.dry_run#' names no attribute or no member"),
        (("LLM_CALL: chat", "LLM_CALL: chatt"), 17, "'chatt' is no operation (write: chat)"),
        (("models: [chat]", "models: [chat, foo]"), 21, "models[1]: 'foo' is no operation (write: one of chat, "),
        (("{acme.model: chat}", "{acme.model: chatt}"), 18, "'chatt' is no operation (write: chat)"),
        (("{of: [chat]", "{of: [chatt]"), 20, "corrections[0].of[0]: 'chatt' is no operation (write: chat)"),
        (("to: step}", "to: stepp}"), 20, "corrections[0].to: 'stepp' is no operation (write: step)"),
        (("models: [chat]", "models: [chat]\nsubject_of: {chatt: [x]}"), 22, "'chatt' is no operation (write: chat)"),
        (("to: step}", 'without: [""], to: step}'), 20, "operation.corrections[0].without[0]: is empty"),
        (("models: [chat]", 'subject_of: {chat: ["acme.s*"]}'), 21, "subject_of.chat[0]: 'acme.s*': * stands for"),
        (("{acme.model: chat}", '{"acme.*": chat}'), 18, "* stands for nothing here"),
        (("text: [acme.prompt,", "text: [acme.model,"), 33, "'acme.model' stands under columns as well"),
        (("dropped: [acme.debug]", "dropped: [acme.prompt]"), 33, "'acme.prompt' stands under dropped as well"),
        (("labels: [acme.stage]", "labels: [acme.who]"), 38, "labels[0]: 'acme.who' stands under user as well"),
        (("also: [otel-genai, syscard]", "also: [syscard, acme]"), 5, "also[1]: 'acme' is this table itself"),
        (("also: [otel-genai, syscard]", "also: [syscard, syscard]"), 5, "also[1]: 'syscard' is named twice"),
        (("named:\n", "named:\n  acme.promt: x\n"), 35, "named.acme.promt: 'acme.promt' stands neither"),
        (("  provider: [acme.vendor]", "  provider: #acme.vendor"), 25, "YAML takes #acme.vendor for a comment"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(
    change: tuple[str, str], line: int, says: str, folder: Path
) -> None:
    assert ACME.count(change[0]) == 1
    (folder / "acme.yaml").write_text(ACME.replace(*change))
    with pytest.raises(UsageError) as caught:
        home_dialects(folder)
    said = str(caught.value)
    assert said.startswith(f"{folder / 'acme.yaml'}:{line}: ")
    assert says in said
    assert len(said.splitlines()) == 1


def test_a_name_for_what_is_read_nowhere_is_told_with_the_nearest_key(folder: Path) -> None:
    (folder / "acme.yaml").write_text(ACME.replace("named:\n", "named:\n  acme.promt: x\n"))
    with pytest.raises(UsageError) as caught:
        home_dialects(folder)
    says = "named.acme.promt: 'acme.promt' stands neither under text nor under hashed (write: acme.prompt)"
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["gen_ai.input.messages", "acme.turns"])
def test_texts_of_tables_that_are_read_also_and_flattened_ones_may_bear_a_name(key: str, folder: Path) -> None:
    flattened = ACME.replace("text: [acme.prompt,", "text: [acme.turns.*, acme.prompt,")
    (folder / "acme.yaml").write_text(flattened.replace("named:\n", f"named:\n  {key}: x\n"))
    assert "acme" in {dialect.name for dialect in home_dialects(folder).all}


def test_of_several_mistakes_the_first_in_the_file_is_told(folder: Path) -> None:
    (folder / "acme.yaml").write_text(ACME.replace("scopes: [acme.]", 'scopes: [""]').replace("order: 5", "order: x"))
    with pytest.raises(UsageError, match=r"acme\.yaml:4: order: "):
        home_dialects(folder)


def test_tables_that_read_each_other_in_a_circle_are_told(folder: Path) -> None:
    other = ACME.replace("name: acme", "name: beta")
    (folder / "acme.yaml").write_text(ACME.replace("also: [otel-genai, syscard]", "also: [beta]"))
    (folder / "beta.yaml").write_text(other)
    assert [d.name for d in home_dialects(folder).all].count("beta") == 1, "one reads the other"
    (folder / "beta.yaml").write_text(other.replace("also: [otel-genai, syscard]", "also: [acme]"))
    with pytest.raises(UsageError, match=r"acme\.yaml:5: also: these read each other .*: acme -> beta -> acme"):
        home_dialects(folder)


@pytest.mark.parametrize("name", [table.name for table in shipped_dialects().tables])
def test_every_table_that_ships_may_be_copied_and_changed(name: str, folder: Path) -> None:
    shipped = files("syscard_configs") / "dialects" / f"{name}.yaml"
    (folder / "mine.yaml").write_text(shipped.read_text("utf-8"))
    before, copied = ({t.name: t for t in dialects.tables} for dialects in (shipped_dialects(), home_dialects(folder)))
    assert copied[name] == before[name]


def _a_folder(path: Path) -> None:
    path.mkdir()


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


def _a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "gone.yaml.bak")


def _a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _unreadable(path: Path) -> None:
    path.write_text(ACME)
    path.chmod(0)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (_a_folder, "is no file"),
        (_a_pipe, "is no file"),
        (_a_dangling_link, "leads nowhere"),
        (_a_link_to_itself, "leads nowhere"),
        pytest.param(
            _unreadable, "make it readable", marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
        ),
    ],
)
def test_what_has_the_name_of_a_table_and_cannot_be_read_is_told(
    made: Callable[[Path], None], says: str, folder: Path, home: Home
) -> None:
    made(folder / "b.yaml")
    with pytest.raises(UsageError, match=rf"b\.yaml.* {says}") as caught:
        home_dialects(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert [f.what for f in check(home) if not f.ok and "b.yaml" in f.what] == [str(caught.value)]


def test_the_swap_file_of_an_editor_is_no_table(folder: Path) -> None:
    _a_dangling_link(folder / ".#acme.yaml")
    assert [d.name for d in home_dialects(folder).all].count("acme") == 1


@pytest.mark.parametrize("made", [Path.touch, _a_dangling_link])
def test_a_folder_of_tables_that_is_none_is_told_by_serve_ingest_and_doctor(
    made: Callable[[Path], None], home: Home, data: Path, clock: ReplayClock, children: Any
) -> None:
    made(home.dialects)
    with pytest.raises(UsageError, match="dialects is no folder"):
        ingest([data], home, TraceRules(), clock)
    assert not home.inbox.exists(), "told before anything was made"
    assert "dialects is no folder" in children.refused(home).communicate(timeout=60)[1]
    assert [f.ok for f in check(home) if "dialects" in f.what] == [False]


def test_two_files_of_one_name_are_refused_and_other_files_are_left(folder: Path) -> None:
    (folder / "notes.txt").write_text("[")
    home_dialects(folder)
    (folder / "b.yml").write_text(ACME)
    with pytest.raises(UsageError, match=r"b\.yml:3: name: the table 'acme' is in acme\.yaml as well"):
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
    with pytest.raises(UsageError, match=r"acme\.yaml:1: the file: the file ends where a value"):
        ingest([data], home, TraceRules(), clock)
    said = children.refused(home).communicate(timeout=60)[1]
    assert said.startswith("UsageError: ")
    assert "acme.yaml:1: the file: the file ends" in said
    assert [f.ok for f in check(home) if "acme.yaml" in f.what] == [False]
