"""Redaction: nothing that a person wrote is ever written down, unless the card says so."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.clock import ReplayClock
from syscard.errors import TraceError
from syscard.home import Home
from syscard.system import Keep
from syscard_tracing import keys
from syscard_tracing.batch import from_bytes
from syscard_tracing.inbox import Inbox
from syscard_tracing.ingest import ingest, ingest_lines
from syscard_tracing.pii import mask
from syscard_tracing.redact import FULL_LIMIT, MASKED_LIMIT, TERMS, Redactor
from syscard_tracing.rules import TraceRules

CANARY = "zebrakoekje"
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAA"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail jan@example.org now", "mail [email] now"),
        ("call +31 6 1234 5678.", "call [phone]."),
        ("call (020) 555-0134 or 415-555-0134", "call [phone] or [phone]"),
        ("from 10.1.2.3 and 2001:db8::1", "from [ip] and [ip]"),
        ("pay NL91 ABNA 0417 1643 00 please", "pay [iban] please"),
        ("card 4111 1111 1111 1111", "card [card]"),
        ("key sk-abcdefghijklmnopqrstuv", "key [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: [secret]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_-nature", "[secret]"),
        (PICTURE, "[image]"),
    ],
)
def test_personal_data_and_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "gpt-4o-2024-08-06",
        "SmolLM2-135M-Instruct",
        "2026-11-22 12:30:45",
        "1794816000004919000",
        "als-2026-11-18",
        "v1.2.3",
        "i-17",
        "12:30\n    ",
        "invoke_agent shop",
        "card 4111 1111 1111 1112",
        "NL91 ABNA 0417 1643 01",
        "std::vector",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert mask(text) == (text, 0)


@given(st.text(max_size=300))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask(text)[0]
    assert mask(once)[0] == once


@given(st.text(), st.sampled_from(Keep))
def test_text_features_never_hold_the_text_below_masked(text: str, keep: Keep) -> None:
    found = Redactor(bytes(32)).text("f", [text], keep)
    assert {"f.chars", "f.words", "f.pii"} <= set(found)
    assert ("f" in found) == (keep in (Keep.MASKED, Keep.FULL))
    assert ("f.terms" in found) == (keep is not Keep.FEATURES)


def test_fingerprints_are_of_words_keyed_sorted_and_bounded() -> None:
    one, other = Redactor(bytes(32)), Redactor(b"x" * 32)
    terms = one.terms("Bread, BREAD and a Banana")
    assert terms == sorted(terms)
    assert terms == one.terms("banana bread")
    assert {len(term) for term in terms} == {16}
    assert not set(terms) & set(other.terms("banana bread"))
    assert len(one.terms(" ".join(f"word{chr(97 + i)}{chr(97 + j)}x" for i in range(20) for j in range(20)))) == TERMS


def test_messages_are_read_inside_their_json_and_without_pictures() -> None:
    messages = [
        {
            "role": "user",
            "parts": [{"type": "text", "content": "two words"}, {"type": "blob", "content": "iVBORw0KGgo"}],
        }
    ]
    found = Redactor(bytes(32)).text("f", [json.dumps(messages)], Keep.FULL)
    assert (found["f.chars"], found["f.words"]) == (9, 2)
    assert "iVBOR" not in found["f"]
    assert "two words" in found["f"]


def test_kept_text_is_capped_and_never_holds_a_picture() -> None:
    redactor = Redactor(bytes(32))
    long = "jan@example.org " + "word " * 10_000
    assert len(redactor.text("f", [long], Keep.MASKED)["f"]) == MASKED_LIMIT
    assert "jan@" not in redactor.text("f", [long], Keep.MASKED)["f"]
    assert len(redactor.text("f", [long], Keep.FULL)["f"]) == FULL_LIMIT
    for keep in (Keep.MASKED, Keep.FULL):
        assert "iVBOR" not in redactor.text("f", [f"see {PICTURE}", PICTURE], keep)["f"]


def _canary_request() -> dict[str, Any]:
    text = {"stringValue": f"the {CANARY} of jan"}
    places = [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.prompt",
        "gen_ai.prompt.0.content",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "input.value",
        "output.value",
        "metadata",
        "anything",
        "db.statement",
        "llm.input_messages.0.message.content",
        "llm.prompt_template.variables",
        "user.id",
        "session.id",
        "enduser.id",
        "error.type",
        "gen_ai.conversation.id",
        "llm.invocation_parameters",
        "exception.message",
        "url.full",
    ]
    attributes = [{"key": key, "value": text} for key in places]
    attributes += [
        {"key": "list", "value": {"arrayValue": {"values": [text]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": CANARY, "value": text}]}}},
        {"key": "syscard.map", "value": {"kvlistValue": {"values": [{"key": "k", "value": text}]}}},
        {"key": "bytes", "value": {"bytesValue": "emVicmFrb2VramU="}},
    ]
    event = {
        "name": "exception",
        "attributes": [{"key": k, "value": text} for k in ("exception.message", "exception.stacktrace")],
    }
    kind = {"name": "exception", "attributes": [{"key": "exception.type", "value": text}]}
    span = {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "name": "chat",
        "startTimeUnixNano": "1795176000000000000",
        "attributes": attributes,
        "events": [event, kind, {"name": CANARY, "attributes": attributes}],
        "links": [{"traceId": "a" * 32, "spanId": "b" * 16, "attributes": attributes}],
        "traceState": CANARY,
        "status": {"code": 2, "message": CANARY},
    }
    resource = {"attributes": [{"key": "process.command_line", "value": text}, {"key": "host.name", "value": text}]}
    scopes = [
        {"scope": {"name": scope, "attributes": attributes}, "spans": [{**span, "spanId": f"{i + 1:016x}"}]}
        for i, scope in enumerate(["openinference.x", "opentelemetry.instrumentation.genai.x", "syscard", "other"])
    ]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


def test_a_canary_in_any_text_place_is_in_no_byte_of_the_home(home: Home, clock: ReplayClock) -> None:
    result = ingest_lines([json.dumps(_canary_request()).encode()], home, TraceRules(), clock)
    assert result.stored == 4
    files = [path for path in home.root.rglob("*") if path.is_file()]
    assert len(files) > 3
    from syscard_tracing.lake import Lake

    assert CANARY not in str(Lake(home.lake).scan().collect().to_dicts())
    with Inbox(home.inbox) as inbox:
        assert CANARY not in str(from_bytes([batch.body for batch in inbox.after(0)]).to_pylist())
    for path in files:
        content = path.read_bytes().lower()
        assert CANARY.encode() not in content, path
        assert b"emvicmfrb2vramu" not in content, path


def test_users_and_messages_of_the_corpus_are_in_no_byte_of_the_home(
    home: Home, clock: ReplayClock, data: Path
) -> None:
    assert ingest([data], home, TraceRules(), clock).stored > 20
    for path in home.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [
                word for word in (b"u-4711", b"sneaker", b"Traceback", b"iVBORw0", b"sess-1") if word in content
            ]


def test_labels_are_masked_too(home: Home, clock: ReplayClock, line_of: Callable[..., bytes], now: datetime) -> None:
    own = [{"key": "syscard.llm.to", "value": {"stringValue": "jan@example.org " + "see " * 100}}]
    ingest_lines([line_of(0, name="chat jan@example.org " + "yes " * 100, attributes=own)], home, TraceRules(), clock)
    from syscard_tracing.lake import Lake

    (row,) = Lake(home.lake).scan().collect().to_dicts()
    assert row["name"].startswith("chat [email] yes yes")
    assert len(row["name"]) == 200
    assert len(json.loads(row["features"])["llm.to"]) == 128
    assert "jan@" not in str(row)


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "fingerprint.key"
    key = keys.load_or_make(path)
    assert len(key) == 32
    assert keys.load_or_make(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fingerprint.key"
    path.write_bytes(b"short")
    with pytest.raises(TraceError, match="damaged"):
        keys.load_or_make(path)
    assert path.read_bytes() == b"short"
