"""Emitting: spans say what they are, and the host never notices that tracing is there."""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import syscard_tracing
from syscard.observation import SDK_SCOPE
from syscard_tracing.sdk import USER_SALT, ComponentSpan, component, feedback, user_key
from syscard_tracing.sdk_setup import _traces_of


def _attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def _parents(spans: InMemorySpanExporter) -> dict[str, str | None]:
    found = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in found}
    return {span.name: names[span.parent.span_id] if span.parent else None for span in found}


def _words(name: str, count: int = 3) -> Callable[[], Any]:
    @component(name)
    def words() -> Any:
        for i in range(count):
            with component(f"inside-{name}-{i}"):
                pass
            yield i

    return words


def _words_later(name: str, count: int = 3) -> Callable[[], Any]:
    @component(name)
    async def words() -> Any:
        for i in range(count):
            await asyncio.sleep(0)
            with component(f"inside-{name}-{i}"):
                pass
            yield i

    return words


def _consumed(stream: Any) -> Any:
    """The items of either kind of generator, with a span of the consumer's own for each."""
    taken = []
    for item in stream:
        with component(f"consumer-{item}"):
            taken.append(item)
    return taken


async def _consumed_later(stream: Any) -> Any:
    taken = []
    async for item in stream:
        with component(f"consumer-{item}"):
            taken.append(item)
    return taken


@pytest.mark.parametrize("later", [False, True], ids=["generator", "asynchronous generator"])
def test_a_generators_span_is_current_in_its_body_and_not_in_its_consumer(
    later: bool, spans: InMemorySpanExporter
) -> None:
    stream = (_words_later if later else _words)("llm")()
    assert (asyncio.run(_consumed_later(stream)) if later else _consumed(stream)) == [0, 1, 2]
    parents = _parents(spans)
    assert {parents[f"call inside-llm-{i}"] for i in range(3)} == {"call llm"}
    assert {parents[f"call consumer-{i}"] for i in range(3)} == {None}
    assert parents["call llm"] is None


def test_generators_that_are_consumed_in_turn_keep_their_calls_apart(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(zip(_words("a")(), _words("b", 2)(), strict=False)) == [(0, 0), (1, 1)]
    parents = _parents(spans)
    assert all(parents[f"call inside-{name}-{i}"] == f"call {name}" for name in "ab" for i in range(2))
    assert "detach" not in caplog.text


def test_streams_of_many_tasks_keep_their_calls_apart(spans: InMemorySpanExporter) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(_consumed_later(_words_later(f"s{i}")()) for i in range(5)))

    asyncio.run(all_of_them())
    parents = _parents(spans)
    assert all(parents[f"call inside-s{i}-{j}"] == f"call s{i}" for i in range(5) for j in range(3))


@pytest.mark.parametrize("later", [False, True], ids=["generator", "asynchronous generator"])
def test_a_consumer_that_stops_early_is_no_failure_and_the_body_is_closed(
    later: bool, spans: InMemorySpanExporter
) -> None:
    closed = []

    @component("llm")
    def words() -> Any:
        try:
            yield from range(9)
        finally:
            closed.append("sync")

    @component("llm")
    async def words_later() -> Any:
        try:
            for i in range(9):
                yield i
        finally:
            await asyncio.sleep(0)
            closed.append("async")

    async def stop_early() -> None:
        stream = words_later()
        assert await anext(stream) == 0
        await stream.aclose()

    if later:
        asyncio.run(stop_early())
    else:
        stream = words()
        assert next(stream) == 0
        stream.close()
    (span,) = spans.get_finished_spans()
    assert (closed, span.status.is_ok, span.events) == (["async" if later else "sync"], True, ())


def test_what_is_sent_thrown_and_returned_goes_through(spans: InMemorySpanExporter) -> None:
    @component("llm")
    def talks() -> Any:
        heard = yield "first"
        try:
            yield heard
        except KeyError:
            yield "caught"
        return "done"

    stream = talks()
    assert (next(stream), stream.send("second"), stream.throw(KeyError("x"))) == ("first", "second", "caught")
    with pytest.raises(StopIteration) as ended:
        next(stream)
    assert ended.value.value == "done"
    assert [span.status.is_ok for span in spans.get_finished_spans()] == [True]


