"""What spans show of systems that nobody declared yet: services, components, edges, roots. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from syscard.draft import DraftedComponent, DraftedEdge, DraftedSystem
from syscard.errors import UsageError
from syscard.observation import FEEDBACK
from syscard.system_checks import RESERVED
from syscard_monitors.assemble import Frontier, Request, assemble, is_creation
from syscard_monitors.edges import PLUMBING, STRENGTH, UNDECLARED_AFTER, all_evidence
from syscard_monitors.likeness import RUNS, Part, Subject, made_of, questions
from syscard_monitors.stats import quantile
from syscard_monitors.traces import Row, by_trace

_KINDS: Final = {
    "chat": "llm",
    "execute_tool": "tool",
    "retrieval": "retriever",
    "rerank": "ranking",
    "invoke_agent": "agent",
    "invoke_workflow": "agent",
    "guardrail": "guard",
}
_BY_NAME: Final = (
    (re.compile(r"vlm|vision|[-_]vl\b|clip|llava|pixtral|image", re.IGNORECASE), "vision-language"),
    (re.compile(r"recommend|rank|collaborat|^cf$|als\b", re.IGNORECASE), "ranking"),
    (re.compile(r"llm|gpt|claude|gemini|llama|mistral", re.IGNORECASE), "llm"),
    (re.compile(r"agent|planner|orchestrat", re.IGNORECASE), "agent"),
    (re.compile(r"retriev|search", re.IGNORECASE), "retriever"),
    (re.compile(r"guard|moderat", re.IGNORECASE), "guard"),
)
_SHORT: Final = {"llm": "llm", "vision-language": "vlm", "agent": "agent"}
_SEGMENT: Final = re.compile(r"segment|band|tier|plan|locale|country|region|language|gender|cohort")
_MOST_LABELS: Final = 20
_DOMINANT: Final = 0.9


def discover(rows: Sequence[Row], service: str | None = None) -> DraftedSystem:
    """The system that observations show.

    Args:
        rows: observations with times in microseconds.
        service: which service's system, where there are several.

    Raises:
        UsageError: there is no span, no such service, or more than one system to choose from.
    """
    named = [row for row in rows if row["service"]]
    if not named:
        what = "no span in the lake names its service (service.name)" if rows else "the lake holds no span of that time"
        raise UsageError(f"{what}: syscard ingest PATH, or syscard serve")
    services = _chosen(named, service)
    return _system([row for row in named if row["service"] in services], services, _selection(named, services))


def _chosen(rows: Sequence[Row], service: str | None) -> frozenset[str]:
    """The services of one system: those that share traces, where an environment of their own can select them."""
    groups = _groups(rows)
    known = sorted(str(s) for group in groups for s in group)
    if service is not None:
        if service not in known:
            raise UsageError(f"no span of a service '{service}': there is {', '.join(known)}")
        group = next(g for g in groups if service in g)
        return group if len(group) > 1 and _environment(rows, group) else frozenset({service})
    if len(groups) > 1 or (len(groups[0]) > 1 and _environment(rows, groups[0]) is None):
        raise UsageError(f"more than one system: name one with --service, of {', '.join(known)}")
    return groups[0]


def _groups(rows: Iterable[Row]) -> list[frozenset[str]]:
    """Services that meet in traces."""
    together: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        together[row["trace_id"]].add(row["service"])
    groups: list[frozenset[str]] = []
    for met in {frozenset(s) for s in together.values()}:
        touching = [g for g in groups if g & met]
        groups = [g for g in groups if not g & met] + [met.union(*touching)]
    return sorted(groups, key=sorted)


def _environment(rows: Iterable[Row], services: frozenset[str]) -> str | None:
    """The environment in which exactly these services run."""
    found: defaultdict[str | None, set[str]] = defaultdict(set)
    for row in rows:
        found[row["environment"]].add(row["service"])
    own = [name for name, there in found.items() if name and there == services]
    return own[0] if len(own) == 1 and not any(services & t for n, t in found.items() if n != own[0]) else None


def _selection(rows: Sequence[Row], services: frozenset[str]) -> tuple[tuple[str, str], ...]:
    if len(services) == 1:
        return (("service.name", next(iter(services))),)
    return (("deployment.environment.name", str(_environment(rows, services))),)


def _system(rows: list[Row], services: frozenset[str], select: tuple[tuple[str, str], ...]) -> DraftedSystem:
    refs, parts, components = _components([r for r in rows if r["operation"] != FEEDBACK], several=len(services) > 1)
    renamed = [{**row, "component": refs.get(_key(row), row["component"])} for row in rows]
    tops = _tops(rows)
    root = _root(tops)
    looked = assemble(
        renamed,
        root=root,
        frontier=Frontier(),
        watermark_us=max(r["start_us"] + r["duration_us"] for r in rows) + 3_600_000_000,
        before_us=0,
        complete_after=timedelta(0),
        seen_before_us=0,
    )
    requests = looked.complete
    latencies = [v for r in requests for v in r.values.get("latency", ())]
    return DraftedSystem(
        ref=_slug(sorted(services)[0] if len(services) == 1 else select[0][1], "system"),
        select=select,
        services=tuple(sorted(services)),
        spans=len(rows),
        requests=len(requests),
        without_root=looked.orphans,
        newest=datetime.fromtimestamp(max(r["start_us"] for r in rows) / 1_000_000, UTC).date(),
        components=components,
        questions=questions(parts, _made(rows)),
        root=root,
        roots=tuple(tops.most_common()),
        edges=tuple(_edges(requests, frozenset(refs.values()))),
        segments=_segments(rows),
        candidates=_candidates(rows),
        users=sum(r["user_key"] is not None for r in rows),
        p95_s=quantile(latencies, 0.95) if latencies else None,
        errors=sum(bool(v) for r in requests for v in r.values.get("error", ())),
    )


def _key(row: Row) -> Part:
    return str(row["service"]), str(row["component"])


def _made(rows: Iterable[Row]) -> Counter[Part]:
    """How many spans make or describe an agent, by the service and the agent's name."""
    return Counter(
        (service, component.partition(":")[2]) for service, component in map(_key, filter(is_creation, rows))
    )


