"""A change detector that may look as often as it likes: an e-detector on conformal ranks.

Each value is ranked among all values before it in its stratum, ties broken at random from a stored seed. Without a
change these ranks are independent and uniform on [0, 1], whatever the values' distribution (Vovk, Gammerman & Shafer,
Algorithmic Learning in a Random World, 2005, theorem 8.1). Against that, every expert bets on one way to change: a
shifted mean or another spread (other odds, where a signal has few values), a heavier tail, or what the last ranks
looked like. The evidence is the weighted mean of their Shiryaev-Roberts sums (Shin, Ramdas & Rinaldo, 2023):

    R(t) = (R(t-1) + w(t)) * e(t)      where the bet's expected value E[e(t)] is 1 without a change

so P(R reaches c while the weights w sum up to W) <= W / c. With w the share of a period that a look takes, c = 40,000
means: without a change, at most once in 40,000 periods. The reference grows with the stream: a frozen one has a
sampling error of its own, which every detector that looks for long enough will find.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate
from statistics import NormalDist
from typing import Any, Final, NamedTuple

RANK_BINS: Final = 10
"""Equal bins of ranks on which the learning experts bet."""
TAILS: Final = (0.002, 0.01, 0.05, 0.95, 0.99, 0.998)
"""Edges of the bins of the learning expert that watches the tails: rare values that come more often, new categories."""
HALF_LIVES: Final = (500, 2_000, 8_000)
"""Of what the learning experts remember, in values."""
_LEARNER_STAKE: Final = 0.5
_PRIOR: Final = 40.0
"""Values' worth of the belief that nothing has changed."""
_CAUTION: Final = 0.3
"""Share of a learning expert's stake that is never bet."""
SHIFTS: Final = {0.125: 1.0, 0.25: 8.0, 0.5: 2.0, 1.0: 2.0}
"""Shifts of the mean that are bet on, up and down, in standard deviations of the ranks' normal scores -> the stake."""
SPREADS: Final = {0.6: 1.0, 0.8: 2.0, 1.25: 2.0, 1.6: 1.0}
"""Factors of the spread that are bet on -> the stake."""
ODDS: Final = (0.5, 1.0, 2.0, 4.0)
"""Logarithms of factors, up and down, of the odds that are bet on where a signal has few values (yes and no)."""
FEW: Final = 4
"""So many values are few: then each cut between two of them has experts of its own."""
_CLIP: Final = 1e-6
_score = NormalDist().inv_cdf
_MASK: Final = (1 << 64) - 1
_NEVER: Final = -math.inf


class Grid(NamedTuple):
    """The cells in which values are ranked: intervals of numbers, or categories and one cell for all others."""

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """How many."""
        return len(self.edges) + 1 if not self.categories else len(self.categories) + 1

    @property
    def cuts(self) -> tuple[int, ...]:
        """Between few values: the first cell above each cut. Empty where there are many values."""
        first, values = (0, len(self.categories)) if self.categories else (1, self.cells - 2)
        return tuple(range(first + 1, first + values)) if values <= FEW else ()


class _Normal(NamedTuple):
    """An expert that bets that normal scores have this mean and spread."""

    mean: float
    spread: float
    stake: float


_NORMALS: Final = (
    *(_Normal(sign * shift, 1.0, stake) for shift, stake in SHIFTS.items() for sign in (1, -1)),
    *(_Normal(0.0, spread, stake) for spread, stake in SPREADS.items()),
)
_LEARNERS: Final = tuple((kind, half) for kind in ("even", "tails") for half in HALF_LIVES)
_WIDTHS: Final = {
    "even": (1 / RANK_BINS,) * RANK_BINS,
    "tails": tuple(high - low for low, high in zip((0.0, *TAILS), (*TAILS, 1.0), strict=True)),
}
_KINDS: Final = tuple(_WIDTHS)
_FACTORS: Final = tuple(sign * odds for odds in ODDS for sign in (1, -1))


