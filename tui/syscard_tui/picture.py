"""A picture of the overview made by the app itself: `python -m syscard_tui.picture --home .demo FILE`."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from syscard.errors import SyscardError
from syscard.faces import Overview
from syscard.home import existing_home
from syscard.views import View, read_view
from syscard.words import moment
from syscard_tui.app import SyscardApp
from syscard_tui.source import CardJson

_FACES: Final = re.compile(r"@font-face\s*\{[^}]*\}")
_COMMENTS: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_FAMILY: Final = re.compile(r"font-family:\s*[^;}]+")
_MONOSPACE: Final = 'font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace'
_TRIES: Final = 200


class OneView:
    """A source that has one view and never another."""

    def __init__(self, view: View) -> None:
        self._view = view

    def stamp(self) -> int:
        """Always the same."""
        return 1

    def view(self) -> View:
        """The view."""
        return self._view

    def previous_card(self) -> CardJson | None:
        """None."""
        return None


async def screenshot(view: View, *, width: int = 120, height: int = 34, now: datetime | None = None) -> str:
    """The overview screen of a view as one SVG without any outside address.

    Args:
        view: what to show.
        width: columns.
        height: lines.
        now: the time by which ages are told; when the view was written, by default.
    """
    at = now or moment(view["written"])
    if at is None:
        raise ValueError("the view has no time; pass now")
    app = SyscardApp(OneView(view), lambda: at)
    async with app.run_test(size=(width, height)) as pilot:
        for _ in range(_TRIES):
            await pilot.pause(0.02)
            if app.shown is not None:
                break
        await pilot.pause()
        return self_contained(app.export_screenshot(title=_title(app.shown, view)))


def _title(shown: Overview | None, view: View) -> str:
    return f"syscard tui: {shown.system if shown else view['card']['system']}"


def self_contained(svg: str) -> str:
    """Textual's SVG without its fonts from the network."""
    return _FAMILY.sub(_MONOSPACE, _FACES.sub("", _COMMENTS.sub("", svg)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture of a home's overview."""
    parser = argparse.ArgumentParser(prog="python -m syscard_tui.picture", description=__doc__)
    parser.add_argument("--home", type=Path, help="the home to read")
    parser.add_argument("--system", help="which system, where the home has several")
    parser.add_argument("file", type=Path, help="the SVG to write")
    given = parser.parse_args(arguments)
    try:
        view = read_view(existing_home(given.home).records, given.system)
        given.file.write_text(asyncio.run(screenshot(view)), encoding="utf-8")
    except (SyscardError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command of its own
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