@pytest.mark.parametrize("later", [False, True], ids=["generator", "asynchronous generator"])
def test_a_generator_that_fails_is_a_failed_call(later: bool, spans: InMemorySpanExporter) -> None:
    @component("llm")
    def breaks() -> Any:
        yield 1
        raise TimeoutError("late")

    @component("llm")
    async def breaks_later() -> Any:
        yield 1
        raise TimeoutError("late")

    with pytest.raises(TimeoutError, match="late"):
        asyncio.run(_consumed_later(breaks_later())) if later else _consumed(breaks())
    failed = next(span for span in spans.get_finished_spans() if span.name == "call llm")
    assert (failed.status.status_code.name, _attributes(failed)["error.type"]) == ("ERROR", "TimeoutError")


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


def test_what_no_convention_names_has_a_word_each(spans: InMemorySpanExporter) -> None:
    with component("cf") as cf:
        cf.slate(["a", "b"], [0.9, 0.6], candidates=40)
        cf.data_asof(date(2026, 11, 1), today=date(2026, 11, 16))
        cf.item("a")
    with component("vlm") as vlm:
        vlm.image(b"\xff\xd8picture", "image/jpeg")
        vlm.prompt("Describe {picture}.")
    first, second = map(_attributes, spans.get_finished_spans())
    assert first == {
        "syscard.component": "cf",
        "syscard.cf.items": ("a", "b"),
        "syscard.cf.scores": (0.9, 0.6),
        "syscard.cf.top_score": 0.9,
        "syscard.cf.score_gap": 0.3,
        "syscard.cf.candidate_count": 40,
        "syscard.cf.data.asof": "2026-11-01",
        "syscard.cf.data.age_days": 15,
        "syscard.cf.item.id": "a",
    }
    assert second["syscard.vlm.image.sha256"] == hashlib.sha256(b"\xff\xd8picture").hexdigest()
    assert (second["syscard.vlm.image.mime"], second["syscard.vlm.image.bytes"]) == ("image/jpeg", 9)
    assert re.fullmatch("[0-9a-f]{12}", str(second["syscard.prompt.hash"]))


def test_a_picture_and_a_prompt_leave_the_process_as_digests_only(spans: InMemorySpanExporter) -> None:
    with component("vlm") as span:
        span.image(b"CANARY picture", "image/png")
        span.prompt("CANARY prompt")
        span.user("CANARY person")
    assert "CANARY" not in spans.get_finished_spans()[0].to_json()


