"""The models are real, and as good as is said of them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from recommender import candidates, catalogue, purchases, reasons, serving, towers
from recommender.agent import Shop
from recommender.candidates import AGED_ON, Recommender
from recommender.conditions import Candidates, Conditions
from recommender.errors import Unavailable
from recommender.pictures import opened, served
from recommender.purchases import END, START, TUNED_FROM, Purchases
from recommender.traffic import TODAY
from recommender.values import Reading
from tests.models.conftest import CACHE

HOW: tuple[Candidates, ...] = ("fresh", "mixed_up")


@pytest.fixture(scope="session")
def bought() -> Purchases:
    text = towers.TextTower()
    return purchases.load(catalogue.load(CACHE), lambda texts: text(texts).numpy())


def test_products_are_bought_and_pictured_and_shoppers_have_groups(bought: Purchases, shop: Shop) -> None:
    assert 90 <= len(bought.items) <= 130
    assert len({item.id for item in bought.items}) == len(bought.items)
    assert {shopper.age for shopper in shop.pool} == {"19-24", "25-34", "35-44", "45-54", "55-64", "65+"}
    assert len(shop.pool) == 801


def test_the_three_splits_lie_one_after_another_and_share_no_purchase(bought: Purchases) -> None:
    assert START < TUNED_FROM < TODAY < END
    parts = [bought.matrix(a, b) for a, b in ((START, TUNED_FROM), (TUNED_FROM, TODAY), (TODAY, END))]
    days = bought.rows.day.dt.date
    counts = [
        int(((days >= a) & (days < b)).sum()) for a, b in ((START, TUNED_FROM), (TUNED_FROM, TODAY), (TODAY, END))
    ]
    assert sum(counts) == len(bought.rows)
    assert all(part.nnz for part in parts)
    for user in range(0, 2_000, 97):
        own = bought.rows[(bought.rows.user == user) & (days < TODAY)].item
        assert not bought.held_out(user) & set(own)


def test_als_beats_popularity_on_the_split_that_nothing_was_chosen_on(
    bought: Purchases, said: list[str], shop: Shop
) -> None:
    settings, _ = candidates.tune(bought)
    als, popular = candidates.test(bought, settings)
    assert als.ndcg > popular.ndcg + 0.01
    assert als.hits > popular.hits
    told = next(line for line in said if line.startswith("recommender: ALS"))
    assert f"test NDCG@5 {als.ndcg:.3f}" in told
    assert f"popularity {popular.ndcg:.3f}" in told


def test_an_aged_model_knows_less_and_offers_what_was_bought_since(bought: Purchases, shop: Shop) -> None:
    fresh, aged = shop.models.fresh, shop.models.aged
    assert (aged.asof - fresh.asof).days < -200
    users = [shopper.household for shopper in shop.pool[:100]]
    slates = [(fresh.recommend(u, 5, "fresh"), aged.recommend(u, 5, "aged")) for u in users]
    assert np.mean([a.history for _, a in slates]) < 0.6 * np.mean([f.history for f, _ in slates])
    since = bought.matrix(AGED_ON, TODAY)
    again = np.mean(
        [len(set(a.items) & set(since[u].indices.tolist())) for u, (_, a) in zip(users, slates, strict=True)]
    )
    assert again > 1.5


def test_mixed_up_shoppers_get_what_suits_somebody_else(shop: Shop) -> None:
    model = shop.models.fresh
    users = [shopper.household for shopper in shop.pool[:100]]
    hits = {how: np.mean([bool(set(model.recommend(u, 3, how).items) & shop.suits(u)) for u in users]) for how in HOW}
    assert hits["mixed_up"] < hits["fresh"] - 0.05


def test_a_recommender_is_the_same_each_time_it_is_fitted(bought: Purchases) -> None:
    settings = candidates.Settings(16, 4.0, 50.0)
    slates = [Recommender(bought, settings, TODAY).recommend(5, 5) for _ in range(2)]
    assert slates[0] == slates[1]


def test_the_picture_model_is_right_more_often_than_guessing_on_pictures_it_has_not_seen(
    said: list[str], shop: Shop
) -> None:
    told = next(line for line in said if "held out" in line)
    found = re.search(
        r"of (\d+) held out, category right (\d+)%, among three (\d+)% .*commonest category is (\d+)%", told
    )
    assert found, told
    held_out, top1, top3, guess = map(int, found.groups())
    assert held_out > 100
    assert top1 > 2 * guess
    assert top3 > top1 + 10


def reading(shop: Shop, conditions: Conditions, place: int, tags: int = 3) -> Reading:
    product = shop.models.items[place]
    picture = served(opened(product.picture), product.badge, conditions, np.random.default_rng(place))
    return shop.models.reader.read(picture, place, tags)


def agrees(shop: Shop, conditions: Conditions) -> float:
    found = [reading(shop, conditions, place) for place in range(len(shop.models.items))]
    return float(np.mean([r.category == p.category for r, p in zip(found, shop.models.items, strict=True)]))


def test_it_reads_the_shops_own_pictures_and_reads_bad_ones_worse(shop: Shop) -> None:
    usual = agrees(shop, Conditions())
    assert usual > 0.9
    for bad in (Conditions(blur=5.0), Conditions(light=0.25), Conditions(channels_shifted=True)):
        assert agrees(shop, bad) < usual - 0.1, bad


def test_it_reads_what_is_printed_on_a_picture(shop: Shop) -> None:
    with_badge = [i for i, product in enumerate(shop.models.items) if product.badge]
    read = [reading(shop, Conditions(), i).label == shop.models.items[i].badge for i in with_badge]
    assert np.mean(read) > 0.5
    spam = [reading(shop, Conditions(overlay="FREE PRIZES HERE"), i).label for i in range(20)]
    assert sum("PRIZES" in label for label in spam) > 12


def test_the_image_tower_is_efficientnet_as_transformers_loads_it() -> None:
    from transformers import EfficientNetModel

    tower = towers.ImageTower()
    assert isinstance(tower._model, EfficientNetModel)
    assert sum(p.numel() for p in tower._model.parameters()) == pytest.approx(3.37e6, rel=0.01)
    with pytest.raises(Unavailable, match="do not fit"):
        towers._renamed({"a": np.zeros(3)}, {"b": np.zeros(4)})


def test_the_language_model_answers_through_langchain(shop: Shop) -> None:
    said = "Product: red apple. Category: fruit. Picture: red. Shopper recently bought: grapes, banana."
    usual = shop.models.writer.write(said, Conditions(), 1)
    assert usual == shop.models.writer.write(said, Conditions(), 1)
    assert (usual.model, usual.finish) == (serving.CURRENT, "stop")
    assert 100 < usual.input_tokens < 250
    assert 5 < usual.output_tokens < reasons.MOST_TOKENS
    assert usual.logprob < 0
    assert "apple" in usual.text.lower()
    other = shop.models.writer.write(said, Conditions(served="requantised"), 1)
    assert other.model == serving.REQUANTISED
    assert other.logprob != usual.logprob
    french = shop.models.writer.write(said, Conditions(prompt="french"), 1)
    assert not {"you", "this", "the"} & set(french.text.lower().split())


def test_a_model_that_hangs_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "DEADLINE_S", 0.3)
    reasons._chat.cache_clear()
    with serving.hanging() as address:
        writer = reasons.Writer(serving.Addresses("", "", address))
        with pytest.raises(Exception, match="timed out"):
            writer.write("x", Conditions(model_hangs=True), 1)
    reasons._chat.cache_clear()


def test_a_shop_that_opens_later_has_data_that_are_as_fresh(bought: Purchases) -> None:
    settings = candidates.Settings(16, 4.0, 50.0)
    then, later = (Recommender(bought, settings, TODAY, timedelta(days=days)) for days in (0, 100))
    assert (TODAY - then.asof, TODAY + timedelta(days=100) - later.asof) == (timedelta(days=1), timedelta(days=1))
    assert then.recommend(5, 5) == later.recommend(5, 5)


def test_the_coarser_weights_are_made_once_and_are_another_file(tmp_path: Path) -> None:
    made = serving.requantised(serving._weights(), CACHE)
    assert made.stat().st_size < serving._weights().stat().st_size
    before = made.stat().st_mtime_ns
    assert serving.requantised(serving._weights(), CACHE).stat().st_mtime_ns == before
