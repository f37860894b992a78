"""The agent at work: shoppers come, several at a time, faults are switched, answers arrive later."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from recommender.agent import Agent, Asked, Shop, Shown
from recommender.clicks import answer
from recommender.faults import conditions
from recommender.later import Later
from recommender.switches import Switchboard, mix_of
from recommender.traffic import Mix, Shopper, arrivals
from recommender.values import Say
from syscard_tracing import feedback

TELL_EVERY: Final = 10
"""Requests between two lines about how it goes."""
_WIDTH: Final = 100


@dataclass
class Tally:
    """What a run has come to."""

    served: int = 0
    accepted: int = 0
    faulty: Counter[str] = field(default_factory=Counter)
    """Requests by fault that was on."""


class Run:
    """One run of the agent. A request that is being served when the run is stopped is served to its end."""

    def __init__(self, shop: Shop, agent: Agent, board: Switchboard, seed: int, say: Say) -> None:
        self._shop, self._agent, self._board = shop, agent, board
        self._seed, self._say = seed, say
        self._later = Later()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.tally = Tally()

    def serve(self, requests: int, concurrency: int) -> Tally:
        """Serve so many requests; with 0, until somebody interrupts."""
        numbers = iter(range(requests)) if requests else itertools.count()
        pool = ThreadPoolExecutor(concurrency)
        try:
            for worker in [pool.submit(self._work, numbers) for _ in range(concurrency)]:
                worker.result()
        finally:
            self._stopped.set()
            pool.shutdown()
            self._later.finish()
        return self.tally

    def _work(self, numbers: Iterator[int]) -> None:
        while not self._stopped.is_set():
            with self._lock:
                number = next(numbers, None)
                if number is None:
                    return
                on = self._board.on(number)
            names = tuple(fault.name for fault, _ in on)
            chance = np.random.default_rng((self._seed, number))
            mix = mix_of(on)
            shopper = self._comer(mix, chance)
            shown = self._agent.serve(Asked(shopper, conditions(on, chance), (self._seed, number)))
            accepted = self._answered(shopper, shown, mix, chance)
            self._count(shown, names, accepted=accepted)

    def _comer(self, mix: Mix, chance: np.random.Generator) -> Shopper:
        (shopper,) = arrivals(self._shop.pool, mix, [datetime.now(UTC)], chance)
        return shopper

    def _answered(self, shopper: Shopper, shown: Shown, mix: Mix, chance: np.random.Generator) -> bool:
        suits = self._shop.suits(shopper.household)
        came = answer(shown.items, suits, shown.features, mix.eager, chance)

        def tell() -> None:
            feedback(shown.reference, segment=shopper.age, accepted=came.accepted, position=came.position)

        self._later.call(came.delay, tell)
        return came.accepted

    def _count(self, shown: Shown, names: tuple[str, ...], *, accepted: bool) -> None:
        with self._lock:
            self.tally.served += 1
            self.tally.accepted += accepted
            self.tally.faulty.update(names)
            if self.tally.served % TELL_EVERY == 0:
                name = self._shop.models.items[shown.items[0]].name
                on = f" [{', '.join(names)}]" if names else ""
                self._say(f"  {self.tally.served:>4}{on}  {name}: {shown.reason}"[:_WIDTH])
