"""The recordings of one application under many instrumentors, and what each has to be read as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from syscard_tracing.files import requests
from syscard_tracing.normalise import RUNS, Normaliser, Reading
from syscard_tracing.rules import TraceRules

FOLDER: Final = Path(__file__).parent / "data" / "dialects"
RECEIVED: Final = datetime(2026, 11, 28, tzinfo=UTC)
LEAVES: Final = frozenset({"chat", "embeddings", "retrieval", "rerank", "execute_tool"})
EXPECTED: Final = yaml.safe_load((FOLDER / "expected.yaml").read_text("utf-8"))
SETUPS: Final[tuple[str, ...]] = tuple(EXPECTED["setups"])

Row = dict[str, Any]


class SetUp(NamedTuple):
    """One recording as read, and as it should be."""

    dialect: str
    app: str
    expected: list[list[str]]
    """Leaves of every trace that has any."""
    runs: list[str]
    """Agents and workflows, each once a run."""
    rows: list[Row]
    unread: list[str]

    @property
    def traces(self) -> list[list[Row]]:
        """Rows by trace, each in order of start, traces in order of theirs."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: (row["start"], row["span_id"])):
            found[row["trace_id"]].append(row)
        return list(found.values())


def read_setup(name: str) -> SetUp:
    """A recording by name."""
    said = EXPECTED["setups"][name]
    scenarios = {**EXPECTED["apps"][said["app"]], **said.get("differs", {})}
    around = {**EXPECTED["runs"][said["app"]], **said.get("runs_differ", {})}
    readings = readings_of(name)
    return SetUp(
        dialect=said["dialect"],
        app=said["app"],
        expected=[trace for traces in scenarios.values() for trace in traces],
        runs=[run for several in around.values() for run in several],
        rows=[reading.as_dict() for reading in readings],
        unread=[key for reading in readings for key in reading.unread],
    )


def readings_of(name: str) -> list[Reading]:
    """What a recording is read as."""
    spans = [span for request in requests(FOLDER / f"{name}.jsonl.xz") for span in request.decoded.spans]
    return Normaliser(TraceRules(), bytes(32)).read(spans, RECEIVED)


def leaves(trace: list[Row]) -> Iterator[Row]:
    """The calls of components: models, tools, retrievers; of nested model spans the innermost."""
    for row in trace:
        if row["operation"] in LEAVES and (row["counts_tokens"] or row["operation"] not in ("chat", "embeddings")):
            yield row


def runs(rows: list[Row]) -> Iterator[Row]:
    """The runs of agents and workflows: what the leaves stand below."""
    return (row for row in rows if row["operation"] in RUNS)


def as_said(row: Row) -> str:
    """A leaf as the expectations write it."""
    tokens = (row["input_tokens"], row["output_tokens"])
    counted = f" {tokens[0] or 0}/{tokens[1] or 0}" if tokens != (None, None) else ""
    failed = row["error_type"]
    without = " -" if failed and row["counts_tokens"] and not counted else ""
    return f"{row['component']}{counted}{without}{f' {failed}' if failed else ''}"
