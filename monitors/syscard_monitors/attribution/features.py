"""Columns of a regression on parents: straight, bent and together, as many as the requests allow. Needs NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from syscard_monitors.attribution.table import Vector

_KNEE: Final = 1.0
"""Where a line may bend, in standard deviations on both sides."""
_TOGETHER: Final = 4
"""Parents whose products are looked at: the first ones."""
_REQUESTS_A_COLUMN: Final = 12
"""Below so many requests for each column the columns are straight and squared only."""


class Shape(NamedTuple):
    """Which columns there are."""

    bends: tuple[bool, ...]
    """By parent: whether it is a number."""
    degree: int
    """1: straight; 2: squares beside; 3: knees and products beside."""


def shape_of(binary: Sequence[bool], requests: int) -> Shape:
    """The richest shape that so many requests allow."""
    m, numbers, together = len(binary), sum(not b for b in binary), min(len(binary), _TOGETHER)
    sizes = {3: 1 + m + 3 * numbers + together * (together - 1) // 2, 2: 1 + m + numbers}
    degree = next((d for d, size in sizes.items() if requests >= _REQUESTS_A_COLUMN * size), 1)
    return Shape(tuple(not b for b in binary), degree)


def columns(parents: Vector, shape: Shape) -> Vector:
    """One row a request: 1, the parents, and what the shape adds.

    Args:
        parents: (requests, parents), scaled.
        shape: which columns.
    """
    n, m = parents.shape
    found = [np.ones((n, 1)), parents]
    bends = parents[:, list(shape.bends)] if m else parents
    if shape.degree > 1:
        found.append(bends**2)
    if shape.degree > 2:
        found += [np.maximum(bends - _KNEE, 0), np.maximum(-bends - _KNEE, 0)]
        for i in range(min(m, _TOGETHER)):
            found.append(parents[:, i : i + 1] * parents[:, i + 1 : _TOGETHER])
    return np.hstack(found)


def terms(parents: Vector, now: Vector) -> Vector:
    """What may differ now: the level and each parent's slope. `now` is 0 or 1 a request."""
    return np.hstack([now[:, None], parents * now[:, None]])
