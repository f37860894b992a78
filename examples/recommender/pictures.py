"""Pictures on their way to the model: as the shop serves them, and what may go wrong with them. Pure."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from recommender.conditions import Conditions

SIDE: Final = 256
SIZES: Final = (128, 160, 192, 256)
"""Widths in which the shop serves a picture, as the shopper's screen asks for."""
MIME: Final = "image/jpeg"
_CROP: Final = 0.06
_LETTERS: Final = 16
_LINE: Final = 20
_MARGIN: Final = 18


@dataclass(frozen=True)
class Served:
    """A picture as it came over the wire."""

    data: bytes
    mime: str = MIME

    def decoded(self) -> Image.Image:
        """As pixels, RGB."""
        return Image.open(io.BytesIO(self.data)).convert("RGB")


def opened(path: Path) -> Image.Image:
    """A catalogue picture on white, 256 x 256."""
    drawn = Image.open(path).convert("RGBA")
    ground = Image.new("RGBA", drawn.size, (255, 255, 255, 255))
    ground.alpha_composite(drawn)
    return ground.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def lettered(picture: Image.Image, text: str) -> Image.Image:
    """The picture with lines of text on a white strip at its foot."""
    lines = text.split("\n")
    top = picture.height - _LINE * len(lines) - _MARGIN
    lettered = picture.copy()
    draw = ImageDraw.Draw(lettered)
    draw.rectangle((0, top, picture.width, picture.height), fill=(255, 255, 255))
    font = ImageFont.load_default(_LETTERS)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, top + 3 + _LINE * number), line, fill=(20, 20, 20), font=font)
    return lettered


def served(picture: Image.Image, badge: str, conditions: Conditions, chance: np.random.Generator) -> Served:
    """What the shop sends: badge or vendor's text, the fault of the day, then a size, a crop and a JPEG quality."""
    text = conditions.overlay or badge
    shown = _worn(lettered(picture, text) if text else picture, conditions)
    width = int(chance.choice(SIZES))
    left, top = (chance.uniform(0, _CROP) * side for side in shown.size)
    box = (left, top, shown.width - left, shown.height - top)
    shown = shown.resize((width, width), Image.Resampling.BICUBIC, box=box)
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=int(chance.integers(50, 91)))
    return Served(out.getvalue())


def _worn(picture: Image.Image, conditions: Conditions) -> Image.Image:
    if conditions.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(conditions.blur))
    if conditions.light != 1.0:
        picture = ImageEnhance.Brightness(picture).enhance(conditions.light)
    if conditions.channels_shifted:
        red, green, blue = picture.split()
        picture = Image.merge("RGB", (green, blue, red))
    return picture


def statistics(picture: Image.Image) -> dict[str, float]:
    """Sharpness (mean absolute Laplacian), brightness and redness (red less blue) at 128 x 128, in grey levels."""
    small = picture.resize((128, 128), Image.Resampling.BICUBIC)
    colour: Any = np.asarray(small, dtype="float32")
    grey: Any = np.asarray(small.convert("L"), dtype="float32")
    inner = grey[1:-1, 1:-1]
    laplacian = 4 * inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return {
        "sharpness": round(float(np.abs(laplacian).mean()), 2),
        "brightness": round(float(grey.mean()), 1),
        "redness": round(float(colour[..., 0].mean() - colour[..., 2].mean()), 1),
    }


def augmented(picture: Image.Image, chance: np.random.Generator) -> Image.Image:
    """A variant to learn from: mirrored, turned, smaller, other colours."""
    if chance.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.rotate(chance.uniform(-20, 20), fillcolor=(255, 255, 255))
    picture = ImageEnhance.Color(picture).enhance(chance.uniform(0.6, 1.3))
    picture = ImageEnhance.Brightness(picture).enhance(chance.uniform(0.8, 1.15))
    width = int(picture.width * chance.uniform(0.75, 1.0))
    ground = Image.new("RGB", picture.size, (255, 255, 255))
    left, top = (int(chance.integers(0, picture.width - width + 1)) for _ in range(2))
    ground.paste(picture.resize((width, width), Image.Resampling.BICUBIC), (left, top))
    return ground
