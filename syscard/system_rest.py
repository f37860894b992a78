"""What can still be checked in a file whose shape is not right: everything that does not lean on the broken parts.

Each broken part is replaced by one that is valid and says nothing, so that the others can be held against each other
and every problem is told at once. What is then said of a replaced part is not told: it is not in the file.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final

from pydantic import ValidationError

from syscard.system import SCHEMA, Component, System
from syscard.system_checks import Fault, faults

Part = tuple[str | int, ...]
_LISTS: Final = ("claims", "risks", "unknowns")
_TABLES: Final = ("components", "interactions", "datasets")
_DAY: Final = "2100-01-01"
_IDENTITY: Final[dict[str, Any]] = {
    "ref": "x", "name": "x", "version": "x", "intended_use": "x", "users": ["x"], "out_of_scope": ["x"],
    "limitations": ["x"], "owner": {"team": "x", "accountable": "x"}, "review": {"every": "1d", "next": _DAY},
}  # fmt: skip


def faults_beside(values: object, error: ValidationError) -> tuple[Fault, ...]:
    """The contradictions among the parts of a file that have the right shape.

    Args:
        values: the file as plain values.
        error: what is wrong with its shape.
    """
    if not isinstance(values, dict):
        return ()
    broken = {_part(problem["loc"]) for problem in error.errors()}
    mended = _mended(values, broken)
    try:
        system = System.model_validate(mended, by_alias=True, by_name=False)
    except ValidationError:
        return ()
    return tuple(f for f in faults(system) if not any(_leans_on(f, part) for part in broken))


def _part(loc: tuple[str | int, ...]) -> Part:
    """The part of the file that a problem is in: an item of a list or table, else a whole section."""
    return tuple(loc[:2]) if loc and loc[0] in (*_LISTS, *_TABLES) else tuple(loc[:1])


def _leans_on(fault: Fault, part: Part) -> bool:
    """Whether a fault is about a replaced part, or about segments while nobody knows them."""
    return tuple(fault.path[: len(part)]) == part or (part == ("traces",) and "by" in fault.path)


def _mended(values: dict[Any, Any], broken: Iterable[Part]) -> dict[Any, Any]:
    mended = {k: copy.deepcopy(v) for k, v in values.items() if k in System.model_fields or k == "schema"}
    for part in broken:
        if len(part) == 1:
            mended[part[0]] = _section(str(part[0]))
        elif len(part) == 2 and isinstance(mended.get(part[0]), dict | list):
            _replace(mended[part[0]], part)
    mended["schema"] = SCHEMA
    mended.setdefault("system", _IDENTITY)
    return {k: v for k, v in mended.items() if v is not None}


def _section(name: str) -> Any:
    return {"system": _IDENTITY, "traces": {"select": {"service.name": "x"}}}.get(name)


def _replace(items: Any, part: Part) -> None:
    """Put in what is valid and says nothing; the name stays, as others may lean on it."""
    section, key = part
    if isinstance(items, list) and isinstance(key, int) and key < len(items):
        named = items[key].get("id") if isinstance(items[key], dict) else None
        items[key] = _item(str(section), named if isinstance(named, str) else f"x{key}")
    elif isinstance(items, dict) and key in items:
        items[key] = _item(str(section), str(key))


def _item(section: str, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"id": name, "about": "system", "says": "x", "owner": "x"}
    items: dict[str, dict[str, Any]] = {
        "components": Component(kind="service", owner="x", select={"syscard.component": name}).model_dump(
            mode="json", by_alias=True, exclude_none=True
        ),
        "interactions": {},
        "datasets": {"name": "x", "owner": "x"},
        "claims": {k: said[k] for k in ("id", "about", "says")}
        | {"metric": "count(error)", "expect": "== 0", "window": {"last": "1d", "min_n": 1}, "valid_for": "1d"},
        "risks": said | {"treatment": "mitigate"},
        "unknowns": {k: said[k] for k in ("id", "says", "owner")} | {"answer_by": _DAY},
    }
    return items[section]
