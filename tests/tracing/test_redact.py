"""Redaction: nothing that a person wrote is ever written down, unless the card says so."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.clock import ReplayClock
from syscard.errors import TraceError
from syscard.fingerprints import LIMIT
from syscard.home import Home
from syscard.system import Keep, System
from syscard_tracing import keys
from syscard_tracing.batch import from_bytes
from syscard_tracing.inbox import Inbox
from syscard_tracing.ingest import ingest, ingest_lines
from syscard_tracing.labels import is_label
from syscard_tracing.pii import clean, mask
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.redact import FULL_LIMIT, MASKED_LIMIT, Redactor
from syscard_tracing.rules import TraceRules
from tests.tracing.shop import shop

CANARY = "zebrakoekje"
SENTENCE = f"Alice Smith of 5 Main Street takes insulin and a {CANARY}"
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
    assert len(one.terms(" ".join(f"word{chr(97 + i)}{chr(97 + j)}x" for i in range(20) for j in range(20)))) == LIMIT


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


def _pair(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "value": value}


def _array(*values: dict[str, Any]) -> dict[str, Any]:
    return {"arrayValue": {"values": list(values)}}


TEXT = {"stringValue": SENTENCE}
TEXT_PLACES = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
    "gen_ai.prompt.0.content", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "input.value", "output.value",
    "metadata", "anything", "db.statement", "llm.input_messages.0.message.content", "llm.prompt_template.variables",
    "user.id", "session.id", "enduser.id", "gen_ai.conversation.id", "llm.invocation_parameters", "exception.message",
    "url.full",
)  # fmt: skip
LABEL_PLACES = (
    "syscard.llm.rationale", "syscard.anything", "syscard.item.id", "syscard.component", "syscard.component.version",
    "syscard.component.kind", "syscard.operation", "syscard.prompt.hash", "syscard.user.segment", "syscard.user.id",
    "syscard.session.id", "syscard.fallback", "syscard.fallback.reason", "syscard.llm.fallback",
    "syscard.llm.fallback.reason", "gen_ai.operation.name", "openinference.span.kind", "gen_ai.request.model",
    "gen_ai.response.model", "gen_ai.provider.name", "gen_ai.system", "gen_ai.agent.name", "gen_ai.agent.version",
    "gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.tool.call.id", "gen_ai.workflow.name", "gen_ai.response.id",
    "gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens", "gen_ai.request.temperature", "tool.name",
    "agent.name", "graph.node.id", "llm.request.model_name", "llm.model_name", "llm.provider", "llm.finish_reason",
    "llm.token_count.prompt", "evaluations.0.evaluation.label", "error.type", "app.version", "app.prompt", "app.age",
    "app.user", "app.note",
)  # fmt: skip
KEYS = (
    SENTENCE,
    f"syscard.{SENTENCE}",
    f"syscard.llm.{SENTENCE}",
    f"gen_ai.{SENTENCE}",
    f"llm.input_messages.{SENTENCE}",
    f"evaluations.{SENTENCE}.evaluation.label",
    f"syscard.{SENTENCE}.fallback.reason",
    f"{SENTENCE}\n",
    SENTENCE.replace(" ", "_"),
    SENTENCE.replace(" ", "."),
    SENTENCE.replace(" ", "-"),
    f"evaluations.{SENTENCE.replace(' ', '_')}.evaluation.label",
)


def _attributes() -> list[list[dict[str, Any]]]:
    """Attributes that say the sentence, by span: everywhere at once, and in each place alone."""
    alone = [_pair(key, TEXT) for key in (*TEXT_PLACES, *LABEL_PLACES)]
    lists = [_pair(key, _array({"stringValue": "stop"}, TEXT, _array(TEXT))) for key in LABEL_PLACES]
    named = [_pair(key, value) for key in KEYS for value in (TEXT, {"intValue": 7}, {"boolValue": True}, _array(TEXT))]
    inner = {"kvlistValue": {"values": [_pair(SENTENCE, TEXT), _pair("k", TEXT)]}}
    odd = [_pair("map", inner), _pair("syscard.map", inner), _pair("bytes", {"bytesValue": "emVicmFrb2VramU="})]
    model = {"stringValue": json.dumps({"model": SENTENCE})}
    everything = [*alone, *lists, *named, *odd, _pair("llm.invocation_parameters", model)]
    return [[], alone, lists, *([pair] for pair in everything)]


def _events() -> list[dict[str, Any]]:
    said = [_pair(k, TEXT) for k in ("exception.message", "exception.stacktrace", "exception.type", "reason", SENTENCE)]
    return [{"name": name, "attributes": said} for name in ("exception", "fallback", SENTENCE)]


def _canary_spans(first: int) -> list[dict[str, Any]]:
    pairs = [_pair(key, TEXT) for key in (*TEXT_PLACES, *LABEL_PLACES, *KEYS)]
    base = {
        "traceId": "a" * 32,
        "startTimeUnixNano": "1795176000000000000",
        "links": [{"traceId": "a" * 32, "spanId": "b" * 16, "attributes": pairs, "traceState": SENTENCE}],
        "traceState": SENTENCE,
        "status": {"code": 2, "message": SENTENCE},
        "events": _events(),
    }
    names = (SENTENCE, f"chat {SENTENCE}")
    return [
        {**base, "spanId": f"{first + i:016x}", "name": names[i % 2], "attributes": attributes}
        for i, attributes in enumerate(_attributes(), 1)
    ]


def _canary_request(service: str) -> dict[str, Any]:
    known = ["openinference.x", "opentelemetry.instrumentation.genai.x", "syscard", "other"]
    scopes = [
        {
            "scope": {"name": f"{scope} {SENTENCE}", "version": SENTENCE, "attributes": [_pair("k", TEXT)]},
            "schemaUrl": SENTENCE,
            "spans": _canary_spans(1000 * i),
        }
        for i, scope in enumerate(known, 1)
    ]
    said = ("process.command_line", "host.name", "deployment.environment.name", "service.version", *KEYS)
    resource = {"attributes": [_pair("service.name", {"stringValue": service}), *(_pair(key, TEXT) for key in said)]}
    return {"resourceSpans": [{"resource": resource, "schemaUrl": SENTENCE, "scopeSpans": scopes}]}


def _declared(select: dict[str, str]) -> System:
    version = {"from": "app.version", "prompt": "app.prompt"}
    llm = {"kind": "llm", "owner": "o", "select": select, "version": version, "text": ["app.note"]}
    return System.model_validate(shop({"segments": {"age_band": "app.age"}, "user": "app.user"}, {"llm": llm}))


RULES = {
    "nothing is declared": ("shop", TraceRules()),
    "the service is a sentence": (SENTENCE, TraceRules()),
    "another component is declared": ("shop", TraceRules.of([_declared({"syscard.component": "vlm"})])),
    "every span is of a declared component": ("shop", TraceRules.of([_declared({"service.name": "shop"})])),
}


@pytest.mark.parametrize("declared", RULES)
def test_a_sentence_in_any_place_of_a_span_is_in_no_byte_of_the_home(
    declared: str, home: Home, clock: ReplayClock
) -> None:
    service, rules = RULES[declared]
    body = json.dumps(_canary_request(service)).encode()
    with Inbox(home.inbox, clock=clock) as inbox:
        accepted = Pipeline(home, inbox, lambda: rules, clock).accept(body, as_json=True)
        assert (accepted.rows, accepted.message) == (4 * len(_attributes()), "")
        _is_clean(str(from_bytes([batch.body for batch in inbox.after(0)]).to_pylist()).encode())
    assert ingest_lines([body], home, rules, clock).stored == accepted.rows
    from syscard_tracing.lake import Lake

    _is_clean(str(Lake(home.lake).scan().collect().to_dicts()).encode())
    files = [path for path in home.root.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        _is_clean(path.read_bytes())


def _is_clean(content: bytes) -> None:
    found = [word for word in (b"zebrakoekje", b"smith", b"insulin", b"emvicmfrb2vramu") if word in content.lower()]
    assert not found


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


@pytest.mark.parametrize(
    "text",
    [
        "prepared food", "book and paper", "light and video", "25-34", "65+", "gpt-4o-2024-08-06", "v1.2.3", "1f950",
        "meta-llama/Llama-3.2-90B-Vision-Instruct", "openai.RateLimitError", "plush_animal", "#0123456789ab", "Gemüse",
    ],
)  # fmt: skip
def test_what_is_shaped_like_a_label_is_one(text: str) -> None:
    assert is_label(text)
    assert Redactor(bytes(32)).label(text) == text


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE, "of five Main Street", "x" * 65, "two  blanks", " before", "after ", "a\tb", "a\n", "what?", "(one)",
        "a->b", "jan@example.org", "+31612345678", "sk-abcdefghijklmnopqrstuv", "10.1.2.3", "a\u200bb", "a\u202eb",
        "a\x1b", "\u3164", "\ud800", "", "a\u00a0b",
    ],
)  # fmt: skip
def test_what_is_not_shaped_like_a_label_is_none(text: str) -> None:
    assert not is_label(text)
    assert len(Redactor(bytes(32)).label(text)) == 13


@given(st.text())
def test_what_stands_for_words_is_a_label_itself(text: str) -> None:
    redactor = Redactor(bytes(32))
    assert is_label(redactor.label(text))
    assert redactor.label(redactor.label(text)) == redactor.label(text)
    assert redactor.mark(text) != Redactor(b"x" * 32).mark(text)


@given(st.text())
def test_cleaned_text_can_be_seen_and_stays_as_it_is(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


def test_an_address_with_a_character_that_nobody_sees_is_found() -> None:
    found = Redactor(bytes(32)).text("f", ["mail jan\u200b@exam\u00adple.org\nnow"], Keep.MASKED)
    assert (found["f"], found["f.pii"]) == ("mail [email] now", 1)


def test_a_declared_word_is_kept_whatever_its_shape() -> None:
    assert Redactor(bytes(32)).label("Our model (new)", frozenset({"Our model (new)"})) == "Our model (new)"


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


@pytest.mark.parametrize("wrapped", [' {"password": "abc canary"}', json.dumps('{"password": "abc canary"}')])
def test_a_secret_is_known_by_its_name_also_behind_a_blank_or_in_json_in_json(wrapped: str) -> None:
    assert "canary" not in str(Redactor(bytes(32)).text("said", [wrapped], Keep.FULL))
