"""IR-22, common-cause failure: parts that should fail independently fail at the same moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

from syscard.system import SYSTEM, System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.statistics import association
from syscard_monitors.stats import Rates, wilson

BLOCK: Final = 10
"""Requests that came one after the other and count as one moment."""
LEAST_FAILURES: Final = 20
"""Requests in which each of two parts must have failed."""
_TROUBLE: Final = ("error", "fallback")


class CommonCause:
    """Of the blocks in which either of two parts fails, the share in which both do (beta factor).

    With block margins fixed, Fisher's exact test over strata is the exact permutation test of blocks; strata are
    blocks of light and of heavy load. Parts with an edge between them may hand their failures on: that is IR-01.
    """

    id: Final = "IR-22"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """All pairs together, where there are any."""
        return (SYSTEM,) if pairs(system) else ()

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """The largest beta factor that the baseline has, by pair."""
        found = {_name(pair): both.beta for pair, both in _together(case).items()}
        return {"beta": found}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The pair that fails together most surely; its p counts for all pairs."""
        found = _together(case)
        if not found:
            why = f"needs {LEAST_FAILURES} requests in which each of two parts failed"
            return Lacking(why, LEAST_FAILURES)
        pair, worst = min(found.items(), key=lambda one: (one[1].p_value, one[0]))
        before = usual["beta"].get(_name(pair))
        known = "" if before is None else f", {before:.0%} in the baseline"
        low, high = wilson(worst.beta, worst.either)
        return Reading(
            n=len(case.requests),
            effect=worst.beta - (before or 0.0),
            says=f"{pair[0]} and {pair[1]} fail in the same moments: in {worst.beta:.0%} of {worst.either} moments in "
            f"which either fails{known}",
            p_value=min(1.0, worst.p_value * len(found)),
            scale="share",
            low=low - (before or 0.0),
            high=high - (before or 0.0),
            value=worst.beta,
            reference=before,
            unit="share",
            share=worst.both_requests / len(case.requests),
            traces=examples(case.requests, [bool(a and b) for a, b in zip(*worst.flags, strict=True)]),
        )


class Together(NamedTuple):
    """How two parts fail, by blocks."""

    beta: float
    """Blocks in which both fail over those in which either does."""
    either: int
    p_value: float
    both_requests: int
    """Requests in blocks in which both fail, that one of them failed in."""
    flags: tuple[Sequence[bool], Sequence[bool]]


def pairs(system: System) -> tuple[tuple[str, str], ...]:
    """Parts without an edge between them; an agent's failures are those of what it calls."""
    parts = [ref for ref, c in system.components.items() if c.kind != "agent"]
    tied = {frozenset(edge) for edge in system.edges}
    return tuple(pair for pair in combinations(parts, 2) if frozenset(pair) not in tied)


def _together(case: Case) -> dict[tuple[str, str], Together]:
    """Pairs of which both have failed often enough."""
    failed = {
        ref: [bool(f) for f in roles.any_of(case, ref, _TROUBLE)]
        for ref in {ref for pair in pairs(case.system) for ref in pair}
    }
    often = {ref for ref, flags in failed.items() if sum(flags) >= LEAST_FAILURES}
    load = _loads(case.requests)
    return {(a, b): _of_pair(failed[a], failed[b], load) for a, b in pairs(case.system) if {a, b} <= often}


def _of_pair(one: Sequence[bool], other: Sequence[bool], load: Sequence[bool]) -> Together:
    first, second = ([any(flags[i : i + BLOCK]) for i in range(0, len(flags), BLOCK)] for flags in (one, other))
    both = [a and b for a, b in zip(first, second, strict=True)]
    either = sum(a or b for a, b in zip(first, second, strict=True))
    blocks = list(zip(first, second, load, strict=True))
    tables = [_table([(a, b) for a, b, heavy in blocks if heavy is stratum]) for stratum in (False, True)]
    hit = sum(any((one[i], other[i])) for i in range(len(one)) if both[i // BLOCK])
    return Together(sum(both) / either if either else 0.0, either, association(tables).p_value, hit, (one, other))


def _table(blocks: Sequence[tuple[bool, bool]]) -> Rates:
    given, without = [b for a, b in blocks if a], [b for a, b in blocks if not a]
    return Rates(sum(given), len(given), sum(without), len(without))


def _loads(requests: Sequence[Request]) -> list[bool]:
    """Whether a block came faster than most."""
    starts = [requests[i].end_us for i in range(0, len(requests), BLOCK)]
    took = [b - a for a, b in zip(starts, [*starts[1:], requests[-1].end_us], strict=True)]
    middle = sorted(took)[len(took) // 2]
    return [t < middle for t in took]


def _name(pair: tuple[str, str]) -> str:
    return "+".join(pair)
