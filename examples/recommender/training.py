"""Fits the picture model's projections to the catalogue: about a minute on a CPU, then cached."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from recommender.catalogue import Product
from recommender.pictures import augmented, lettered, opened
from recommender.reader import PictureReader, Projections
from recommender.towers import ImageTower, TextTower
from recommender.values import Say
from recommender.whole import made_whole

SEED: Final = 20261123
VARIANTS: Final = 3
EPOCHS: Final = 50
HELD_OUT: Final = 5
"""One picture in so many of each category measures the model and teaches it nothing; the one in use learns from all."""
_BATCH: Final = 64
_RECIPE: Final = 1
"""Part of the cache's name: raise it when anything below changes what is learnt."""


@dataclass(frozen=True)
class Fit:
    """What was learnt, and how well it does on pictures that were not learnt from."""

    weights: dict[str, torch.Tensor]
    features: torch.Tensor
    """Of the catalogue's own pictures, (products, 1280)."""
    top1: float
    top3: float
    held_out: int
    largest_class: float
    """Share of the commonest category: what guessing it would reach."""


@dataclass(frozen=True)
class _Lesson:
    images: torch.Tensor
    """(variants, products, 1280); variant 0 is the picture itself."""
    captions: torch.Tensor
    tags: torch.Tensor
    categories: torch.Tensor
    """Vectors of the categories' names."""
    truth: torch.Tensor
    """Category of each product."""


def reader(catalogue: Sequence[Product], on_sale: Sequence[Product], cache: Path, say: Say) -> PictureReader:
    """The picture model, fitted now or taken from the cache.

    The accuracy is of a first fit without the pictures that are held out; the model in use has learnt from all of
    them, as a shop knows its own pictures.
    """
    towers = ImageTower(), TextTower()
    fit = _cached(catalogue, towers, cache, say)
    say(
        f"pictures: of {fit.held_out} held out, category right {fit.top1:.0%}, among three {fit.top3:.0%}"
        f" (the commonest category is {fit.largest_class:.0%})"
    )
    projections = Projections()
    projections.load_state_dict(fit.weights)
    rows = [catalogue.index(product) for product in on_sale]
    return PictureReader(
        towers, projections, categories_of(catalogue), tags_of(catalogue), fit.features[rows], _version(fit.weights)
    )


def categories_of(catalogue: Sequence[Product]) -> tuple[str, ...]:
    """Names of the categories, sorted."""
    return tuple(sorted({product.category for product in catalogue}))


def tags_of(catalogue: Sequence[Product]) -> tuple[str, ...]:
    """Words that at least three products are tagged with, sorted: what the model may say of a picture."""
    counts = Counter(tag for product in catalogue for tag in set(product.tags))
    return tuple(sorted(tag for tag, count in counts.items() if count >= 3))


def _version(weights: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(np.ascontiguousarray(weights[name].numpy().astype("float16")).tobytes())
    return f"lit-{digest.hexdigest()[:8]}"


def _cached(catalogue: Sequence[Product], towers: tuple[ImageTower, TextTower], cache: Path, say: Say) -> Fit:
    what = hashlib.sha256(repr([(p.id, p.name, p.category, p.tags, p.badge) for p in catalogue]).encode())
    file = cache / f"pictures-{_RECIPE}-{what.hexdigest()[:12]}.pt"
    if file.is_file():
        return Fit(**torch.load(file, weights_only=True))
    say(f"pictures: fitting projections to {len(catalogue)} pictures, once, about a minute ...")
    fit = _fit(catalogue, *towers)
    with made_whole(file) as draft:
        torch.save(vars(fit), draft)
    return fit


def _fit(catalogue: Sequence[Product], image: ImageTower, text: TextTower) -> Fit:
    chance = np.random.default_rng(SEED)
    lesson = _lesson(catalogue, image, text, chance)
    held_out = _held_out(lesson.truth, chance)
    rows = torch.tensor(np.flatnonzero(held_out))
    top1, top3 = _accuracy(_learnt(lesson, torch.tensor(np.flatnonzero(~held_out))), lesson, rows)
    return Fit(
        weights={n: v.detach().clone() for n, v in _learnt(lesson, torch.arange(len(catalogue))).state_dict().items()},
        features=lesson.images[0],
        top1=top1,
        top3=top3,
        held_out=len(rows),
        largest_class=float(lesson.truth.bincount().max() / len(lesson.truth)),
    )


def _lesson(catalogue: Sequence[Product], image: ImageTower, text: TextTower, chance: np.random.Generator) -> _Lesson:
    pictures = [lettered(opened(p.picture), p.badge) if p.badge else opened(p.picture) for p in catalogue]
    names = categories_of(catalogue)
    variants = [image(pictures), *(image([augmented(p, chance) for p in pictures]) for _ in range(VARIANTS - 1))]
    return _Lesson(
        images=torch.stack(variants),
        captions=text([f"a picture of {p.name}, a {p.category} product" for p in catalogue]),
        tags=text([", ".join((p.name, *p.tags[:6])) for p in catalogue]),
        categories=text([f"a {name} product" for name in names]),
        truth=torch.tensor([names.index(p.category) for p in catalogue]),
    )


def _held_out(truth: torch.Tensor, chance: np.random.Generator) -> Any:
    """Which pictures are held out, the same share of every category."""
    found = np.zeros(len(truth), bool)
    for category in range(int(truth.max()) + 1):
        rows = np.flatnonzero(truth.numpy() == category)
        found[chance.permutation(rows)[: max(1, len(rows) // HELD_OUT)]] = True
    return found


def _learnt(lesson: _Lesson, rows: torch.Tensor) -> Projections:
    """Image to caption, caption to image, image to category."""
    torch.manual_seed(SEED)
    projections = Projections()
    optimiser = torch.optim.AdamW(projections.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(EPOCHS):
        for batch in rows[torch.randperm(len(rows))].split(_BATCH):
            images = lesson.images[torch.randint(0, len(lesson.images), (len(batch),)), batch]
            texts = (lesson.captions if torch.rand(1) < 0.5 else lesson.tags)[batch]
            left, right = projections(images, texts)
            alike = projections.scale.exp() * left @ right.T
            same = torch.arange(len(batch))
            named = projections.scale.exp() * left @ projections(images, lesson.categories)[1].T
            loss = (cross_entropy(alike, same) + cross_entropy(alike.T, same)) / 2
            loss = loss + cross_entropy(named, lesson.truth[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    projections.eval()
    return projections


def _accuracy(projections: Projections, lesson: _Lesson, rows: torch.Tensor) -> tuple[float, float]:
    with torch.no_grad():
        chances = projections.chances(lesson.images[0][rows], lesson.categories)
    right = chances.topk(3).indices == lesson.truth[rows][:, None]
    return float(right[:, 0].float().mean()), float(right.any(1).float().mean())
