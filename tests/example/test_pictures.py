"""Pictures as the shop serves them, and what a fault does to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from recommender.catalogue import BADGES, badge_of
from recommender.conditions import Conditions
from recommender.pictures import SIDE, SIZES, augmented, lettered, opened, served, statistics


@pytest.fixture
def picture(tmp_path: Path) -> Image.Image:
    """A red disc on nothing."""
    drawn = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(drawn).ellipse((8, 8, 56, 56), fill=(220, 30, 30, 255))
    drawn.save(tmp_path / "disc.webp", lossless=True)
    return opened(tmp_path / "disc.webp")


def shown(picture: Image.Image, conditions: Conditions = Conditions(), seed: int = 0, badge: str = "") -> Image.Image:  # noqa: B008
    return served(picture, badge, conditions, np.random.default_rng(seed)).decoded()


def test_a_catalogue_picture_lies_on_white(picture: Image.Image) -> None:
    assert (picture.size, picture.mode) == ((SIDE, SIDE), "RGB")
    assert picture.getpixel((1, 1)) == (255, 255, 255)


def test_the_shop_serves_a_picture_in_several_sizes_and_never_twice_the_same(picture: Image.Image) -> None:
    found = [served(picture, "", Conditions(), np.random.default_rng(seed)) for seed in range(40)]
    assert {one.decoded().width for one in found} == set(SIZES)
    assert len({one.data for one in found}) == 40
    assert served(picture, "", Conditions(), np.random.default_rng(1)).data == found[1].data
    assert all(one.mime == "image/jpeg" for one in found)


def test_each_fault_of_pictures_shows_in_its_statistic(picture: Image.Image) -> None:
    usual = statistics(shown(picture))
    assert statistics(shown(picture, Conditions(blur=5.0)))["sharpness"] < usual["sharpness"] / 2
    assert statistics(shown(picture, Conditions(light=0.25)))["brightness"] < usual["brightness"] / 3
    assert statistics(shown(picture, Conditions(channels_shifted=True)))["redness"] < 0 < usual["redness"]


def test_a_badge_and_a_vendors_text_are_printed_at_the_foot(picture: Image.Image) -> None:
    plain, badge, spam = shown(picture), shown(picture, badge="LOCAL"), shown(picture, Conditions(overlay="A\nB"))

    def rows(one: Image.Image) -> tuple[int, int]:
        """Rows that are not as they were, in the upper and in the lower half."""
        differ = np.abs(np.asarray(one, int) - np.asarray(plain, int)).sum(axis=(1, 2)) > 2_000
        return int(differ[: plain.height // 2].sum()), int(differ[plain.height // 2 :].sum())

    assert rows(badge)[0] == 0 < rows(badge)[1]
    assert rows(spam)[1] > rows(badge)[1]


def test_lettering_leaves_the_picture_that_it_was_given_alone(picture: Image.Image) -> None:
    before = picture.tobytes()
    lettered(picture, "NEW")
    assert picture.tobytes() == before


def test_a_variant_to_learn_from_is_of_the_same_size_and_different(picture: Image.Image) -> None:
    chance = np.random.default_rng(0)
    variants = {augmented(picture, chance).tobytes() for _ in range(10)}
    assert len(variants) == 10


def test_one_product_in_six_has_a_badge_and_always_the_same() -> None:
    badges = [badge_of(f"{code:x}") for code in range(6_000)]
    assert {b for b in badges if b} == set(BADGES)
    assert sum(map(bool, badges)) / 6_000 == pytest.approx(1 / 6, abs=0.02)
    assert badges == [badge_of(f"{code:x}") for code in range(6_000)]
