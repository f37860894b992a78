"""`/metrics`: what syscard knows in Prometheus's text format. The one module that imports its library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from syscard.errors import MissingExtra, NothingDeclared, RecordsError
from syscard.metrics import METRICS, Sample, by_metric, of_view
from syscard.views import read_view, systems

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
except ImportError as error:
    raise MissingExtra("server", "metrics") from error

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MOST_SYSTEMS: Final = 50
"""Systems of one home that have series."""


def exposition(records: Path, now: datetime, health: Mapping[str, Any], counts: Mapping[tuple[str, str], int]) -> bytes:
    """All metrics as text.

    Args:
        records: the file of the records.
        now: what ages are counted to.
        health: as `/healthz` says it.
        counts: (`stored` or `refused`, signal) -> spans since the process began.
    """
    return _text([*_of_process(health, counts), *_of_systems(records, now)])


def _of_process(health: Mapping[str, Any], counts: Mapping[tuple[str, str], int]) -> Iterator[Sample]:
    names = {"stored": "syscard_spans_received_total", "refused": "syscard_spans_refused_total"}
    for (what, signal), count in sorted(counts.items()):
        yield Sample(names[what], (signal,), count)
    yield Sample("syscard_inbox_pending", (), max(0, health["pending"]))
    yield Sample("syscard_taking_spans", (), float(health["ok"]))


def _of_systems(records: Path, now: datetime) -> list[Sample]:
    """Of every system; records that cannot be read are a metric, too, and not the end of all others."""
    try:
        refs = systems(records)[:MOST_SYSTEMS]
        found = [sample for ref in refs for sample in of_view(read_view(records, ref), now)]
    except NothingDeclared:
        found = []
    except RecordsError:
        return [Sample("syscard_records_readable", (), 0)]
    return [*found, Sample("syscard_records_readable", (), 1)]


class _Collector:
    """Samples that are there already, as the library wants them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = by_metric(samples)

    def collect(self) -> Iterator[Metric]:
        """Every metric, also one without a series: a page that is read by people lists them all."""
        for name, samples in self._samples.items():
            described = METRICS[name]
            family = _FAMILIES[described.kind](name, described.says, labels=described.labels)
            for sample in samples:
                family.add_metric(sample.labels, sample.value)
            yield family


_FAMILIES: Final[dict[str, Any]] = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


def _text(samples: Iterable[Sample]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(samples))
    return generate_latest(registry)
