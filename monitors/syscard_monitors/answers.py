"""What came of requests: the newest answers of feedback, found again by the span that their link names. Pure.

An answer comes minutes or hours after its request, whose window is closed by then. It changes no request: who looks
over many of them asks here what is known by now. An answer counts from the window on in which it came, so how spans
were cut into looks changes nothing; what is remembered is bounded, and stored with the rest of the monitors' memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from syscard_monitors.assemble import Answer, Request

MOST: Final = 1_000
"""Answers that are remembered, the newest; risks look at fewer requests."""
_LINKS: Final = "span.links"
_BYTES: Final = 8


class Came(NamedTuple):
    """What an answer says, and when."""

    accepted: bool
    at_us: int


Known = Mapping[str, Came]
"""By the name of the span that it answers."""


def accepted_of(values: Mapping[str, Sequence[Any]]) -> bool | None:
    """Whether feedback says that something was taken: `accepted`, else `position` (0 is nothing), else `item`."""
    said = {name: next(iter(values.get(name, ())), None) for name in ("accepted", "position", "item")}
    if isinstance(said["accepted"], bool):
        return said["accepted"]
    if isinstance(said["position"], int):
        return said["position"] > 0
    return True if said["item"] is not None else None


def name_of(span: str) -> str:
    """A short name for `trace/span`: links are of any length, what is remembered is not."""
    return hashlib.blake2b(span.encode(), digest_size=_BYTES).hexdigest()


def names_of(request: Request) -> tuple[str, ...]:
    """Those of its root and of its other spans: a program may keep the reference of any of them."""
    spans = (request.root_id, *(span.span_id for span in request.spans))
    return tuple(name_of(f"{request.trace_id}/{span}") for span in dict.fromkeys(spans))


def added(known: Known, feedback: Iterable[Request], most: int = MOST) -> dict[str, Came]:
    """With what came since, in its order. The first answer about a span counts, as in reports."""
    found = dict(known)
    for name, came in (told for one in feedback for told in _told(one)):
        found.setdefault(name, came)
        if len(found) > most:
            del found[next(iter(found))]
    return found


def _told(feedback: Request) -> Iterator[tuple[str, Came]]:
    accepted = accepted_of(feedback.values)
    lists = (links for links in feedback.values.get(_LINKS, ()) if isinstance(links, list))
    if accepted is not None:
        yield from ((name_of(str(link)), Came(accepted, feedback.end_us)) for links in lists for link in links)


def answer_to(request: Request, names: Iterable[str], known: Known) -> Answer | None:
    """What is known to have come of a request; an id that was used before it began answers another."""
    came = next((known[name] for name in names if name in known), None)
    if came is None or came.at_us < request.start_us:
        return None
    return Answer(came.accepted, came.at_us)


def answered(requests: Sequence[Request], feedback: Sequence[Request]) -> tuple[Request, ...]:
    """Requests of a time that is over, each with what came of it."""
    known = added({}, feedback, most=len(feedback))
    return tuple(replace(r, answer=answer_to(r, names_of(r), known)) for r in requests) if known else (*requests,)


def body_of(known: Known) -> dict[str, list[Any]]:
    """As JSON."""
    return {name: list(came) for name, came in known.items()}


def read_answers(body: Mapping[str, Sequence[Any]]) -> dict[str, Came]:
    """From its JSON form."""
    return {name: Came(*came) for name, came in body.items()}
