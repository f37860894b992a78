"""A small system: pictures -> vlm -> llm -> agent, with a recommender beside the vlm; who is changed is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from syscard_monitors.attribution import Series, Table, Target

GRAPH = {
    "inputs of vlm": frozenset[str](),
    "vlm": frozenset({"inputs of vlm"}),
    "cf": frozenset[str](),
    "llm": frozenset({"vlm", "cf"}),
    "agent": frozenset({"llm"}),
}
LIMIT = 1.6


def drawn(n: int, seed: int, **by: float) -> dict[str, Any]:
    """Requests; `by` moves the levels of signals."""
    rng = np.random.default_rng(seed)
    sharp = rng.normal(size=n) + by.get("sharp", 0)
    reads = 0.8 * sharp + rng.normal(0, 0.6, n) + by.get("reads", 0)
    score = rng.normal(size=n) + by.get("score", 0)
    grounded = by.get("slope", 0.7) * reads + 0.3 * score + rng.normal(0, 0.6, n) + by.get("grounded", 0)
    declines = (rng.random(n) < 1 / (1 + np.exp(2.5 + grounded))).astype(float)
    wait = np.exp(0.3 * rng.normal(size=n) - 0.4 * grounded + by.get("wait", 0))
    return {"sharp": sharp, "reads": reads, "score": score, "grounded": grounded, "declines": declines, "wait": wait}


PARTS = {"sharp": "inputs of vlm", "reads": "vlm", "score": "cf", "grounded": "llm", "declines": "llm", "wait": "agent"}
SLOW = Target("wait", 2.0, above=True, says="fast enough")


def table(n: int = 600, seed: int = 1, before: int = 1_000, **by: float) -> Table:
    was, now = (
        drawn(
            before,
            seed,
        ),
        drawn(n, seed + 1_000, **by),
    )
    return Table([Series(name, part, was[name], now[name]) for name, part in PARTS.items()], GRAPH)
