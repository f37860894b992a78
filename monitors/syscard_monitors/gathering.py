"""What requests say of one signal until it is looked at: those of one counted window, or of several together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syscard.finding import Window
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import signal_values
from syscard_monitors.packs import Signal
from syscard_monitors.traces import moment


@dataclass(frozen=True)
class Gathered:
    """The values of a signal that wait for its next look, or are looked at."""

    start_us: int
    """When the first of the requests started."""
    values: tuple[Any, ...]
    """One a request, None where it has none."""
    strata: tuple[str, ...]
    """The stratum of each request."""
    keys: frozenset[int]
    """Under which keys words of the requests were hashed."""
    took_us: int = 0
    """What the windows took, each told by the one before it: what is asked for must not depend on newest values."""

    @property
    def requests(self) -> int:
        """How many requests were gathered."""
        return len(self.values)

    def then(self, later: Gathered) -> Gathered:
        """With what later requests say."""
        return Gathered(
            min(self.start_us, later.start_us),
            (*self.values, *later.values),
            (*self.strata, *later.strata),
            self.keys | later.keys,
            self.took_us + later.took_us,
        )

    def window(self, newest: Window) -> Window:
        """The window of all of these requests, which ends with the newest counted one."""
        return newest.model_copy(update={"start": moment(self.start_us), "n": self.requests})

    def body(self) -> list[Any]:
        """JSON form."""
        return [self.start_us, list(self.values), list(self.strata), sorted(self.keys), self.took_us]


def read_gathered(body: Sequence[Any]) -> Gathered:
    """From its JSON form."""
    start_us, values, strata, keys, *took_us = body  # earlier releases had no time
    return Gathered(start_us, tuple(values), tuple(strata), frozenset(keys), *took_us)


def gather(
    signal: Signal, requests: Sequence[Request], strata: Sequence[str], previous_us: int | None, took_us: int = 0
) -> Gathered:
    """What the requests of one counted window say of a signal.

    Raises:
        MonitorError: the expression cannot be computed, or spans carry something else than the signal watches.
    """
    values = signal_values(signal, requests, previous_us)
    return Gathered(
        min(request.start_us for request in requests),
        tuple(values if values is not None else [None] * len(requests)),
        tuple(strata),
        frozenset[int]().union(*(request.keys for request in requests)),
        took_us,
    )
