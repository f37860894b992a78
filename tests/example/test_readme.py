"""The example's README says what is so: the table of faults, the click model, the files that it names."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recommender import clicks, telemetry
from recommender.agent import Agent, Asked
from recommender.clicks import Answer
from recommender.conditions import Conditions
from recommender.faults import FAULTS, Fault
from recommender.traffic import TODAY
from tests.example.small import NEW, SHOPPER, models

FOLDER = Path(__file__).parents[2] / "examples" / "recommender"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def row(fault: Fault) -> str:
    """A fault as a row of the table."""
    cells = (f"`{fault.name}`", fault.done, fault.breaks)
    if fault.kind == "look-alike":
        return f"| {' | '.join(cells)} |"
    where = (", ".join(fault.where), ", ".join(fault.edges) or "-", ", ".join(fault.inherits) or "-")
    return f"| {' | '.join((*cells, *where))} |"


def test_every_fault_is_in_the_table_with_the_truth_about_it() -> None:
    assert [row(fault) for fault in FAULTS if row(fault) not in README] == []
    assert len(re.findall(r"^\| `[a-z-]+` \| ", README, re.M)) >= len(FAULTS)


def test_the_click_model_is_stated_with_the_numbers_that_are_used() -> None:
    stated = (
        ", ".join(map(str, clicks.LOOKED_AT[:-1])) + f" and {clicks.LOOKED_AT[-1]}",
        f"taken with probability {clicks.TAKEN_IF_SUITS}",
        f"any other with {clicks.TAKEN_ANYHOW}",
        f"a factor of {clicks.DOUBT}",
        f"after {clicks.MEDIAN_DELAY.total_seconds() / 60:.0f} minutes in the median",
        f"and {clicks.LONGEST_DELAY.total_seconds() / 3600:.0f} hours at most",
    )
    assert [words for words in stated if words not in README] == []


def test_every_attribute_that_is_promised_is_emitted_and_the_other_way_round(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    agent = Agent(models(tmp_path))
    for shopper, hangs in ((SHOPPER, True), (NEW, False)):
        shown = agent.serve(Asked(shopper, Conditions(model_hangs=hangs), (1, 5), TODAY))
    telemetry.answered(shown.reference, NEW, Answer(accepted=True, position=2, delay=timedelta()))
    found = spans.get_finished_spans()
    emitted = {key for span in found for key in span.attributes or ()}
    emitted |= {key for span in found for event in span.events for key in event.attributes or ()}
    emitted |= {span.name for span in found} | {event.name for span in found for event in span.events}
    table = README.partition("| what | attribute |")[2].partition("##")[0]
    promised = re.findall(r"`([a-z_0-9.]+)`", table)
    assert len(promised) > 45
    assert [
        name for name in promised if not any(key == name or key.endswith(f".{name.strip('.')}") for key in emitted)
    ] == []
    said = [key for key in emitted if key.startswith("syscard.")]
    assert [
        key for key in said if not any(key.endswith(f".{name.strip('.')}") or key == name for name in promised)
    ] == []


def test_files_that_are_named_are_there() -> None:
    for name in re.findall(r"\]\(([a-z_.]+)\)", README):
        assert (FOLDER / name).is_file(), name
