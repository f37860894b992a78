"""The callback handler: what no instrumentor records, beside one and alone, and never in the program's way."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any, TypedDict

import pytest
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel, FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from syscard.observation import SDK_SCOPE
from syscard_tracing import carried, component, sdk_runs
from syscard_tracing.langchain import SyscardCallbackHandler
from syscard_tracing.sdk_runs import offer

PIXELS = b"CANARY pixels"
PICTURE = f"data:image/png;base64,{base64.b64encode(PIXELS).decode()}"
TEMPLATE = "CANARY: explain {item}."
COMPONENTS = {"FakeListChatModel": "llm", "FakeMessagesListChatModel": "llm", "recommend_items": "cf", "Shelf": "shelf"}


@pytest.fixture(params=["alone", "beside OpenInference"])
def beside(request: pytest.FixtureRequest, spans: InMemorySpanExporter) -> Iterator[bool]:
    """Whether an instrumentor is on."""
    if is_on := request.param != "alone":
        LangChainInstrumentor().instrument(tracer_provider=trace.get_tracer_provider())
    yield is_on
    if is_on:
        LangChainInstrumentor().uninstrument()


@pytest.fixture
def handler() -> SyscardCallbackHandler:
    return SyscardCallbackHandler(COMPONENTS)


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def of(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    """The one span of a component."""
    (found,) = [span for span in spans.get_finished_spans() if facts(span).get("syscard.component") == name]
    return found


@tool
def recommend_items(user: str) -> str:
    """Recommend."""
    return json.dumps({"items": [{"id": "a", "score": 0.9}, {"id": "b", "score": 0.4}], "candidate_count": 40})


@tool
def breaks(user: str) -> str:
    """Break."""
    raise TimeoutError("late")


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, **_kwargs: Any) -> list[Document]:
        return [Document("CANARY text", id=str(i), metadata={"score": 1 - i / 10}) for i in range(3)]


def looks() -> HumanMessage:
    return HumanMessage([{"type": "text", "text": "CANARY"}, {"type": "image_url", "image_url": {"url": PICTURE}}])


def test_a_call_says_whose_it_is_and_which_model_was_asked(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    FakeListChatModel(responses=["hi"]).invoke("hello", {"callbacks": [handler], "metadata": {"syscard_version": "7"}})
    found = of(spans, "llm")
    assert len(spans.get_finished_spans()) == 1
    assert found.instrumentation_scope is not None
    assert (found.instrumentation_scope.name != SDK_SCOPE) == beside
    said = facts(found)
    assert (said["gen_ai.request.model"], said["syscard.component.version"]) == ("FakeListChatModel", "7")


def test_a_picture_is_told_by_digest_type_and_size(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    FakeListChatModel(responses=["hi"]).invoke([looks()], {"callbacks": [handler]})
    said = facts(of(spans, "llm"))
    assert said["syscard.llm.image.sha256"] == hashlib.sha256(PIXELS).hexdigest()
    told = [said[f"syscard.llm.image.{fact}"] for fact in ("mime", "bytes", "count")]
    assert told == ["image/png", len(PIXELS), 1]
    if not beside:
        assert "CANARY" not in of(spans, "llm").to_json()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "base64": base64.b64encode(PIXELS).decode(), "mime_type": "image/png"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE.split(",")[1]}},
        {"type": "input_image", "image_url": PICTURE},
    ],
)
def test_pictures_are_seen_in_every_shape(
    part: dict[str, Any], spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    FakeListChatModel(responses=["hi"]).invoke([HumanMessage([part])], {"callbacks": [handler]})
    assert facts(of(spans, "llm"))["syscard.llm.image.sha256"] == hashlib.sha256(PIXELS).hexdigest()


def test_a_picture_that_is_none_costs_the_call_nothing(
    spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    bad = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%x"}}, {"type": "image"}])
    assert FakeListChatModel(responses=["hi"]).invoke([bad], {"callbacks": [handler]}).content == "hi"
    assert facts(of(spans, "llm"))["gen_ai.request.model"] == "FakeListChatModel"


def test_what_a_tool_offers_is_a_slate(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    recommend_items.invoke({"user": "CANARY"}, {"callbacks": [handler]})
    said = facts(of(spans, "cf"))
    assert (said["syscard.cf.items"], said["syscard.cf.scores"]) == (("a", "b"), (0.9, 0.4))
    assert (said["syscard.cf.candidate_count"], said["gen_ai.tool.name"]) == (40, "recommend_items")


def test_what_a_retriever_finds_is_a_slate(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    Shelf().invoke("q", {"callbacks": [handler]})
    said = facts(of(spans, "shelf"))
    assert (said["syscard.shelf.items"], said["syscard.shelf.n_documents"]) == (("0", "1", "2"), 3)
    assert said["syscard.shelf.scores"] == (1.0, 0.9, 0.8)


def test_a_prompts_template_is_told_by_the_hash_that_the_sdk_gives_it(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    chain = ChatPromptTemplate.from_template(TEMPLATE) | FakeListChatModel(responses=["hi"])
    chain.invoke({"item": "x"}, {"callbacks": [handler]})
    with component("other") as other:
        other.prompt(TEMPLATE)
    assert facts(of(spans, "llm"))["syscard.prompt.hash"] == facts(of(spans, "other"))["syscard.prompt.hash"]


def test_an_error_that_a_fallback_catches_is_told_on_the_answer(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    def overloaded(_: Any) -> Any:
        raise TimeoutError("late")

    chain = RunnableLambda(overloaded).with_fallbacks([FakeListChatModel(responses=["hi"])])
    assert chain.invoke("x", {"callbacks": [handler]}).content == "hi"
    found = of(spans, "llm")
    assert facts(found)["syscard.llm.fallback"] is True
    assert [dict(e.attributes or {}) for e in found.events if e.name == "fallback"] == [{"reason": "TimeoutError"}]


def test_a_first_choice_that_answers_is_no_fallback(
    spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    chain = FakeListChatModel(responses=["hi"]).with_fallbacks([FakeListChatModel(responses=["no"])])
    chain.invoke("x", {"callbacks": [handler]})
    assert "syscard.llm.fallback" not in facts(of(spans, "llm"))


def answer() -> AIMessage:
    usage = UsageMetadata(input_tokens=11, output_tokens=3, total_tokens=14)
    return AIMessage("hi", usage_metadata=usage, response_metadata={"model_name": "m-1"})


def test_tokens_are_counted_once(beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler) -> None:
    FakeMessagesListChatModel(responses=[answer()]).invoke("x", {"callbacks": [handler]})
    (found,) = spans.get_finished_spans()
    said = facts(found)
    counts = [said[key] for key in ("gen_ai.usage.input_tokens", "llm.token_count.prompt") if key in said]
    assert counts == [11]


class State(TypedDict, total=False):
    slate: str
    reason: str


def graph() -> Any:  # its own types are too many to write down
    model = FakeListChatModel(responses=["hi"])

    def offers(state: State) -> State:
        return {"slate": recommend_items.invoke({"user": "u"})}

    def explains(state: State) -> State:
        return {"reason": str(model.invoke(state["slate"]).content)}

    built = StateGraph(State)
    built.add_node("offer", offers)
    built.add_node("explain", explains)
    built.add_edge(START, "offer")
    built.add_edge("offer", "explain")
    built.add_edge("explain", END)
    return built.compile()


@pytest.mark.parametrize("later", [False, True], ids=["invoke", "ainvoke"])
def test_a_graph_is_one_trace_below_the_request(
    later: bool, beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    with component("agent"):
        asked: RunnableConfig = {"callbacks": [handler]}
        done = asyncio.run(graph().ainvoke({}, asked)) if later else graph().invoke({}, asked)
    assert done["reason"] == "hi"
    found = spans.get_finished_spans()
    assert len({span.context.trace_id for span in found}) == 1
    ids = {span.context.span_id for span in found}
    assert [span.name for span in found if span.parent is None or span.parent.span_id not in ids] == ["call agent"]
    assert of(spans, "cf").start_time <= of(spans, "llm").start_time  # type: ignore[operator]


def test_runs_in_a_pool_stay_in_the_request(
    beside: bool, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    model = FakeListChatModel(responses=["hi"])
    with component("agent"), ThreadPoolExecutor(3) as pool:
        list(pool.map(carried(model.invoke), "abc", repeat({"callbacks": [handler]})))
    assert len({span.context.trace_id for span in spans.get_finished_spans()}) == 1


def test_the_component_in_metadata_is_the_runs_own_and_not_that_of_all_below(spans: InMemorySpanExporter) -> None:
    chain = ChatPromptTemplate.from_template(TEMPLATE) | FakeListChatModel(responses=["hi"])
    asked: RunnableConfig = {"callbacks": [SyscardCallbackHandler()], "metadata": {"syscard_component": "writer"}}
    chain.invoke({"item": "x"}, asked)
    found = {span.name: facts(span).get("syscard.component") for span in spans.get_finished_spans()}
    assert found == {"call writer": "writer", "chat FakeListChatModel": None}


def test_a_tool_that_fails_is_a_failed_call_and_the_hosts_own_error(
    spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    with pytest.raises(TimeoutError):
        breaks.invoke({"user": "u"}, {"callbacks": [handler]})
    (found,) = spans.get_finished_spans()
    assert (found.status.status_code.name, facts(found)["error.type"]) == ("ERROR", "TimeoutError")


def test_streams_end_their_spans(spans: InMemorySpanExporter, handler: SyscardCallbackHandler) -> None:
    async def later() -> str:
        said = [c.content async for c in FakeListChatModel(responses=["hi"]).astream("x", {"callbacks": [handler]})]
        return "".join(map(str, said))

    assert asyncio.run(later()) == "hi"
    assert of(spans, "llm").end_time is not None


@pytest.mark.parametrize("event", [name for name in vars(SyscardCallbackHandler) if name.startswith("on_")])
def test_nonsense_is_never_raised_into_the_host_and_the_next_call_is_told_as_ever(
    event: str, spans: InMemorySpanExporter, handler: SyscardCallbackHandler
) -> None:
    said = [
        getattr(handler, event)(),
        getattr(handler, event)(object(), object(), run_id=object(), metadata=7),
        getattr(handler, event)(None, None, run_id=None, parent_run_id=3, name=[]),
    ]
    assert said == [None, None, None]
    assert not spans.get_finished_spans(), "nothing is made up for it"
    recommend_items.invoke({"user": "u"}, {"callbacks": [handler]})
    found = of(spans, "cf")
    assert (found.parent, facts(found)["syscard.cf.items"]) == (None, ("a", "b"))


def test_runs_that_never_end_do_not_pile_up(
    spans: InMemorySpanExporter, handler: SyscardCallbackHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syscard_tracing.langchain.RUNS", 5)
    for number in range(20):
        handler.on_tool_start({"name": "recommend_items"}, "", run_id=number)
    assert len(handler._runs) == 5
    assert len(spans.get_finished_spans()) == 15


@pytest.mark.parametrize(
    ("result", "items", "scores"),
    [
        ([{"item_id": 1, "score": 0.5}, {"item_id": 2, "score": 0.25}], ["1", "2"], [0.5, 0.25]),
        ([["a", 1.0], ["b", 0.5]], ["a", "b"], [1.0, 0.5]),
        ({"items": ["a", "b"], "scores": [2, 1]}, ["a", "b"], [2.0, 1.0]),
        ({"results": [{"id": "a"}, {"id": "b", "score": 1}]}, ["a", "b"], []),
        ('[{"id": "a", "score": 1}]', ["a"], [1.0]),
    ],
)
def test_slates_are_read_in_the_shapes_that_tools_give(result: Any, items: list[str], scores: list[float]) -> None:
    found = offer(result)
    assert found is not None
    assert (found.items, found.scores) == (items, scores)


@pytest.mark.parametrize(
    "result", ["sunny today", "[1]", ["a sentence of somebody"], {"weather": "sun"}, None, 7, "{}", []]
)
def test_what_is_no_slate_is_not_taken_for_one(result: Any) -> None:
    assert offer(result) is None


@pytest.mark.parametrize(
    "result",
    [
        {"results": ["Alice Smith", "Bob Jones, 12 Main Street"]},
        {"documents": [{"page_content": "the password is hunter2"}]},
        {"items": [None, True, 1.5, ["a", "b", "c"]]},
        {"results": ["Alice Smith"], "scores": [0.5]},
        {"results": [{"id": "Alice Smith"}]},
    ],
)
def test_what_a_tool_answers_in_words_is_no_item(result: dict[str, Any]) -> None:
    found = sdk_runs._of_object(result)
    assert found is not None
    assert found.items == []


def test_ids_alone_are_items() -> None:
    found = sdk_runs._of_object({"results": ["i-17", "sku_4", 5, "B07XYZ"], "scores": [0.5, 0.4, 0.3, 0.2]})
    assert found is not None
    assert (found.items, found.scores) == (["i-17", "sku_4", "5", "B07XYZ"], [0.5, 0.4, 0.3, 0.2])
    bare = sdk_runs._of_object({"results": ["i-17", 5]})
    assert bare is not None
    assert bare.items == ["i-17", "5"]


class Answer(TypedDict):
    answer: str


class Endless(FakeListChatModel):
    """A model that does not answer in time."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(60)
        return await super()._agenerate(*args, **kwargs)


