"""A LangChain callback handler for what instrumentors miss: whose call it was, slates, pictures, prompts, fallbacks.

::

    handler = SyscardCallbackHandler({"recommend_items": "cf", "rationale": "llm"})
    agent.invoke(question, {"callbacks": [handler]})

Beside a LangChain instrumentor it writes on that one's spans, and makes one only for a call that the instrumentor has
none for; without an instrumentor it makes the spans. Texts and bytes stay in the process. It never raises.
"""

from __future__ import annotations

import threading
from asyncio import CancelledError, Task
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables.config import var_child_runnable_config

from syscard_tracing.sdk import ComponentSpan
from syscard_tracing.sdk_instrumentors import is_instrumented
from syscard_tracing.sdk_runs import Run, offer, pictures, template
from syscard_tracing.sdk_spans import quietly

RUNS: Final = 10_000
"""Runs that are remembered at a time: those that never end must not pile up."""


class SyscardCallbackHandler(BaseCallbackHandler):
    """Adds to LangChain's runs what no instrumentor records. Hand it over in the config, not to a model's constructor.

    Args:
        components: run name (of a model, tool, retriever, chain or graph node) -> component. A run may also say so
            itself: `metadata={"syscard_component": "llm", "syscard_version": "3"}`.
        own_spans: whether it makes the spans itself; None: if no LangChain instrumentor is on.
    """

    raise_error = False
    run_inline = True  # in order, and where the run is: also in asynchronous programs

    def __init__(self, components: Mapping[str, str] | None = None, *, own_spans: bool | None = None) -> None:
        self._components = dict(components or {})
        self._own_spans = own_spans
        self._runs: OrderedDict[UUID, Run] = OrderedDict()
        self._lock = threading.Lock()

    @quietly
    def on_chain_start(self, serialized: Any, inputs: Any, **about: Any) -> None:  # noqa: ARG002
        """A chain, prompt or node begins; the model that comes after a prompt is told its template."""
        run = self._start("chain", serialized, about)
        if run.parent is not None and (text := template(serialized)):
            run.parent.template = text

    @quietly
    def on_chat_model_start(self, serialized: Any, messages: list[list[BaseMessage]], **about: Any) -> None:
        """A chat model is asked."""
        run = self._asked(serialized, about)
        seen = pictures(message for batch in messages for message in batch)
        if seen:
            run.say(lambda span: span.set(**{"image.count": len(seen)}))
        if seen and seen[0].data:
            run.say(lambda span: span.image(*seen[0]))

    @quietly
    def on_llm_start(self, serialized: Any, prompts: list[str], **about: Any) -> None:  # noqa: ARG002
        """A model that is no chat model is asked."""
        self._asked(serialized, about)

    @quietly
    def on_tool_start(self, serialized: Any, input_str: str, **about: Any) -> None:  # noqa: ARG002
        """A tool is called."""
        run = self._start("tool", serialized, about)
        run.say(lambda span: span.attribute("gen_ai.tool.name", run.name))

    @quietly
    def on_retriever_start(self, serialized: Any, query: str, **about: Any) -> None:  # noqa: ARG002
        """A retriever is asked."""
        run, metadata = self._start("retriever", serialized, about), about.get("metadata") or {}
        store, embedding = metadata.get("ls_vector_store_provider"), metadata.get("ls_embedding_provider")
        run.say(lambda span: span.set(store=store, embedding=embedding))

    @quietly
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **about: Any) -> None:  # noqa: ARG002
        """A chain has ended."""
        self._end(run_id)

    @quietly
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **about: Any) -> None:  # noqa: ARG002
        """A model has answered. Its tokens are written on a span of our own only: nobody counts them twice."""
        self._end(run_id, on_own_span=lambda span: _answered(span, response))

    @quietly
    def on_tool_end(self, output: Any, *, run_id: UUID, **about: Any) -> None:  # noqa: ARG002
        """A tool has answered; if it offered something, that is a slate."""
        self._end(run_id, lambda span: _offered(span, getattr(output, "artifact", None), output))

    @quietly
    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **about: Any) -> None:  # noqa: ARG002
        """A retriever has answered."""
        rows = [{**d.metadata, "id": d.id or d.metadata.get("id")} for d in documents]

        def say(span: ComponentSpan) -> None:
            span.set(n_documents=len(rows))
            _offered(span, rows)

        self._end(run_id, say)

    @quietly
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:  # noqa: ARG002
        """A run has failed: whatever stands in for it answers by fallback."""
        run = self._runs.get(run_id)
        if run is not None and run.parent is not None:
            run.parent.child_error = error
        self._end(run_id, error=error)

    on_chain_error = on_tool_error = on_retriever_error = on_llm_error

    def _asked(self, serialized: Any, about: Mapping[str, Any]) -> Run:
        """A model is asked: which one, with which prompt, and whether in place of another."""
        run = self._start("llm", serialized, about)
        model = _model(serialized, about)
        run.say(lambda span: span.attribute("gen_ai.request.model", model))
        if run.parent is not None and (text := run.parent.template):
            run.say(lambda span: span.prompt(text))
        if (error := run.stands_in_for()) is not None:
            run.say(lambda span: span.fallback(type(error).__name__))
        return run

    def _start(self, kind: str, serialized: Any, about: Mapping[str, Any]) -> Run:
        name = str(about.get("name") or (serialized or {}).get("name") or kind)
        said, version = (_text(about, key) for key in ("syscard_component", "syscard_version"))
        with self._lock:
            parent = self._runs.get(about.get("parent_run_id") or _around() or about["run_id"])
            # Metadata go down to all runs below: only the first of them bears the component.
            inherited = parent is not None and parent.said == said
            stated = self._components.get(name) or (None if inherited else said)
            run = self._runs[about["run_id"]] = Run(about["run_id"], kind, name, stated, parent, said)
            if parent is not None:
                parent.below.add(run.identity)
            forgotten = self._runs.popitem(last=False)[1] if len(self._runs) > RUNS else None
        if forgotten is not None:
            forgotten.end()
        if run.task is not None and (parent is None or parent.task is not run.task):
            run.task.add_done_callback(self._abandoned)
        own = self._own_spans if self._own_spans is not None else not is_instrumented("langchain")
        run.begin(own=own)
        if stated is not None:
            run.say(lambda span: span.identity(version))
        return run

    def _end(
        self,
        run_id: UUID,
        say: Callable[[ComponentSpan], None] | None = None,
        *,
        on_own_span: Callable[[ComponentSpan], None] | None = None,
        error: BaseException | None = None,
    ) -> None:
        with self._lock:
            run = self._runs.pop(run_id, None)
            if run is not None and run.parent is not None:
                run.parent.below.discard(run_id)
        if run is None:
            return
        for left in self._cancelled_below(run):
            self._end(left, error=error or CancelledError())
        run.end(say, on_own_span, error)
        if run.task is not None and run.parent is None:
            run.task.remove_done_callback(self._abandoned)

    def _cancelled_below(self, run: Run) -> list[UUID]:
        """Runs below one that has ended whose own end was not told: LangChain says nothing of what is cancelled."""
        with self._lock:
            there = [self._runs[below] for below in run.below if below in self._runs]
        return [b.identity for b in there if b.task is not None and (b.task is run.task or b.task.cancelled())]

    def _abandoned(self, task: Task[Any]) -> None:
        """A task was cancelled: so was what began in it and was not told to have ended.

        One that ended by itself says nothing: of a stream, each piece is read in a task of its own.
        """
        if not task.cancelled():
            return
        with self._lock:
            left = [run.identity for run in self._runs.values() if run.task is task]
        for run_id in left:
            self._end(run_id, error=CancelledError())


