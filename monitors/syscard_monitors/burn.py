"""Error budgets: how fast a promise spends what it may miss, over a long and a short time at once. Pure.

A promise such as "95 % of answers within 3 s" may miss 5 %: that is its budget. A burn rate is the share that missed
over that budget; at 1 the budget lasts exactly as long as it was meant to. The pairs of times and factors are those of
Google's Site Reliability Workbook, chapter 5: of a budget for thirty days, 14.4 for an hour takes 2 %, 6 for six hours
5 %, 1 for three days 10 %. The short time, a twelfth of the long one, ends the alarm soon after the cause.

A pair raises an alarm only with evidence that the budget for false alarms accepts: that what was seen is so rare where
the promise is just kept (Hoeffding 1963, theorem 1, for shares as for yes and no).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from syscard.blindspots import topic_of
from syscard.digest import digest
from syscard.errors import MonitorError
from syscard.finding import Finding, State, Window
from syscard.metric import parse_metric
from syscard.system import Claim, System
from syscard.units import parse_duration, parse_expectation
from syscard.words import span_of
from syscard_monitors.assemble import Request
from syscard_monitors.frames import evaluate
from syscard_monitors.judge import HYSTERESIS, Streak, told_rarity
from syscard_monitors.packs import Signal
from syscard_monitors.severity import Severity

KIND: Final = "burn"
NAMES: Final[dict[Severity, str]] = {"page": "burn", "ticket": "slow-burn"}
"""What findings of a pair of this severity are called: a budget that goes slowly must not keep a page back."""
STEPS: Final = 60
"""Bins of a pair's long time; its short time is `SHORT` of them."""
SHORT: Final = 5
TIMES: Final = {"ms": timedelta(milliseconds=1), "s": timedelta(seconds=1)}
"""Units of signals that can have an objective, which is a time."""
_SCALE: Final = 1_000_000


class Pair(NamedTuple):
    """A long time, the burn rate that is too much over it, and what that is worth."""

    long: timedelta
    factor: float
    severity: Severity

    @property
    def step_us(self) -> int:
        """Length of a bin in microseconds."""
        return self.long // timedelta(microseconds=STEPS)


PAIRS: Final = (
    Pair(timedelta(hours=1), 14.4, "page"),
    Pair(timedelta(hours=6), 6.0, "page"),
    Pair(timedelta(days=3), 1.0, "ticket"),
)
"""Most severe first."""


