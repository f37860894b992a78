"""Risks and attribution: `make bench-risks`, or `python -m benchmarks.risks`."""

from __future__ import annotations

import argparse
import os
import platform
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: CPU time is of one thread

from benchmarks.risks import faults, simulator


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.risks", description=__doc__)
    parser.add_argument("--only", choices=("simulator", "faults"), help="one part alone")
    parser.add_argument("--recordings", nargs="+", default=(), help="only these of the recorded faults")
    parser.add_argument("--cases", type=int, default=200, help="cases of each row of the simulator (200)")
    parser.add_argument("--seed", type=int, default=7, help="of everything that is drawn (7)")
    asked = parser.parse_args()
    _say(_circumstances())
    if asked.only in (None, "simulator"):
        for line in simulator.table(asked.cases, asked.seed):
            _say(line)
    if asked.only in (None, "faults"):
        _say("\nRecorded faults, look-alikes and the other normal day\n")
        for line in faults.table(asked.recordings):
            _say(line)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _circumstances() -> str:
    return (f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
            f"made by `python -m benchmarks.risks {' '.join(sys.argv[1:])}`.\n")  # fmt: skip


if __name__ == "__main__":
    main()
