"""In the worker process: one Evidently report of everything that was asked, as HTML and as figures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from syscard_monitors.drift import engine
from syscard_monitors.drift.asked import ByPurchase, Comparison, Drifted, MadeReport, Ranking, ReportAsked
from syscard_monitors.drift.ordering import in_order, standing_out

_DATA: Final = re.compile(r"var (metric_[0-9a-f]{32}) = ")
_ID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def make(asked: ReportAsked) -> MadeReport:
    """The report.

    Raises:
        MissingExtra: Evidently is not installed.
        MonitorError: Evidently could not make it.
    """
    with engine.refusing(asked.title) as found:
        from evidently.core.metric_types import render_widgets
        from evidently.legacy.renderers.html_widgets import group_widget, header_text

        widgets, metrics = [header_text(label=asked.title)], []
        signals: dict[str, Drifted] = {}
        rankings = {}
        if asked.comparisons:
            told, signals, shown = _of_signals(found, asked.comparisons)
            metrics += told
            widgets += [_overview(asked.comparisons, signals), group_widget(title="Signals", widgets=shown)]
        for ranking in asked.rankings:
            snapshots = list(_of_ranking(found, ranking))
            rankings[ranking.component] = _figures(snapshots, ranking.k)
            metrics += [metric for snapshot in snapshots for metric in snapshot.dict()["metrics"]]
            shown = [widget for snapshot in snapshots for widget in snapshot._widgets]
            widgets.append(group_widget(title=f"Lists of {ranking.component}", widgets=shown))
        usual = {ranking.component: _figures(_of_ranking(found, ranking), ranking.k) for ranking in asked.usual}
        html = _settled(render_widgets(widgets))
        plain = tuple(_plain(metric) for metric in metrics)
    return MadeReport(f"evidently {found.core.__version__}", html, plain, signals, rankings, usual)


def _overview(comparisons: Sequence[Comparison], signals: Mapping[str, Drifted]) -> Any:
    """All signals in a table, before the pictures."""
    from evidently.legacy.renderers.html_widgets import table_data

    rows = [
        (c.key, f"{one.now:.4g}", f"{one.before:.4g}", c.figure.replace("_", " "), c.method, f"{one.score:.2g}",
         f"{'above' if c.is_distance else 'below'} {c.threshold:.2g}", "yes" if c.is_drift(one.score) else "-")
        for c in in_order(comparisons, signals)
        for one in (signals[c.key],)
    ]  # fmt: skip
    count, first = sum(c.is_drift(signals[c.key].score) for c in comparisons), len(standing_out(comparisons, signals))
    names = ("signal", "now", "before", "figure", "method", "value", "drifted where", "drifted")
    return table_data(
        title=f"{count} of {len(rows)} signals drifted, {first} stand out among so many", column_names=names, data=rows
    )


def _of_signals(
    found: engine.Evidently, comparisons: Sequence[Comparison]
) -> tuple[list[dict[str, Any]], dict[str, Drifted], list[Any]]:
    """What Evidently tells of the signals, the figures of each, and what is shown of one after another."""
    from syscard_monitors.drift.behaviour import Behaviour

    named = {c.key: c for c in comparisons}
    own = [Behaviour(column=c.key, figure=c.figure) for c in comparisons]
    drift = found.drift_metrics(named)
    snapshot = found.run(named, [*drift, *own])
    metrics = snapshot.dict()["metrics"]
    told = [float(metric["value"]) for metric in metrics]
    before = [snapshot.context.get_reference_metric_result(metric.metric_id).value for metric in own]
    n = len(comparisons)
    figures = zip(comparisons, told[:n], told[n:], before, strict=True)
    signals = {c.key: Drifted(score, now, float(then)) for c, score, now, then in figures}
    pairs = {c.key: pair for c, *pair in zip(comparisons, drift, own, strict=True)}
    results = snapshot.metric_results
    shown = [
        widget
        for comparison in in_order(comparisons, signals)
        for metric in pairs[comparison.key]
        for widget in results[metric.metric_id].get_widgets()
    ]
    return metrics, signals, shown


def _figures(snapshots: Iterable[Any], k: int) -> dict[str, float]:
    return {name: value for snapshot in snapshots for name, value in _at_k(snapshot, k).items()}


def _of_ranking(found: engine.Evidently, ranking: Ranking) -> Iterator[Any]:
    """A report on the lists; and one on Serendipity, for which what was trained on is what each one took before."""
    from evidently.core.datasets import Recsys

    features = _feature_names(ranking)
    described = [(*row, *ranking.features.get(row.item, ())) for row in ranking.items]
    frame = found.pandas.DataFrame(described, columns=["request", "item", "rank", "taken", *features])
    recsys = Recsys(user_id="request", item_id="item", target="taken", prediction="rank", recommendations_type="rank")
    definition = found.core.DataDefinition(ranking=[recsys], numerical_columns=["rank", "taken", *features])
    data = found.core.Dataset.from_pandas(frame, definition)

    def report(metrics: list[Any], known: Sequence[ByPurchase]) -> Any:
        taken = [(p.user, p.item, *ranking.features.get(p.item, ())) for p in known]
        train = found.pandas.DataFrame(taken, columns=["request", "item", *features])
        more = {"current_train_data": train} if known else None
        return found.core.Report(metrics).run(data, None, additional_data=more)

    yield report(list(_ranking_metrics(found.metrics, ranking)), ranking.trained_on)
    if ranking.histories:
        yield report([found.metrics.Serendipity(k=ranking.k, item_features=features)], ranking.histories)


def _feature_names(ranking: Ranking) -> list[str]:
    wide = max((len(row) for row in ranking.features.values()), default=0)
    return [f"feature {i}" for i in range(wide)]


def _ranking_metrics(metrics: Any, ranking: Ranking) -> Iterator[Any]:
    """Single metrics: the preset always adds a distribution of scores, which refuses ranks."""
    for accuracy in (metrics.NDCG, metrics.MAP, metrics.HitRate, metrics.MRR) if ranking.accurate else ():
        yield accuracy(k=ranking.k, no_feedback_users=True)  # requests of which nothing was taken count as misses
    if ranking.even:
        yield metrics.Personalization(k=ranking.k)
    if ranking.trained_on:
        yield metrics.PopularityBiasMetric(k=ranking.k, metric="arp")
        yield metrics.Novelty(k=ranking.k)
    if ranking.trained_on and ranking.features:
        yield metrics.Diversity(k=ranking.k, item_features=_feature_names(ranking))


def _at_k(snapshot: Any, k: int) -> dict[str, float]:
    """Each metric's value over the first `k` places.

    Those that are told place by place are taken by their order: Evidently numbers the places of some from 2.
    """
    found = {}
    for metric in snapshot.dict()["metrics"]:
        name, value = metric["metric_name"].partition("(")[0], metric["value"]
        found[name] = float(list(value["value"].values())[k - 1] if isinstance(value, Mapping) else value)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _plain(value: Any) -> Any:
    """Figures as JSON has them: one that is none is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return float(value) if math.isfinite(value) else None


def _settled(html: str) -> str:
    """The page with its data made safe, and the same file for the same figures.

    Names of categories come from spans, and Evidently writes them between script tags as they are: one that closes the
    tag would run. Ids that it draws at random are numbered in their order.
    """
    begins = _DATA.search(html)
    if begins is None:
        raise ValueError("its page holds no data")
    # The root element's name was drawn at random: no span can have known it.
    start, root = begins.start(), html.index(f'<div id="root_{begins[1]}">')
    end = html.rindex("</script>", start, root)
    data = html[start:end].replace("<", "\\u003c")
    ids = {name: f"00000000-0000-7000-8000-{n:012x}" for n, name in enumerate(dict.fromkeys(_ID.findall(data)))}
    data = _ID.sub(lambda match: ids[match[0]], data)
    return (html[:start] + data + html[end:]).replace(begins[1], "metric_" + "0" * 32)
