"""A source that a test holds in its hand."""

from __future__ import annotations

from typing import Any

from syscard.views import View


class FakeSource:
    """Gives what it was told last; fails while it has an error."""

    def __init__(self, view: View, previous: dict[str, Any] | None = None) -> None:
        self.shown, self.previous, self.number = view, previous, 1
        self.error: Exception | None = None
        self.reads = 0

    def put(self, view: View) -> None:
        """Something new."""
        self.shown, self.number = view, self.number + 1

    def stamp(self) -> int:
        """Changes with `put`."""
        if self.error is not None:
            raise self.error
        return self.number

    def view(self) -> View:
        """What was put last."""
        self.reads += 1
        return self.shown

    def previous_card(self) -> dict[str, Any] | None:
        """As given."""
        return self.previous
