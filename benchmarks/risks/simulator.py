"""Attribution on two simulated systems: who did it, how often nobody did, two at once, and what it costs."""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from benchmarks.risks.cases import Case, Setting, calm, cases
from benchmarks.risks.methods import METHODS
from benchmarks.risks.topologies import WORLDS
from benchmarks.risks.worlds import World

SETTINGS: Final = (
    Setting("300 requests", 300),
    Setting("1,000 requests"),
    Setting("3,000 requests", 3_000),
    Setting("inputs drift by 0.8 sd", drift=0.8, drifts=1.0),
    Setting("a hidden common cause", hidden=0.5),
    Setting("2 edges missing, and that is known", missing=2),
    Setting("2 edges missing, and nobody knows", missing=2, known=False),
)
TWO: Final = Setting("two causes", causes=2)
CALM: Final = tuple(Setting(f"{n:,} requests", n, drifts=0.0) for n in (300, 1_000, 3_000))
MIXED: Final = Setting("inputs drift by 0.5 sd", drift=0.5, drifts=1.0)


@dataclass
class _Tally:
    first: int = 0
    two: int = 0
    both: int = 0
    n: int = 0
    ms: list[float] = field(default_factory=list)

    def add(self, case: Case, method: str) -> None:
        begin = time.process_time()
        answer = METHODS[method](case)
        self.ms.append((time.process_time() - begin) * 1e3)
        self.n += 1
        self.first += answer.ranking[0] in case.truth
        self.two += bool({*answer.ranking[:2]} & {*case.truth})
        self.both += {*case.truth} <= {*answer.causes}


def table(count: int, seed: int) -> Iterator[str]:
    """Markdown, a table after the other.

    Args:
        count: cases of each row.
        seed: of everything.
    """
    for world in WORLDS:
        yield from (f"**{world.name}**: {len(world.parts)} parts, {len(world.mechanisms)} signals", "")
        yield from _ranked(world, count, seed)
        yield from _two_causes(world, count, seed)
        yield from _false(world, count, seed)


def _rng(world: World, setting: Setting, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(f"{world.name}/{setting.name}".encode())])


def _ranked(world: World, count: int, seed: int) -> Iterator[str]:
    """First right, and among the first two."""
    yield f"| first right / among the first two, % of {count} | {' | '.join(s.name for s in SETTINGS)} | CPU ms |"
    yield "| --- " * (len(SETTINGS) + 2) + "|"
    tallies: dict[str, list[_Tally]] = defaultdict(list)
    for setting in SETTINGS:
        found = _tallied(cases(world, setting, count, _rng(world, setting, seed)))
        for method, tally in found.items():
            tallies[method].append(tally)
    for method, told in tallies.items():
        cells = [f"{_percent(t.first, t.n)} / {_percent(t.two, t.n)}" for t in told]
        yield f"| {method} | {' | '.join(cells)} | {np.median(told[1].ms):.0f} |"
    yield ""


def _tallied(drawn: Iterator[Case], methods: Sequence[str] = tuple(METHODS)) -> dict[str, _Tally]:
    found = {method: _Tally() for method in methods}
    for case in drawn:
        for method, tally in found.items():
            tally.add(case, method)
    return found


def _two_causes(world: World, count: int, seed: int) -> Iterator[str]:
    yield f"| two causes at once, 1,000 requests, % of {count} | both named | one of them first |"
    yield "| --- | --- | --- |"
    for method, tally in _tallied(cases(world, TWO, count, _rng(world, TWO, seed))).items():
        yield f"| {method} | {_percent(tally.both, tally.n)} | {_percent(tally.first, tally.n)} |"
    yield ""


def _false(world: World, count: int, seed: int) -> Iterator[str]:
    """How often somebody is blamed who did nothing; only methods with a test can refrain."""
    yield f"| somebody blamed who did nothing, % of {2 * count} | **ours** |"
    yield "| --- | --- |"
    for setting in (*CALM, MIXED):
        wrong = 0
        for case in calm(world, setting, 2 * count, _rng(world, setting, seed)):
            wrong += bool({*METHODS["**ours**"](case).blamed} - {case.innocent})
        what = "nothing changed" if setting in CALM else "only the mix of inputs, 1,000 requests"
        yield f"| {what}, {setting.name} | {100 * wrong / (2 * count):.1f} |"
    yield ""


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}" if whole else "-"
