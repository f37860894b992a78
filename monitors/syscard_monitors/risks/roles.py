"""Parts and fields by what they are: the kind of a component, the name of a field, and never a component's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from syscard.system import ComponentKind, System
from syscard_monitors.assemble import Request
from syscard_monitors.functions import last_list
from syscard_monitors.risks.base import Case, Lacking

_FIELDS: Final = "(fields)"
"""Of the memo."""


def of_kind(system: System, *kinds: ComponentKind) -> tuple[str, ...]:
    """Declared components of a kind, in their order."""
    return tuple(ref for ref, component in system.components.items() if component.kind in kinds)


def edges_between(system: System, sources: Iterable[str], targets: Iterable[str]) -> tuple[str, ...]:
    """Declared edges from one of the first to one of the others."""
    from_, to = {*sources}, {*targets}
    return tuple(f"{u}->{d}" for u, d in system.edges if u in from_ and d in to)


def edges_or_parts(system: System, sources: Sequence[str], targets: Sequence[str]) -> tuple[str, ...]:
    """Declared edges from the one kind to the other; where there is none, but both are there, the parts that take."""
    return edges_between(system, sources, targets) or (tuple(targets) if sources and targets else ())


def caller(system: System) -> str | None:
    """The component that a request enters by and that calls the others: the agent, of several the last."""
    agents = of_kind(system, "agent")
    giving = {u for u, _ in system.edges}
    return next((a for a in agents if a not in giving), agents[-1] if agents else None)


def any_of(case: Case, ref: str, fields: Sequence[str]) -> list[bool | None]:
    """Whether one of some yes/no fields is yes in a call of a component; None where it was not called."""
    call, names = f"{ref}.call", tuple(f"{ref}.{field}" for field in fields)
    return case.columns.of(("any", names), lambda request: _any_of(request, call, names))


def _any_of(request: Request, call: str, names: Sequence[str]) -> bool | None:
    values = request.values
    return any(any(values[name]) for name in names if name in values) if call in values else None


def fields_of(case: Case, ref: str) -> tuple[str, ...]:
    """Names of all fields that requests have of a component, as `vlm.item.id`."""
    return tuple(name for name in all_fields(case) if name.startswith(f"{ref}."))


def all_fields(case: Case) -> list[str]:
    """Names of all fields that requests have, in order."""
    return case.once(_FIELDS, lambda: sorted(set[str]().union(*(r.values for r in case.requests))))


def lists(case: Case, ref: str, name: str = "items") -> list[tuple[str, ...]]:
    """The last list of each request, each thing once; empty where it has none."""
    field = f"{ref}.{name}"
    return case.columns.of(("list", field), lambda request: tuple(last_list(request.values, field)))


def needs(*fields: str) -> Lacking:
    """That no span carries what is needed."""
    return Lacking(f"needs {' or '.join(fields)}")
