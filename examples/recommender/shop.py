"""Opens the shop: fetches, joins, tunes, fits and starts everything that serves a request; says what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from recommender.agent import Models, Shop
from recommender.candidates import AGED_ON, Quality, Recommender, Settings, test, tune
from recommender.catalogue import load as load_catalogue
from recommender.conditions import Conditions
from recommender.purchases import Purchases
from recommender.purchases import load as load_purchases
from recommender.reasons import Writer
from recommender.serving import CURRENT, servers
from recommender.towers import TextTower
from recommender.traffic import TODAY, shoppers
from recommender.training import reader
from recommender.values import Say
from recommender.whole import made_whole


@contextmanager
def opened(folder: Path, parallel: int, say: Say, today: date = TODAY) -> Iterator[Shop]:
    """The shop, with its language model served while the block runs.

    Args:
        folder: where packages, weights and fits are kept between two runs.
        parallel: requests that the language model takes at a time.
        say: told what was found, a line each.
        today: the day on which the shop opens; it learnt from what was bought before.

    Raises:
        Unavailable: something that is needed cannot be had.
    """
    catalogue = load_catalogue(folder)
    purchases = load_purchases(catalogue, lambda texts: TextTower()(texts).numpy())
    say(f"shop: {len(purchases.items)} products, {len(purchases.ages):,} households (Complete Journey, 84.51)")
    settings = _settings(purchases, folder, say)
    pictures = reader(catalogue, purchases.items, folder, say)
    with servers(folder, parallel) as addresses:
        say(f"language model: {CURRENT}, OpenAI protocol on {addresses.current}/v1")
        writer = Writer(addresses)
        for conditions in (Conditions(), Conditions(served="requantised")):
            writer.write("Product: tea.", conditions, 0)  # the first answer of a server takes seconds
        models = Models(
            items=purchases.items,
            fresh=Recommender(purchases, settings, TODAY, today - TODAY),
            aged=Recommender(purchases, settings, AGED_ON, today - TODAY),
            reader=pictures,
            writer=writer,
            recent=cache(purchases.recent),
            pictures_asof=today,
        )
        yield Shop(models, shoppers(purchases.ages, purchases.campaign), cache(purchases.held_out))


def _settings(purchases: Purchases, folder: Path, say: Say) -> Settings:
    """ALS's settings, chosen once on the validation split; the test split only reports."""
    file = folder / "als.json"
    if not file.is_file():
        say("recommender: tuning ALS on the validation split, once ...")
        settings, validation = tune(purchases)
        als, popular = test(purchases, settings)
        found = {
            "settings": asdict(settings),
            "validation": asdict(validation),
            "test": asdict(als),
            "popularity": asdict(popular),
        }
        with made_whole(file) as draft:
            draft.write_text(json.dumps(found, indent=2), encoding="utf-8")
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
    settings = Settings(**kept["settings"])
    als, popular = Quality(**kept["test"]), Quality(**kept["popularity"])
    say(
        f"recommender: ALS {settings.factors} factors, alpha {settings.alpha:g}, penalty {settings.regularization:g};"
        f" test NDCG@5 {als.ndcg:.3f} (hit {als.hits:.0%}), popularity {popular.ndcg:.3f} (hit {popular.hits:.0%}),"
        f" {als.shoppers:,} shoppers"
    )
    return settings
