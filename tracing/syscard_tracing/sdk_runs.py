"""Runs of a framework: on which span their facts go, and what they tell that no convention has a word for."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from opentelemetry import context, trace
from opentelemetry.trace import Span

from syscard_tracing.sdk import ComponentSpan
from syscard_tracing.sdk_instrumentors import leaves_calls_out, span_of_run
from syscard_tracing.sdk_spans import begun, ended, quietly

Word = Callable[[ComponentSpan], None]
ITEMS: Final = 64
TEXT_LIMIT: Final = 256 * 1024
PICTURE_LIMIT: Final = 32 * 1024 * 1024
"""Characters of a picture in base64 that are looked at; a larger one is counted and not hashed."""
_LISTS: Final = ("items", "results", "candidates", "recommendations", "slate", "documents")
_WORD: Final = re.compile(r"[\w.:/#-]{1,64}")
_ID: Final = re.compile(r"(?=.*[\d_:-])[\w.:/#-]{1,64}")
"""A word with a digit or a joint in it."""
_IDS: Final = ("id", "item_id", "product_id", "item")
_SCORES: Final = ("score", "relevance_score", "similarity", "probability")
_CONTROL: Final = frozenset({"GraphBubbleUp", "GraphInterrupt", "NodeInterrupt", "ParentCommand"})
"""Exceptions of LangGraph that are no failures."""
_FALLBACKS: Final = "RunnableWithFallbacks"
_OPERATIONS: Final = {"llm": "chat", "tool": "execute_tool", "retriever": "retrieval"}


class Run:
    """A run that is going on. What it says waits until its span is known: an instrumentor may begin it after us."""

    def __init__(
        self, identity: UUID, kind: str, name: str, stated: str | None, parent: Run | None, said: str | None
    ) -> None:
        self.kind, self.name, self.parent, self.said = kind, name, parent, said
        self.template = ""
        """Of the prompt that was last filled in below it."""
        self.below: set[UUID] = set()
        """Runs that this one began and that go on."""
        self.task = _task()
        """The task that it runs in; None in a program without an event loop."""
        self.child_error: BaseException | None = None
        """What the last run below it failed with."""
        self.identity, self._stated = identity, stated
        self._span: Span | None = None
        self._is_own = False
        self._around = context.get_current()
        self._start_ns = time.time_ns()
        self._words: list[Word] = []

    def begin(self, *, own: bool) -> None:
        """Begin a span of our own, for what is more than a step inside a chain."""
        if own and (self.kind != "chain" or self._stated or self.parent is None):
            self._make()

    def say(self, word: Word) -> None:
        """Write something on the span, now or when it is known."""
        if self._span is None:
            self._words.append(word)
        else:
            _spoken(word, self._words_of(self._span))

    def end(self, say: Word | None = None, on_own_span: Word | None = None, error: BaseException | None = None) -> None:
        """Write what there is left to say; end the span if it is ours."""
        if say is not None:
            self.say(say)
        if self._span is None and self._words:
            self._find()
        if self._is_own and self._span is not None:
            if on_own_span is not None:
                _spoken(on_own_span, self._words_of(self._span))
            ended(self._span, None if _is_control(error) else error)

    def stands_in_for(self) -> BaseException | None:
        """The error of the run in whose place this one is asked."""
        above = self.parent
        while above is not None:
            if above.name == _FALLBACKS and above.child_error is not None:
                return above.child_error
            above = above.parent
        return None

    def _find(self) -> None:
        """The instrumentor's span of this run; where it has none for a call, one of our own, dated back."""
        here, before = trace.get_current_span(), trace.get_current_span(self._around)
        theirs = span_of_run(self.identity) or (here if here is not before and here.is_recording() else None)
        if theirs is not None:
            self._span = theirs
        elif self.kind != "chain" and leaves_calls_out():
            self._make()
        words, self._words = self._words, []
        if self._span is None:
            return
        for word in words:
            self.say(word)

    def _make(self) -> None:
        above = self.parent.nearest() if self.parent is not None else None
        around = trace.set_span_in_context(above, self._around) if above is not None else self._around
        operation = _OPERATIONS.get(self.kind)
        facts = {"gen_ai.operation.name": operation} if operation is not None else {}
        name = f"{operation or 'call'} {self._stated or self.name}"
        self._span = begun(name, facts, context=around, start_time=self._start_ns)
        self._is_own = self._span is not None

    def nearest(self) -> Span | None:
        """Its span, else that of the run around it."""
        own = self._span or span_of_run(self.identity)
        return own or (self.parent.nearest() if self.parent is not None else None)

    def _words_of(self, span: Span) -> ComponentSpan:
        return ComponentSpan(self._stated or self.name, span)


