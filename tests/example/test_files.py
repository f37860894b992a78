"""What the example keeps on disk appears whole or not at all, and is what was pinned."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from PIL import Image

from recommender import catalogue
from recommender.errors import Unavailable
from recommender.whole import made_whole

NPM = """#!/bin/sh
cp "$PACKED" lobehub-fluent-emoji-3d-1.1.0.tgz 2>/dev/null
[ -n "$PACKED" ] || { echo "npm error network is unreachable" >&2; exit 1; }
"""


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with made_whole(tmp_path / "there" / "x.json") as draft:
        draft.write_text("{}")
        assert not (tmp_path / "there" / "x.json").exists()
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["x.json"]


def test_what_failed_half_way_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with made_whole(tmp_path / "x") as draft:
            draft.write_text("half")
            raise OSError("disk is full")

    (tmp_path / "x").write_text("old")
    with pytest.raises(OSError, match="disk is full"):
        write()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x", "old")]


def test_of_two_that_make_a_folder_the_first_stays(tmp_path: Path) -> None:
    with made_whole(tmp_path / "f") as mine:
        mine.mkdir()
        (tmp_path / "f").mkdir()
        (tmp_path / "f" / "theirs").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["f", "theirs"]


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that packs what PACKED names."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(NPM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def test_without_npm_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"npm is not installed.*install Node.js"):
        catalogue.load(tmp_path / "cache")


def test_without_a_network_one_line_says_what_npm_said(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKED", "")
    with pytest.raises(Unavailable, match=r"npm cannot fetch @lobehub.*network is unreachable"):
        catalogue.load(tmp_path / "cache")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_a_package_that_is_not_the_pinned_one_is_refused(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.tgz").write_bytes(b"something else")
    monkeypatch.setenv("PACKED", str(tmp_path / "evil.tgz"))
    with pytest.raises(Unavailable, match="is not the package that is pinned"):
        catalogue.load(tmp_path / "cache")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_products_are_what_has_a_picture_and_a_category(tmp_path: Path) -> None:
    """The packages as npm lays them out, unpacked before."""
    pictures, names = (tmp_path / "npm" / folder / "package" for folder in FOLDERS)
    (pictures / "assets").mkdir(parents=True)
    for code in ("1f34e", "2615", "1f600"):
        Image.new("RGBA", (8, 8)).save(pictures / "assets" / f"{code}.webp")
    for file, body in (
        ("meta/groups.json", {"subgroups": {"1": "food-fruit", "2": "drink", "3": "face-smiling", "4": "animal-bird"}}),
        ("en/data.json", [
            {"hexcode": "1F34E", "label": "red apple", "tags": ["fruit"], "subgroup": 1},
            {"hexcode": "2615-FE0F", "label": "hot beverage", "subgroup": 2},
            {"hexcode": "1F600", "label": "grinning", "subgroup": 3},
            {"hexcode": "1F34F", "label": "no picture", "subgroup": 1},
        ]),
    ):  # fmt: skip
        (names / file).parent.mkdir(parents=True, exist_ok=True)
        (names / file).write_text(json.dumps(body))
    found = catalogue.load(tmp_path)
    assert [(p.id, p.name, p.category, p.sellable) for p in found] == [
        ("1f34e", "red apple", "fruit", True),
        ("2615-fe0f", "hot beverage", "drink", True),
    ]


FOLDERS = [archive.removesuffix(".tgz") for archive, _ in catalogue.PACKAGES.values()]