@dataclass(frozen=True)
class Detector:
    """The state of one signal: a few hundred numbers, plain JSON.

    `counts` is by stratum and cell and holds the reference and everything since. A detector that has alarmed is
    started anew on a new reference by a human; it never moves its own.
    """

    grid: Grid
    seed: int
    counts: Mapping[str, tuple[int, ...]]
    seen: int = 0
    """Values since the start: with the seed, what breaks ties."""
    log_sums: tuple[float, ...] = ()
    """Logarithms of the experts' sums; empty before the first look."""
    learnt: tuple[tuple[float, ...], ...] = field(default=tuple((0.0,) * len(_WIDTHS[kind]) for kind, _ in _LEARNERS))
    """What each learning expert remembers: faded counts of ranks by bin."""

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of R; minus infinity before the first look."""
        if not self.log_sums:
            return _NEVER
        stakes = _stakes(self.grid)
        staked = [math.log(stake) + value for stake, value in zip(stakes, self.log_sums, strict=True)]
        return _log_sum(staked) - math.log(sum(stakes))

    def body(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "edges": self.grid.edges,
            "categories": self.grid.categories,
            "seed": self.seed,
            "counts": {stratum: list(counts) for stratum, counts in self.counts.items()},
            "seen": self.seen,
            "log_sums": [None if value == _NEVER else value for value in self.log_sums],
            "learnt": [list(counts) for counts in self.learnt],
        }


def read_detector(body: Mapping[str, Any]) -> Detector:
    """A detector from its JSON form."""
    return Detector(
        grid=Grid(tuple(body["edges"]), tuple(body["categories"])),
        seed=body["seed"],
        counts={stratum: tuple(counts) for stratum, counts in body["counts"].items()},
        seen=body["seen"],
        log_sums=tuple(_NEVER if value is None else value for value in body["log_sums"]),
        learnt=tuple(tuple(counts) for counts in body["learnt"]),
    )


@cache
def _stakes(grid: Grid) -> tuple[float, ...]:
    """What each expert may bet, beside the others."""
    odds = (1.0,) * (len(_FACTORS) * len(grid.cuts))
    return (*(odds or (expert.stake for expert in _NORMALS)), *(_LEARNER_STAKE for _ in _LEARNERS))


def advance(detector: Detector, values: Sequence[tuple[str, int]], weight: float, *, learns: bool = True) -> Detector:
    """The detector after one look.

    Args:
        detector: before.
        values: (stratum, cell) of each new value, in their order; see `cell_of`.
        weight: share of the budget's period that this look takes; it must not depend on the values.
        learns: whether the reference grows by these values now; what may be a change is learnt later (`learnt`).
    """
    ranks, counts, chances = _ranks(detector, values)
    bets = [bet for at in range(len(detector.grid.cuts)) for bet in _odds_bets(ranks, [below[at] for below in chances])]
    if not bets:
        scores = [_score(min(max(rank, _CLIP), 1 - _CLIP)) for rank in ranks]
        total, squares = math.fsum(scores), math.fsum([score * score for score in scores])
        bets = [_normal_bet(expert, len(scores), total, squares) for expert in _NORMALS]
    seen = {kind: _binned(kind, ranks) for kind in _KINDS}
    learnt = []
    for (kind, half), known in zip(_LEARNERS, detector.learnt, strict=True):
        bets.append(_learnt_bet(_WIDTHS[kind], known, seen[kind]))
        fade = 0.5 ** (len(ranks) / half)
        learnt.append(tuple(fade * a + b for a, b in zip(known, seen[kind], strict=True)))
    start = math.log(weight) if weight > 0 else _NEVER
    return replace(
        detector,
        counts=counts if learns else detector.counts,
        seen=detector.seen + len(ranks),
        log_sums=tuple(
            _log_add(r, start) + bet for r, bet in zip(detector.log_sums or (_NEVER,) * len(bets), bets, strict=True)
        ),
        learnt=tuple(learnt),
    )


def learnt(detector: Detector, values: Iterable[tuple[str, int]]) -> Detector:
    """The detector with a reference that has grown by the (stratum, cell) of values that it has looked at before."""
    counts = {stratum: list(known) for stratum, known in detector.counts.items()}
    for stratum, cell in values:
        counts.setdefault(stratum, [0] * detector.grid.cells)[cell] += 1
    return replace(detector, counts={stratum: tuple(known) for stratum, known in counts.items()})


def start(grid: Grid, reference: Iterable[tuple[str, int]], seed: int) -> Detector:
    """A detector that has seen the (stratum, cell) of each value of a reference and bet on none."""
    counts: dict[str, list[int]] = {}
    for stratum, cell in reference:
        counts.setdefault(stratum, [0] * grid.cells)[cell] += 1
    return Detector(grid, seed, {stratum: tuple(found) for stratum, found in counts.items()})


def grid_of_numbers(values: Sequence[float], most: int = 64) -> Grid:
    """Cells of about equally many of these values, or one for each where they are few: at most `most`.

    What is less than all of them, or more, has cells of its own.
    """
    ordered = sorted(values)
    different = sorted({*ordered})
    inner = max(1, most - 2)
    if len(different) > inner:
        cells = max(1, min(inner, len(ordered) // 20))
        different = sorted({ordered[(i * len(ordered)) // cells] for i in range(cells)})
    return Grid(edges=(*different, math.nextafter(ordered[-1], math.inf)))


def grid_of_categories(values: Iterable[str], most: int = 63) -> Grid:
    """A cell for each of the most frequent categories, the rarest last, and one more for what is none of them."""
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    order = sorted(found, key=lambda name: (-found[name], name))
    return Grid(categories=tuple(order[:most]))


def cell_of(grid: Grid, value: float | str) -> int:
    """The cell that a value lies in; the last one for a category that was not among the reference's most frequent."""
    if isinstance(value, str):
        return grid.categories.index(value) if value in grid.categories else len(grid.categories)
    return bisect_right(grid.edges, value)


