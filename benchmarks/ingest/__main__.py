"""Taking spans, from the socket to a row that a query finds: `make bench-ingest`, or `python -m benchmarks.ingest`.

All servers run at once over new folders and are loaded in turns; CPU is that of the server's processes alone.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.ingest.bodies import Bodies
from benchmarks.ingest.measure import closed_load, crash, paced_load
from benchmarks.ingest.overload import overload
from benchmarks.ingest.report import Column, circumstances, table
from benchmarks.ingest.running import Failed, Running
from benchmarks.ingest.subjects import ALL, Subject

STEADY: Final = 5_000.0
"""Spans a second."""
_WARM: Final = 8
"""Spans of one of the 40 requests that come before everything that is measured."""
_OURS: Final = ("syscard", "floor")


class Plan(NamedTuple):
    """How much of everything."""

    rounds: int
    fast: int
    """Spans of one round for this project and the floor."""
    slow: int
    """Of a peer."""
    paced_s: float
    crash: int
    """Requests before the kill."""


FULL: Final = Plan(rounds=3, fast=102_400, slow=5_120, paced_s=20, crash=40)
QUICK: Final = Plan(rounds=1, fast=20_480, slow=1_536, paced_s=8, crash=4)


def main() -> None:
    """Measure and print."""
    asked = _asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    plan = QUICK if asked.quick else FULL
    if asked.overload is not None:
        with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
            print(overload(Running(ALL["syscard"], Path(folder)), asked.overload, asked.sizes[-1]))  # noqa: T201
        return
    subjects = [ALL[name] for name in (*(() if asked.peers_only else _OURS), *asked.peers)]
    began = os.getloadavg()
    columns: list[Column] = []
    try:
        for size in asked.sizes:
            _measure(subjects, size, plan, columns)
    except Failed as error:
        sys.exit(str(error))
    finally:  # what was measured is told, also when it was stopped half way
        columns.sort(key=lambda column: [subject.name for subject in subjects].index(column.name))
        print(f"{circumstances(columns, began)}\nMade by `{_command()}`.\n\n{table(columns)}")  # noqa: T201


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--peers", type=_names, default=("phoenix", "mlflow"), help="none, or phoenix,mlflow (both)")
    parser.add_argument("--peers-only", action="store_true", help="not this project, nor the floor")
    parser.add_argument("--sizes", type=_sizes, default=(64, 512), help="spans a request: 64,512")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--overload", type=float, nargs="?", const=10.0, metavar="MINUTES",
                        help="only this: more than syscard can take, for so long (10)")  # fmt: skip
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(text.split(","))
    if unknown := set(names) - (ALL.keys() - set(_OURS)):
        raise argparse.ArgumentTypeError(f"no peer {', '.join(sorted(unknown))}: write none, phoenix or mlflow")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


def _command() -> str:
    return " ".join(["python -m benchmarks.ingest", *sys.argv[1:]])


def _measure(subjects: Sequence[Subject], size: int, plan: Plan, columns: list[Column]) -> None:
    """All servers at one size of request: a column for each."""
    bodies = Bodies(size)
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder, ExitStack() as stack:
        pairs = [stack.enter_context(_started(subject, Path(folder), bodies)) for subject in subjects]
        columns += [column for _, column in pairs]
        for number in range(plan.rounds):
            for server, column in pairs:
                _tell(server, f"{size} spans a request, round {number + 1} of {plan.rounds}")
                column.loads.append(closed_load(server, bodies, _spans(server, plan)))
        for server, column in pairs:
            _more(server, column, bodies, plan)


@contextmanager
def _started(subject: Subject, folder: Path, bodies: Bodies) -> Iterator[tuple[Running, Column]]:
    """A server that has taken its first requests and is quiet."""
    server = Running(subject, folder)
    try:
        _tell(server, "starts")
        column = Column(subject.name, bodies.spans, subject.version())
        small = Bodies(_WARM)
        column.cold_s, column.cold_cpu_s = server.start(small.one()), server.cpu()
        server.settle()
        column.idle_mib = server.memory()
        closed_load(server, small, 40 * _WARM)
        column.before = server.disk(), server.rows()
        yield server, column
    finally:
        server.kill()


def _more(server: Running, column: Column, bodies: Bodies, plan: Plan) -> None:
    """What is measured of each for itself."""
    stores, ours = server.subject.stores, server.subject is ALL["syscard"]
    if stores and (rows := server.rows() - column.before[1]):
        column.bytes_a_span = (server.disk() - column.before[0]) / rows
    top = statistics.median(load.per_second for load in column.loads)
    _tell(server, "paced")
    column.half = paced_load(server, bodies, top / 2, plan.paced_s) if top else None
    if ours:
        column.steady = paced_load(server, bodies, STEADY, plan.paced_s)
    column.after_mib = server.memory()
    if ours:
        column.json = closed_load(server, Bodies(bodies.spans, as_json=True), plan.fast // 4)
        column.texts = closed_load(server, Bodies(bodies.spans, texts=True), plan.fast // 4)
    if stores:
        _tell(server, "kill -9")
        column.crash = crash(server, bodies, plan.crash)


def _spans(server: Running, plan: Plan) -> int:
    ours = server.subject in (ALL[name] for name in _OURS)
    return plan.fast if ours else plan.slow


def _tell(server: Running, what: str) -> None:
    sys.stderr.write(f"{server.subject.name}: {what}\n")


if __name__ == "__main__":
    main()