def _components(
    rows: Sequence[Row], *, several: bool
) -> tuple[dict[Part, str], dict[Part, Subject], tuple[DraftedComponent, ...]]:
    """References, what is known of each, and the components: stated ones first, because their names are somebody's."""
    spans: defaultdict[Part, list[Row]] = defaultdict(list)
    for row in rows:
        if row["component"] is not None and not row["component"].startswith(PLUMBING):
            spans[_key(row)].append(row)
    spans = defaultdict(list, _merged(spans))
    made = _made(rows)
    ordered = sorted(spans, key=lambda key: (":" in key[1], key[1], key[0]))
    kinds = {key: _kind(key[1]) for key in ordered}
    refs = _refs(ordered, {key: kind for key, (kind, _) in kinds.items()})
    found = ((key, _component(key, refs[key], kinds[key], spans[key], rows, several=several)) for key in ordered)
    drafted = tuple(replace(component, made=made_of(key, made)) for key, component in found)
    merged = {_key(row): refs[key] for key in ordered for row in spans[key]}
    return merged, {key: Subject.of(refs[key], spans[key]) for key in ordered}, drafted


def _merged(spans: Mapping[Part, list[Row]]) -> dict[Part, list[Row]]:
    """One call told twice, by syscard's SDK under a name and by an instrumentor by the model, is of one component."""
    kept = dict(spans)
    for key in [k for k in spans if ":" not in k[1]]:
        models = {row["model"] for row in spans[key]}
        other = (key[0], f"chat:{next(iter(models))}")
        holders = {k for k, own in spans.items() if any(r["model"] in models for r in own)}
        if len(models) == 1 and None not in models and other in kept and holders == {key, other}:
            kept[key] = [*kept[key], *kept.pop(other)]
    return kept


def _kind(component: str) -> tuple[str, bool]:
    """Kind, and whether it was guessed from the name."""
    operation, _, name = component.rpartition(":")
    by_name = next((kind for pattern, kind in _BY_NAME if pattern.search(name)), None)
    told = _KINDS.get(operation)
    if told in (None, "tool") and by_name and operation != "embeddings":
        return by_name, True
    if told == "llm" and by_name == "vision-language":
        return by_name, True
    return told or "service", False


def _refs(keys: Sequence[Part], kinds: Mapping[Part, str]) -> dict[Part, str]:
    """Short names where there is one of a kind, else names made of what tells them apart; each once."""
    count = Counter(kinds.values())
    refs: dict[Part, str] = {}
    for key in keys:
        service, component = key
        operation, _, name = component.rpartition(":")
        short = _SHORT.get(kinds[key]) if count[kinds[key]] == 1 and operation else None
        plain = _slug(name, operation or "part")
        tries = [short, plain, f"{plain}-{_slug(service, 's')}", f"{plain}-{_slug(operation, 'part')}"]
        tries += [f"{plain}-{n}" for n in range(2, len(keys) + 2)]
        taken = {*refs.values(), *RESERVED}
        refs[key] = next(ref[:64] for ref in tries if ref and ref[:64] not in taken)
    return refs


