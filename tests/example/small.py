"""A shop of six products with models that need no weights, for everything about the example but its models."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from recommender.agent import Models, Shop
from recommender.catalogue import Product
from recommender.conditions import Candidates, Conditions
from recommender.pictures import Served, statistics
from recommender.traffic import TODAY, Shopper
from recommender.values import Reading, Reason, Slate

NAMES = ("apple", "bread", "candle", "dress", "egg", "fig")
CATEGORIES = ("fruit", "prepared food", "light", "clothing", "prepared food", "fruit")
SHOPPER = Shopper(household=7, age="35-44", campaign=False)
NEW = Shopper(household=7, age="35-44", campaign=False, new=True)


def products(folder: Path) -> tuple[Product, ...]:
    """Six products, each with a picture of its own shade; the second has a badge."""
    found = []
    for place, (name, category) in enumerate(zip(NAMES, CATEGORIES, strict=True)):
        picture = folder / f"{name}.webp"
        Image.new("RGBA", (64, 64), (40 * place, 90, 200 - 30 * place, 255)).save(picture)
        badge = "LOCAL" if place == 1 else ""
        found.append(
            Product(f"{place:x}{place:x}", name, category, (name, "round"), picture, sellable=True, badge=badge)
        )
    return tuple(found)


@dataclass
class Ranks:
    """Recommends the same five to everybody."""

    version: str = "als-small"
    asof: date = TODAY - timedelta(days=1)
    asked: list[Candidates] = field(default_factory=list)

    def recommend(self, user: int | None, count: int, how: Candidates) -> Slate:
        self.asked.append(how)
        known = user is not None
        return Slate(tuple(range(count)), (0.9, 0.8, 0.7, 0.6, 0.5)[:count], known, 12 * known, 0.7 * known, 5.5)


class Looks:
    """Reads a picture by its shade: right, unless it is another one's or dark."""

    version = "lit-small"

    def read(self, served: Served, item: int, tags: int) -> Reading:
        found = statistics(served.decoded())
        bright = found["brightness"] > 40
        return Reading(
            category=CATEGORIES[item] if bright else "unreadable",
            confidence=0.9, entropy=0.2, likeness=0.95,
            tags=tuple(f"tag{i}" for i in range(tags)), tag_confidence=(0.5,) * tags,
            label="LOCAL" if item == 1 else "", statistics=found, input_tokens=16, output_tokens=2 + tags,
        )  # fmt: skip


class Says:
    """Repeats the facts; hangs when it is told to."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Conditions, int]] = []

    def write(self, said: str, conditions: Conditions, seed: int) -> Reason:
        self.said.append((said, conditions, seed))
        if conditions.model_hangs:
            raise TimeoutError("no answer")
        name = "small-q4_1" if conditions.served == "current" else "small-q4_0"
        return Reason(f"You may enjoy it: {said}", name, "stop", 150, 20, -0.5)


def models(folder: Path, **changes: Any) -> Models:
    """The small shop's models."""
    plain: dict[str, Any] = {
        "items": products(folder),
        "fresh": Ranks(),
        "aged": Ranks(asof=TODAY - timedelta(days=246)),
        "reader": Looks(),
        "writer": Says(),
        "recent": lambda _household: (4, 5),
        "pictures_asof": TODAY,
    }
    return Models(**{**plain, **changes})


def shop(folder: Path) -> Shop:
    """A shop in which everybody buys the candle in the held-out months."""
    pool = tuple(Shopper(i, band, campaign=i % 2 == 0) for i, band in enumerate(["19-24", "65+"] * 5))
    return Shop(models(folder), pool, lambda _household: frozenset({2}))