@dataclass(frozen=True)
class Objective:
    """A promise that has an error budget."""

    name: str
    """The claim, or the signal with its quantile: `fast`, `latency.p95`."""
    about: str
    label: str
    expr: str
    """One value a request, as Polars SQL."""
    limit: float | None
    """A value beyond it misses; None where the value itself is the share that keeps (or misses) the promise."""
    below: bool
    """Whether small values are good."""
    budget: float
    """Share of requests that may miss, between 0 and 1."""
    topic: str
    wrong: str = ""
    """Why it cannot be watched, where it cannot."""

    @property
    def whole(self) -> str:
        """`<about>.<name>`: what its findings have in common."""
        return f"{self.about}.{self.name}"

    @property
    def place(self) -> str:
        """What its sums belong to: another measure is another promise."""
        return f"{self.whole}@{digest([self.expr, self.limit, self.below])[:12]}"

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Those that a budget of this size can reach: no more than every request can miss."""
        return tuple(pair for pair in PAIRS if pair.factor * self.budget < 1)

    @property
    def severities(self) -> tuple[Severity, ...]:
        """One finding each."""
        return tuple(dict.fromkeys(pair.severity for pair in self.pairs))

    def key(self, severity: Severity) -> str:
        """`<about>.<name>.burn`: the key of a finding."""
        return f"{self.whole}.{NAMES[severity]}"

    def missed(self, value: float) -> float:
        """By how much one request misses, from 0 to 1.

        Raises:
            ValueError: the value is no number.
        """
        if math.isnan(value):
            raise ValueError("it is nan")
        if self.limit is not None:
            return float(value > self.limit if self.below else value < self.limit)
        kept = min(1.0, max(0.0, value))
        return kept if self.below else 1.0 - kept


class Sums(NamedTuple):
    """What a stretch of time holds."""

    missed: int = 0
    """In millionths of a request."""
    n: int = 0


Bins = dict[int, Sums]
"""Sums of one pair by bin: the number of its step since 1970."""
Budgets = dict[str, tuple[Bins, ...]]
"""By promise (`Objective.place`), one for each of `PAIRS`."""


@dataclass(frozen=True)
class Burn:
    """How fast a budget went, over one pair of times."""

    pair: Pair
    rate: float
    """Over the long time."""
    recent: float
    """Over the short time."""
    n: int
    """Requests in the long time."""
    log_rarity: float
    """Evidence that the promise is not kept over the long time, as a natural logarithm of N in 1 in N."""

    @property
    def exceeds(self) -> bool:
        """Whether both are too fast."""
        return min(self.rate, self.recent) >= self.pair.factor

    @property
    def clear(self) -> bool:
        """Whether one of them is back well below."""
        return min(self.rate, self.recent) < HYSTERESIS * self.pair.factor


def objectives(system: System, signals: Iterable[Signal]) -> tuple[Objective, ...]:
    """What a system declares with an error budget: claims with `burn: true`, and signals with an objective."""
    of_claims = tuple(_of_claim(claim) for claim in system.claims if claim.burn)
    return of_claims + tuple(found for signal in signals for found in _of_signal(signal, system))


def _of_claim(claim: Claim) -> Objective:
    metric, expected = parse_metric(claim.metric), parse_expectation(claim.expect)
    below, quantile = expected.op in ("<=", "<"), metric.quantile
    kept = 1.0 - expected.limit if quantile is None else quantile  # of small values, where small is good
    return Objective(
        name=claim.id,
        about=claim.about,
        label=f"error budget of {claim.id}",
        expr=metric.expression,
        limit=None if quantile is None else expected.limit,
        below=below,
        budget=1.0 - kept if below else kept,
        topic=topic_of(claim.model_dump(mode="json")),
    )


def _of_signal(signal: Signal, system: System) -> Iterator[Objective]:
    tuned = system.monitors.tune.get(signal.key)
    limits = tuned.objective.model_dump(exclude_none=True) if tuned and tuned.objective else {}
    for quantile, limit in limits.items():
        name, unit = f"{signal.name}.{quantile}", TIMES.get(signal.unit)
        yield Objective(
            name=name,
            about=signal.about,
            label=f"error budget of {name}",
            expr=signal.expr,
            limit=parse_duration(limit) / (unit or timedelta(seconds=1)),
            below=True,
            budget=1.0 - int(quantile[1:]) / 100,
            topic="latency",
            wrong="" if unit else f"an objective is a time, and {signal.key} is none",
        )


def counted(
    bins: Sequence[Bins], objective: Objective, requests: Sequence[Request], feedback: Sequence[Request], end_us: int
) -> tuple[Bins, ...]:
    """The sums of `PAIRS` with what a window brings, without what no pair looks back to any more.

    A promise that no request can answer is asked of the feedback that came meanwhile, as claims are.

    Raises:
        MonitorError: the expression cannot be computed, or gives something that is no number.
    """
    answers = _answers(objective, requests) or _answers(objective, feedback)
    return tuple(
        _with(known, pair, answers, end_us) for pair, known in zip(PAIRS, bins or ({},) * len(PAIRS), strict=True)
    )


def _answers(objective: Objective, requests: Sequence[Request]) -> list[tuple[int, float]]:
    """(end in microseconds, miss) of every request that tells."""
    values = evaluate(requests, objective.expr) if requests else None
    told = zip(requests, values or (), strict=values is not None)
    try:
        return [(request.end_us, objective.missed(float(value))) for request, value in told if value is not None]
    except (TypeError, ValueError, OverflowError) as error:
        raise MonitorError(f"{objective.expr} must be a number or yes/no: {error}") from error


def _with(known: Bins, pair: Pair, answers: Iterable[tuple[int, float]], end_us: int) -> Bins:
    sums = {step: one for step, one in known.items() if step > end_us // pair.step_us - STEPS}
    for at_us, missed in answers:
        before = sums.get(step := at_us // pair.step_us, Sums())
        sums[step] = Sums(before.missed + round(missed * _SCALE), before.n + 1)
    return sums


def burns(objective: Objective, bins: Sequence[Bins], end_us: int) -> tuple[Burn, ...]:
    """How fast the budget goes at a moment, for each pair that it can reach."""
    pairs = zip(PAIRS, bins, strict=True)
    return tuple(_burn(objective, pair, known, end_us) for pair, known in pairs if pair in objective.pairs)


def _burn(objective: Objective, pair: Pair, bins: Bins, end_us: int) -> Burn:
    newest = end_us // pair.step_us
    long, short = (_together(bins, newest - steps, newest) for steps in (STEPS, SHORT))
    return Burn(
        pair=pair,
        rate=_share(long) / objective.budget,
        recent=_share(short) / objective.budget,
        n=long.n,
        log_rarity=log_rarity(_share(long), long.n, objective.budget),
    )


def _together(bins: Bins, after: int, newest: int) -> Sums:
    within = [sums for step, sums in bins.items() if after < step <= newest]
    return Sums(sum(s.missed for s in within), sum(s.n for s in within))


def _share(sums: Sums) -> float:
    return sums.missed / _SCALE / sums.n if sums.n else 0.0


def log_rarity(share: float, n: int, budget: float) -> float:
    """Ln N of "1 in N": how rarely `n` requests that each miss `budget` on average miss `share` or more.

    N = exp(n * KL(share, budget)), the bound of Hoeffding (1963), theorem 1.
    """
    if share <= budget:
        return 0.0
    rest = (1 - share) * math.log((1 - share) / (1 - budget)) if share < 1 else 0.0
    return n * (share * math.log(share / budget) + rest)


def least_n(budget: float, log_needed: float) -> int:
    """Requests with which an alarm is possible at all: those that all miss."""
    return math.ceil(log_needed / -math.log(budget))


def findings(
    objective: Objective,
    found: Sequence[Burn],
    window: Window,
    traces: tuple[str, ...],
    log_needed: float,
    streaks: Mapping[str, Streak],
) -> tuple[Finding, ...]:
    """What a window says of an error budget, for each severity.

    Args:
        objective: the promise.
        found: its burn rates.
        window: the newest window.
        traces: examples.
        log_needed: how rare the evidence must be, as a natural logarithm.
        streaks: by key: what is in breach already is asked for its rates only, not for the evidence again.
    """
    of = {severity: [b for b in found if b.pair.severity == severity] for severity in objective.severities}
    stood = {severity: streaks.get(objective.key(severity), Streak()).windows > 0 for severity in of}
    return tuple(
        _finding(objective, rates, window, traces, log_needed, stood[severity]) for severity, rates in of.items()
    )


def failed(objective: Objective, why: str, window: Window) -> tuple[Finding, ...]:
    """The findings of an error budget that cannot be computed."""
    return tuple(
        _blank(objective, severity, window).model_copy(update={"state": State.ERROR, "why": why})
        for severity in objective.severities
    )


def _blank(objective: Objective, severity: Severity, window: Window) -> Finding:
    return Finding(
        signal=f"{objective.name}.{NAMES[severity]}",
        about=objective.about,
        label=objective.label,
        kind=KIND,
        state=State.UNKNOWN,
        window=window,
        n=0,
        severity=severity,
    )


def _finding(
    objective: Objective, found: Sequence[Burn], window: Window, traces: tuple[str, ...], log_needed: float, stood: bool
) -> Finding:
    told = _told(found, log_needed, stood)
    blank, needs = _blank(objective, told.pair.severity, window), least_n(objective.budget, log_needed)
    state = _state(found, told, log_needed, needs, stood)
    asked: dict[str, Any] = {"n": told.n, "tolerance": told.pair.factor, "one_in_needed": told_rarity(log_needed)}
    if state is State.UNKNOWN:
        return blank.model_copy(update={**asked, "needs": needs, "why": f"needs n {needs}, has {told.n}"})
    asked["label"] = f"{objective.label}, over {span_of(told.pair.long)}"
    figures = {"value": told.rate, "reference": 1.0, "effect": told.rate, "one_in": told_rarity(told.log_rarity)}
    shown = {"traces": traces if state is not State.OK else (), "method": "burn rate", "why": _over(told)}
    return blank.model_copy(update={**asked, **figures, **shown, "state": state})


def _over(burn: Burn) -> str:
    short = burn.pair.long * SHORT / STEPS
    return f"{burn.recent:.3g} over {span_of(short)}"


def _told(found: Sequence[Burn], log_needed: float, stood: bool) -> Burn:
    """The first pair that is in breach; else the one that is nearest to it."""
    breaching = [b for b in found if _breaches(b, log_needed, stood)]
    return breaching[0] if breaching else max(found, key=lambda b: min(b.rate, b.recent) / b.pair.factor)


def _breaches(burn: Burn, log_needed: float, stood: bool) -> bool:
    return not burn.clear if stood else burn.exceeds and burn.log_rarity >= log_needed


def _state(found: Sequence[Burn], told: Burn, log_needed: float, needs: int, stood: bool) -> State:
    if _breaches(told, log_needed, stood):
        return State.BREACH
    if max(b.n for b in found) < needs:
        return State.UNKNOWN
    return State.WARN if told.exceeds else State.OK


def budgets_body(budgets: Mapping[str, Sequence[Bins]]) -> dict[str, Any]:
    """JSON form."""
    return {
        place: [[[step, *sums] for step, sums in sorted(one.items())] for one in bins]
        for place, bins in budgets.items()
    }


def read_budgets(known: Mapping[str, Any]) -> Budgets:
    """Budgets from their JSON form."""
    return {
        place: tuple({step: Sums(missed, n) for step, missed, n in one} for one in bins)
        for place, bins in known.items()
    }
