"""From a span to a row: components, errors, tokens, segments, times."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.system import Keep, System
from syscard_tracing.batch import from_bytes, to_bytes, to_table
from syscard_tracing.doctor import read_trace_file
from syscard_tracing.labels import component_name
from syscard_tracing.normalise import Normaliser, Reading
from syscard_tracing.rules import TraceRules, plain
from syscard_tracing.spans import Event, Link, RawSpan
from tests.tracing.shop import shop

SYSTEM = shop(
    {"segments": {"age_band": "app.age", "country": "app.country"}, "user": "app.user"},
    {
        "llm": {
            "kind": "llm",
            "owner": "o",
            "select": {"syscard.component": "llm"},
            "keep": "fingerprints",
            "text": ["app.note"],
            "version": {"from": "gen_ai.response.model", "prompt": "app.prompt"},
        },
        "llm-eu": {"kind": "llm", "owner": "o", "select": {"syscard.component": "llm", "region": "eu"}},
        "agent": {"kind": "agent", "owner": "o", "select": {"gen_ai.operation.name": "invoke_agent"}},
    },
)
LLM_ELSEWHERE = {"kind": "llm", "owner": "o", "select": {"region": "nowhere"}}
SENTENCE = "Alice Smith of 5 Main Street takes insulin"
RULES = TraceRules.of([System.model_validate(SYSTEM)])
Read = Callable[..., dict[str, Any]]


@pytest.fixture
def read(now: datetime, span: Callable[..., RawSpan]) -> Read:
    """One row of one span with these attributes and fields, `features` parsed."""

    def one(attributes: dict[str, Any] | None = None, rules: TraceRules = RULES, **fields: Any) -> dict[str, Any]:
        (reading,) = Normaliser(rules, bytes(32)).read([span(0, attributes, **fields)], now)
        row = reading.as_dict() | {"unread": reading.unread}
        return row | {"features": json.loads(row["features"])}

    return one


def test_a_span_belongs_to_the_component_whose_every_pair_matches(read: Read) -> None:
    assert read({"syscard.component": "llm"})["component"] == "llm"
    assert read({"syscard.component": "llm", "region": "eu"})["component"] == "llm-eu"
    assert (
        read({"syscard.component": "llm"}, resource={"service.name": "shop", "region": "eu"})["component"] == "llm-eu"
    )


def test_a_component_is_selected_by_the_otel_name_whatever_the_dialect(read: Read) -> None:
    assert read({"openinference.span.kind": "AGENT"}, scope="openinference.x")["component"] == "agent"


def test_a_span_that_nobody_declared_gets_a_discovered_key(read: Read) -> None:
    assert read({"syscard.component": "new"})["component"] == "new"
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search", "gen_ai.agent.name": "a"}
    assert read(tool)["component"] == "execute_tool:search"
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.agent.name": "a"}
    assert read(chat)["component"] == "chat:m-1"
    assert read({}, name="handle")["component"] == "step:handle"


def _shop(**changes: Any) -> TraceRules:
    return TraceRules.of([System.model_validate(SYSTEM | changes)])


def test_a_root_that_the_file_names_is_kept_as_the_file_says_it(read: Read) -> None:
    assert read(name="invoke_agent recommender")["name"] == "invoke_agent recommender"
    root = "Answer one shopper (from the web, or by phone)"
    assert read(name=root)["name"].startswith("step #")
    rules = _shop(traces={"select": {"service.name": "The shop (north)"}, "request": {"root": root}})
    row = read(name=root, rules=rules, resource={"service.name": "The shop (north)"})
    assert (row["name"], row["service"]) == (root, "The shop (north)")


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("cf", "cf"),
        ("MyRanker", "myranker"),
        ("My Ranker.v2", "my-ranker-v2"),
        ("chat:SmolLM2-135M-Instruct", "chat:SmolLM2-135M-Instruct"),
        ("execute_tool:search items", "execute_tool:search items"),
        ("component:#0123456789ab", "component:#0123456789ab"),
        ("a->b", None),
        ("a->b->c", None),
        ("->", None),
        ("chat:a->b", None),
        ("chat:", None),
        ("LLM", None),
        (" ", None),
        ("7", None),
        ("llm\x1b[31m", None),
        ("llm\x07", None),
        ("llm\u202etxt", None),
        ("l\u200blm", None),
        ("llm\n2026-01-01 all is well", None),
        ("jan@example.org", None),
        ("chat:jan@example.org", None),
        ("x" * 10_000, None),
        ("Überkäfer", None),
    ],
)
def test_a_component_has_a_safe_name_whatever_it_calls_itself(stated: str, kept: str | None, read: Read) -> None:
    component = read({"syscard.component": stated}, rules=_shop(components={"llm": LLM_ELSEWHERE}))["component"]
    assert component == kept if kept else re.fullmatch("component:#[0-9a-f]{12}", component)


def test_a_component_without_a_name_is_named_by_what_it_does(read: Read) -> None:
    assert read({"syscard.component": ""}, name="handle")["component"] == "step:handle"
    assert read({}, name="")["component"] == "step:unnamed"
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "a->b"}
    assert re.fullmatch("execute_tool:#[0-9a-f]{12}", read(tool)["component"])


def test_own_fields_are_read_under_the_name_that_a_component_gave_itself(read: Read) -> None:
    row = read({"syscard.component": "MyRanker", "syscard.MyRanker.score": 0.5})
    assert (row["component"], row["features"]) == ("myranker", {"score": 0.5})


def test_a_sentence_under_an_own_name_is_counted_and_said(read: Read) -> None:
    own = {
        "syscard.llm.rationale": SENTENCE,
        "syscard.llm.picks": ["1f950", SENTENCE],
        "syscard.llm.rationale.words": 3,
    }
    row = read({"syscard.component": "llm2", "syscard.llm2.mood": "good"} | own)
    assert row["features"] == {
        "mood": "good",
        "llm.rationale.chars": len(SENTENCE),
        "llm.rationale.words": 3,
        "llm.rationale.pii": 0,
        "llm.picks.chars": len(SENTENCE) + 6,
        "llm.picks.words": 9,
        "llm.picks.pii": 0,
    }
    assert row["unread"] == ("syscard.llm.picks", "syscard.llm.rationale")


def test_a_sentence_in_a_column_is_a_mark_that_changes_with_it(read: Read) -> None:
    first, again, other = (
        read({"syscard.component": "x", "syscard.component.version": said})["component_version"]
        for said in (SENTENCE, SENTENCE, SENTENCE + ".")
    )
    assert re.fullmatch("#[0-9a-f]{12}", first)
    assert first == again != other


@pytest.mark.parametrize(
    "key",
    [
        SENTENCE,
        f"syscard.{SENTENCE}",
        SENTENCE.replace(" ", "_") + "_daily",
        SENTENCE.replace(" ", "-") + "-daily",
        "k" * 65,
        "a\nb",
        "7up",
        "call.+31612345678",
        "host/10.1.2.3",
        "syscard." + "k" * 121,
        "evaluations." + "k" * 64 + ".evaluation.label",
    ],
)
def test_a_key_that_is_not_shaped_like_one_is_counted_and_not_named(key: str, read: Read) -> None:
    row = read({key: 7}, scope="openinference.x")
    assert (row["features"], row["unread"]) == ({}, ("(unnamed)",))


def test_long_keys_are_kept_where_a_table_names_them_or_they_are_ours(read: Read) -> None:
    own = "syscard.cf.a_b_c_d_e_f_g_h_i_j_k"
    row = read({own: 7, "gen_ai.usage.cache_creation.input_tokens": 1, "gen_ai.response.finish_reasons": ["stop"]})
    assert len(row["features"]) == 3
    assert row["unread"] == ()


PLACES = (
    "syscard.component", "syscard.component.version", "syscard.llm.rationale", "syscard.user.segment",
    "gen_ai.tool.name", "gen_ai.operation.name", "gen_ai.request.model", "gen_ai.input.messages", "error.type",
    "app.age", "app.note",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(PLACES) | st.text(max_size=9), st.text() | st.lists(st.text())), st.text())
def test_whatever_a_span_says_every_column_can_be_seen_and_every_component_is_safe(
    said: dict[str, Any], name: str
) -> None:
    full = _shop(traces=SYSTEM["traces"] | {"keep": "full"})
    resource: dict[str, Any] = {"service.name": "shop", "deployment.environment.name": name}
    odd = _bare(0, said, trace_id="a" * 32, parent_span_id=None)._replace(name=name, scope=name, resource=resource)
    (reading,) = Normaliser(full, bytes(32)).read([odd], datetime(2026, 11, 20, tzinfo=UTC))
    row = reading.as_dict()
    texts = [text for text in row.values() if isinstance(text, str)]
    kept = json.loads(row["features"])
    assert all(text.isprintable() for text in (*texts, *reading.unread, *kept))
    assert all(text.isprintable() for text in kept.values() if isinstance(text, str))
    assert component_name(row["component"]) == row["component"]


def test_a_span_of_any_name_is_read_from_a_file_into_one_line(
    tmp_path: Path, line_of: Callable[..., bytes], now: datetime
) -> None:
    lines = "ok\n2026-01-01 \x1b[2Jall is well\u2028\u202e"
    said = [{"key": key, "value": {"stringValue": lines}} for key in (*PLACES, lines)]
    path = tmp_path / "spans.jsonl"
    path.write_bytes(line_of(0, name=lines, attributes=said) + b"\n")
    (shown,) = read_trace_file(path, RULES)
    texts = [*shown["unread"], *(text for text in shown.values() if isinstance(text, str))]
    assert all(text.isprintable() for text in texts)
    assert "well" not in str(shown)


def test_another_systems_span_is_not_ours(read: Read) -> None:
    row = read({"gen_ai.operation.name": "invoke_agent"}, resource={"service.name": "other"})
    assert row["component"] == "invoke_agent:call llm"


def test_without_declared_systems_everything_is_still_read(read: Read) -> None:
    row = read({"syscard.component": "llm", "syscard.user.segment": "25-34"}, rules=TraceRules())
    assert (row["component"], row["segment"]) == ("llm", "25-34")


def test_version_and_prompt_come_from_the_declared_attributes_first(read: Read) -> None:
    stated = {"syscard.component": "llm", "syscard.component.version": "v1", "syscard.prompt.hash": "p1"}
    assert (read(stated)["component_version"], read(stated)["prompt_hash"]) == ("v1", "p1")
    declared = stated | {"gen_ai.response.model": "m-2026", "app.prompt": "p2"}
    assert (read(declared)["component_version"], read(declared)["prompt_hash"]) == ("m-2026", "p2")


def test_a_version_is_read_by_the_otel_name_whatever_the_dialect(read: Read) -> None:
    spoken = {"openinference.span.kind": "LLM", "syscard.component": "llm", "llm.model_name": "m-2026"}
    assert read(spoken, scope="openinference.x")["component_version"] == "m-2026"


def test_messages_are_counted_under_the_otel_name_whatever_the_dialect(read: Read) -> None:
    spoken = {
        "openinference.span.kind": "LLM",
        "syscard.component": "llm",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "write to anna@mail.example",
    }
    found = read(spoken, scope="openinference.x")["features"]
    assert found["gen_ai.output.messages.pii"] == 1
    assert "anna" not in str(found)


@pytest.mark.parametrize("missing", [None, "", "nan", "None", "unknown"])
def test_a_missing_segment_is_null_and_no_group(missing: str | None, read: Read) -> None:
    row = read({"app.age": missing, "app.country": "NL"})
    assert row["segment"] is None
    assert row["features"] == {"segment.country": "NL"}
    assert read({"app.age": "25-34"})["segment"] == "25-34"


def test_the_user_is_kept_as_a_keyed_hash_only(read: Read) -> None:
    row = read({"app.user": "u-4711"})
    assert len(row["user_key"]) == 32
    assert "4711" not in str(row)
    assert row["user_key"] == read({"app.user": "u-4711"})["user_key"] != read({"app.user": "u-4712"})["user_key"]


def _exception(kind: str) -> tuple[Event, ...]:
    return (Event("exception", {"exception.type": kind, "exception.message": "user bob failed"}),)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, None),
        ({"status_code": 2}, "error"),
        ({"status_code": 2, "status_message": "user bob failed"}, "error"),
        ({"status_code": 2, "events": _exception("openai.RateLimitError")}, "RateLimitError"),
        ({"events": _exception("ValueError")}, "ValueError"),
        ({"status_code": 1, "events": _exception("ValueError")}, None),
        ({"status_code": 2, "attributes": {"error.type": "timeout"}, "events": _exception("E")}, "timeout"),
        ({"status_code": 2, "attributes": {"error.type": "user bob failed"}}, "#fc8011cceffa"),
    ],
)
def test_an_error_has_a_type_and_never_a_message(fields: dict[str, Any], error: str | None, read: Read) -> None:
    row = read(**fields)
    assert row["error_type"] == error
    assert "bob" not in str(row)


def test_a_fallback_is_an_attribute_or_an_event(read: Read) -> None:
    assert read({})["fallback"] is None
    assert read({"syscard.llm.fallback": False})["fallback"] is False
    assert read({"syscard.fallback": True})["fallback"] is True
    row = read({"syscard.llm.fallback": False}, events=(Event("fallback", {"reason": "cold_start"}),))
    assert (row["fallback"], row["fallback_reason"]) == (True, "cold_start")


def test_own_attributes_lose_the_component_and_foreign_ones_keep_their_name(read: Read) -> None:
    own = {"syscard.component": "llm", "syscard.llm.rationale.grounded": 0.5, "syscard.llm.items": ["a", "b", None]}
    foreign = {"gen_ai.request.temperature": 0.0, "app.count": 3, "app.word": "secret", "syscard.llm.x": float("nan")}
    row = read(own | foreign)
    assert row["features"] == {
        "rationale.grounded": 0.5,
        "gen_ai.request.temperature": 0.0,
        "items": ["a", "b"],
        "app.count": 3,
    }
    assert set(row["unread"]) == {"app.word", "syscard.llm.x"}


YEAR = 365 * 86_400


@pytest.mark.parametrize(
    ("offset", "suspect"),
    [(0, False), (-399 * 86_400, False), (3_599, False), (3_601, True), (-401 * 86_400, True), (74 * YEAR, True)],
)
def test_a_time_that_cannot_be_true_is_kept_and_flagged(offset: int, suspect: bool, read: Read, now: datetime) -> None:
    start = now + timedelta(seconds=offset)
    row = read(start_ns=int(start.timestamp()) * 10**9)
    assert row["clock_suspect"] is suspect
    assert row["day"] == ((now if suspect else start) - datetime(1970, 1, 1, tzinfo=UTC)).days
    assert row["start"] == int(start.timestamp()) * 10**6


def test_feedback_belongs_to_no_component_and_says_which_request_it_is_about(read: Read) -> None:
    row = read(
        {"syscard.operation": "feedback", "syscard.feedback.accepted": True, "syscard.feedback.position": 2},
        name="feedback",
        links=(Link("a" * 32, "b" * 16),),
    )
    assert (row["operation"], row["component"], row["dialect"]) == ("feedback", None, "syscard")
    assert row["features"] == {
        "span.links": [f"{'a' * 32}/{'b' * 16}"],
        "feedback.accepted": True,
        "feedback.position": 2,
    }


def test_a_rule_that_selects_by_service_does_not_take_feedback_for_a_call(read: Read) -> None:
    whole = {"kind": "llm", "owner": "o", "select": {"service.name": "shop"}}
    rules = _shop(components={"llm": whole})
    assert read({}, rules=rules)["component"] == "llm"
    assert read({"syscard.operation": "feedback"}, rules=rules)["component"] is None
    assert read({"syscard.operation": "feedback", "syscard.component": "x"}, rules=rules)["component"] == "llm"


def test_an_operation_in_our_own_name_that_is_unknown_is_a_step(read: Read) -> None:
    assert read({"syscard.operation": "sing"})["operation"] == "step"


def test_a_span_without_times_is_of_1970_and_a_span_that_ends_early_takes_no_time(read: Read) -> None:
    assert (read(start_ns=0, end_ns=0)["clock_suspect"], read(start_ns=0, end_ns=0)["start"]) == (True, 0)
    assert read(end_ns=1)["duration_us"] == 0


def _tree(span: Callable[..., RawSpan], parents: list[int | None], chats: set[int]) -> list[RawSpan]:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1}
    return [
        span(i, chat if i in chats else {}, trace_id="a" * 32, parent_span_id=None if p is None else f"{p + 1:016x}")
        for i, p in enumerate(parents)
    ]


def _bare(number: int, attributes: dict[str, Any], *, trace_id: str, parent_span_id: str | None) -> RawSpan:
    return RawSpan(
        trace_id, f"{number + 1:016x}", parent_span_id, "n", 1, 0, 0, attributes, (), 0, "", {}, "syscard_tracing"
    )


def _counting(readings: list[Reading]) -> set[int]:
    return {i for i, reading in enumerate(readings) if reading.as_dict()["counts_tokens"]}


def test_tokens_count_at_the_innermost_model_span(span: Callable[..., RawSpan], now: datetime) -> None:
    tree = _tree(span, [None, 0, 1, 1, 0, None], {0, 2, 4, 5})
    assert _counting(Normaliser(RULES, bytes(32)).read(tree, now)) == {2, 4, 5}


@given(st.data())
def test_a_model_span_counts_exactly_if_no_model_span_is_below_it(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    # Parents may come later, be missing, or go round in a circle.
    parents = data.draw(st.lists(st.none() | st.integers(0, size + 1), min_size=size, max_size=size))
    chats = data.draw(st.sets(st.integers(0, size - 1)))
    readings = Normaliser(RULES, bytes(32)).read(_tree(_bare, parents, chats), datetime(2026, 11, 20, tzinfo=UTC))

    def above(i: int) -> set[int]:
        found: set[int] = set()
        at = parents[i]
        while at is not None and at < size and at not in found:
            found.add(at)
            at = parents[at]
        return found - {i}

    outer = set().union(*(above(i) for i in chats)) if chats else set()
    in_a_circle = {i for i in range(size) if any(i in above(j) and j in above(i) for j in range(size))}
    assert _counting(readings) - in_a_circle == chats - outer - in_a_circle


def test_rows_survive_the_way_through_arrow(span: Callable[..., RawSpan], now: datetime) -> None:
    readings = Normaliser(RULES, bytes(32)).read([span(0), span(1, start_ns=0), span(2, {"syscard.llm.x": 1})], now)
    table = to_table([reading.row for reading in readings])
    assert from_bytes([to_bytes(table), to_bytes(table)]).num_rows == 6
    assert table.to_pylist()[0]["received"] == now
    assert table.to_pylist()[1]["day"] == now.date()
    assert to_table([]).num_rows == 0


def test_the_same_spans_give_the_same_rows_in_any_batch(span: Callable[..., RawSpan], now: datetime) -> None:
    spans = [span(i, {"gen_ai.operation.name": "chat", "syscard.llm.score": i / 7}) for i in range(10)]
    normaliser = Normaliser(RULES, bytes(32))
    assert normaliser.read(spans, now) == normaliser.read(spans[:3], now) + normaliser.read(spans[3:], now)


def test_rules_keep_what_the_component_says_else_the_system() -> None:
    (system,) = RULES.systems
    assert {c.ref: c.keep for c in system.components} == {
        "llm": Keep.FINGERPRINTS,
        "llm-eu": Keep.FEATURES,
        "agent": Keep.FEATURES,
    }
    assert system.components[0].ref == "llm-eu"


def test_declared_text_is_treated_as_text(read: Read) -> None:
    row = read({"syscard.component": "llm", "app.note": "three little words"})
    assert row["features"]["app.note.words"] == 3
    assert len(row["features"]["app.note.terms"]) == 3
    assert "little" not in str(row)


def test_text_that_utf8_cannot_carry_is_stored_all_the_same(
    read: Read, span: Callable[..., RawSpan], now: datetime
) -> None:
    odd = span(0, {"syscard.llm.x": "\ud800", "app.note": "\ud800", "\ud800": 1}, name="\ud800", scope="\ud800")
    rows = [reading.row for reading in Normaliser(RULES, bytes(32)).read([odd], now)]
    assert to_table(rows).to_pylist()[0]["name"].startswith("step #")


def test_values_are_compared_as_people_write_them() -> None:
    assert [plain(value) for value in (True, False, 3, "cf", None, [1])] == ["true", "false", "3", "cf", None, None]
