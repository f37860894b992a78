"""One request in several traces: a thread pool that passes no context on makes a root of every call in it. Pure.

Nothing is merged: two requests of one session at one time look the same. What is found is a suggestion for a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

CALLS: Final = frozenset({"chat", "embeddings", "retrieval", "rerank", "execute_tool"})
"""Operations that a request does not begin with where somebody traces what makes the requests."""
SESSIONS: Final = ("gen_ai.conversation.id", "session.id")
"""Features that hold the hash of a session."""


class Stray(NamedTuple):
    """A trace that is a single call, while a request of the same service was under way."""

    trace_id: str
    component: str | None
    during: str
    """Trace id of that request."""
    same_session: bool
    """Both state the same session: they may be one request. Otherwise nothing but the time says so."""


def strays(rows: Iterable[Mapping[str, Any]], sessions: Mapping[str, str | None]) -> list[Stray]:
    """Roots that are calls, within the time of the latest other root of their service that is none.

    Args:
        rows: observations; times as `start` and `duration_us` in microseconds.
        sessions: trace id -> hash of its session, None where it states none.
    """
    roots = sorted((r for r in rows if r["parent_span_id"] is None), key=lambda r: (r["start"], r["trace_id"]))
    requests = [r for r in roots if r["operation"] not in CALLS]
    found = []
    for call in roots:
        if call["operation"] in CALLS:
            around = [r for r in requests if _holds(r, call) and _may_be_one(sessions, r, call)]
            if around:
                during = around[-1]["trace_id"]
                same = sessions.get(during) is not None and sessions.get(during) == sessions.get(call["trace_id"])
                found.append(Stray(call["trace_id"], call["component"], during, same))
    return found


def session_of(features: Mapping[str, Any]) -> str | None:
    """The hash of the session that a span states."""
    return next((str(features[key]) for key in SESSIONS if features.get(key)), None)


def _holds(request: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
    ends = request["start"] + request["duration_us"], call["start"] + call["duration_us"]
    same = (request["service"], request["environment"]) == (call["service"], call["environment"])
    return bool(same and request["start"] <= call["start"] and ends[1] <= ends[0])


def _may_be_one(sessions: Mapping[str, str | None], request: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
    said = {sessions.get(request["trace_id"]), sessions.get(call["trace_id"])} - {None}
    return len(said) < 2
