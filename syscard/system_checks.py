"""What the parts of a declared system say of each other: rules that no single field can hold.

Every rule is a pure function from a `System` to faults. A fault names its place by a path into the file;
`syscard.system_file`, which knows the lines, turns faults into problems.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from syscard.documented import ComponentDocs, Dataset, InteractionDocs, Review
from syscard.errors import Problem
from syscard.metric import Metric, parse_metric
from syscard.system import SKEW, SYSTEM, Claim, System, edge_ends
from syscard.units import Expectation, duration_text, parse_expectation

Place = tuple[str | int, ...]
"""Where something stands in the file: keys and zero-based positions in lists."""
Lines = Mapping[Place, int]

NO_LINES: Final[Lines] = MappingProxyType({})
RESERVED: Final = ("system", "segment", "request")
"""Words that stand for something else wherever a component can be named."""
_LEAST_REPORT: Final = timedelta(hours=1)
_MOST_SKEW: Final = timedelta(hours=1)
_MEASURES: Final = ("mean", "p50", "p90", "p95", "p99")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_FIELD: Final = re.compile(r"(?<![\w.-])([a-z][a-z0-9_-]*)\.[A-Za-z_]")
_UNIT: Final = re.compile(r"[a-z%]+$")
_MILLISECONDS: Final = re.compile(r"\w_ms\b")


class Fault(NamedTuple):
    """A rule that the file breaks: where, what is wrong and what to write."""

    path: Place
    what: str
    write: str = ""


def faults(system: System) -> tuple[Fault, ...]:
    """Everything in the file that contradicts something else in it."""
    return (
        *_component_faults(system),
        *_allow_faults(system),
        *_interaction_faults(system),
        *_tune_faults(system),
        *_claim_faults(system),
        *_risk_faults(system),
        *_dataset_faults(system),
        *_id_faults(system),
        *_zero_faults(system),
        *_skew_faults(system),
        *_report_faults(system),
    )


def warnings(system: System, today: date, lines: Lines = NO_LINES, beside: Iterable[Fault] = ()) -> tuple[Problem, ...]:
    """What is allowed but needs a human: days that passed, claims longer than spans are kept, and what is `beside`.

    Without `lines` every warning points at line 1; `syscard.system_file.read_warnings` has them.
    """
    found = (*_past_days(system, today), *_forgotten_windows(system), *beside)
    return located(found, system.body(), lines)


def located(found: Iterable[Fault], values: object, lines: Lines) -> tuple[Problem, ...]:
    """Faults as problems in the order of the file, without repeats."""
    return tuple(sorted({Problem(line_of(f.path, lines), where(f.path, values), f.what, f.write) for f in found}))


def line_of(path: Place, lines: Lines) -> int:
    """Line of a place, or of the nearest thing around it that is in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def where(path: Place, values: Any) -> str:
    """A path as people read it: `claims[2] fair-acceptance.expect`."""
    text = ""
    for step in path:
        values = _inside(values, step)
        text += f"[{step}]{_label(values)}" if isinstance(step, int) else f".{shown(step)}"
    return text.removeprefix(".") or "the file"


