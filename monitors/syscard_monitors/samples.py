"""How the requests behind a figure were sampled, in sums that merge exactly. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from syscard.finding import Sampling
from syscard_monitors.assemble import Request

Sums = Mapping[str, float]
_MILLION: Final = 1_000_000
_TAIL: Final = "tail"
_BY: Final = "by "
_TOWARDS: Final = "towards "
_LEAST: Final = 3
"""Requests that failed, and others, that must say a share before the shares are compared."""
_UNLIKE: Final = 0.9
"""A failed request stands for fewer than this times what another stands for: failures were kept more often."""


def sample_sums(requests: Iterable[Request]) -> dict[str, int]:
    """What some requests say of their sampling; empty where none does.

    Weights (how many requests each stands for) are in millionths.
    """
    sums: Counter[str] = Counter()
    for request in requests:
        sums.update(_of_one(request))
    return dict(sums)


def _of_one(request: Request) -> dict[str, int]:
    kept, sampler = request.tracing.kept, request.tracing.sampler
    found: dict[str, int] = {}
    if kept is not None:
        kind = "failed" if any(request.values.get("error", ())) else "fine"
        found |= {kind: 1, f"{kind} weight": round(_MILLION / kept)}
    if request.tracing.sampled:
        found["sampled"] = 1
        if kept is not None:
            found |= {"shares": 1, "share weight": round(_MILLION / kept)}
        if sampler is not None:
            found[f"{_BY}{_TAIL if sampler.startswith(_TAIL) else sampler}"] = 1
    # What was looked for may have been kept whole: it is of no sample itself and makes the others one with a bias.
    towards = sampler.removeprefix(_TAIL).strip() if sampler and sampler.startswith(_TAIL) else ""
    return {**found, f"{_TOWARDS}{towards}": 1} if towards else found


def sampling_of(sums: Sums, requests: int) -> Sampling | None:
    """How `requests` requests were sampled; None where none says that it is one of a sample."""
    sampled = int(sums.get("sampled", 0))
    if not sampled:
        return None
    weight = sums.get("share weight", 0)
    return Sampling(
        requests=requests,
        sampled=sampled,
        kept=float(f"{sums['shares'] * _MILLION / weight:.6g}") if weight else None,
        by=_by(sums, sampled),
        towards=_towards(sums),
    )


def _by(sums: Sums, sampled: int) -> str | None:
    """The one way in which all were chosen; None where some do not say, or there are several."""
    ways = [key.removeprefix(_BY) for key, count in sums.items() if key.startswith(_BY) and count == sampled]
    return ways[0] if ways else None


def _towards(sums: Sums) -> str | None:
    """What is kept more often: by the policies that senders name, or by the shares of failed and other requests."""
    if sums.get(f"{_TOWARDS}errors") or _failures_weigh_less(sums):
        return "errors"
    return "slow requests" if sums.get(f"{_TOWARDS}slow requests") else None


def _failures_weigh_less(sums: Sums) -> bool:
    failed, fine = sums.get("failed", 0), sums.get("fine", 0)
    if min(failed, fine) < _LEAST:
        return False
    return sums["failed weight"] / failed < _UNLIKE * sums["fine weight"] / fine
