"""Which components that spans show may be one part of the system, told in two ways: a question for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from syscard.words import one_line, plural
from syscard_monitors.traces import Row

Part = tuple[str, str]
"""(service, component as it was stored)."""
RUNS: Final = ("invoke_agent:", "invoke_workflow:")
"""What agents and workflows that nobody declared are called."""
MOST_QUESTIONS: Final = 20
_NO_NAMES: Final = frozenset(
    ("agent", "chain", "chat", "chatmodel", "embedding", "embeddings", "executetool", "invokeagent", "invokeworkflow",
     "llm", "model", "rerank", "reranker", "retrieval", "retriever", "tool", "unnamed", "workflow")
)  # fmt: skip
"""What a part is called by an instrumentor that has no name for it, letters and digits alone."""
_JOINT: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Subject:
    """What is known of one component."""

    ref: str
    dialects: frozenset[str]
    models: frozenset[str]
    answered: frozenset[str]

    @classmethod
    def of(cls, ref: str, spans: Sequence[Row]) -> Subject:
        """By its spans."""
        dialects, models, answered = (
            frozenset(str(row[column]) for row in spans if row[column] is not None)
            for column in ("dialect", "model", "model_response")
        )
        return cls(ref, dialects, models, answered)


def made_of(part: Part, made: Mapping[Part, int]) -> int:
    """Spans that make or describe a part, which is an agent or a workflow."""
    service, component = part
    return made.get((service, component.partition(":")[2]), 0) if component.startswith(RUNS) else 0


def questions(parts: Mapping[Part, Subject], made: Mapping[Part, int]) -> tuple[str, ...]:
    """What to ask of components that may be one, and of agents that are made and never run.

    Args:
        parts: the components; one that several dialects tell of under one name is one already.
        made: spans that make or describe an agent, by service and name.
    """
    alike = [*_alike(parts), *_unnamed(parts)][:MOST_QUESTIONS]
    advice = ("If so, let one instrumentor tell of it, or name it on its spans: syscard.component.",) if alike else ()
    run = {(service, component.partition(":")[2]) for service, component in parts if component.startswith(RUNS)}
    idle = [
        f"create_agent makes {one_line(name)} in {plural(made[service, name], 'span')}, and nothing runs by that name:"
        " is it one of the parts above?"
        for service, name in sorted(made.keys() - run)
    ]
    return (*alike, *advice, *idle[:MOST_QUESTIONS])


def _alike(parts: Mapping[Part, Subject]) -> Iterator[str]:
    for (one, first), (other, second) in combinations(sorted(parts.items(), key=lambda item: item[0]), 2):
        if one[0] == other[0] and (why := _why(one[1], first, other[1], second)):
            yield f"Is {_told(first)} the same part as {_told(second)}? {why}"


def _unnamed(parts: Mapping[Part, Subject]) -> Iterator[str]:
    """Parts that an instrumentor has no name for, with the named ones that they may be."""
    for part, subject in sorted(parts.items(), key=lambda item: item[0]):
        others = sorted(s.ref for p, s in parts.items() if _role(p) == _role(part) and not _is_unnamed(p))
        if _is_unnamed(part) and others:
            yield f"{_told(subject)} has no name of its own: is it {' or '.join(others)}?"


def _role(part: Part) -> Part:
    return part[0], part[1].partition(":")[0]


def _is_unnamed(part: Part) -> bool:
    return _letters(part[1].partition(":")[2]) in _NO_NAMES


def _told(subject: Subject) -> str:
    return f"{subject.ref} (told by {', '.join(sorted(subject.dialects)) or 'no dialect'})"


def _why(one: str, first: Subject, other: str, second: Subject) -> str | None:
    """Why two named components of one service may be one."""
    (does, _, name), (also_does, _, also_named) = one.partition(":"), other.partition(":")
    if one.startswith(RUNS) and other.startswith(RUNS) and does != also_does and name == also_named:
        return "One is told as an agent and one as a workflow, by one name."
    # One dialect tells two parts apart by itself.
    if does != also_does or not name or first.dialects & second.dialects:
        return None
    if _letters(name) == _letters(also_named):
        return "Their names differ in spelling only."
    if first.models & second.answered or second.models & first.answered:
        return "What is asked for as one is what answers as the other."
    return None


def _letters(name: str) -> str:
    """A name without what instrumentors write differently: `openai/gpt-4o`, `GPT-4o` and `gpt_4o` are one."""
    return _JOINT.sub("", name.rpartition("/")[2].lower())
