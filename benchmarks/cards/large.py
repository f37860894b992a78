"""A large card's history, made of edits as the monitors and people make them; the same for every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from syscard import edits as e

START: Final = datetime(2026, 11, 1, tzinfo=UTC)
MONITOR: Final = e.Author(kind=e.AuthorKind.MONITOR, name="watch")
HUMAN: Final = e.Author(kind=e.AuthorKind.HUMAN, name="mara")
_BATCH: Final = 20
"""Edits of one version."""
_INCIDENT_EVERY: Final = 100
"""Edits from one incident to the next."""


@dataclass(frozen=True)
class Size:
    """How large the card is."""

    components: int = 50
    edges: int = 200
    claims: int = 2000
    edits: int = 10_000


def history(size: Size) -> tuple[e.Edit, ...]:
    """A chain of `size.edits` edits: what is declared first, then what is measured, round and round."""
    drafts = list(islice(_drafts(size), size.edits))
    edits: list[e.Edit] = []
    for number, first in enumerate(range(0, len(drafts), _BATCH)):
        head = edits[-1] if edits else None
        recorded = START + timedelta(seconds=number)
        edits += e.chain(drafts[first : first + _BATCH], head=head, cause=f"batch {number}", recorded=recorded)
    return tuple(edits)


def _drafts(size: Size) -> Iterator[e.Draft]:
    for body in _declared(size):
        yield e.Draft(body=body, author=HUMAN, observed=START)
    step = 0
    while True:
        at = START + timedelta(minutes=step)
        yield from _looked(size, step, at)
        if step % _INCIDENT_EVERY == 0:
            yield from _incident(size, step // _INCIDENT_EVERY + 1, at)
        step += 1


def component(number: int) -> str:
    """`c07`."""
    return f"c{number:02}"


def edges(size: Size) -> list[str]:
    """So many different edges, from near neighbours to far ones."""
    n = size.components
    return [f"{component(i % n)}->{component((i + 1 + i // n) % n)}" for i in range(size.edges)]


def _declared(size: Size) -> Iterator[e.Body]:
    yield e.Declare(section="system", ref="large", body={
        "ref": "large", "name": "A large system", "version": "1", "intended_use": "To be measured.",
        "owner": {"team": "bench", "accountable": "lead@bench.example"}, "users": ["nobody"],
        "out_of_scope": ["use"], "limitations": ["made up"], "review": {"every": "90d", "next": "2027-02-01"},
    })  # fmt: skip
    for number in range(size.components):
        body = {"kind": "llm", "owner": "bench", "select": {"syscard.component": component(number)}}
        yield e.Declare(section="component", ref=component(number), body=body)
    for ref in edges(size):
        yield e.Declare(section="interaction", ref=ref, body={"carries": ["text"]})
    for number in range(size.claims):
        yield e.Declare(section="claim", ref=f"claim-{number}", body={
            "id": f"claim-{number}", "says": f"Answers are good, in way {number}.", "metric": "share(good)",
            "about": component(number % size.components), "expect": ">= 0.90", "by": [],
            "window": {"last": "1d", "min_n": 100}, "valid_for": "7d",
        })  # fmt: skip


def _looked(size: Size, step: int, at: datetime) -> Iterator[e.Draft]:
    """One claim is measured, and one part seen."""
    number = step % size.claims
    about, value = component(number % size.components), 0.9 + (step % 97) / 1000
    figure = e.AddEvidence(about=about, metric="share(good)", value=value, n=1000 + step, low=value - 0.02,
                           high=value + 0.02, window_start=at - timedelta(days=1), window_end=at)  # fmt: skip
    first = e.Draft(body=figure, author=MONITOR, observed=at)
    slice_ = e.SliceStatus(status="holds", value=value, low=figure.low, high=figure.high, n=figure.n,
                           evidence=first.digest)  # fmt: skip
    judged = e.SetClaim(claim=f"claim-{number}", slices=(slice_,))
    yield from (first, e.Draft(body=judged, author=MONITOR, observed=at))
    seen = edges(size)[step % size.edges] if step % 2 else about
    yield e.Draft(body=e.SetPart(ref=seen, state="ok" if step % 5 else "unknown"), author=MONITOR, observed=at)


def _incident(size: Size, number: int, at: datetime) -> Iterator[e.Draft]:
    """One opens, gathers a signal and is resolved; every fourth waits for somebody."""
    subject = component(number % size.components)
    found = e.IncidentFinding(key=f"{subject}.good", about=subject, label="good", reference=0.95, value=0.5, n=1000,
                              evidence="0" * 64)  # fmt: skip
    opened = e.OpenIncident(number=number, fingerprint=f"{number:016x}", group=subject, subject=subject,
                            severity="ticket", title="fewer good answers", since=at, findings=(found,))  # fmt: skip
    late = found.model_copy(update={"key": f"{subject}.late", "label": "late"})
    bodies = (opened, e.ExtendIncident(number=number, findings=(late,), severity="ticket"),
              e.MoveIncident(number=number, state="resolved", resolution="recovered"))  # fmt: skip
    yield from (e.Draft(body=body, author=MONITOR, observed=at) for body in bodies[: 3 if number % 4 else 2])
