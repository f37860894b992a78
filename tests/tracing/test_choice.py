"""What a component's owner wants kept or left out, and what a failure says: the whole way from spans to the lake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.errors import SystemFileError
from syscard.fingerprints import containment
from syscard.home import Home
from syscard.system import Keep
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_tracing.failure_texts import TRACE_LIMIT
from syscard_tracing.inbox import Inbox
from syscard_tracing.ingest import ingest_lines
from syscard_tracing.lake import Lake
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.roller import open_lake, roll_all
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import Event
from tests.functional.helpers import recorded
from tests.tracing.shop import shop

STARTER = read_text("examples", "starter.yaml")
SAID = "Mail jan@example.org: bread, butter and what else is there."
RAISED = Event("exception", {
    "exception.type": "KeyError",
    "exception.message": "no factors for user u-404",
    "exception.stacktrace": 'File "/home/alice/shop.py", line 3, in load\n' + "x \n" * 3000 + "Error: jan@example.org",
})  # fmt: skip


def _rules(keep: str = "features", **choice: Any) -> TraceRules:
    component: dict[str, Any] = {"kind": "llm", "owner": "o", "select": {"syscard.component": "llm"}, "keep": keep}
    document = shop({"user": "app.user"}, {"llm": component | choice})
    return TraceRules.of([parse_system(json.dumps(document), "system.yaml")])


@pytest.fixture
def kept(home: Home, clock: ReplayClock, span: Any) -> Any:
    """The features of one span of the component, as the lake gives them back."""

    def store(rules: TraceRules, attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
        with Inbox(home.inbox, clock=clock) as inbox:
            raw = span(1, {"syscard.component": "llm"} | attributes, **fields)
            Pipeline(home, inbox, lambda: rules, clock).store([raw])
            roll_all(inbox, open_lake(home))
        features: dict[str, Any] = json.loads(Lake(home.lake).scan().collect()["features"][0])
        return features

    return store


def test_an_allowed_attribute_is_kept_whatever_its_shape_and_masked(kept: Any) -> None:
    found = kept(
        _rules(allow=["shop.note", "shop.list", "shop.n", "shop.map", "shop.password", "gen_ai.tool.description"]),
        {
            "shop.note": SAID, "shop.list": ["a b c d e", SAID], "shop.n": 123456789012, "shop.other": SAID,
            "shop.map": {"deep": [SAID], "token": "0123456789"}, "shop.password": "hunter2",
            "gen_ai.tool.description": SAID,
        },
    )  # fmt: skip
    masked = SAID.replace("jan@example.org", "[email]")
    assert found["shop.note"] == masked
    assert found["shop.list"] == ["a b c d e", masked]
    assert found["shop.n"] == 123456789012
    assert json.loads(found["shop.map"]) == {"deep": [masked], "token": "[secret]"}
    assert found["shop.password"] == "[secret]"
    assert found["gen_ai.tool.description"] == masked
    assert found["gen_ai.tool.description.words"] == len(SAID.split())
    assert "shop.other" not in found


def test_a_user_that_is_allowed_stays_a_keyed_hash(kept: Any) -> None:
    found = kept(
        _rules(allow=["gen_ai.conversation.id", "user.id", "shop.customer_id"]),
        {"gen_ai.conversation.id": "u-4711", "user.id": "u-4711", "shop.customer_id": "u-4711"},
    )
    assert "u-4711" not in str(found)
    assert found["shop.customer_id"] == "[user]"


def test_with_only_the_rest_is_left_out_uncounted(kept: Any) -> None:
    attributes = {"gen_ai.output.messages": SAID, "gen_ai.input.messages": SAID, "shop.a": 1, "shop.b": 2, "b": 3}
    found = kept(
        _rules("masked", only=["gen_ai.output.messages", "shop.*"], allow=["b"]), attributes, status_message="left out"
    )
    named = {
        "gen_ai.output.messages",
        *(f"gen_ai.output.messages.{k}" for k in ("chars", "words", "pii", "declines", "terms", "shingles")),
    }
    assert set(found) == named | {"shop.a", "shop.b", "b"}


@pytest.mark.parametrize("before", ["password=", "Authorization: Bearer ", '{"api_key": "', "phone: "])
def test_no_stack_trace_is_cut_between_a_secret_and_what_says_that_it_is_one(kept: Any, before: str) -> None:
    trace = "Error\n" + "x" * 2000 + before + "hunter2xyz99 and so on\n" + "at load\n" * 120 + "y" * 17
    assert trace[-TRACE_LIMIT // 2 :].startswith("hunter2"), "a cut by length alone would begin here"
    raised = Event("exception", {"exception.type": "E", "exception.stacktrace": trace})
    found = kept(_rules("full"), {}, events=(raised,), status_code=2)
    assert found["exception.stacktrace"].endswith("y" * 17)
    assert "hunter2" not in found["exception.stacktrace"]


@pytest.mark.parametrize("keep", Keep)
def test_what_a_failure_says_is_kept_at_the_components_level(kept: Any, keep: Keep) -> None:
    found = kept(_rules(keep), {}, status_message=SAID, events=(RAISED,), status_code=2)
    for field in ("status.message", "exception.message", "exception.stacktrace"):
        assert found[f"{field}.words"] > 3
        assert found[f"{field}.pii"] == 1
        assert (field in found) == (keep in (Keep.MASKED, Keep.FULL))
        assert (f"{field}.terms" in found) == (keep is not Keep.FEATURES)
    if keep is Keep.MASKED:
        assert found["exception.message"] == "no factors for [user]"
        assert found["exception.stacktrace"].startswith('File "/home/~/shop.py"')
        assert found["exception.stacktrace"].endswith("Error: [email]")
    assert len(str(found.get("exception.stacktrace", ""))) < 2100
    assert "alice" not in str(found)


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ({"shop.a": 42}, True), ({"shop.a": 123456789}, False), ({"shop.a": 31612345678}, False),
        ({"shop.a": 0.25}, True),
        ({"shop.a": 4111111111111111.0}, False), ({"shop.bytes": 123456789012}, True),
        ({"shop.createdAt": 1795176000}, False),
        ({"shop.created_at": 1795176000}, True), ({"customer_id": 4711}, False), ({"geo.lat": 52.37}, False),
        ({"syscard.score": 123456789}, True), ({"syscard.card": 4111111111111111}, False), ({"shop.ok": True}, True),
    ],
)  # fmt: skip
def test_a_number_that_may_be_a_persons_is_left_out(kept: Any, value: dict[str, Any], stays: bool) -> None:
    found = kept(_rules(), value)
    assert bool(found) == stays


def test_a_user_is_never_in_the_clear_below_full(kept: Any) -> None:
    """Every way in which instrumentors copy a user into a span, at the level that keeps most without them."""
    whole = {"user_id": "u-4711", "thread_id": "sess-1", "note": "bread"}
    found = kept(
        _rules("masked", allow=["langsmith.metadata", "baggage"]),
        {
            "user.id": "u-4711", "enduser.id": "u-4711", "session.id": "u-4711", "metadata": json.dumps(whole),
            "langsmith.metadata": json.dumps(whole), "langsmith.metadata.user_id": "u-4711", "user_id": "u-4711",
            "traceloop.association.properties.user_id": "u-4711", "baggage": "user_id=u-4711,tier=gold",
            "gen_ai.tool.call.arguments": json.dumps(whole), "gen_ai.tool.call.result": str(whole),
            "app.user": "u-4711",
            "gen_ai.retrieval.query.text": "what did user u-4711 buy", "syscard.shopper.id": "u-4711",
            "gen_ai.input.messages": json.dumps([{"role": "tool", "content": json.dumps(whole)}]),
        },
        status_message="no factors for user u-4711",
    )  # fmt: skip
    assert "u-4711" not in str(found)
    assert "sess-1" not in str(found)
    assert found["gen_ai.tool.call.arguments"] == "[user] [user] bread"
    assert len(found["shopper.id"]) == 32


@pytest.mark.parametrize(
    ("line", "wrong", "says"),
    [
        ("allow: [shop.note, 'two words']", "'two words' does not fit", "shop.category"),
        ("only: shop.note", "wants a list", "only: [gen_ai.output.messages, shop.*]"),
        ("allow: [app.user]", "is the user of traces.user", "other attributes"),
        ("allow: [app.*]", "is the user of traces.user", "other attributes"),
        ("alow: [shop.note]", "did you mean allow?", "allow"),
    ],
)
def test_a_wrong_choice_is_said_with_its_line(line: str, wrong: str, says: str) -> None:
    text = STARTER.replace("\ntraces:\n", "\ntraces:\n  user: app.user\n", 1)
    first = next(n for n, row in enumerate(text.splitlines()) if row.startswith("components:"))
    rows = text.splitlines()
    place = next(n for n in range(first, len(rows)) if "owner:" in rows[n])
    rows.insert(place + 1, " " * (len(rows[place]) - len(rows[place].lstrip())) + line)
    with pytest.raises(SystemFileError) as found:
        parse_system("\n".join(rows), "system.yaml")
    (problem,) = found.value.problems
    assert problem.line == place + 2
    assert wrong in problem.what
    assert says in problem.write


def _repeated(lines: list[bytes], clock: ReplayClock, home: Home) -> list[float]:
    """Of each request, the largest share of a picture's words in a row that the reason repeats."""
    text = read_text("examples", "recommender.yaml").replace("keep: features", "keep: fingerprints")
    ingest_lines(lines, home, TraceRules.of([parse_system(text, "system.yaml")]), clock)
    told: dict[str, dict[str, list[list[str]]]] = {}
    for row in Lake(home.lake).scan().collect().to_dicts():
        features = json.loads(row["features"])
        assert "gen_ai.output.messages" not in features
        said = features.get("gen_ai.output.messages.shingles")
        if said is not None:
            told.setdefault(row["trace_id"], {}).setdefault(row["component"], []).append(said)
    both = [t for t in told.values() if "vlm" in t and "llm" in t]
    shares = ([containment(picture, reason) for picture in t["vlm"] for reason in t["llm"]] for t in both)
    return [max((share.value for share in found if share), default=0.0) for found in shares]


def test_a_reason_that_repeats_what_a_picture_says_is_told_from_fingerprints_alone(
    clock: ReplayClock, tmp_path: Any
) -> None:
    """On the recorded recommender: words printed on pictures reach the reasons, and no text is stored."""
    normal, injected = (
        _repeated(list(recorded(name)[:60]), clock, Home(tmp_path / name).create())
        for name in ("normal", "picture-injection")
    )
    assert len(normal) == len(injected) == 60
    assert sum(share > 0 for share in normal) == 0
    assert sum(share > 0 for share in injected) > 20
