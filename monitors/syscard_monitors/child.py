"""One question to a module of ours in a process of its own, which is ended with all that it started when it is late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")


def ask(module: str, line: str, deadline_s: float, environment: Mapping[str, str]) -> str | None:
    """What the module wrote to standard output when it was given a text; None where it took too long.

    Args:
        module: run as `python -m`.
        line: its standard input.
        deadline_s: seconds after which it is killed.
        environment: all that it is given.
    """
    with subprocess.Popen(  # noqa: S603 - a module of ours, by name
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(environment),
        process_group=0,  # ctrl-c is the parent's to handle
        text=True,
    ) as child:
        try:
            out, _ = child.communicate(line, deadline_s)
        except subprocess.TimeoutExpired:
            _kill(child)
            return None
        except BaseException:
            _kill(child)
            raise
    return out


def _kill(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def environment(also: Collection[str] = ()) -> dict[str, str]:
    """Without what is secret: what a process needs to run, and variables whose name holds one of some words."""
    return {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED_ON or any(part in key.lower() for part in also)
    }
