"""The agent: a LangGraph graph that asks for candidates, looks at pictures, picks, and has a reason written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypedDict

import numpy as np
from langgraph.graph import END, START, StateGraph

from recommender import telemetry
from recommender.catalogue import Product
from recommender.conditions import Conditions
from recommender.features import Facts
from recommender.pictures import opened, served
from recommender.prompts import question, template_of
from recommender.traffic import Shopper
from recommender.values import Reading, Reads, Recommends, Slate, Writes

CANDIDATES: Final = 5
LOOKED_AT: Final = 2
"""Pictures that are read of a slate."""
SHOWN: Final = 3
DOUBTED: Final = 0.6
"""Factor on the score of a product whose picture shows something else."""
_REASON: Final = 1 << 20
"""Tells the chance in a reason from that in a picture."""


@dataclass(frozen=True)
class Models:
    """The three models, and what they are about."""

    items: tuple[Product, ...]
    fresh: Recommends
    aged: Recommends
    reader: Reads
    writer: Writes
    recent: Callable[[int], tuple[int, ...]]
    """Household -> items bought last."""
    pictures_asof: date
    """Day of the catalogue that the reader has learnt."""


@dataclass(frozen=True)
class Shop:
    """Everything that is the same for all requests."""

    models: Models
    pool: tuple[Shopper, ...]
    suits: Callable[[int], frozenset[int]]
    """Household -> items that it buys in the held-out months for the first time."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    shopper: Shopper
    conditions: Conditions
    seed: tuple[int, ...]
    """Of everything that is left to chance in it."""
    day: date
    """On which it comes."""


@dataclass(frozen=True)
class Shown:
    """What the shopper sees, and how to refer to it later."""

    items: tuple[int, ...]
    reason: str
    features: dict[str, Any]
    reference: str


class _State(TypedDict, total=False):
    asked: Asked
    tries: int
    slate: Slate
    readings: dict[int, Reading]
    shown: tuple[int, ...]
    reason: str
    features: dict[str, Any]


class Agent:
    """Serves requests, several at a time if need be."""

    def __init__(self, models: Models, *, speaks: bool = True) -> None:
        """`speaks`: whether the conventions' attributes are written here, or by an instrumentor."""
        self._models = models
        self._speaks = speaks
        self._pictures = [opened(product.picture) for product in models.items]
        self._swapped = np.random.default_rng(20261123).permutation(len(models.items)).tolist()
        self._graph = self._built()

    def serve(self, asked: Asked) -> Shown:
        """One request, as one trace."""
        with telemetry.request(asked.shopper) as span:
            state: _State = self._graph.invoke({"asked": asked, "tries": 0})
            telemetry.shown(span, [self._models.items[item].id for item in state["shown"]], state["tries"])
            return Shown(state["shown"], state["reason"], state["features"], span.reference)

    def _built(self) -> Any:
        graph = StateGraph(_State)
        for name, step in (
            ("recommend", self._recommend), ("look", self._look), ("choose", self._choose), ("explain", self._explain),
        ):  # fmt: skip
            graph.add_node(name, step)
        graph.add_edge(START, "recommend")
        graph.add_conditional_edges("recommend", self._content, {"again": "recommend", "on": "look"})
        graph.add_edge("look", "choose")
        graph.add_edge("choose", "explain")
        graph.add_edge("explain", END)
        return graph.compile(name="recommender")

    def _recommend(self, state: _State) -> Mapping[str, Any]:
        asked = state["asked"]
        how = asked.conditions.candidates
        slate = telemetry.recommend(
            self._models.aged if how == "aged" else self._models.fresh,
            None if asked.shopper.new else asked.shopper.household,
            how,
            asked.conditions.candidates_delay_s,
            self._models.items,
            CANDIDATES,
            asked.day,
        )
        return {"slate": slate, "tries": state["tries"] + 1}

    def _content(self, state: _State) -> str:
        """Whether the candidates will do; they do at once, but for a fault."""
        return "again" if state["tries"] < state["asked"].conditions.asks else "on"

    def _look(self, state: _State) -> Mapping[str, Any]:
        return {"readings": {item: self._read(state["asked"], item) for item in state["slate"].items[:LOOKED_AT]}}

    def _read(self, asked: Asked, item: int) -> Reading:
        product, conditions = self._models.items[item], asked.conditions
        picture = self._pictures[self._swapped[item] if conditions.pictures_swapped else item]
        chance = np.random.default_rng((*asked.seed, item + 1))  # a zero at the end would not count
        return telemetry.look(
            self._models.reader,
            served(picture, product.badge, conditions, chance),
            product,
            item,
            conditions.tags,
            (self._models.pictures_asof, asked.day),
        )

    def _choose(self, state: _State) -> Mapping[str, Any]:
        """The better of the two that were looked at first, then the rest: a picture may not be the product's."""
        slate, readings = state["slate"], state["readings"]
        scores = dict(zip(slate.items, slate.scores, strict=True))
        first = max(readings, key=lambda item: scores[item] * self._trust(item, readings[item]))
        return {"shown": (first, *(item for item in slate.items if item != first))[:SHOWN]}

    def _trust(self, item: int, reading: Reading) -> float:
        return 1.0 if reading.category == self._models.items[item].category else DOUBTED

    def _explain(self, state: _State) -> Mapping[str, Any]:
        asked, item = state["asked"], state["shown"][0]
        facts = self._facts(asked.shopper, item, state["readings"][item])
        conditions = asked.conditions
        reason, features = telemetry.explain(
            self._models.writer,
            self._models.items[item].id,
            template_of(conditions.prompt),
            question(facts, conditions.prompt, contact_of(asked.shopper)),
            facts,
            conditions,
            int(np.random.default_rng((*asked.seed, _REASON)).integers(1 << 31)),
            self._speaks,
        )
        return {"reason": reason, "features": features}

    def _facts(self, shopper: Shopper, item: int, reading: Reading) -> Facts:
        recent = () if shopper.new else self._models.recent(shopper.household)
        names = tuple(self._models.items[bought].name for bought in recent)
        return Facts(self._models.items[item].name, reading.category, reading.tags, reading.label, names)


_FIRST: Final = ("Anna", "Ben", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack")
_LAST: Final = ("Miller", "Baker", "Fisher", "Turner", "Cooper", "Mason", "Parker", "Hunter", "Carter", "Weaver")


def contact_of(shopper: Shopper) -> str:
    """A made-up name and address: the purchases name nobody."""
    first = _FIRST[shopper.household % len(_FIRST)]
    last = _LAST[shopper.household // len(_FIRST) % len(_LAST)]
    return f"{first} {last}, {first.lower()}.{last.lower()}@mail.example"
