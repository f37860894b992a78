"""Whether a path can be on a card: by the shapes of the card, of what is declared on it, and of what is live.

A path that no card can have is a mistake of whoever names it, and would stay empty without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel

from syscard.blindspots import TOPICS
from syscard.card import Card
from syscard.documented import Dataset
from syscard.live import Live
from syscard.risks import catalogue
from syscard.system import Claim, Component, Identity, Interaction, Monitors, Risk, Traces, Unknown

_DECLARED: Final[dict[tuple[str, ...], Any]] = {
    ("identity",): Identity,
    ("traces",): Traces,
    ("monitors",): Monitors,
    ("components", "*", "declared"): Component,
    ("interactions", "*", "declared"): Interaction,
    ("claims", "*", "declared"): Claim,
    ("risks", "*", "declared"): Risk,
    ("unknowns", "*"): Unknown,
    ("datasets", "*"): Dataset,
    ("live",): Live,
}
"""What a card keeps as plain JSON, by place: its shape."""


def path_fault(path: str) -> str | None:
    """Why no card can have this path; None where one can."""
    steps = path.split(".")
    shape: Any = Live if steps[0] == "live" else Card
    place: tuple[str, ...] = ("live",) if steps[0] == "live" else ()
    for step in steps[len(place) :]:
        name, _, word = step.partition(":")
        place = (*place, name)
        if word and word not in TOPICS and word not in catalogue():
            return f"{path}: {word} is no topic of claims and no risk of the catalogue"
        shape = _DECLARED.get(place) or _inside(shape, name)
        if shape is None:
            return f"{path}: there is no {'.'.join(place)}"
    return None


def _inside(shape: Any, name: str) -> Any:
    """The shape under a key of a shape, or None."""
    options = [one for one in _options(shape) if one is not type(None)]
    for one in options:
        origin, arguments = get_origin(one), get_args(one)
        if name == "*" and origin in (dict, tuple, list) and arguments:
            return arguments[1] if origin is dict else arguments[0]
        fields = one.model_fields if isinstance(one, type) and issubclass(one, BaseModel) else {}
        if field := next((f for key, f in fields.items() if name in (key, f.alias)), None):
            return field.annotation
    return None


def _options(shape: Any) -> Iterator[Any]:
    """A union's members; an annotated type's own."""
    origin = get_origin(shape)
    if origin is Annotated:
        yield from _options(get_args(shape)[0])
    elif origin is not None and type(None) in get_args(shape):
        for one in get_args(shape):
            yield from _options(one)
    else:
        yield shape
