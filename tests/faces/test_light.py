"""What a face may load: `status` starts at once, the screens bring nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = ("pydantic", "sqlmodel", "sqlalchemy", "polars", "pyarrow", "pandas", "numpy", "evidently", "deltalake",
          "jinja2", "langchain", "transformers", "torch", "rfc8785", "yaml")  # fmt: skip
_FACES = ("syscard.faces", "syscard.words", "syscard.views", "syscard.diff", "syscard.render.status",
          "syscard.render.cardtext", "syscard.render.charts", "syscard.render.report", "syscard.render.markdown",
          "syscard.render.html", "syscard.render.snapshot")  # fmt: skip

_DRAW = """
import asyncio, json, sys
from syscard_tui.app import SyscardApp
from syscard_tui.picture import OneView
from datetime import datetime
view = json.load(sys.stdin)
async def main():
    app = SyscardApp(OneView(view), lambda: datetime.fromisoformat("2026-11-22T14:33:00+00:00"))
    async with app.run_test() as pilot:
        while app.shown is None:
            await pilot.pause(0.01)
        await pilot.press("2")
        await pilot.pause()
asyncio.run(main())
"""


def _loaded(code: str, stdin: str = "") -> set[str]:
    """Top-level modules that are loaded after some code, in a process of its own."""
    end = "\nimport sys; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code + end], input=stdin, capture_output=True, text=True, check=True)
    return set(found.stdout.split())


@pytest.mark.parametrize("module", _FACES)
def test_a_text_face_needs_only_the_standard_library(module: str) -> None:
    assert not _loaded(f"import {module}") & {*_HEAVY, "rich", "textual"}


def test_the_screens_draw_a_card_without_anything_heavy() -> None:
    import json

    from tests.faces import sample

    assert not _loaded(_DRAW, json.dumps(sample.broken_view())) & set(_HEAVY)


def test_the_command_line_can_be_imported_without_textual() -> None:
    assert "textual" not in _loaded("import syscard_tui, syscard_tui.source")
