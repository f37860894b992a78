from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.errors import NotComparable
from syscard.fingerprints import containment, overlap
from syscard.rotations import FILE, comparable, ended, has_mark, key_number, rotations


def test_a_home_whose_key_was_never_changed_has_one_key(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"k")
    assert rotations(tmp_path) == ()
    assert key_number((), 5) == 0
    assert rotations(tmp_path / "no such folder") == ()


def test_rotations_are_read_from_names_and_those_of_destroyed_keys_stay(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"new")
    ended(tmp_path, 2_000).write_bytes(b"old")
    ended(tmp_path, 70).with_suffix(".gone").touch()
    ended(tmp_path, 70).touch()  # killed while it was destroyed
    (tmp_path / "fingerprint.until-x.key").touch()
    assert rotations(tmp_path) == (70, 2_000)


def test_a_rotation_that_was_cut_off_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"old")
    os.link(tmp_path / FILE, ended(tmp_path, 9))
    assert rotations(tmp_path) == ()


@given(st.lists(st.integers(0, 10**16), unique=True).map(sorted), st.integers(0, 10**16))
def test_the_moment_of_a_rotation_belongs_to_the_new_key(rotated: list[int], us: int) -> None:
    number = key_number(rotated, us)
    assert all(moment <= us for moment in rotated[:number])
    assert all(moment > us for moment in rotated[number:])


@pytest.mark.parametrize(
    ("keys", "others", "can"), [((0,), (0,), True), ((), (), True), ((0,), (1,), False), ((0, 1), (), False)]
)
def test_only_what_was_hashed_under_one_key_can_be_compared(
    keys: tuple[int, ...], others: tuple[int, ...], can: bool
) -> None:
    assert comparable(keys, others) is can


@pytest.mark.parametrize("compare", [overlap, containment])
def test_sketches_of_two_keys_are_never_compared(compare: object) -> None:
    assert callable(compare)
    assert compare(["0a"], ["0a"], keys=(1, 1)) is not None
    with pytest.raises(NotComparable, match=r"^not comparable across a key rotation$"):
        compare(["0a"], ["0a"], keys=(0, 1))


def test_a_mark_is_known_by_its_shape() -> None:
    assert has_mark(["a", "chat:#0123456789ab"])
    assert not has_mark(["a", "#012", 7, None, "#0123456789abc"])
