"""The vision-language model: what a picture shows, in the words of the catalogue, and the text that is printed on it.

Two frozen towers with two trained projections (LiT, Zhai et al. 2022): `training` fits them. Text on the picture is
read by the PP-OCR models of RapidOCR.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from recommender.pictures import Served, statistics
from recommender.towers import PLACES, ImageTower, TextTower
from recommender.values import Reading

LEAST_SURE: Final = 0.8
"""Confidence from which read text counts."""
_LEAST_LETTERS: Final = 3


class Projections(torch.nn.Module):
    """Two linear maps into one space of 192 dimensions, and a temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.image = torch.nn.Sequential(torch.nn.LayerNorm(1280), torch.nn.Dropout(0.3), torch.nn.Linear(1280, 192))
        self.text = torch.nn.Linear(384, 192)
        self.scale = torch.nn.Parameter(torch.tensor(2.6))

    def forward(self, images: torch.Tensor, texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors of both."""
        return normalize(self.image(images), dim=-1), normalize(self.text(texts), dim=-1)

    def chances(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Probability of each text for each image, (images, texts)."""
        left, right = self(images, texts)
        return (self.scale.exp() * left @ right.T).softmax(-1)


class LabelReader:
    """Text on a picture."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "Det.limit_side_len": 256,
                "Det.limit_type": "max",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def __call__(self, picture: Image.Image) -> str:
        """Everything that was read with confidence, on one line."""
        found: Any = self._engine(np.asarray(picture)[..., ::-1].copy(), use_cls=False)
        pairs = zip(found.txts or (), found.scores or (), strict=True)
        return " ".join(text for text, score in pairs if score >= LEAST_SURE and _is_text(text))


def _is_text(text: str) -> bool:
    """More than a shape that looks like a letter."""
    return len(re.findall("[A-Za-z]", text)) >= _LEAST_LETTERS


class PictureReader:
    """The model, ready to read."""

    def __init__(
        self,
        towers: tuple[ImageTower, TextTower],
        projections: Projections,
        categories: Sequence[str],
        tags: Sequence[str],
        references: torch.Tensor,
        version: str,
    ) -> None:
        """References are the features of the catalogue's own pictures, a row for each product on sale."""
        self._image, self._text = towers
        self._projections = projections.eval()
        self._categories, self._tags = (*categories,), (*tags,)
        self._category_vectors = self._text([f"a {category} product" for category in categories])
        self._tag_vectors = self._text(self._tags)
        self._references = references
        self._labels = LabelReader()
        self.version = version

    def read(self, served: Served, item: int, tags: int) -> Reading:
        """Look at a picture of an item on sale, and name so many tags."""
        picture = served.decoded()
        with torch.no_grad():
            return self._reading(picture, self._image([picture]), item, tags)

    def _reading(self, picture: Image.Image, features: torch.Tensor, item: int, tags: int) -> Reading:
        chances = self._projections.chances(features, self._category_vectors)[0]
        named, sure = self._named(features, tags)
        label = self._labels(picture)
        category = self._categories[int(chances.argmax())]
        return Reading(
            category=category,
            confidence=round(float(chances.max()), 3),
            entropy=round(float(-(chances * chances.clamp_min(1e-9).log()).sum()), 3),
            likeness=round(self._likeness(features, item), 3),
            tags=named,
            tag_confidence=sure,
            label=label,
            statistics=statistics(picture),
            input_tokens=PLACES,
            output_tokens=self._text.count(" ".join((category, *named, label))),
        )

    def _named(self, features: torch.Tensor, count: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
        top = self._projections.chances(features, self._tag_vectors)[0].topk(count)
        return tuple(self._tags[i] for i in top.indices.tolist()), tuple(round(v, 3) for v in top.values.tolist())

    def _likeness(self, features: torch.Tensor, item: int) -> float:
        both = normalize(self._projections.image(torch.cat([features, self._references[item : item + 1]])), dim=-1)
        return float(both[0] @ both[1])
