"""Contexts: calls in threads, pools, tasks and streams belong to their request, and failures to their call."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from syscard_tracing import CarryingThreadPool, carried, component


def parents(spans: InMemorySpanExporter) -> dict[str, str | None]:
    found = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in found}
    return {span.name: names[span.parent.span_id] if span.parent else None for span in found}


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    (found,) = spans.get_finished_spans()
    return found


def call(name: str, barrier: threading.Barrier | None = None) -> str:
    with component(name):
        if barrier is not None:
            barrier.wait(10)
    return name


def test_a_bare_pool_loses_the_request_and_a_carried_call_does_not(spans: InMemorySpanExporter) -> None:
    with component("agent"), ThreadPoolExecutor(1) as pool:
        pool.submit(call, "lost").result()
        pool.submit(carried(call), "kept").result()
    assert (parents(spans)["call lost"], parents(spans)["call kept"]) == (None, "call agent")


@pytest.mark.parametrize("how", ["submit", "map", "carried map", "thread", "to_thread", "run_in_executor"])
def test_calls_that_run_at_once_in_threads_belong_to_their_request(how: str, spans: InMemorySpanExporter) -> None:
    barrier, names = threading.Barrier(3), [f"t{i}" for i in range(3)]

    def work(name: str) -> str:
        return call(name, barrier)

    async def later() -> list[str]:
        loop = asyncio.get_running_loop()
        if how == "to_thread":
            return await asyncio.gather(*(asyncio.to_thread(work, name) for name in names))
        return await asyncio.gather(*(loop.run_in_executor(None, carried(work), name) for name in names))

    with component("agent"):
        if how in ("submit", "map"):
            with CarryingThreadPool(3) as pool:
                futures = [pool.submit(work, name) for name in names] if how == "submit" else []
                done = list(pool.map(work, names)) if how == "map" else [future.result() for future in futures]
        elif how == "carried map":
            with ThreadPoolExecutor(3) as bare:
                done = list(bare.map(carried(work), names))
        elif how == "thread":
            started = [threading.Thread(target=carried(work), args=(name,)) for name in names]
            for thread in started:
                thread.start()
            for thread in started:
                thread.join()
            done = names
        else:
            done = asyncio.run(later())
    assert done == names
    assert {parents(spans)[f"call {name}"] for name in names} == {"call agent"}


def test_what_a_carried_call_raises_and_gives_goes_through(spans: InMemorySpanExporter) -> None:
    def breaks() -> None:
        raise KeyError("x")

    with CarryingThreadPool(1) as pool, pytest.raises(KeyError):
        pool.submit(breaks).result()
    assert carried(call)("x") == "x"
    assert carried(call).__name__ == "call"


@pytest.mark.parametrize("form", ["with", "async with", "decorated", "decorated coroutine"])
def test_tasks_keep_their_calls_apart_and_failures_to_their_own(form: str, spans: InMemorySpanExporter) -> None:
    shared = component("llm")

    async def body(number: int) -> int:
        await asyncio.sleep(0)
        with component(f"inside-{number}"):
            await asyncio.sleep(0)
        if number == 1:
            raise TimeoutError("late")
        return number

    async def one(number: int) -> int:
        if form == "with":
            with shared:
                return await body(number)
        if form == "async with":
            async with shared:
                return await body(number)
        return await shared(body)(number)

    def plain(number: int) -> int:
        return shared(lambda: asyncio.run(body(number)))()

    async def many() -> list[Any]:
        if form == "decorated":
            tasks = [asyncio.to_thread(plain, number) for number in range(4)]
        else:
            tasks = [one(number) for number in range(4)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    done = asyncio.run(many())
    assert [type(result).__name__ for result in done] == ["int", "TimeoutError", "int", "int"]
    outer = {span.context.span_id: span for span in spans.get_finished_spans() if span.name == "call llm"}
    inner = [span for span in spans.get_finished_spans() if span.name.startswith("call inside")]
    assert {span.parent.span_id for span in inner if span.parent} == set(outer)
    assert len(outer) == len(inner) == 4
    assert sum(span.status.status_code is trace.StatusCode.ERROR for span in outer.values()) == 1


def test_one_object_in_many_threads_at_once_ends_each_its_own_span(spans: InMemorySpanExporter) -> None:
    shared, barrier = component("llm"), threading.Barrier(4)

    def work(number: int) -> None:
        with shared as span:
            barrier.wait(10)
            span.set(number=number)
            barrier.wait(10)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    numbers = sorted((span.attributes or {})["syscard.llm.number"] for span in spans.get_finished_spans())  # type: ignore[type-var]
    assert numbers == [0, 1, 2, 3]
    assert {span.parent for span in spans.get_finished_spans()} == {None}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_call_within_itself_is_its_own_child(spans: InMemorySpanExporter) -> None:
    shared = component("agent")

    @shared
    def down(depth: int) -> int:
        if depth:
            with shared:
                return down(depth - 1)
        return depth

    down(2)
    found = spans.get_finished_spans()
    by_id = {span.context.span_id for span in found}
    assert len(found) == 5
    assert sum(span.parent is None for span in found) == 1
    assert all(span.parent.span_id in by_id for span in found if span.parent)


@pytest.mark.parametrize("form", ["block", "coroutine", "asynchronous generator"])
def test_a_task_that_is_cancelled_did_not_answer(form: str, spans: InMemorySpanExporter) -> None:
    @component("llm")
    async def forever() -> None:
        await asyncio.sleep(60)

    @component("llm")
    async def stream() -> Any:
        yield 1
        await asyncio.sleep(60)

    async def work() -> None:
        if form == "block":
            async with component("llm"):
                await asyncio.sleep(60)
        elif form == "coroutine":
            await forever()
        else:
            async for _ in stream():
                pass

    async def cancelled() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert (only(spans).attributes or {})["error.type"] == "CancelledError"


def test_an_exit_without_an_entrance_is_nothing(spans: InMemorySpanExporter) -> None:
    component("llm").__exit__(None, None, None)
    assert spans.get_finished_spans() == ()


def test_a_body_that_leaves_a_span_of_its_own_current_ends_ours_all_the_same(spans: InMemorySpanExporter) -> None:
    from opentelemetry import context

    with component("llm"):
        context.attach(trace.set_span_in_context(trace.INVALID_SPAN))
    assert only(spans).name == "call llm"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_one_object_in_many_threads_at_once_gives_each_call_a_span_of_its_own(spans: InMemorySpanExporter) -> None:
    llm, before = component("llm"), sys.getswitchinterval()

    def calls() -> None:
        for _ in range(300):
            with llm:
                pass

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(calls) for _ in range(8)]:
                done.result()
    finally:
        sys.setswitchinterval(before)
    found = spans.get_finished_spans()
    assert len(found) == 2_400
    assert all(span.parent is None for span in found)


def test_a_task_that_fails_marks_its_own_span_whatever_else_the_body_made_current(spans: InMemorySpanExporter) -> None:
    llm = component("llm")

    async def call(number: int, first: asyncio.Event, *, fails: bool) -> None:
        with llm as span:
            span.set(number=number)
            context.attach(baggage.set_baggage("tenant", "x"))  # as some middleware does, and never detaches
            if fails:
                first.set()
                raise ValueError("no")
            await first.wait()

    async def both() -> None:
        first = asyncio.Event()
        await asyncio.gather(call(1, first, fails=True), call(2, first, fails=False), return_exceptions=True)

    asyncio.run(both())
    failed = {span.attributes["syscard.llm.number"]: span.status.is_ok for span in spans.get_finished_spans()}  # type: ignore[index]
    assert failed == {1: False, 2: True}


def test_a_span_that_is_left_in_another_context_than_it_was_begun_in_ends_all_the_same(
    spans: InMemorySpanExporter,
) -> None:
    llm = component("llm")
    contextvars.copy_context().run(llm.__enter__)
    llm.__exit__(None, None, None)
    llm.__exit__(None, None, None)
    assert [span.name for span in spans.get_finished_spans()] == ["call llm"]
