"""A drafted `system.yaml`: what spans show of a system, and `unknown` where only a human can say. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from syscard.words import plural

UNKNOWN: Final = "unknown"
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_REVIEW: Final = timedelta(days=90)
_PACKS: Final = ("vision-language", "ranking", "llm", "agent", "guard")
"""Kinds of components that a pack of monitors is for, under the same name."""


@dataclass(frozen=True)
class DraftedComponent:
    """A component that spans show."""

    ref: str
    kind: str
    guessed: bool
    """The kind was guessed from a name."""
    name: str
    select: tuple[tuple[str, str], ...]
    spans: int
    traces: int
    version: str | None = None
    """Newest version that was stated."""
    answered: str | None = None
    """Newest model that answered."""
    versions: tuple[str, ...] = ()
    """Every version and answering model, oldest first: more than one is a change."""
    prompt: bool = False
    made: int = 0
    """Spans that make or describe it, and run nothing."""


@dataclass(frozen=True)
class DraftedEdge:
    """An edge that spans show, by its strongest evidence."""

    ref: str
    evidence: str
    traces: int
    example: str
    enough: bool
    """It was seen often enough to be declared."""


@dataclass(frozen=True)
class DraftedSystem:
    """A system as its spans show it."""

    ref: str
    select: tuple[tuple[str, str], ...]
    services: tuple[str, ...]
    spans: int
    requests: int
    without_root: int
    newest: date
    components: tuple[DraftedComponent, ...]
    root: str | None = None
    roots: tuple[tuple[str, int], ...] = ()
    """Names of the spans at which traces begin, the most frequent first."""
    edges: tuple[DraftedEdge, ...] = ()
    segments: tuple[tuple[str, str, int], ...] = ()
    """(dimension, attribute, spans)."""
    candidates: tuple[tuple[str, int], ...] = ()
    """Attributes with a few labels that may be a segment, with how many labels they have."""
    users: int = 0
    """Spans that name a user."""
    p95_s: float | None = None
    errors: int = 0
    """Requests that failed."""
    questions: tuple[str, ...] = ()
    """What only people can say of the components: which of them may be one."""


def draft_text(draft: DraftedSystem) -> str:
    """The file, which `syscard apply --check` accepts."""
    parts = (_head, _identity, _traces, _components, _edges, _monitors, _claims)
    return "\n".join(line for part in parts for line in (*part(draft), "")).rstrip() + "\n"


def _head(draft: DraftedSystem) -> Iterator[str]:
    yield f"# A draft of what {plural(draft.spans, 'span')} of {plural(draft.requests, 'request')} show."
    yield "# Spans cannot say what a system is for, who answers for it, or what it promises: that is unknown here."
    yield "# Check it with: syscard apply system.yaml --check"
    yield "schema: syscard/1"


def _identity(draft: DraftedSystem) -> Iterator[str]:
    yield "system:"
    yield f"  ref: {draft.ref}"
    yield f"  name: {_value(draft.ref)}"
    yield f"  version: {UNKNOWN}"
    yield f"  owner: {{team: {UNKNOWN}, accountable: {UNKNOWN}}}"
    yield f"  intended_use: {UNKNOWN}"
    for key in ("users", "out_of_scope", "limitations"):
        yield f"  {key}: [{UNKNOWN}]"
    yield f"  review: {{every: 90d, next: {draft.newest + _REVIEW}}}"


def _traces(draft: DraftedSystem) -> Iterator[str]:
    yield "traces:"
    yield f"  select: {_mapping(draft.select)}   # services: {', '.join(draft.services)}"
    begin = ", ".join(f"{name} ({count:,})" for name, count in draft.roots[:5]) or "nothing"
    yield f"  # Traces begin with: {begin}."
    if draft.without_root:
        yield f"  # {plural(draft.without_root, 'trace')} had no such span (thread pools?)."
    if draft.root:
        yield f"  request: {{root: {_value(draft.root)}}}"
    yield from _segments(draft)
    if draft.users:
        yield f"  # {plural(draft.users, 'span')} named a user, of whom a keyed hash is kept. If elsewhere: user: KEY"
    yield "  keep: features"


def _segments(draft: DraftedSystem) -> Iterator[str]:
    for attribute, labels in draft.candidates:
        yield f"  # {attribute} has {labels} labels: a group to compare by?"
    pairs = tuple((name, attribute) for name, attribute, _ in draft.segments)
    seen = ", ".join(f"{name} in {plural(spans, 'span')}" for name, _, spans in draft.segments)
    yield f"  segments: {_mapping(pairs)}" + (f"   # {seen}" if seen else "")


def _components(draft: DraftedSystem) -> Iterator[str]:
    yield "components:"
    for part in draft.components:
        made = f", and {part.made:,} that only make it" if part.made else ""
        yield f"  {part.ref}:   # {plural(part.spans, 'span')} in {plural(part.traces, 'trace')}{made}"
        yield f"    kind: {part.kind}" + ("   # a guess from its name" if part.guessed else "")
        yield f"    name: {_value(part.name)}"
        yield from _version(part)
        yield f"    owner: {UNKNOWN}"
        yield f"    select: {_mapping(part.select)}"
    yield from (f"  # {question}" for question in draft.questions)


def _version(part: DraftedComponent) -> Iterator[str]:
    pairs: list[tuple[str, str]] = []
    if part.answered and not part.version:
        pairs += [("from", "gen_ai.response.model"), ("declared", part.answered)]
    elif part.version:
        pairs += [("declared", part.version)]
    if part.prompt:
        pairs += [("prompt", "syscard.prompt.hash")]
    if pairs:
        changed = f"   # seen, oldest first: {', '.join(part.versions)}" if len(part.versions) > 1 else ""
        yield f"    version: {_mapping(tuple(pairs))}{changed}"


def _edges(draft: DraftedSystem) -> Iterator[str]:
    known = [edge for edge in draft.edges if edge.enough]
    yield "# Who hands what to whom, as spans show it. What runs one after the other proves no edge and is not listed."
    yield "interactions:" if known else "interactions: {}"
    for edge in known:
        yield f"  {edge.ref}: {{}}   # {_seen(edge)}"
    for edge in draft.edges:
        if not edge.enough:
            yield f"  # {edge.ref}: {{}}   # {_seen(edge)}: too few to be sure"


def _seen(edge: DraftedEdge) -> str:
    return f"{edge.evidence} in {plural(edge.traces, 'trace')}, e.g. {edge.example}"


def _monitors(draft: DraftedSystem) -> Iterator[str]:
    kinds = {part.kind for part in draft.components}
    packs = [pack for pack in _PACKS if pack in kinds] + (
        ["interactions"] if any(e.enough for e in draft.edges) else []
    )
    yield "monitors:"
    yield f"  packs: [{', '.join(packs)}]"


def _claims(draft: DraftedSystem) -> Iterator[str]:
    yield "# What is promised is for people to say. These could be measured; the limits are theirs to choose:"
    if draft.p95_s is not None:
        failed = f"{draft.errors:,} of {draft.requests:,} failed"
        yield f"# seen so far: 95 % of answers within {draft.p95_s:.3g} s, {failed}"
    yield "claims: []"
    yield "#  - {id: fast, says: 95 % of answers come within 3 s., about: system, metric: p95(latency),"
    yield '#     expect: "<= 3s", window: {last: 1h, min_n: 100}, valid_for: 1d}'
    yield "#  - {id: few-errors, says: At most 2 % of requests fail., about: system, metric: share(error),"
    yield '#     expect: "<= 2%", window: {last: 1d, min_n: 400}, valid_for: 1d}'


def _mapping(pairs: tuple[tuple[str, str], ...]) -> str:
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in pairs) + "}"


def _value(text: str) -> str:
    """A scalar as YAML reads it back."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
