"""What a scrape reads: every metric that is described, from the same view as every other face, whatever it says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from syscard.metrics import METRICS, MOST_PARTS, OF_PROCESS, by_metric, label, of_view
from syscard.views import View
from syscard_tracing.exposition import _text, exposition
from tests.faces.sample import (
    HOSTILE,
    NOW,
    broken_view,
    calm_view,
    declared_view,
    hostile_view,
    idle_view,
    sampled_view,
    silent_view,
)

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
REF = "shop-recommender"
VIEWS = (broken_view, calm_view, declared_view, hostile_view, idle_view, sampled_view, silent_view)


def read(text: bytes) -> Series:
    """As Prometheus reads it; a series that is there twice is an error."""
    found: Series = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def scraped(view: View) -> Series:
    return read(_text(of_view(view, NOW)))


def value(series: Series, metric: str, **labels: str) -> float | None:
    return series.get((metric, tuple(sorted(labels.items()))))


def test_a_broken_system_as_a_scrape_sees_it() -> None:
    series = scraped(broken_view())
    assert value(series, "syscard_incidents", system=REF, state="open", severity="page") == 1
    assert value(series, "syscard_incidents", system=REF, state="open", severity="note") == 0
    assert value(series, "syscard_claims", system=REF, status="broken") == 2
    assert value(series, "syscard_claims", system=REF, status="unknown") == 2
    assert value(series, "syscard_gate_blocked", system=REF, stage="promote") == 1
    assert value(series, "syscard_watcher_last_run_age_seconds", system=REF) == 6
    assert value(series, "syscard_signals", system=REF, state="breach")
    p95 = broken_view()["live"]["parts"]["vlm"]["p95_ms"]
    assert value(series, "syscard_part_latency_p95_seconds", system=REF, part="vlm") == p95 / 1000
    assert value(scraped(calm_view()), "syscard_incidents", system=REF, state="open", severity="page") == 0


def test_what_is_not_known_has_no_series_and_is_not_nought() -> None:
    series = scraped(declared_view())
    assert value(series, "syscard_watcher_last_run_age_seconds", system=REF) is None
    assert value(series, "syscard_last_span_age_seconds", system=REF) is None
    assert not [name for name, _ in series if name.startswith("syscard_part_")]
    assert value(series, "syscard_requests_total", system=REF) == 0


@pytest.mark.parametrize("make", VIEWS)
def test_every_view_can_be_scraped_whatever_it_says(make: Any) -> None:
    series = scraped(make())
    assert {name for name, _ in series} <= set(METRICS)
    for _, labels in series:
        assert all(len(text) <= 100 and "\n" not in text for _, text in labels)


def test_names_from_spans_are_one_short_line() -> None:
    assert "\n" not in label(HOSTILE)
    assert len(label("x" * 5000)) == 100


def test_parts_are_bounded_the_declared_ones_first_and_those_left_out_are_counted() -> None:
    view = broken_view()
    view["live"]["parts"] |= {f"a{n:04}": {"per_minute": 1.0} for n in range(MOST_PARTS + 50)}
    series = scraped(view)
    parts = {dict(labels)["part"] for name, labels in series if name == "syscard_part_requests_per_minute"}
    assert len(parts) <= MOST_PARTS
    assert {"vlm", "llm"} <= parts
    assert (value(series, "syscard_parts_left_out", system=REF) or 0) >= 50


def test_two_names_that_are_alike_once_they_are_short_are_one_series() -> None:
    view = broken_view()
    view["live"]["parts"] |= {f"{'x' * 120}{n}": {"per_minute": 1.0} for n in range(3)}
    parts = [dict(labels)["part"] for name, labels in scraped(view) if name == "syscard_part_requests_per_minute"]
    assert sum(part.startswith("xxx") for part in parts) == 1


def test_messages_are_counted_by_what_came_of_them() -> None:
    view = broken_view()
    told = {"held": 2, "undelivered": 1, "sent": 5, "failed": 3, "perhaps": 1}
    view["live"]["watcher"]["notices"] = told
    series = scraped(view)
    for state in ("sent", "failed", "perhaps"):
        assert value(series, "syscard_notifications_total", system=REF, state=state) == told[state]
    assert value(series, "syscard_notifications_held", system=REF) == 2
    assert value(series, "syscard_notifications_undelivered", system=REF) == 1


def test_ages_are_counted_to_now_and_never_run_backwards() -> None:
    aged = by_metric(of_view(broken_view(), NOW - timedelta(hours=1)))
    assert aged["syscard_watcher_last_run_age_seconds"][0].value == 0


HEALTH = {"ok": True, "pending": 3}


def test_a_home_without_records_and_one_with_broken_records_are_scraped_all_the_same(tmp_path: Path) -> None:
    counts = {("stored", "traces"): 7, ("refused", "traces"): 2}
    none = read(exposition(tmp_path / "records.db", NOW, HEALTH, counts))
    assert value(none, "syscard_spans_received_total", signal="traces") == 7
    assert value(none, "syscard_spans_refused_total", signal="traces") == 2
    assert value(none, "syscard_inbox_pending") == 3
    assert value(none, "syscard_taking_spans") == 1
    assert value(none, "syscard_records_readable") == 1
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, and long enough to be read as one" * 40)
    assert value(read(exposition(broken, NOW, HEALTH, {})), "syscard_records_readable") == 0


def test_each_metric_has_a_help_and_a_type_in_every_scrape(tmp_path: Path) -> None:
    text = exposition(tmp_path / "records.db", NOW, HEALTH, {}).decode()
    helped = set(re.findall(r"^# HELP (\S+) .", text, re.MULTILINE))
    typed = set(re.findall(r"^# TYPE (\S+) (?:gauge|counter)$", text, re.MULTILINE))
    assert helped == typed == set(METRICS)
    assert set(OF_PROCESS) <= set(METRICS)