@pytest.mark.parametrize("in_a_chain", [False, True])
def test_a_call_that_was_cancelled_is_a_span_that_failed(
    in_a_chain: bool, handler: SyscardCallbackHandler, spans: InMemorySpanExporter
) -> None:
    model: Any = Endless(responses=["never"], name="FakeListChatModel")
    asked = RunnableLambda(lambda text: text) | model if in_a_chain else model

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked.ainvoke("x", {"callbacks": [handler]}), 0.05)

    asyncio.run(given_up())
    llm = of(spans, "llm")
    assert facts(llm)["error.type"] == "CancelledError"
    assert not handler._runs


def test_a_graph_that_asks_a_human_has_not_failed(handler: SyscardCallbackHandler, spans: InMemorySpanExporter) -> None:
    def ask(_state: Any) -> Any:
        return {"answer": interrupt("may I?")}

    graph: Any = StateGraph(Answer)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    own = SyscardCallbackHandler({"ask": "gate"}, own_spans=True)
    config: RunnableConfig = {"callbacks": [own], "configurable": {"thread_id": "1"}}
    graph.compile(checkpointer=InMemorySaver()).invoke({}, config)
    assert of(spans, "gate").status.status_code is StatusCode.UNSET
    assert "error.type" not in facts(of(spans, "gate"))