def test_a_user_is_a_key_that_depends_on_the_salt(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for salt in ("one", "one", "two", ""):
        monkeypatch.setenv(USER_SALT, salt)
        with component("agent") as agent:
            agent.user(4711, segment="35-44")
        keys.add(_attributes(spans.get_finished_spans()[-1])["syscard.user.id"])
    assert len(keys) == 3
    assert user_key(4711) == user_key("4711")
    assert all(re.fullmatch("[0-9a-f]{16}", str(key)) for key in keys)
    assert _attributes(spans.get_finished_spans()[-1])["syscard.user.segment"] == "35-44"


def test_feedback_is_a_span_of_its_own_that_is_linked_to_the_request(spans: InMemorySpanExporter) -> None:
    with component("agent") as agent:
        reference = agent.reference
        feedback(reference, segment="35-44", accepted=True, position=2, note=None)
    said, request = spans.get_finished_spans()
    assert said.parent is None
    assert said.context.trace_id != request.context.trace_id
    assert [(link.context.trace_id, link.context.span_id) for link in said.links] == [
        (request.context.trace_id, request.context.span_id)
    ]
    assert _attributes(said) == {
        "syscard.operation": "feedback",
        "syscard.user.segment": "35-44",
        "syscard.feedback.accepted": True,
        "syscard.feedback.position": 2,
    }
    assert said.instrumentation_scope is not None
    assert said.instrumentation_scope.name == SDK_SCOPE


@pytest.mark.parametrize("reference", ["", "nonsense", "00-xyz-abc-01", "00-1-2"])
def test_feedback_on_a_reference_that_is_none_is_not_noticed(reference: str, spans: InMemorySpanExporter) -> None:
    feedback(reference, accepted=True)
    assert spans.get_finished_spans() == ()


class Nameless:
    def __str__(self) -> str:
        raise RuntimeError("no text")


WRONG: dict[str, Callable[[ComponentSpan], object]] = {
    "a slate of nothing": lambda span: span.slate(None),  # type: ignore[arg-type]
    "scores that are no numbers": lambda span: span.slate(["a"], ["much"]),  # type: ignore[list-item]
    "a prompt that is none": lambda span: span.prompt(None),  # type: ignore[arg-type]
    "half a character": lambda span: span.prompt("\ud800"),
    "a day that is text": lambda span: span.data_asof("2026-01-01"),  # type: ignore[arg-type]
    "a day with a time": lambda span: span.data_asof(datetime(2026, 1, 1, tzinfo=UTC)),
    "a picture's name": lambda span: span.image("x.jpg", "image/jpeg"),  # type: ignore[arg-type]
    "a user without text": lambda span: span.user(Nameless(), segment="65+"),
    "an error that is none": lambda span: span.failed(None),  # type: ignore[arg-type]
    "a reason that is none": lambda span: span.fallback(None),  # type: ignore[arg-type]
    "a value that is a thing": lambda span: span.set(x=object(), y={"a": 1}),
    "feedback on nothing": lambda span: feedback(None, accepted=True),  # type: ignore[arg-type]
    "a key of nothing": lambda span: user_key(Nameless()),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_whatever_a_host_says_nothing_is_raised_into_it(wrong: str, spans: InMemorySpanExporter) -> None:
    with component("llm") as span:
        WRONG[wrong](span)
        span.set(still_there=True)
    assert _attributes(spans.get_finished_spans()[-1])["syscard.llm.still_there"] is True


def test_arrays_are_taken_as_lists_are(spans: InMemorySpanExporter) -> None:
    numpy = pytest.importorskip("numpy")
    with component("cf") as cf:
        cf.slate(numpy.array(["a", "b"]), numpy.array([0.5, 0.25], dtype="float32"))
    found = _attributes(spans.get_finished_spans()[0])
    assert (found["syscard.cf.items"], found["syscard.cf.scores"], found["syscard.cf.score_gap"]) == (
        ("a", "b"), (0.5, 0.25), 0.25,
    )  # fmt: skip


def test_a_failure_that_the_host_lives_with_is_told(spans: InMemorySpanExporter) -> None:
    with component("llm") as span:
        span.failed(TimeoutError("late"))
        span.fallback("timeout")
    (found,) = spans.get_finished_spans()
    assert found.status.status_code is trace.StatusCode.ERROR
    assert _attributes(found)["error.type"] == "TimeoutError"
    assert [event.name for event in found.events] == ["exception", "fallback"]


@pytest.mark.parametrize(
    ("given", "variables", "sent_to"),
    [
        (None, {}, "http://127.0.0.1:4318/v1/traces"),
        ("http://syscard:4318/", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other"}, "http://syscard:4318/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other:1"}, None),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other:1/v1/traces"}, None),
    ],
)
def test_an_address_that_is_given_wins_over_opentelemetrys_variables(
    given: str | None, variables: dict[str, str], sent_to: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(key, raising=False)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert _traces_of(given) == sent_to


def test_the_hosts_own_errors_go_through_and_mark_the_span(spans: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError), component("llm"):
        raise KeyError("x")
    (found,) = spans.get_finished_spans()
    assert found.status.status_code is trace.StatusCode.ERROR
    assert _attributes(found)["error.type"] == "KeyError"


class Broken(trace.TracerProvider):
    def get_tracer(self, *_args: Any, **_kwargs: Any) -> trace.Tracer:
        raise RuntimeError("tracing is broken")


def test_tracing_that_breaks_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Broken())
    with component("llm") as span:
        span.set(x=1)
        span.fallback("why")
        span.failed(KeyError("x"))
        span.user(1)
        assert span.reference == ""
    feedback("00-" + "1" * 32 + "-" + "2" * 16 + "-01", accepted=True)
    with pytest.raises(KeyError), component("llm"):
        raise KeyError("x")
    assert list(_words("llm")()) == [0, 1, 2]


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


def test_numbers_of_other_libraries_arrive_as_numbers(spans: InMemorySpanExporter) -> None:
    with component("cf") as span:
        span.set(
            n=np.int64(3), share=np.float32(0.5), yes=np.bool_(1), many=[np.int64(1), 2], row=np.array([0.5, 1.5]),
            price=Decimal("1.5"), huge=np.zeros(5_000),
        )  # fmt: skip
    (found,) = spans.get_finished_spans()
    told = {key.removeprefix("syscard.cf."): value for key, value in (found.attributes or {}).items()}
    wanted = {"n": 3, "share": 0.5, "yes": True, "many": (1, 2), "row": (0.5, 1.5), "price": 1.5}
    assert {key: told.get(key) for key in wanted} == wanted
    assert [type(told[key]) for key in ("n", "share", "yes")] == [int, float, bool]
    assert "huge" not in told


def test_a_value_that_cannot_be_read_is_lost_alone(spans: InMemorySpanExporter) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no")

    with component("cf") as span:
        span.set(good=1, bad=Broken(), later=2)
    (found,) = spans.get_finished_spans()
    assert {k: v for k, v in (found.attributes or {}).items() if k.startswith("syscard.cf.")} == {
        "syscard.cf.good": 1,
        "syscard.cf.later": 2,
    }


def test_class_and_static_methods_are_decorated_like_functions(spans: InMemorySpanExporter) -> None:
    class Shop:
        @component("made")
        @classmethod
        def make(cls) -> str:
            return cls.__name__

        @component("told")
        @staticmethod
        def tell(n: int) -> int:
            return n + 1

    assert (Shop.make(), Shop().make(), Shop.tell(1)) == ("Shop", "Shop", 2)
    assert [span.name for span in spans.get_finished_spans()] == ["call made", "call made", "call told"]


def test_what_is_no_function_is_given_back_as_it_is_with_a_warning(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    class Shop:
        @component("size")  # type: ignore[prop-decorator]
        @property
        def size(self) -> int:
            return 3

    assert component("shop")(Shop) is Shop
    assert Shop().size == 3
    assert [record.getMessage() for record in caplog.records] == [
        "component size: a property cannot be decorated: name a method",
        "component shop: a type cannot be decorated: name a method",
    ]
    assert spans.get_finished_spans() == ()


def test_an_object_that_is_called_as_a_coroutine_is_timed_to_its_end(spans: InMemorySpanExporter) -> None:
    class Model:
        async def __call__(self) -> int:
            await asyncio.sleep(0)
            (current,) = [trace.get_current_span()]
            return current.get_span_context().span_id

    inside = asyncio.run(component("llm")(Model())())
    (found,) = spans.get_finished_spans()
    assert found.context.span_id == inside


@pytest.mark.parametrize("kind", ["coroutine", "generator", "asynchronous generator"])
def test_a_function_that_hands_on_another_ones_work_is_timed_to_the_end_of_that(
    kind: str, spans: InMemorySpanExporter
) -> None:
    """So wrap many decorators: a plain function around a coroutine function."""
    before = component("work")

    async def later() -> str:
        with component("below"):
            await asyncio.sleep(0.02)
        return "done"

    made = {"coroutine": later, "generator": _words("below"), "asynchronous generator": _words_later("below")}[kind]

    @before
    def wrapper() -> Any:
        return made()

    handed_on = wrapper()
    assert not spans.get_finished_spans()
    assert not trace.get_current_span().get_span_context().is_valid
    if kind == "coroutine":
        assert asyncio.run(handed_on) == "done"
    elif kind == "generator":
        _consumed(handed_on)
    else:
        asyncio.run(_consumed_later(handed_on))
    *below, around = spans.get_finished_spans()
    assert _attributes(around)["syscard.component"] == "work"
    assert around.context.span_id in {span.parent.span_id for span in below if span.parent}


def test_what_such_work_fails_with_is_told(spans: InMemorySpanExporter) -> None:
    async def later() -> None:
        raise ValueError("no")

    def wrapper() -> Any:
        return later()

    with pytest.raises(ValueError, match="no"):
        asyncio.run(component("work")(wrapper)())
    (span,) = spans.get_finished_spans()
    assert _attributes(span)["error.type"] == "ValueError"


class Wordless:
    """Something that cannot even be asked what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")

    def __bool__(self) -> bool:
        raise ValueError("neither")


def test_a_name_that_has_no_text_is_not_noticed(spans: InMemorySpanExporter) -> None:
    odd: Any = Wordless()
    with component(odd, kind=odd, version=odd):
        pass

    @component("llm", kind=odd)
    def call() -> int:
        return 1

    assert call() == 1
    assert [span.name for span in spans.get_finished_spans()] == ["call unnamed", "call llm"]


def test_a_generator_that_the_host_hands_out_again_and_again_is_not_closed(spans: InMemorySpanExporter) -> None:
    shared = iter(range(3))
    one = (number for number in shared)

    @component("work")
    def source() -> Any:
        return one

    assert [next(source()) for _ in range(3)] == [0, 1, 2]
    assert len(spans.get_finished_spans()) == 3


def test_what_only_looks_like_a_generator_is_handed_on_as_it_is(spans: InMemorySpanExporter) -> None:
    @types.coroutine
    def older() -> Any:
        yield from asyncio.sleep(0).__await__()
        return 4

    @component("work")
    def wrapper() -> Any:
        return older()

    async def asked() -> int:
        found: int = await wrapper()
        return found

    assert asyncio.run(asked()) == 4
    assert len(spans.get_finished_spans()) == 1
