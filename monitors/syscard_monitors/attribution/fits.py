"""Least squares with HC3 covariance, and logistic regression with a small penalty. Needs NumPy."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from syscard_monitors.attribution.table import Vector

_LITTLE: Final = 1e-6
_PENALTY: Final = 1e-2
_STEPS: Final = 25
_LARGEST: Final = 0.995
"""Leverage of one request is held below this: HC3 divides by what it leaves."""


class Fit(NamedTuple):
    """A fitted mechanism."""

    weights: Vector
    covariance: Vector
    left: Vector
    """Residuals (least squares), or fitted probabilities (logistic)."""


class Plane(NamedTuple):
    """The space of some columns, to take out of others what these say (Frisch, Waugh and Lovell)."""

    x: Vector
    inverse: Vector
    leverage: Vector
    """Of each row."""

    def weights(self, y: Vector) -> Vector:
        """Of the columns, to come nearest to `y`."""
        found: Vector = self.inverse @ (self.x.T @ y)
        return found

    def beyond(self, y: Vector) -> Vector:
        """What the columns leave of `y`, which may have columns itself."""
        found: Vector = y - self.x @ self.weights(y)
        return found


def plane(x: Vector) -> Plane:
    """The space of the columns of `x`; they may depend on each other."""
    inverse = np.linalg.pinv(x.T @ x + _LITTLE * np.eye(x.shape[1]), hermitian=True)
    return Plane(x, inverse, np.einsum("ij,ij->i", x @ inverse, x))


def beside(given: Plane, added: Vector, y: Vector) -> Fit:
    """Weights of `added` where the columns of a plane are there as well.

    The covariance is White's in the form HC3 (MacKinnon and White 1985), which holds in small samples.

    Args:
        given: the plane.
        added: what lies beyond it (`Plane.beyond`) of the added columns.
        y: what lies beyond it of what is explained.
    """
    inverse = np.linalg.pinv(added.T @ added + _LITTLE * np.eye(added.shape[1]), hermitian=True)
    weights = inverse @ (added.T @ y)
    left = y - added @ weights
    leverage = np.minimum(given.leverage + np.einsum("ij,ij->i", added @ inverse, added), _LARGEST)
    half = (added * (left / (1 - leverage))[:, None]) @ inverse
    return Fit(weights, half.T @ half, left)


def logistic(x: Vector, y: Vector, start: Vector | None = None) -> Fit:
    """Weights by Newton's method; the small penalty keeps them finite where the columns tell the answers apart."""
    weights = np.zeros(x.shape[1]) if start is None else start
    penalty = _PENALTY * np.eye(x.shape[1])
    for _ in range(_STEPS):
        p = chances(x @ weights)
        curve = (x * (p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(curve, x.T @ (y - p) - penalty @ weights)
        weights = weights + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-6:
            break
    p = chances(x @ weights)
    inverse = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + penalty)
    return Fit(weights, inverse, p)


def chances(odds: Vector) -> Vector:
    """Probabilities from log odds."""
    found: Vector = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return found


def wald(weights: Vector, covariance: Vector) -> float:
    """Wald's statistic of weights that are all 0."""
    return float(weights @ np.linalg.pinv(covariance, hermitian=True) @ weights)
