"""Who is compared: each is given a reference, then asked look by look whether something has changed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm, wasserstein_distance

from benchmarks.monitors.streams import LOOK, REFERENCE, Rng, Values
from syscard_monitors import edetector

SIGNALS: Final = 25
LOOKS: Final = 1_000
SHARE: Final = 0.05
"""Runs of 25 signals and 1,000 looks that may have a false alarm."""
_CALIBRATION: Final = 2_000
"""Runs of one signal without a change, from which the threshold of CUSUM is read."""


class Detector(ABC):
    """One detector on one signal."""

    name: str

    @abstractmethod
    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:
        """Take the reference."""

    @abstractmethod
    def alarm(self, values: Values, hour: int) -> bool:
        """Take one look; whether it raises an alarm."""


class Ours(Detector):
    """The e-detector, at the threshold by union over signals."""

    name = "syscard"

    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:
        self._grid = edetector.grid_of_numbers(values.tolist())
        cells = (
            (str(hour), edetector.cell_of(self._grid, value))
            for value, hour in zip(values.tolist(), hours, strict=True)
        )
        self._state = edetector.start(self._grid, cells, seed)
        self._level = math.log(SIGNALS * LOOKS / SHARE)

    def alarm(self, values: Values, hour: int) -> bool:  # noqa: D102
        cells = [(str(hour), edetector.cell_of(self._grid, value)) for value in values.tolist()]
        self._state = edetector.advance(self._state, cells, 1.0)
        return self._state.log_evidence >= self._level


class KolmogorovSmirnov(Detector):
    """KS of each look at the level that is usual."""

    name = "KS each look, p < .05"
    level = 0.05

    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:  # noqa: ARG002
        self._values = values

    def alarm(self, values: Values, hour: int) -> bool:  # noqa: ARG002, D102
        return bool(ks_2samp(self._values, values, method="asymp").pvalue < self.level)


class Corrected(KolmogorovSmirnov):
    """KS of each look, corrected for looks and signals (Bonferroni)."""

    name = "KS each look, Bonferroni"
    level = SHARE / SIGNALS / LOOKS


class Evidently(Detector):
    """What Evidently chooses for numbers and a reference of more than 1,000: Wasserstein over sd from 0.1 on."""

    name = "Evidently's default"

    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:  # noqa: ARG002
        self._values, self._scale = values, max(float(np.std(values)), 0.001)

    def alarm(self, values: Values, hour: int) -> bool:  # noqa: ARG002, D102
        return bool(wasserstein_distance(self._values, values) / self._scale >= 0.1)


class Cusum(Detector):
    """Two-sided CUSUM on normal scores of ranks in the reference, its threshold simulated for the same false alarms."""

    name = "CUSUM, simulated threshold"

    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:  # noqa: ARG002
        self._sorted, self._up, self._down = np.sort(values), 0.0, 0.0

    def alarm(self, values: Values, hour: int) -> bool:  # noqa: ARG002, D102
        scores = _scores(self._sorted, values)
        up, self._up = _climb(scores - _DRIFT, self._up)
        down, self._down = _climb(-scores - _DRIFT, self._down)
        return max(up, down) >= cusum_threshold()


class Adwin(Detector):
    """ADWIN as river has it, if river is installed."""

    name = "ADWIN (river)"

    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:  # noqa: ARG002
        from river.drift import ADWIN  # type: ignore[import-not-found]

        self._adwin = ADWIN()
        for value in values.tolist():
            self._adwin.update(value)

    def alarm(self, values: Values, hour: int) -> bool:  # noqa: ARG002, D102
        found = False
        for value in values.tolist():
            self._adwin.update(value)
            found |= self._adwin.drift_detected
        return found


class Whylogs(Detector):
    """whylogs: the profile of each look against the reference's, drift where its own threshold says so."""

    name = "whylogs"

    def __init__(self, values: Values, hours: NDArray[np.int64], seed: int) -> None:  # noqa: ARG002
        self._reference = _profile(values)

    def alarm(self, values: Values, hour: int) -> bool:  # noqa: ARG002, D102
        from whylogs.viz.drift.column_drift_algorithms import (  # type: ignore[import-not-found]
            calculate_drift_scores,
        )

        scores = calculate_drift_scores(_profile(values), self._reference, with_thresholds=True)
        return bool(scores["value"]["drift_category"] == "DRIFT")


def _profile(values: Values) -> object:
    import pandas as pd
    import whylogs  # type: ignore[import-not-found]

    return whylogs.log(pd.DataFrame({"value": values})).view()


_DRIFT: Final = 0.125
"""CUSUM's allowance: half of a shift by a quarter of a standard deviation, which favours it on that row."""


def _scores(ordered: Values, values: Values) -> Values:
    low, high = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    ranks = ((low + high) / 2 + 0.5) / (len(ordered) + 1)
    scores: Values = norm.ppf(np.clip(ranks, 1e-4, 1 - 1e-4))
    return scores


def _climb(steps: Values, before: float) -> tuple[float, float]:
    """Highest and last value of a CUSUM over one look."""
    path = before + np.cumsum(steps)
    path = path - np.minimum(np.minimum.accumulate(path), 0.0)
    return float(path.max()), float(path[-1])


@cache
def cusum_threshold() -> float:
    """What no more than the allowed share of runs of 25 signals reaches, from runs of one signal."""
    rng = np.random.default_rng(11)
    highest = [_highest(rng) for _ in range(_CALIBRATION)]
    return float(np.quantile(highest, 1 - SHARE / SIGNALS))


def _highest(rng: Rng) -> float:
    """Of one run without a change."""
    scores = _scores(np.sort(rng.normal(size=REFERENCE)), rng.normal(size=LOOKS * LOOK))
    return max(_climb(scores - _DRIFT, 0.0)[0], _climb(-scores - _DRIFT, 0.0)[0])


ALL: Final = (Ours, KolmogorovSmirnov, Corrected, Evidently, Cusum, Adwin, Whylogs)
NEEDS: Final = {Adwin: "river", Whylogs: "whylogs"}
"""Packages that a user of the benchmark installs, if they are to be compared."""
