"""The entry point: errors are one line on standard error, and an exit code."""

from __future__ import annotations

import os
import sys

from syscard.errors import COULD_NOT_RUN, SyscardError
from syscard.modes import owner_only
from syscard.words import safe
from syscard_tui.quick import asked_for, print_status

INTERRUPTED = 130


def main() -> None:
    """Run the command line. 0 ok, 1 the answer is no, 2 it could not run."""
    try:
        try:
            with owner_only():
                _run(sys.argv[1:])
        finally:
            sys.stdout.flush()  # here and not at the interpreter's end, where a closed pipe could not be caught
    except SyscardError as error:
        sys.stderr.write(f"syscard: {safe(error)}\n")  # names in it come from spans and arguments
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("syscard: stopped; nothing that was stored is harmed\n")
        # Ctrl-c within an exec of text (dataclasses have one) leaves a mark in Python, which would end `python -m` by
        # the signal and not by our code; the next exec of text wipes it off.
        exec("")  # noqa: S102
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"syscard: {safe(where)}{error.strerror or safe(error)}\n")
        sys.exit(COULD_NOT_RUN)


def _run(arguments: list[str]) -> None:
    if asked := asked_for(arguments):
        sys.exit(print_status(asked))
    from syscard_tui.cli import app

    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # Typer's way of saying ctrl-c, without a word
            raise KeyboardInterrupt from ended
        raise
