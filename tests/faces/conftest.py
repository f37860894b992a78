"""What the tests of the faces share: text that must be word for word what was accepted, and views to show.

Accept new text with: SYSCARD_ACCEPT=1 pytest tests/faces, then read the difference in git.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from syscard.views import View
from tests.faces import sample

settings.register_profile("syscard-faces", deadline=None, database=None)
settings.load_profile("syscard-faces")

ACCEPTED = Path(__file__).parent / "accepted"


@pytest.fixture
def as_accepted() -> Callable[[str, str], None]:
    """Compares a text with the one that a human accepted."""

    def compare(name: str, text: str) -> None:
        path = ACCEPTED / name
        if os.environ.get("SYSCARD_ACCEPT"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"nothing accepted as {name}: look at it, then set SYSCARD_ACCEPT=1"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="session")
def views() -> dict[str, View]:
    """Every sample view by name; nothing that reads them may change them."""
    return sample.variants()


@pytest.fixture(scope="session")
def broken(views: dict[str, View]) -> View:
    """A page is open, two claims broke."""
    return views["broken"]
