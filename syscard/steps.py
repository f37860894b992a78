"""What the monitors are at, for whoever watches over their process: a hang or a death has a name then."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """One thing that the monitors do."""

    system: str = ""
    doing: str = "starting"
    """In words, behind `while`: `reading the lake`."""
    signal: str = ""
    """Key of the signal, or id of the claim, that is computed; empty where it is none."""

    def __str__(self) -> str:
        of = f" of {self.system}" if self.system else ""
        return f"{f'judging {self.signal}' if self.signal else self.doing}{of}"


At = Callable[[Step], None]
"""Is told each step as it begins."""


def untold(_step: Step) -> None:
    """Where nobody watches."""
