"""The agent at work: shoppers come, several at a time, faults are switched, answers arrive later."""

from __future__ import annotations

import itertools
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from recommender.agent import Agent, Asked, Shop, Shown
from recommender.clicks import answer
from recommender.errors import Unavailable
from recommender.faults import Fault, conditions
from recommender.later import Later
from recommender.switches import Switchboard, mix_of
from recommender.telemetry import answered
from recommender.traffic import Mix, Shopper, arrivals
from recommender.values import Say

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


class Pace:
    """When requests come: at a rate (a Poisson process), or each as soon as somebody is free to serve it."""

    def __init__(self, a_minute: float | None, seed: int, now: Callable[[], float] = time.monotonic) -> None:
        self.a_minute = a_minute
        self._chance = np.random.default_rng((seed, zlib.crc32(b"pace")))
        self._now = now
        self._due = now()

    def wait_s(self, busier: float) -> float:
        """Seconds until the next one comes, while traffic is so many times the usual. Who is late does not skip any."""
        if self.a_minute is None:
            return 0.0
        self._due += float(self._chance.exponential(60.0 / (self.a_minute * busier)))
        return max(0.0, self._due - self._now())


class Run:
    """One run of the agent. A request that is being served when the run is stopped is served to its end."""

    def __init__(self, shop: Shop, agent: Agent, board: Switchboard, pace: Pace, seed: int, say: Say) -> None:
        self._shop, self._agent, self._board, self._pace = shop, agent, board, pace
        self._seed, self._say = seed, say
        self._later = Later()
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._warned: set[str] = set()
        self.tally = Tally()

    def serve(self, requests: int, concurrency: int) -> Tally:
        """Serve so many requests; with 0, until somebody interrupts.

        Raises:
            Unavailable: a request could not be served; says which, and why.
        """
        numbers = iter(range(requests)) if requests else itertools.count()
        pool = ThreadPoolExecutor(concurrency)
        try:
            workers = [pool.submit(self._work, numbers) for _ in range(concurrency)]
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:
            self._stopped.set()
            pool.shutdown()
            self._later.finish()
        for worker in workers:
            worker.result()
        return self.tally

    def _work(self, numbers: Iterator[int]) -> None:
        while not self._stopped.is_set():
            with self._lock:
                number = next(numbers, None)
                if number is None:
                    return
                if self._stopped.wait(self._pace.wait_s(mix_of(self._board.on(number)).rate)):
                    return
                on = self._board.on(number)
                self._warn(on)
            try:
                self._one(number, on)
            except Exception as error:
                raise Unavailable(f"request {number} failed: {type(error).__name__}: {error}") from error

    def _warn(self, on: Sequence[tuple[Fault, float]]) -> None:
        """Say once of a fault that does nothing without a pace."""
        idle = {fault.name for fault, _ in on if self._pace.a_minute is None and fault.mix.rate != 1}
        for name in idle - self._warned:
            self._warned.add(name)
            self._say(f"  {name}: without --rate requests come as fast as they are served, and not more often")

    def _one(self, number: int, on: Sequence[tuple[Fault, float]]) -> None:
        names = tuple(fault.name for fault, _ in on)
        chance = np.random.default_rng((self._seed, number))
        mix, now = mix_of(on), datetime.now(UTC)
        (shopper,) = arrivals(self._shop.pool, mix, [now], chance)
        asked = Asked(shopper, conditions(on, chance), (self._seed, number), now.date())
        shown = self._agent.serve(asked)
        accepted = self._answered(shopper, shown, mix, chance)
        self._count(shown, names, accepted=accepted)

    def _answered(self, shopper: Shopper, shown: Shown, mix: Mix, chance: np.random.Generator) -> bool:
        suits = self._shop.suits(shopper.household)
        came = answer(shown.items, suits, shown.features, mix.eager, chance)

        self._later.call(came.delay, lambda: answered(shown.reference, shopper, came))
        return came.accepted

    def _count(self, shown: Shown, names: tuple[str, ...], *, accepted: bool) -> None:
        with self._counting:
            self.tally.served += 1
            self.tally.accepted += accepted
            self.tally.faulty.update(names)
            if self.tally.served % TELL_EVERY == 0:
                name = self._shop.models.items[shown.items[0]].name
                on = f" [{', '.join(names)}]" if names else ""
                self._say(f"  {self.tally.served:>4}{on}  {name}: {shown.reason}"[:_WIDTH])
