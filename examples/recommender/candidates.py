"""Collaborative filtering: ALS from `implicit`, tuned on a validation split, reported on a test split."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from recommender.conditions import Candidates
from recommender.purchases import END, START, TUNED_FROM, Matrix, Purchases
from recommender.traffic import TODAY
from recommender.values import Slate

AGED_ON: Final = START + timedelta(days=59)
"""The aged model has seen the first two months only."""
LENGTH: Final = 5
"""Length of a slate in the figures."""
LEAST_HISTORY: Final = 3
"""Shoppers with fewer items in their history are in no figure."""
_FACTORS, _ALPHAS, _PENALTIES = (8, 16, 32), (1.0, 4.0, 10.0), (1.0, 10.0, 50.0)
Recommend = Callable[[Any], Any]
"""Households (n,) -> items (n, LENGTH), best first."""


@dataclass(frozen=True)
class Settings:
    """What ALS is fitted with."""

    factors: int
    alpha: float
    regularization: float


@dataclass(frozen=True)
class Quality:
    """Over shoppers who bought something new in a split: NDCG and hit rate of the first `LENGTH`."""

    ndcg: float
    hits: float
    shoppers: int


class Recommender:
    """A fitted model of one day, with what popularity alone would say."""

    def __init__(self, purchases: Purchases, settings: Settings, before: date, later: timedelta = timedelta()) -> None:
        """Fitted to what was bought before a day, in a shop that opened so much later than `TODAY`."""
        self.asof = before + later - timedelta(days=1)
        self.version = f"als-f{settings.factors}-a{settings.alpha:g}-r{settings.regularization:g}"
        self.history: Matrix = purchases.matrix(START, before)
        self.popularity = np.asarray((self.history > 0).sum(axis=0)).ravel()
        self._model = fitted(self.history, settings)
        self._mixed_up = np.random.default_rng(20261123).permutation(self.history.shape[0])

    def recommend(self, user: int | None, count: int, how: Candidates = "fresh") -> Slate:
        """A slate; a shopper without history gets what is popular.

        Args:
            user: household, None for one that nobody knows.
            count: length of the slate.
            how: `popular` and `mixed_up` are faults; which model is asked (`aged`) is the caller's choice.
        """
        own = self.history[user] if user is not None else self.history[0][:0]
        if user is None or own.nnz == 0:
            return self._slate(self._popular(frozenset(), count), np.zeros(count), None)
        if how == "popular":
            items = self._popular(frozenset(own.indices.tolist()), count)
            return self._slate(items, self.popularity[items] / self.popularity.max(), own)
        whose = int(self._mixed_up[user]) if how == "mixed_up" else user
        items, scores = self._model.recommend(whose, own, N=count, filter_already_liked_items=True)
        return self._slate(items, scores, own)

    def _popular(self, bought: frozenset[int], count: int) -> Any:
        ranked = np.argsort(-self.popularity, kind="stable")
        return np.array([item for item in ranked.tolist() if item not in bought][:count])

    def _slate(self, items: Any, scores: Any, own: Matrix | None) -> Slate:
        affinity = 0.0 if own is None else self._affinity(items, own)
        return Slate(
            items=tuple(int(item) for item in items),
            scores=tuple(round(float(score), 3) for score in scores),
            known=own is not None,
            history=0 if own is None else int(own.nnz),
            affinity=round(affinity, 3),
            popularity=round(float(np.log1p(self.popularity[items]).mean()), 3),
        )

    def _affinity(self, items: Any, own: Matrix) -> float:
        taste = self._model.recalculate_user(0, own)
        return float((self._model.item_factors[items] @ taste).mean())


def fitted(history: Matrix, settings: Settings) -> Any:
    """ALS fitted to a matrix; the same for the same input."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=settings.factors, alpha=settings.alpha, regularization=settings.regularization,
        iterations=15, random_state=0, num_threads=1, use_gpu=False,
    )  # fmt: skip
    model.fit(history, show_progress=False)
    return model


def tune(purchases: Purchases) -> tuple[Settings, Quality]:
    """The settings that do best on the validation split, and how well they do there."""
    history, later = purchases.matrix(START, TUNED_FROM), purchases.matrix(TUNED_FROM, TODAY)
    tried = []
    for factors, alpha, penalty in itertools.product(_FACTORS, _ALPHAS, _PENALTIES):
        settings = Settings(factors, alpha, penalty)
        tried.append((settings, quality(by_model(fitted(history, settings), history), history, later)))
    return max(tried, key=lambda pair: pair[1].ndcg)


def test(purchases: Purchases, settings: Settings) -> tuple[Quality, Quality]:
    """ALS and popularity on the test split, which nothing was chosen on."""
    history, later = purchases.matrix(START, TODAY), purchases.matrix(TODAY, END)
    als = by_model(fitted(history, settings), history)
    return quality(als, history, later), quality(by_popularity(history), history, later)


def by_model(model: Any, history: Matrix) -> Recommend:
    """What a fitted model recommends of what a shopper has not bought yet."""
    return lambda users: model.recommend(users, history[users], N=LENGTH, filter_already_liked_items=True)[0]


def by_popularity(history: Matrix) -> Recommend:
    """What most households bought, of what a shopper has not bought yet."""
    popularity = np.asarray((history > 0).sum(axis=0)).ravel()
    return lambda users: np.argsort(
        np.where(history[users].toarray() > 0, 0, -popularity.astype("float64")), axis=1, kind="stable"
    )[:, :LENGTH]


def quality(recommend: Recommend, history: Matrix, later: Matrix) -> Quality:
    """How well slates foretell first purchases."""
    new = (later > 0).toarray() & ~(history > 0).toarray()
    users = np.flatnonzero(new.any(axis=1) & (np.diff(history.indptr) >= LEAST_HISTORY))
    hits = np.take_along_axis(new[users], np.asarray(recommend(users)), axis=1)
    found = [ndcg(row.tolist(), int(own.sum())) for row, own in zip(hits, new[users], strict=True)]
    return Quality(float(np.mean(found)), float(hits.any(axis=1).mean()), len(users))


def ndcg(hits: Sequence[bool], relevant: int) -> float:
    """Normalised discounted cumulative gain of a list (Järvelin and Kekäläinen 2002), 0 to 1."""
    gain = sum(hit / np.log2(place + 2) for place, hit in enumerate(hits))
    ideal = sum(1 / np.log2(place + 2) for place in range(min(len(hits), relevant)))
    return float(gain / ideal) if ideal else 0.0
