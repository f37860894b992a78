"""What two texts share, told from keyed fingerprints alone: the texts are not there any more.

A fingerprint field (`<text>.terms`, `<text>.shingles`) is a bottom-k sketch: the `LIMIT` smallest hashes of a text's
distinct content words, or of its runs of `RUN` words. Two sketches of one home and one key are comparable: a hash that
both kept is a word that both texts say. Below `LIMIT` hashes a sketch is the whole set, and shares are exact; beyond it
they are estimates from the hashes that both sketches would have kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from syscard.errors import NotComparable
from syscard.rotations import NOT_COMPARABLE, comparable

LIMIT: Final = 64
"""Hashes in one sketch, at most."""
RUN: Final = 3
"""Words in a row that make one shingle."""


class Share(NamedTuple):
    """A share of hashes, and how many hashes it is a share of: few of them say little."""

    value: float
    """Between 0 and 1."""
    n: int


def overlap(one: Collection[str], other: Collection[str], keys: Collection[int] = ()) -> Share | None:
    """The share of what either text says that both say (Jaccard); None where neither has a hash to compare.

    `keys`: under which each was hashed (`syscard.rotations.key_number`).

    Raises:
        NotComparable: they were hashed under two keys.

    >>> overlap(["0a", "1b"], ["1b", "2c", "3d"])
    Share(value=0.25, n=4)
    """
    mine, theirs = _comparable(one, other, keys)
    return _share(len(mine & theirs), len(mine | theirs))


def containment(part: Collection[str], whole: Collection[str], keys: Collection[int] = ()) -> Share | None:
    """The share of what `part` says that `whole` says too; None where `part` has no hash to compare.

    `keys`, and what is raised, as for `overlap`.

    >>> containment(["0a", "1b"], ["1b", "2c", "3d"])
    Share(value=0.5, n=2)
    """
    mine, theirs = _comparable(part, whole, keys)
    return _share(len(mine & theirs), len(mine))


def sketch(hashes: Collection[str]) -> list[str]:
    """The sketch of a set of hashes (fixed-width hex): the smallest `LIMIT` of them, sorted."""
    return sorted(set(hashes))[:LIMIT]


def _comparable(one: Collection[str], other: Collection[str], keys: Collection[int]) -> tuple[set[str], set[str]]:
    """The hashes up to which both sketches are complete: a full sketch says nothing of what lies beyond its largest."""
    if not comparable(keys):
        raise NotComparable(NOT_COMPARABLE)
    bounds = [max(hashes) for hashes in (one, other) if len(hashes) >= LIMIT]
    if not bounds:
        return set(one), set(other)
    return {h for h in one if h <= min(bounds)}, {h for h in other if h <= min(bounds)}


def _share(part: int, n: int) -> Share | None:
    return Share(part / n, n) if n else None