def _slug(name: str, otherwise: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48]
    return slug if slug[:1].isalpha() else f"{otherwise.replace('_', '-')}-{slug}".rstrip("-")


def _component(
    key: Part, ref: str, kind: tuple[str, bool], spans: Sequence[Row], rows: Sequence[Row], *, several: bool
) -> DraftedComponent:
    service, component = key
    ordered = sorted(spans, key=lambda r: (r["start_us"], r["span_id"]))
    versions, answered = (_seen(ordered, column) for column in ("component_version", "model_response"))
    return DraftedComponent(
        ref=ref,
        kind=kind[0],
        guessed=kind[1],
        name=component.rpartition(":")[2],
        select=(*_select(component, spans, rows), *((("service.name", service),) if several else ())),
        spans=len(spans),
        traces=len({r["trace_id"] for r in spans}),
        version=versions[-1] if versions else None,
        answered=answered[-1] if answered else None,
        versions=versions or answered,
        prompt=any(r["prompt_hash"] is not None for r in spans),
    )


def _select(component: str, spans: Sequence[Row], rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """By the model where that picks these spans and no others, else by the name that they state or are read under."""
    if ":" not in component and all(row["component"] == component for row in spans):
        return (("syscard.component", component),)
    models = {row["model"] for row in spans}
    model = next(iter(models))
    if component.startswith(RUNS):  # the model that a run states is one of those that it asks
        return (("syscard.component", component),)
    exact = len(models) == 1 and model is not None and not model.startswith("#")
    if exact and len(spans) == sum(row["model"] == model and not is_creation(row) for row in rows):
        return (("gen_ai.request.model", model),)
    return (("syscard.component", component),)


def _seen(spans: Iterable[Row], column: str) -> tuple[str, ...]:
    """Values in the order in which they were last seen."""
    last: dict[str, None] = {}
    for row in spans:
        if row[column] is not None:
            last.pop(row[column], None)
            last[row[column]] = None
    return tuple(last)


def _tops(rows: Iterable[Row]) -> Counter[str]:
    """Names of the spans at which traces begin: those whose parent is not there."""
    found: Counter[str] = Counter()
    for spans in by_trace([r for r in rows if r["operation"] != FEEDBACK and not is_creation(r)]):
        ids = {s["span_id"] for s in spans}
        found.update(s["name"] for s in spans if s["parent_span_id"] not in ids)
    return found


def _root(tops: Counter[str]) -> str | None:
    """The one name at which (nearly) all requests begin."""
    (name, count), *_ = tops.most_common(1) or [("", 0)]
    return name if name and count >= _DOMINANT * tops.total() else None


def _edges(requests: Sequence[Request], refs: frozenset[str]) -> Iterable[DraftedEdge]:
    """The strongest class of each edge: of those that were seen often enough, where there is one."""
    best: dict[str, DraftedEdge] = {}
    found = [e for e in all_evidence(requests, frozenset()) if {e.source, e.target} <= refs]
    for edge in sorted(found, key=lambda e: (e.traces >= UNDECLARED_AFTER, STRENGTH[e.evidence])):
        best[edge.ref] = DraftedEdge(
            edge.ref, edge.evidence, edge.traces, edge.examples[0], edge.traces >= UNDECLARED_AFTER
        )
    return (best[ref] for ref in sorted(best))


def _features(rows: Iterable[Row], wanted: Callable[[str], bool]) -> dict[str, Counter[str]]:
    """Labels by feature."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name, value in json.loads(row["features"] or "{}").items():
            if isinstance(value, str) and wanted(name):
                found[name][value] += 1
    return found


def _segments(rows: Sequence[Row]) -> tuple[tuple[str, str, int], ...]:
    """The attribute that is read as the segment where none is declared."""
    spans = sum(row["segment"] is not None for row in rows)
    return (("segment", "syscard.user.segment", spans),) if spans else ()


def _candidates(rows: Sequence[Row]) -> tuple[tuple[str, int], ...]:
    """Labels that may tell groups of users apart: named like it, and few."""
    found = _features(rows, lambda name: bool(_SEGMENT.search(name)) and not name.startswith("segment."))
    few = {name: len(labels) for name, labels in found.items() if 2 <= len(labels) <= _MOST_LABELS}
    return tuple(sorted(few.items()))
