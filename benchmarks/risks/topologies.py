"""Two systems unlike each other: a shop's recommender, and a tool agent that answers from documents."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.risks.worlds import Drawn, Mechanism, Values, World


def _waited(seen: Drawn) -> Values:
    """One after the other, and the language model again where the agent tries again."""
    found: Values = seen["vlm_ms"] + seen["cf_ms"] + seen["llm_ms"] * (1 + seen["agent_retry"])
    return found


def _too_dark(felt: Drawn) -> Values:
    found: Values = np.where(felt["img_quality"] < -1.2, -0.25, 0.0)
    return found


def _sure_of_both(felt: Drawn) -> Values:
    found: Values = 0.25 * np.tanh(felt["vlm_conf"]) * felt["cf_score"]
    return found


SHOP: Final = World(
    name="shop",
    mechanisms={
        "img_quality": Mechanism("inputs of vlm"),
        "user_history": Mechanism("inputs of cf"),
        "vlm_conf": Mechanism("vlm", {"img_quality": 0.8}, spread=0.6, bend=_too_dark),
        "vlm_conflict": Mechanism("vlm", {"vlm_conf": -1.0}, -2.2, link="yes"),
        "vlm_attrs": Mechanism("vlm", {"vlm_conf": 0.5}, spread=0.8),
        "vlm_ms": Mechanism("vlm", {"img_quality": 0.15}, 6.0, 0.35, "exp"),
        "cf_fallback": Mechanism("cf", {"user_history": -1.5}, -2.0, link="yes"),
        "cf_score": Mechanism("cf", {"user_history": 0.5, "cf_fallback": -1.2}, spread=0.6),
        "cf_pop": Mechanism("cf", {"cf_fallback": 1.2, "user_history": -0.3}, spread=0.7),
        "cf_ms": Mechanism("cf", {"cf_fallback": -0.5}, 3.0, 0.3, "exp"),
        "llm_tokens": Mechanism("llm", {"vlm_attrs": 0.7, "cf_score": 0.2}, spread=0.6),
        "llm_grounded": Mechanism(
            "llm",
            {"vlm_conf": 0.6, "vlm_conflict": -1.0, "cf_score": 0.2},
            spread=0.6,
            bend=_sure_of_both,
        ),
        "llm_override": Mechanism("llm", {"cf_score": -0.8, "vlm_conflict": 1.2}, -1.6, link="yes"),
        "llm_ms": Mechanism("llm", {"llm_tokens": 0.35}, 7.0, 0.3, "exp"),
        "agent_retry": Mechanism("agent", {"llm_grounded": -0.9}, -2.5, link="yes"),
        "total_ms": Mechanism("agent", {"agent_retry": 0.0}, spread=0.08, total=_waited),
        "quality": Mechanism(
            "agent",
            {"cf_score": 0.5, "llm_grounded": 0.6, "llm_override": -0.7, "cf_pop": -0.25, "agent_retry": -0.3},
            spread=0.7,
        ),
    },
    targets={"quality": False, "total_ms": True},
    inputs=("img_quality", "user_history"),
    shared=("vlm_conf", "cf_score", "llm_grounded"),
)
"""The recommender of the prototype: mostly straight lines, a kink, an interaction."""


def _worked(seen: Drawn) -> Values:
    """Steps in turn; each call of a tool takes as long as the model again."""
    found: Values = seen["find_ms"] + seen["rank_ms"] + seen["llm_ms"] * (1 + seen["tool_calls"])
    return found


DOCUMENTS: Final = World(
    name="documents",
    mechanisms={
        "question_length": Mechanism("inputs of retriever", spread=0.6, level=3.0, link="exp"),
        "question_odd": Mechanism("inputs of retriever", noise="skewed"),
        "find_top": Mechanism(
            "retriever", spread=0.5, noise="heavy", link="share", bend=lambda d: -1.2 * np.tanh(d["question_odd"])
        ),
        "find_none": Mechanism("retriever", {"find_top": -1.2}, -3.0, link="yes"),
        "find_hits": Mechanism("retriever", {"find_top": 0.4}, 1.6, link="count"),
        "find_ms": Mechanism("retriever", {"question_length": 0.3}, 3.5, 0.5, "exp"),
        "rank_top": Mechanism(
            "reranker",
            {"find_top": 0.7},
            spread=0.5,
            link="share",
            bend=lambda d: 0.3 * np.minimum(d["find_hits"] - 5, 0) / 2 - 0.8 * d["find_none"],
        ),
        "rank_gap": Mechanism("reranker", {"rank_top": 0.5}, -1.0, 0.6, "exp", "skewed"),
        "rank_ms": Mechanism("reranker", {"find_hits": 0.08}, 4.0, 0.3, "exp"),
        "llm_grounded": Mechanism(
            "llm", {"rank_gap": 0.2}, 1.0, 0.5, "share", bend=lambda d: 1.2 * np.tanh(d["rank_top"])
        ),
        "llm_declines": Mechanism("llm", {"rank_top": -0.9}, -2.8, link="yes", bend=lambda d: 1.5 * d["find_none"]),
        "llm_tokens": Mechanism(
            "llm", {"llm_declines": -1.0}, 5.0, 0.4, "exp", bend=lambda d: 0.1 * np.sqrt(d["find_hits"])
        ),
        "llm_ms": Mechanism("llm", {"llm_tokens": 0.8}, 3.0, 0.25, "exp", "heavy"),
        "guard_score": Mechanism("guard", {"llm_grounded": 0.9}, spread=0.5, link="share"),
        "guard_stops": Mechanism("guard", {"guard_score": -1.3}, -2.5, link="yes"),
        "tool_calls": Mechanism("agent", {"llm_declines": 0.8, "guard_stops": 0.6}, -0.5, link="count"),
        "tool_fails": Mechanism("agent", {"tool_calls": 0.5}, -3.0, link="yes"),
        "total_ms": Mechanism("agent", {"tool_calls": 0.0}, spread=0.1, total=_worked),
        "right": Mechanism(
            "agent",
            {"llm_grounded": 0.8, "guard_stops": -1.2, "tool_fails": -0.9, "rank_top": 0.3},
            spread=0.6,
            bend=lambda d: -0.4 * np.maximum(d["tool_calls"] - 1, 0),
        ),
    },
    targets={"right": False, "total_ms": True},
    inputs=("question_odd", "question_length"),
    shared=("find_top", "rank_top", "llm_grounded"),
)
"""Retriever, reranker, language model, guard and tool agent: shares, counts, heavy and skewed tails, bends."""

WORLDS: Final = (SHOP, DOCUMENTS)
