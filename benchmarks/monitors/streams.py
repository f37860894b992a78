"""Streams of one signal: a reference of 5,000 values, then looks of 100, with a change that begins at a known look."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Values = NDArray[np.float64]
LOOK: Final = 100
"""Values of one look."""
REFERENCE: Final = 5_000
DAY: Final = 24
"""Looks of a day."""


class Stream(NamedTuple):
    """How values are drawn without a change."""

    draw: Callable[[Rng, NDArray[np.int64]], Values]
    """One value for each of these numbers of looks."""
    strata: int = 1
    """Hours that are told apart."""


def _daily(rng: Rng, looks: NDArray[np.int64]) -> Values:
    return rng.normal(2 * np.sin(looks * math.tau / DAY), 1)


STREAMS: Final[Mapping[str, Stream]] = {
    "gaussian": Stream(lambda rng, looks: rng.normal(size=len(looks))),
    "heavy tail": Stream(lambda rng, looks: rng.standard_t(2, size=len(looks))),
    "discrete": Stream(lambda rng, looks: rng.poisson(1.0, size=len(looks)).astype(float)),
    "daily rhythm": Stream(_daily, DAY),
}
Change = Callable[[Rng, Values, NDArray[np.int64]], Values]
"""What becomes of standard normal values, so many looks after the change began."""


def _new_category(rng: Rng, values: Values, _: NDArray[np.int64]) -> Values:
    return np.where(rng.random(len(values)) < 0.05, 9.0, values)


CHANGES: Final[Mapping[str, tuple[str, Change]]] = {
    "mean +0.25 sd": ("gaussian", lambda _, values, __: values + 0.25),
    "sd x 1.25": ("gaussian", lambda _, values, __: values * 1.25),
    "mean 0 -> 0.5 sd in 200 looks": ("gaussian", lambda _, values, looks: values + np.minimum(looks / 200, 1) / 2),
    "a new category, 5 %": ("discrete", _new_category),
}


def reference(stream: Stream, rng: Rng) -> tuple[Values, NDArray[np.int64]]:
    """Values and their hours: whole days, so that every hour is there."""
    looks = np.arange(REFERENCE) % DAY
    return stream.draw(rng, looks), looks % stream.strata


def look(stream: Stream, rng: Rng, number: int) -> tuple[Values, int]:
    """Values of one look, and their hour."""
    return stream.draw(rng, np.full(LOOK, number)), number % stream.strata