def shown(value: object, limit: int = 60) -> str:
    """A value inside a message: one line, and not a long one."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or all of them: `one of a, b`."""
    names = tuple(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return close[0]
    return f"one of {', '.join(names)}" if names else ""


def known_keys(place: Place, root: type[BaseModel] = System) -> tuple[str, ...]:
    """The keys that may stand at a place of a file of a shape, as the file spells them."""
    shape = _bare(reduce(_child_type, place, root))
    if not (isinstance(shape, type) and issubclass(shape, BaseModel)):
        return ()
    return tuple(info.alias or name for name, info in shape.model_fields.items())


def _inside(values: Any, step: str | int) -> Any:
    if isinstance(values, Mapping):
        return values.get(step)
    return values[step] if isinstance(values, list) and isinstance(step, int) and step < len(values) else None


def _label(values: Any) -> str:
    label = values.get("id") if isinstance(values, Mapping) else None
    return f" {shown(label, 30)}" if isinstance(label, str) else ""


def _child_type(shape: Any, step: str | int) -> Any:
    shape = _bare(shape)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return next(info.annotation for name, info in shape.model_fields.items() if step == (info.alias or name))
    args = get_args(shape)
    return args[1] if get_origin(shape) is dict else args[0]


def _bare(shape: Any) -> Any:
    """A type without what is said about it: `Annotated[X, ...]` and `X | None` are X."""
    while get_origin(shape) in (Annotated, Union, UnionType):
        shape = get_args(shape)[0]
    return shape


def _allow_faults(system: System) -> Iterator[Fault]:
    """Who somebody is stays a keyed hash, whatever is allowed."""
    user = system.traces.user
    for ref, component in system.components.items():
        for place, name in enumerate(component.allow or ()):
            if user and (name == user or (name.endswith("*") and user.startswith(name[:-1]))):
                what = f"{shown(name)} is the user of traces.user: only a keyed hash of it is kept"
                yield Fault(("components", ref, "allow", place), what, "other attributes")


def _component_faults(system: System) -> Iterator[Fault]:
    seen: dict[tuple[tuple[str, str], ...], str] = {}
    for ref, component in system.components.items():
        if ref in RESERVED:
            yield Fault(("components", ref), f"'{ref}' has a meaning of its own here", "another name")
        chosen = tuple(sorted(component.select.items()))
        if chosen in seen:
            what = f"selects the same spans as {seen[chosen]}"
            yield Fault(("components", ref, "select"), what, f"an attribute that only the spans of {ref} have")
        seen.setdefault(chosen, ref)


def _interaction_faults(system: System) -> Iterator[Fault]:
    for ref in system.interactions:
        ends = edge_ends(ref)
        for end in dict.fromkeys(ends):
            if end not in system.components:
                yield _no_component(("interactions", ref), end, system)
        if ends[0] == ends[1]:
            yield Fault(("interactions", ref), "a component does not hand things to itself", "two components")
    for cycle in _cycles(system):
        what = f"order: before goes round in a circle: {' -> '.join(cycle)}"
        yield Fault(("interactions", f"{cycle[0]}->{cycle[1]}", "order"), what, "order: before on one edge fewer")


def _cycles(system: System) -> Iterator[tuple[str, ...]]:
    """Every circle of edges that say `order: before`, cutting each where it was found."""
    edges = {edge_ends(ref) for ref, edge in system.interactions.items() if edge.order == "before"}
    edges = {(a, b) for a, b in edges if a != b}
    while cycle := _a_cycle(edges):
        yield cycle
        edges.discard((cycle[0], cycle[1]))


def _a_cycle(edges: set[tuple[str, str]]) -> tuple[str, ...]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for before, after in sorted(edges):
        sorter.add(after, before)
    try:
        sorter.prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def _tune_faults(system: System) -> Iterator[Fault]:
    for key in system.monitors.tune:
        path: Place = ("monitors", "tune", key)
        subject, _, signal = key.partition(".")
        if not signal:
            yield Fault(path, f"'{shown(key)}' names no signal", "<component or edge>.<signal>, e.g. llm.fallback")
        elif fault := _subject_fault(path, subject, system):
            yield fault


def _subject_fault(path: Place, about: str, system: System, others: tuple[str, ...] = (SYSTEM,)) -> Fault | None:
    """Why a text names nothing that the card has, or None."""
    if about in (*others, *system.components, *system.interactions):
        return None
    if "->" not in about:
        return _no_component(path, about, system, others)
    what = f"'{shown(about)}' is not declared under interactions"
    return Fault(path, what, nearest(about, system.interactions) or f"interactions: {{{shown(about)}: {{}}}}")


def _no_component(path: Place, name: str, system: System, others: tuple[str, ...] = ()) -> Fault:
    return Fault(path, f"there is no component '{shown(name)}'", nearest(name, (*system.components, *others)))


def _claim_faults(system: System) -> Iterator[Fault]:
    for i, claim in enumerate(system.claims):
        path: Place = ("claims", i)
        if fault := _subject_fault((*path, "about"), claim.about, system):
            yield fault
        for j, segment in enumerate(claim.by):
            if segment not in system.traces.segments:
                hint = nearest(segment, system.traces.segments) or f"segments: {{{segment}: <attribute>}} under traces"
                yield Fault((*path, "by", j), f"'{segment}' is not among traces.segments", hint)
        yield from _metric_faults((*path, "metric"), claim, system)
        yield from _expectation_faults((*path, "expect"), claim)
        if claim.burn:
            yield from _burn_faults((*path, "burn"), claim)


def _metric_faults(path: Place, claim: Claim, system: System) -> Iterator[Fault]:
    metric = parse_metric(claim.metric)
    for name in dict.fromkeys(_FIELD.findall(_QUOTED.sub("''", metric.expression))):
        # `a-b.c` may be a subtraction: what follows the last minus sign is a name as well.
        if name not in (*system.components, *RESERVED) and name.rsplit("-")[-1] not in system.components:
            yield _no_component(path, name, system)
    if metric.aggregate == "disparity" and not claim.by:
        hint = nearest("", system.traces.segments) or "<segment>"
        yield Fault(path, "disparity compares groups, and by names none", f"by: [{hint.removeprefix('one of ')}]")


def _expectation_faults(path: Place, claim: Claim) -> Iterator[Fault]:
    metric, expect = parse_metric(claim.metric), parse_expectation(claim.expect)
    unit = _unit(expect)
    if unit == "%" and metric.aggregate not in ("share", "mean"):
        yield Fault(path, f"a percentage makes no sense for {metric.aggregate}(...)", f"{expect.op} {expect.limit:g}")
    elif unit not in ("", "%") and metric.aggregate not in _MEASURES:
        yield Fault(path, f"a duration makes no sense for {metric.aggregate}(...)", f"a number, e.g. {_sample(metric)}")
    elif unit not in ("", "%") and _MILLISECONDS.search(metric.expression):
        what = f"{shown(metric.expression)} is in milliseconds, and a limit with a unit is compared in seconds"
        yield Fault(path, what, f'"{expect.op} {expect.limit * 1000:.12g}"')
    else:
        yield from _limit_faults(path, metric, expect)


def _burn_faults(path: Place, claim: Claim) -> Iterator[Fault]:
    """An error budget is a share of requests: there is none for a mean, and none where nothing may miss."""
    metric, expect = parse_metric(claim.metric), parse_expectation(claim.expect)
    if metric.aggregate != "share" and metric.quantile is None:
        yield Fault(path, f"{metric.aggregate}(...) has no error budget", "share(...) or a quantile such as p95(...)")
    elif metric.aggregate == "share" and expect.limit in (0, 1):
        yield Fault(path, f"{expect.text} leaves no error budget", f'expect: "{_sample(metric)}"')


def _unit(expect: Expectation) -> str:
    match = _UNIT.search(expect.text)
    return match[0] if match else ""


def _limit_faults(path: Place, metric: Metric, expect: Expectation) -> Iterator[Fault]:
    kind, sample = metric.aggregate, f'"{_sample(metric)}"'
    if expect.op == "==" and (kind != "count" or not expect.is_never):
        yield Fault(path, "== can only be promised as == 0 of a count(...)", '">= ..." or "<= ..."')
    elif kind == "share" and not 0 <= expect.limit <= 1:
        yield Fault(path, f"a share lies between 0 and 1, so {expect.text} says nothing", sample)
    elif kind == "share" and (expect.op, expect.limit) in ((">=", 0), ("<=", 1)):
        yield Fault(path, f"every share is {expect.text}, so nothing is promised", sample)
    elif kind == "share" and (expect.op, expect.limit) in (("<", 0), (">", 1)):
        yield Fault(path, f"no share is {expect.text}, so it cannot be kept", sample)
    elif kind == "disparity" and expect.limit < 1:
        yield Fault(path, "disparity is the best group over the worst, never below 1", sample)
    elif kind == "count" and expect.limit < 0:
        yield Fault(path, "a count is never below 0", sample)


def _sample(metric: Metric) -> str:
    samples = {"share": ">= 0.90", "count": "== 0", "disparity": "<= 1.25"}
    return samples.get(metric.aggregate, "<= 3s")


def _risk_faults(system: System) -> Iterator[Fault]:
    claims = tuple(claim.id for claim in system.claims)
    for i, risk in enumerate(system.risks):
        if fault := _subject_fault(("risks", i, "about"), risk.about, system):
            yield fault
        for j, watched in enumerate(risk.watch):
            if watched not in claims:
                hint = nearest(watched, claims) or "the id of a claim"
                yield Fault(("risks", i, "watch", j), f"there is no claim '{watched}'", hint)


def _dataset_faults(system: System) -> Iterator[Fault]:
    for ref, component in system.components.items():
        for i, name in enumerate(component.datasets):
            if name not in system.datasets:
                hint = nearest(name, system.datasets) or f"datasets: {{{name}: {{name: ..., owner: ...}}}}"
                yield Fault(("components", ref, "datasets", i), f"there is no dataset '{name}'", hint)
    for ref, dataset in system.datasets.items():
        for i, name in enumerate(dataset.used_by):
            if name not in system.components:
                yield _no_component(("datasets", ref, "used_by", i), name, system)


def _id_faults(system: System) -> Iterator[Fault]:
    """An id means one thing on the whole card: `card why X` has one answer."""
    first: dict[str, str] = {}
    ids: dict[str, list[str]] = {
        "claims": [claim.id for claim in system.claims],
        "risks": [risk.id for risk in system.risks],
        "unknowns": [unknown.id for unknown in system.unknowns],
    }
    for section, entries in ids.items():
        for i, name in enumerate(entries):
            if name in first:
                yield Fault((section, i, "id"), f"'{name}' is already the id of {first[name]}", "another id")
            first.setdefault(name, f"{section}[{i}]")


def _zero_faults(system: System) -> Iterator[Fault]:
    for path, length in _durations(system):
        if not length:
            yield Fault(path, "a length of time that is not zero is needed", f"{path[-1]}: 1d")


def _skew_faults(system: System) -> Iterator[Fault]:
    skew = system.traces.clock_skew
    if skew is not None and not timedelta(0) < skew <= _MOST_SKEW:
        what = f"between two clocks lies more than nothing and at most {duration_text(_MOST_SKEW)}"
        yield Fault(("traces", "clock_skew"), what, f"clock_skew: {duration_text(SKEW)}")


def _report_faults(system: System) -> Iterator[Fault]:
    report = system.monitors.report
    if report is not None and timedelta(0) < report.every < _LEAST_REPORT:
        what = f"a report takes a minute and says little of so few requests: at least {duration_text(_LEAST_REPORT)}"
        yield Fault(("monitors", "report", "every"), what, "every: 1d")
    snapshots = system.monitors.snapshots
    if snapshots is not None and timedelta(0) < snapshots.every < _LEAST_REPORT:
        what = f"nobody reads snapshots so often: at least {duration_text(_LEAST_REPORT)}"
        yield Fault(("monitors", "snapshots", "every"), what, "every: 7d")


def _durations(system: System) -> Iterator[tuple[Place, timedelta]]:
    for path, review, _ in _reviews(system):
        yield (*path, "every"), review.every
    if system.traces.retain is not None:
        yield ("traces", "retain"), system.traces.retain
    if system.monitors.false_alarms:
        yield ("monitors", "false_alarms", "per"), system.monitors.false_alarms.per
    if system.monitors.report:
        yield ("monitors", "report", "every"), system.monitors.report.every
    if system.monitors.snapshots:
        yield ("monitors", "snapshots", "every"), system.monitors.snapshots.every
    yield from _durations_of_notify(system)
    for key, tune in system.monitors.tune.items():
        for quantile, limit in tune.objective or ():
            if limit is not None:
                yield ("monitors", "tune", key, "objective", quantile), limit
    for i, claim in enumerate(system.claims):
        yield ("claims", i, "window", "last"), claim.window.last
        yield ("claims", i, "valid_for"), claim.valid_for


def _durations_of_notify(system: System) -> Iterator[tuple[Place, timedelta]]:
    notify = system.monitors.notify
    if notify is None:
        return
    yield ("monitors", "notify", "budget", "per"), notify.budget.per
    for name in ("digest", "repeat", "group_wait", "group_interval", "quiet"):
        length = getattr(notify, name)
        if length is not None:
            yield ("monitors", "notify", name), length


def _past_days(system: System, today: date) -> Iterator[Fault]:
    for path, day, doing in _days(system):
        if day and day < today:
            yield Fault(path, f"{day} has passed: {doing}", f"{path[-1]}: a day after {today}")


def _days(system: System) -> Iterator[tuple[Place, date | None, str]]:
    for path, review, what in _reviews(system):
        yield (*path, "next"), review.next, f"{what} is due for a review"
    for i, risk in enumerate(system.risks):
        yield ("risks", i, "answer_by"), risk.answer_by, "whether it is a risk is still open"
        if risk.treatment == "accept":
            yield ("risks", i, "until"), risk.until, "the risk is no longer accepted"
    for i, unknown in enumerate(system.unknowns):
        yield ("unknowns", i, "answer_by"), unknown.answer_by, "the question is still open"


def _reviews(system: System) -> Iterator[tuple[Place, Review, str]]:
    """Every review that is declared: where, when, and of what."""
    yield ("system", "review"), system.system.review, "the card"
    tables: tuple[tuple[str, Mapping[str, ComponentDocs | InteractionDocs | Dataset]], ...] = (
        ("components", system.components), ("interactions", system.interactions), ("datasets", system.datasets),
    )  # fmt: skip
    for name, table in tables:
        yield from (((name, ref, "review"), one.review, ref) for ref, one in table.items() if one.review)
    for i, risk in enumerate(system.risks):
        if risk.review:
            yield ("risks", i, "review"), risk.review, risk.id


def _forgotten_windows(system: System) -> Iterator[Fault]:
    kept = system.traces.retain
    if kept is None:
        return
    for i, claim in enumerate(system.claims):
        if claim.window.last > kept:
            what = f"looks back {duration_text(claim.window.last)}, and spans are kept {duration_text(kept)}"
            yield Fault(
                ("claims", i, "window", "last"), what, f"last: {duration_text(kept)}, or a longer traces.retain"
            )
