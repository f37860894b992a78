"""The catalogue: products with a name, a category and a picture, out of two packages of the npm registry.

Pictures are Fluent emoji in 3D style (@lobehub/fluent-emoji-3d), names and tags are emojibase-data's. What can be sold
is decided in `purchases`, by what was bought.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recommender.errors import Unavailable
from recommender.whole import made_whole

PACKAGES: Final = {
    "@lobehub/fluent-emoji-3d@1.1.0": (
        "lobehub-fluent-emoji-3d-1.1.0.tgz",
        "Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    ),
    "emojibase-data@17.0.0": (
        "emojibase-data-17.0.0.tgz",
        "Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==",
    ),
}
"""Package -> the file that `npm pack` writes, and its SHA-512 (base64)."""
CATEGORIES: Final = {
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "food-prepared": "prepared food",
    "food-asian": "asian food",
    "food-sweet": "sweets",
    "drink": "drink",
    "dishware": "tableware",
    "plant-flower": "flowers",
    "plant-other": "plants",
    "clothing": "clothing",
    "household": "household",
    "light-video": "light and video",
    "book-paper": "book and paper",
    "writing": "stationery",
    "office": "office",
    "medical": "medical",
    "game": "game",
    "sport": "sport",
    "arts-crafts": "art and craft",
    "event": "party",
    "tool": "tool",
}
"""Subgroup of the emoji set -> category of the shop, for what a supermarket sells."""
ALSO_PICTURED: Final = {
    "transport-ground": "vehicle",
    "transport-water": "boat",
    "transport-air": "aircraft",
    "musical-instrument": "music",
    "phone": "phone",
    "computer": "computer",
    "science": "science",
    "award-medal": "award",
    "money": "money",
    "mail": "mail",
    "lock": "lock",
    "sound": "sound",
    "animal-mammal": "plush animal",
    "animal-bird": "plush animal",
    "animal-marine": "plush animal",
    "animal-reptile": "plush animal",
    "animal-amphibian": "plush animal",
    "animal-bug": "plush animal",
}
"""Subgroups that only the picture model learns from: it needs more pictures than the shop has."""
BADGES: Final = ("ORGANIC", "LOCAL", "VEGAN", "NEW")


@dataclass(frozen=True)
class Product:
    """Something that has a picture, whether or not it is on sale."""

    id: str
    """Unicode code points, such as `1f34e`."""
    name: str
    category: str
    tags: tuple[str, ...]
    picture: Path
    sellable: bool
    """Of a category that a supermarket sells."""
    badge: str
    """What the shop prints on the picture; "" for most."""


def load(cache: Path) -> tuple[Product, ...]:
    """Every product with a picture, in order of id; the packages are fetched once.

    Raises:
        Unavailable: npm is missing, or a package cannot be had or is not the one that is pinned.
    """
    pictures, names = (_unpacked(package, cache) for package in PACKAGES)
    subgroups = json.loads((names / "meta/groups.json").read_text("utf-8"))["subgroups"]
    entries = json.loads((names / "en/data.json").read_text("utf-8"))
    found = (_product(entry, subgroups, pictures / "assets") for entry in entries)
    return tuple(sorted((product for product in found if product), key=lambda product: product.id))


def _product(entry: dict[str, Any], subgroups: dict[str, str], assets: Path) -> Product | None:
    subgroup = subgroups.get(str(entry.get("subgroup")), "")
    category = CATEGORIES.get(subgroup) or ALSO_PICTURED.get(subgroup)
    code = str(entry["hexcode"]).lower()
    spellings = (code, code.replace("-fe0f", ""), f"{code}-fe0f")
    picture = next((path for name in spellings if (path := assets / f"{name}.webp").is_file()), None)
    if category is None or picture is None:
        return None
    return Product(
        code, entry["label"], category, tuple(entry.get("tags", ())), picture, subgroup in CATEGORIES, badge_of(code)
    )


def badge_of(code: str) -> str:
    """One product in six has a badge, always the same one."""
    number = hashlib.sha256(code.encode()).digest()[0]
    return BADGES[number // 6 % len(BADGES)] if number % 6 == 0 else ""


def _unpacked(package: str, cache: Path) -> Path:
    archive, digest = PACKAGES[package]
    folder = cache / "npm" / archive.removesuffix(".tgz")
    if not folder.is_dir():
        _fetch(package, cache / "npm", archive, digest)
        with made_whole(folder) as draft, tarfile.open(cache / "npm" / archive) as tar:
            tar.extractall(draft, filter="data")
    return folder / "package"


def _fetch(package: str, folder: Path, archive: str, digest: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(f"npm is not installed, and {package} comes with it: install Node.js")
    with made_whole(folder / archive) as file, tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(  # noqa: S603  (our own arguments, no shell)
            [npm, "pack", "--silent", package], cwd=scratch, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(f"npm cannot fetch {package}: {reason}")
        shutil.copyfile(Path(scratch) / archive, file)
        found = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
        if found != digest:
            raise Unavailable(f"{package} is not the package that is pinned: its SHA-512 is {found}")
