"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, int, str], None]
"""(done, of, what); `of` 0 where nobody knows."""
_EVERY_S = 5.0


@contextmanager
def progress(title: str) -> Iterator[Tell]:
    """A function to tell progress to."""
    if sys.stderr.isatty():
        with _bar(title) as tell:
            yield tell
    else:
        yield _lines(title)


@contextmanager
def _bar(title: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, what="")
        yield lambda done, of, what: bar.update(task, completed=done, total=of or None, what=what)


def _lines(title: str) -> Tell:
    last = time.monotonic()

    def tell(done: int, of: int, what: str) -> None:
        nonlocal last
        if time.monotonic() - last > _EVERY_S:
            last = time.monotonic()
            share = f" {done}/{of}" if of else ""
            sys.stderr.write(f"{title}{share} {what}\n")
            sys.stderr.flush()

    return tell