def counts(grid: Grid, values: Iterable[Any]) -> list[int]:
    """How many of these values lie in each cell; of a grid of categories, by their names."""
    found = [0] * grid.cells
    for value in values:
        found[cell_of(grid, str(value) if grid.categories else value)] += 1
    return found


def _ranks(
    detector: Detector, values: Sequence[tuple[str, int]]
) -> tuple[list[float], Mapping[str, tuple[int, ...]], list[tuple[float, ...]]]:
    """The conformal rank of each value among all before it in its stratum, and the counts with them.

    Also, by value, the share of all before it that lies below each cut of the grid.
    """
    places: dict[str, list[int]] = {}
    for at, (stratum, _) in enumerate(values):
        places.setdefault(stratum, []).append(at)
    ranks, counts = [0.0] * len(values), dict(detector.counts)
    cuts = detector.grid.cuts
    chances: list[tuple[float, ...]] = [()] * len(values)
    for stratum, found in places.items():
        known = list(counts.get(stratum, (0,) * detector.grid.cells))
        below, total = [0, *accumulate(known)], sum(known)
        cells: list[int] = []  # of this look so far, sorted: `below` holds what was before it
        for before, at in enumerate(found):
            cell = values[at][1]
            if cuts:
                so_far = total + before
                chances[at] = tuple((below[cut] + bisect_left(cells, cut)) / so_far if so_far else 0.5 for cut in cuts)
            lower, upper = bisect_left(cells, cell), bisect_right(cells, cell)
            tie = _uniform(detector.seed, detector.seen + at)
            ranks[at] = (below[cell] + lower + tie * (known[cell] + upper - lower + 1)) / (total + before + 1)
            cells.insert(upper, cell)
        for cell in cells:
            known[cell] += 1
        counts[stratum] = tuple(known)
    return ranks, counts, chances


def _uniform(seed: int, number: int) -> float:
    """The same number in [0, 1) for the same seed and place (SplitMix64: Steele, Lea & Flood 2014)."""
    z = (seed + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) / 2**64


def _normal_bet(expert: _Normal, n: int, total: float, squares: float) -> float:
    """Logarithm of the likelihood ratio of the expert's normal against the standard one, of `n` scores."""
    precision = 1 / expert.spread**2
    return (
        (1 - precision) * squares / 2
        + precision * (expert.mean * total - n * expert.mean**2 / 2)
        - n * math.log(expert.spread)
    )


def _odds_bets(ranks: Sequence[float], below: Sequence[float]) -> list[float]:
    """Logarithms of what experts make of ranks above a cut when its odds are another factor of what they were.

    Where a share q lies below, and the odds of lying above are a times as high, the density is a / (q + a (1 - q))
    above q, and 1 / (q + a (1 - q)) below it: that of the odds of a yes, if values are yes and no.
    """
    above = sum(rank >= q for rank, q in zip(ranks, below, strict=True))
    return [
        factor * above - math.fsum([math.log(q + odds * (1 - q)) for q in below])
        for factor in _FACTORS
        for odds in (math.exp(factor),)
    ]


def _binned(kind: str, ranks: Sequence[float]) -> list[int]:
    counts = [0] * len(_WIDTHS[kind])
    for rank in ranks:
        counts[int(rank * RANK_BINS) if kind == "even" else bisect_right(TAILS, rank)] += 1
    return counts


def _learnt_bet(widths: Sequence[float], known: Sequence[float], seen: Sequence[int]) -> float:
    """Logarithm of what the densities that were learnt before this look make of its ranks."""
    total = sum(known) + _PRIOR
    bet = 0.0
    for width, before, now in zip(widths, known, seen, strict=True):
        if now:
            density = (before + _PRIOR * width) / (total * width)
            bet += now * math.log(_CAUTION + (1 - _CAUTION) * density)
    return bet


def _log_add(a: float, b: float) -> float:
    high, low = (a, b) if a >= b else (b, a)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def _log_sum(values: Sequence[float]) -> float:
    high = max(values)
    return high if high == _NEVER else high + math.log(math.fsum(math.exp(value - high) for value in values))