@quietly
def _spoken(word: Word, span: ComponentSpan) -> None:
    word(span)


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _is_control(error: BaseException | None) -> bool:
    """Whether a graph only hands control on by it: to a human, to its parent."""
    return any(kind.__name__ in _CONTROL for kind in type(error).__mro__)


class Picture(NamedTuple):
    """A picture in a message; no bytes where it is only linked."""

    data: bytes
    mime: str


class Offer(NamedTuple):
    """What was offered, best first."""

    items: list[str]
    scores: list[float]
    candidates: int | None


def pictures(messages: Iterable[Any]) -> list[Picture]:
    """The pictures in messages whose `content` is a list of parts, in any of the shapes in use."""
    contents = (getattr(message, "content", None) for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    seen = (_picture(part) for part in parts if isinstance(part, Mapping))
    return [picture for picture in seen if picture is not None]


def _picture(part: Mapping[str, Any]) -> Picture | None:
    kind, mime = part.get("type"), str(part.get("mime_type") or part.get("media_type") or "")
    source = part.get("source")
    if kind not in ("image_url", "image", "input_image") and not mime.startswith("image/"):
        return None
    if isinstance(source, Mapping):
        return _decoded(source.get("data"), str(source.get("media_type") or ""))
    url = part.get("image_url") or part.get("url")
    url = url.get("url") if isinstance(url, Mapping) else url
    if isinstance(url, str) and url.startswith("data:"):
        head, _, body = url.partition(",")
        return _decoded(body, head[5:].partition(";")[0])
    return _decoded(part.get("base64") or part.get("data"), mime)


def _decoded(text: Any, mime: str) -> Picture:
    if not isinstance(text, str) or len(text) > PICTURE_LIMIT:
        return Picture(b"", mime)
    return Picture(base64.b64decode(text + "=" * (-len(text) % 4)), mime)


def offer(result: Any) -> Offer | None:
    """Ids and scores in what a tool gave: a list of objects or pairs, or an object that holds one; else None."""
    if isinstance(result, str):
        if len(result) > TEXT_LIMIT or result.lstrip()[:1] not in ("[", "{"):
            return None
        result = json.loads(result)
    if isinstance(result, Mapping):
        return _of_object(result)
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        rows = [_row(entry) for entry in result[:ITEMS]]
        if rows and None not in rows:
            return _offer(rows, None)
    return None


def _of_object(result: Mapping[str, Any]) -> Offer | None:
    there = next((result[key] for key in _LISTS if isinstance(result.get(key), list)), None)
    if there is None:
        return None
    scores = result.get("scores")
    if isinstance(scores, list) and len(scores) == len(there):
        there = list(zip(there, scores, strict=True))
    rows = [_row(entry) or _bare(entry) for entry in there[:ITEMS]]
    count = result.get("candidate_count")
    return _offer(rows, count if isinstance(count, int) else None)


def _bare(entry: Any) -> tuple[str, float | None] | None:
    """An item that is its own id. A list of results may as well hold texts, and those stay in the process."""
    is_id = isinstance(entry, int) and not isinstance(entry, bool)
    return (str(entry), None) if is_id or (isinstance(entry, str) and _ID.fullmatch(entry)) else None


def _row(entry: Any) -> tuple[str, float | None] | None:
    if isinstance(entry, Mapping):
        identity = next((entry[key] for key in _IDS if entry.get(key) is not None), None)
        score = next((entry[key] for key in _SCORES if entry.get(key) is not None), None)
    elif isinstance(entry, list | tuple) and len(entry) == 2:
        identity, score = entry
    else:
        return None
    if not isinstance(identity, str | int) or isinstance(identity, bool) or not _WORD.fullmatch(str(identity)):
        return None
    return str(identity), float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None


def _offer(rows: Iterable[tuple[str, float | None] | None], candidates: int | None) -> Offer:
    pairs = [row for row in rows if row is not None]
    scores = [score for _, score in pairs if score is not None]
    return Offer([item for item, _ in pairs], scores if len(scores) == len(pairs) else [], candidates)


def template(serialized: Any) -> str:
    """The templates in a prompt as LangChain serializes it, in order, one a line; "" where there are none."""
    return "\n".join(_templates(serialized, 0))


def _templates(tree: Any, depth: int) -> Iterator[str]:
    if depth > 16:
        return
    if isinstance(tree, Mapping):
        if isinstance(tree.get("template"), str):
            yield tree["template"]
            return
        for branch in tree.values():
            yield from _templates(branch, depth + 1)
    elif isinstance(tree, list):
        for branch in tree:
            yield from _templates(branch, depth + 1)
