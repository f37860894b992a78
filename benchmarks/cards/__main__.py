"""`make bench-cards`, or `python -m benchmarks.cards`: what a large card costs, in CPU seconds.

Fold: edits in, card out. Read back: rows of the records, made into edits again and folded. Verify: the whole chain
recomputed. Render: the card with its view as Markdown and as one HTML file, with the chain's head, without live values.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cards.large import START, Size, history
from syscard.card import Card
from syscard.edits import Edit
from syscard.fold import fold
from syscard.gates import Policy, read_policy
from syscard.records.store import Records
from syscard.render.snapshot import html, markdown
from syscard.stored import verify
from syscard.view import build_view
from syscard_configs import read_text

_LIMITS = {"fold": 1.0, "render HTML": 3.0}
_SYSTEM = "large"


def main() -> None:
    """Measure and print; exit 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cards", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each, of which the median is told (3)")
    parser.add_argument("--edits", type=int, default=Size.edits, help=f"length of the chain ({Size.edits:,})")
    asked = parser.parse_args()
    size = Size(edits=asked.edits)
    edits = history(size)
    card = fold(edits, start=_SYSTEM)
    sys.stdout.write(_circumstances(size, card) + "\n\n| | CPU s | limit |\n| --- | ---: | ---: |\n")
    over = False
    for name, work in _works(edits, card):
        seconds = median(_cpu(work) for _ in range(asked.runs))
        limit = _LIMITS.get(name)
        over |= limit is not None and seconds > limit
        sys.stdout.write(f"| {name} | {seconds:.2f} | {'' if limit is None else f'{limit:.0f}'} |\n")
    raise SystemExit(over)


def _circumstances(size: Size, card: Card) -> str:
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    of = f"{len(card.components)} components, {len(card.interactions)} edges, {len(card.claims):,} claims"
    return f"{machine}. {of}, {size.edits:,} edits ({card.version} versions), {len(card.incidents)} incidents."


def _works(edits: tuple[Edit, ...], card: Card) -> Iterator[tuple[str, Callable[[], Any]]]:
    gate = read_policy(read_text("gates", "promote.yaml"), "promote.yaml")
    view = build_view(card, None, gate=gate, head=edits[-1].link, edits=len(edits), texts={}, written=START)
    yield "fold", lambda: fold(edits, start=_SYSTEM)
    yield "one more edit onto it", lambda: fold(edits[-1:], start=card)
    yield "digest of the card", lambda: card.digest
    yield "render HTML", lambda: html(view)
    yield "render Markdown", lambda: markdown(view)
    with tempfile.TemporaryDirectory() as folder:
        records = _stored(Path(folder) / "records.db", edits, gate)
        yield "read back and fold", lambda: records.card(_SYSTEM)
        yield "read back and verify", lambda: verify(records.stored(_SYSTEM))
        records.close()


def _stored(path: Path, edits: tuple[Edit, ...], gate: Policy) -> Records:
    records = Records.open(path, gate)
    with records.transaction() as transaction:
        drafts = [edit.draft for edit in edits]
        transaction.append(_SYSTEM, drafts, cause="all at once", recorded=START)
    return records


def _cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