def _around() -> UUID | None:
    """The run whose body we are in. LangChain hands down no parent where a config names callbacks: so in fallbacks."""
    callbacks = (var_child_runnable_config.get() or {}).get("callbacks")
    return getattr(callbacks, "parent_run_id", None)


def _text(about: Mapping[str, Any], key: str) -> str | None:
    value = (about.get("metadata") or {}).get(key)
    return None if value is None else str(value)


def _model(serialized: Any, about: Mapping[str, Any]) -> str | None:
    """The model that is asked for; of one that has no name (local, fake), its class."""
    asked = about.get("invocation_params") or {}
    name = asked.get("model") or asked.get("model_name") or _text(about, "ls_model_name")
    path = (serialized or {}).get("id") or [None]
    return name or (serialized or {}).get("name") or path[-1]


def _answered(span: ComponentSpan, response: LLMResult) -> None:
    for generation in (one for batch in response.generations for one in batch):
        message = getattr(generation, "message", None)
        usage = getattr(message, "usage_metadata", None) or {}
        about = getattr(message, "response_metadata", None) or {}
        span.attribute("gen_ai.usage.input_tokens", usage.get("input_tokens"))
        span.attribute("gen_ai.usage.output_tokens", usage.get("output_tokens"))
        span.attribute("gen_ai.response.model", about.get("model_name") or about.get("model"))
        if reason := about.get("finish_reason"):
            span.attribute("gen_ai.response.finish_reasons", [str(reason)])
        return  # one call: further generations share its tokens


def _offered(span: ComponentSpan, *results: Any) -> None:
    for result in results:
        found = offer(getattr(result, "content", result))
        if found is not None and found.items:
            span.slate(found.items, found.scores, candidates=found.candidates)
            return
