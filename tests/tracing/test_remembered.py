"""What the normaliser remembers of earlier spans changes no answer: warm or fresh, a span is read the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syscard.system import System
from syscard_tracing.dialects import shipped_dialects
from syscard_tracing.normalise import Normaliser
from syscard_tracing.plans import Plans
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import Event, Link, RawSpan
from tests.tracing.test_normalise import SYSTEM

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
RULES = TraceRules.of([System.model_validate(SYSTEM)])
OTHERS = (
    "http.response.status_code",
    "shop.note",
    "user.id",
    "app.user",
    "app.age",
    "app.country",
    "app.note",
    "app.prompt",
    "region",
    "x.token",
)
KEYS = sorted(
    {
        key.partition("#")[0].replace("*", "0.message.content")
        for table in shipped_dialects().tables
        for keys in (*table.columns.values(), table.subject, table.user, table.text, table.labels, table.operation.keys)
        for key in keys
    }
    | set(OTHERS)
)
WORDS = (
    "chat",
    "execute_tool",
    "llm",
    "a label",
    "True",
    "1",
    "a sentence that is too long to be a label",
    "",
    '"m"',
    "None",
    "['stop']",
    "error",
    "\0x",
)
VALUES = st.sampled_from(
    (*WORDS, True, False, 1, 1.0, 0, 123_456_789_012, 0.5, 429, 500, None, ["stop"], ["a", 1], {"k": "v"})
)
ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
SCOPES = st.sampled_from(("syscard_tracing", "openinference.instrumentation.x", "mlflow.x", "other", "ai"))
NAMES = st.sampled_from(("exception", "fallback", "gen_ai.user.message", "other"))
SAID = st.fixed_dictionaries({"exception.type": st.sampled_from(("TimeoutError", "x.Error")), "reason": VALUES})
EVENTS = st.lists(st.tuples(NAMES, SAID).map(lambda pair: Event(*pair)), max_size=2).map(tuple)
RESOURCES: tuple[dict[str, Any], ...] = (
    {"service.name": "shop"},
    {"service.name": "shop", "region": "eu"},
    {"service.name": "search"},
    {},
)
LINKS = st.sampled_from(((), (Link("a" * 32, "b" * 16),)))


@st.composite
def spans(draw: st.DrawFn) -> RawSpan:
    return RawSpan(
        "1" * 32, "2" * 16, draw(st.sampled_from((None, "3" * 16))), draw(st.sampled_from(("chat llm", "", "a -> b"))),
        1, 1_795_176_000_000_000_000, 1_795_176_000_500_000_000, draw(ATTRIBUTES), draw(EVENTS),
        draw(st.sampled_from((0, 1, 2))), draw(st.sampled_from(("", "HTTP 429 too many", "500 internal"))),
        draw(st.sampled_from(RESOURCES)), draw(SCOPES), draw(LINKS),
    )  # fmt: skip


WARM = Normaliser(RULES, bytes(32))


@given(st.lists(spans(), min_size=1, max_size=4))
def test_a_span_is_read_the_same_whatever_was_read_before(batch: list[RawSpan]) -> None:
    for span in batch:
        (warm,) = WARM.read([span], NOW)
        (fresh,) = Normaliser(RULES, bytes(32)).read([span], NOW)
        assert warm == fresh


def test_true_and_one_and_the_word_for_it_are_three_things() -> None:
    stated: tuple[Any, ...] = (True, "True", 1, "true")
    base = RawSpan("1" * 32, "2" * 16, None, "chat llm", 1, 0, 0, {}, (), 0, "", {"service.name": "shop"}, "x")
    made = [base._replace(attributes={"syscard.component": "llm", "syscard.llm.fallback": said}) for said in stated]
    warm = Normaliser(RULES, bytes(32))
    assert [warm.read([span], NOW)[0].as_dict()["fallback"] for span in made] == [True, None, None, None]


def test_shapes_that_are_remembered_are_bounded() -> None:
    plans = Plans(shipped_dialects())
    for number in range(3_000):
        plans.of("x", {f"key{number}": 1})
    assert len(plans._plans) <= 1_024