def test_a_stream_that_nobody_reads_to_its_end_has_not_failed(
    handler: SyscardCallbackHandler, spans: InMemorySpanExporter
) -> None:
    async def first() -> None:
        stream: Any = FakeListChatModel(responses=["many words"]).astream("x", {"callbacks": [handler]})
        await anext(stream)
        await stream.aclose()

    asyncio.run(first())
    llm = of(spans, "llm")
    assert llm.status.status_code is StatusCode.UNSET
    assert not handler._runs


def test_a_chain_that_is_streamed_to_its_end_has_not_failed_and_lasts_as_long_as_it_did(
    handler: SyscardCallbackHandler, spans: InMemorySpanExporter
) -> None:
    """LangChain reads each piece of a chain's stream in a task of its own."""
    model = FakeListChatModel(responses=["a few words"], sleep=0.005)

    async def read() -> int:
        chain = RunnableLambda(lambda text: text) | model
        return len([piece async for piece in chain.astream("x", {"callbacks": [handler]})])

    pieces = asyncio.run(read())
    llm = of(spans, "llm")
    assert pieces > 5
    assert llm.status.status_code is StatusCode.UNSET
    assert (llm.end_time or 0) - (llm.start_time or 0) > 0.004e9 * pieces
    assert not handler._runs
