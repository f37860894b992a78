"""`status` without the command line library: reading the flags by Typer takes three times as long as the answer."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from syscard.errors import ANSWER_IS_NO

_FLAGS: Final = ("--check", "--json")
_NARROWEST, _WIDEST = 80, 100


@dataclass(frozen=True)
class Asked:
    """One `status`, as asked for."""

    home: Path | None = None
    system: str | None = None
    check: bool = False
    as_json: bool = False


def asked_for(arguments: Sequence[str]) -> Asked | None:
    """The `status` that is meant; None for anything else: help, mistakes and other commands are Typer's to read."""
    named, rest = dict[str, str](), list(arguments)
    while len(rest) > 1 and rest[0] in ("--home", "--system"):
        named[rest[0]] = rest[1]
        rest = rest[2:]
    if rest[:1] != ["status"] or not set(rest[1:]) <= set(_FLAGS):
        return None
    home = Path(named["--home"]) if "--home" in named else None
    return Asked(home, named.get("--system"), "--check" in rest, "--json" in rest)


def print_status(asked: Asked) -> int:
    """Print one screen; returns the exit code.

    Raises:
        SyscardError: there is no home, no card, or no such system.
    """
    from syscard.clock import system_clock
    from syscard.faces import overview
    from syscard.home import existing_home
    from syscard.render.status import status_text
    from syscard.views import read_view

    now = system_clock()
    face = overview(read_view(existing_home(asked.home).records, asked.system), now)
    if asked.as_json:
        text = json.dumps(asdict(face), indent=2, ensure_ascii=False, default=str)
    else:
        text = status_text(face, now, width=_width(), colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    sys.stdout.write(f"{text}\n")
    broken = face.verdict in ("BROKEN", "INCIDENT") or not face.watcher_alive or face.quiet
    return ANSWER_IS_NO if asked.check and broken else 0


def _width() -> int:
    return min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((_NARROWEST, 24)).columns))
