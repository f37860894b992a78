"""The adapter to the real Evidently, which takes seconds to import: one worker for all tests, here and nowhere else."""

from __future__ import annotations

import math
import os
import random
import signal as signals
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats as scipy

from syscard.card import Card
from syscard.edits import SetBaseline
from syscard.errors import MonitorError, UsageError
from syscard_monitors import stats
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import measure_baseline, references, signal_values
from syscard_monitors.drift import (
    ByPurchase,
    Comparison,
    DriftWorker,
    Method,
    RankedItem,
    Ranking,
    ReportAsked,
    two_samples,
)
from syscard_monitors.edetector import counts, grid_of_categories, grid_of_numbers
from syscard_monitors.fairness import disparities
from syscard_monitors.groups import GroupMetric, over_days, with_requests
from syscard_monitors.judge import Measured, measure
from syscard_monitors.look import Stretch
from syscard_monitors.plan import Plan
from syscard_monitors.reference import Reference
from syscard_monitors.reports import Asked, make
from tests.unit.build import NOW, declared
from tests.unit.monitors.build import card_of, plan, request, signal

# One worker, so one process: never spread over several.
pytestmark = pytest.mark.xdist_group("evidently")
DRAW = random.Random(7)
SMALL = [DRAW.gauss(0, 1) for _ in range(20)]
LARGE = [DRAW.gauss(0.4, 1) for _ in range(217)]
TIED = [float(round(v)) for v in LARGE]
LABELS = [DRAW.choice("abc") for _ in range(40)], [DRAW.choice("abcd") for _ in range(200)]
BITS = [float(DRAW.random() < 0.3) for _ in range(40)], [float(DRAW.random() < 0.8) for _ in range(200)]


@pytest.fixture(scope="module")
def worker() -> Iterator[DriftWorker]:
    found = DriftWorker()
    found.warm()
    yield found
    found.close()


def compare(key: str, method: Method, current: Sequence[Any], reference: Sequence[Any]) -> Comparison:
    return Comparison(key, method, 0.001, tuple(reference), tuple(current))


def table(current: Sequence[Any], reference: Sequence[Any]) -> list[list[int]]:
    levels = sorted({*current, *reference})
    return [[Counter(s)[k] for k in levels] for s in (reference, current)]


def test_a_worker_that_was_killed_is_an_error_once_and_starts_again(worker: DriftWorker) -> None:
    """First, while it is still importing: so Evidently is imported to the end only once."""
    process = worker._process
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, 9)
    process.join()
    worker.warm()  # nobody asked anything: whoever does next hears of it
    with pytest.raises(MonitorError, match="the drift worker died"):
        worker.p_values([compare("k", "ks", SMALL, SMALL)])
    assert worker.p_values([compare("k", "ks", SMALL, SMALL)]) == {"k": pytest.approx(1.0)}


def test_a_worker_that_hangs_is_given_up_and_ended_and_whoever_waits_is_seen_to_wait() -> None:
    waited: list[int] = []
    hanging = DriftWorker(lambda: waited.append(1), timeout_s=2.5)
    hanging.warm()
    process = hanging._process
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, signals.SIGSTOP)
    with pytest.raises(MonitorError, match=r"no answer for 2\.5 s"):
        hanging.p_values([compare("k", "ks", SMALL, SMALL)])
    assert process.exitcode == -signals.SIGKILL
    assert waited


def test_a_worker_is_refused_memory_beyond_its_limit() -> None:
    code = "from syscard_monitors.drift.worker import stay_small; stay_small(); bytearray(5 * 2**30)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stderr.splitlines()[-1] == "MemoryError"


def test_several_comparisons_of_different_lengths_in_one_call_have_scipy_s_p_values(worker: DriftWorker) -> None:
    found = worker.p_values(
        [
            compare("ks", "ks", SMALL, LARGE),
            compare("tied", "ks", TIED[:33], TIED),
            compare("chi2", "syscard_chi2", *LABELS),
            compare("fisher", "syscard_fisher", *BITS),
        ]
    )
    expected = {
        "ks": scipy.ks_2samp(LARGE, SMALL).pvalue,
        "tied": scipy.ks_2samp(TIED, TIED[:33]).pvalue,
        "chi2": scipy.chi2_contingency(table(*LABELS), correction=False).pvalue,
        "fisher": scipy.fisher_exact(table(*BITS)).pvalue,
    }
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert found["fisher"] < 1e-6 < found["tied"]


def test_a_test_that_is_asked_without_a_report_has_the_p_value_of_evidently(worker: DriftWorker) -> None:
    asked = [
        compare("ks", "ks", SMALL, LARGE),
        compare("limit", "syscard_ks", TIED[:33], TIED),
        compare("chi2", "syscard_chi2", *LABELS),
        compare("fisher", "syscard_fisher", *BITS),
    ]
    assert two_samples.p_values(asked) == pytest.approx(worker.p_values(asked), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("method", ["syscard_chi2", "syscard_fisher"])
def test_samples_of_one_and_the_same_level_are_no_evidence(worker: DriftWorker, method: Method) -> None:
    values: list[Any] = ["a"] * 9 if method == "syscard_chi2" else [1.0] * 9
    assert worker.p_values([compare("k", method, values, values * 3)]) == {"k": 1.0}


def test_the_number_of_the_hot_path_is_the_number_of_evidently(worker: DriftWorker) -> None:
    grid, names = grid_of_numbers(LARGE, 16), grid_of_categories(LABELS[1])
    found = worker.p_values(
        [
            compare("ks", "syscard_ks", SMALL, LARGE),
            replace(compare("psi", "syscard_psi", SMALL, LARGE), grid=grid),
            replace(compare("js", "syscard_js", SMALL, LARGE), grid=grid),
            replace(compare("named psi", "syscard_psi", *LABELS), grid=names),
            replace(compare("named js", "syscard_js", *LABELS), grid=names),
        ]
    )
    expected = Reference(tuple(sorted(LARGE))).with_mix_of([""] * len(SMALL))
    distance = stats.ks_distance(SMALL, expected.below, expected.up_to)
    cells = [counts(grid, values) for values in (SMALL, LARGE)]
    named = [counts(names, values) for values in LABELS]
    hot = {
        "ks": scipy.kstwo.sf(distance, round(len(SMALL) * len(LARGE) / (len(SMALL) + len(LARGE)))),
        "psi": stats.psi(*cells),
        "js": stats.jensen_shannon(*cells),
        "named psi": stats.psi(*named),
        "named js": stats.jensen_shannon(*named),
    }
    assert found == pytest.approx(hot, rel=1e-12, abs=1e-12)


def test_the_worker_s_process_reaches_no_network() -> None:
    code = (
        "import socket; from syscard_monitors.drift.worker import stay_offline\n"
        "near, far = socket.socketpair(); stay_offline(); near.send(b'x'); assert far.recv(1) == b'x'\n"
        "for reach in (socket.create_connection, lambda to: socket.getaddrinfo(*to)):\n"
        "    try: reach(('127.0.0.1', 9))\n"
        "    except PermissionError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.count("reaches no network") == 2


def test_the_key_of_a_signal_may_hold_anything(worker: DriftWorker) -> None:
    keys = ["vlm->llm.grounded", "a b", "ünï"]
    assert worker.p_values([compare(k, "ks", SMALL, SMALL) for k in keys]).keys() == set(keys)


def test_nothing_to_compare_asks_nobody() -> None:
    assert DriftWorker().p_values([]) == {}


def test_evidently_is_not_imported_where_the_monitors_are() -> None:
    code = (
        "import sys, syscard_monitors.watch, syscard_monitors.drift;"
        "print(*{m.split('.')[0] for m in sys.modules} & {'evidently', 'pandas', 'scipy', 'transformers', 'langchain'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_a_comparison_that_evidently_refuses_is_an_error_and_the_next_one_works(worker: DriftWorker) -> None:
    with pytest.raises(MonitorError, match=r"Evidently could not compare \['empty'\]"):
        worker.p_values([compare("empty", "ks", (), SMALL)])
    assert worker.p_values([compare("k", "ks", SMALL, SMALL)]) == {"k": pytest.approx(1.0)}


def asked_report() -> tuple[Plan, Card, Stretch]:
    """Forty requests of signals of every kind, against sixty."""
    signals = (
        signal(),
        signal("rate", name="error", expr="vlm.error", min_n=20),
        signal("number", name="score", expr="vlm.score"),
        signal("ratio", name="tokens", expr="vlm.score"),
        signal("latency", name="latency", expr="vlm.latency_ms"),
        signal("category", name="category", expr="vlm.category"),
        signal("volume", name="volume", about="agent"),
        signal(name="optional", expr="vlm.gone", optional=True),
        signal(name="gone", expr="vlm.gone"),
    )
    draw = random.Random(3)

    def made(n: int, names: str, first: int = 0) -> tuple[Request, ...]:
        return tuple(
            request(
                first + i,
                {
                    "vlm.agrees": draw.random() < 0.5, "vlm.error": draw.random() < 0.1, "vlm.score": draw.gauss(9, 1),
                    "vlm.latency_ms": draw.gauss(99, 9), "vlm.category": f"</script>{draw.choice(names)}",
                },
            )
            for i in range(n)
        )  # fmt: skip

    before, now = made(60, "ab"), made(40, "bc", 60)
    values = {
        s.key: (sorted(v for v in found if v is not None) if (found := signal_values(s, before, None)) else [])
        for s in signals
    }
    kept = {"signals": values, "per_minute": 20.0}
    set_ = SetBaseline(
        name="launch", start=NOW, end=NOW, requests=60, data_digest="d" * 64, approved_by="me", agreement_p=None,
        watched=(), too_constant=(),
    )  # fmt: skip
    card = card_of().model_copy(update={"baseline": set_})
    return plan(*signals, references=references(kept)), card, Stretch(now, ())


def test_a_report_tells_of_every_signal_what_the_monitors_would(worker: DriftWorker) -> None:
    watched, card, found = asked_report()
    made = make(watched, card, found, Asked(), worker)
    rows = {row["signal"]: row for row in made.document["signals"]}
    assert {key: row["method"] for key, row in rows.items()} == {
        "vlm.agrees": "syscard_fisher",
        "vlm.error": "syscard_fisher",
        "vlm.score": "syscard_ks",
        "vlm.tokens": "syscard_ks",
        "vlm.latency": "syscard_ks",
        "vlm.category": "syscard_chi2",
        "agent.volume": "syscard_ks",
    }
    for one in watched.signals:
        if one.key in rows and one.kind not in ("category", "volume"):
            values = signal_values(one, found.requests, None)
            measured = measure(one, values, (watched.references or {})[one.key])
            assert isinstance(measured, Measured)
            told = rows[one.key]["now"], rows[one.key]["before"]
            assert told == pytest.approx((measured.value, measured.reference), rel=1e-12), one.key
    assert rows["vlm.category"]["drifted"] is True
    assert made.document["missing"] == {"vlm.gone": "needs n 20 in the baseline, has 0"}
    assert len(made.document["evidently"]) == 2 * len(rows), "Evidently tells it all: the method and the own figure"


def test_the_same_requests_make_the_same_files_and_no_name_of_a_category_ends_a_script(worker: DriftWorker) -> None:
    watched, card, found = asked_report()
    first, second = (make(watched, card, found, Asked(by="js"), worker) for _ in range(2))
    assert (first.html, first.json) == (second.html, second.json)
    assert b"</script>b" not in first.html
    assert b"\\u003c/script>b" in first.html
    drifted = [row["signal"] for row in first.document["signals"] if row["drifted"]]
    other = [row["signal"] for row in first.document["signals"] if not row["drifted"]]
    page = first.html.decode()
    titles = [page.index(f"Drift in column '{key}'") for key in (*drifted, *other)]
    assert titles == sorted(titles), "what drifted comes first"
    assert f"{len(drifted)} of {len(titles)} signals drifted" in page[: titles[0]]
    assert "against baseline" in page[: titles[0]]
    assert {row["method"] for row in first.document["signals"]} == {"syscard_js"}


def serendipity(
    rows: Sequence[RankedItem], histories: Sequence[ByPurchase], described: Mapping[int, tuple[float, ...]]
) -> float:
    """How unlike what one had taken before was what one took: 1 less the cosine, mean over all pairs of each list."""

    def unlike(one: tuple[float, ...], other: tuple[float, ...]) -> float:
        return 1 - sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))

    of_lists = []
    for taken in (row for row in rows if row.taken):
        before = [p.item for p in histories if p.user == taken.request]
        if before:
            of_lists.append(sum(unlike(described[taken.item], described[i]) for i in before) / len(before))
    return sum(of_lists) / len(of_lists)


def test_ranking_metrics_are_what_their_definitions_say(worker: DriftWorker) -> None:
    draw = random.Random(11)
    ranks = [draw.choice((0, 1, 2, 3, 4, 5)) for _ in range(40)]  # 0: nothing was taken
    rows = [
        RankedItem(i, draw.randrange(1000), rank, int(rank == taken))
        for i, taken in enumerate(ranks)
        for rank in range(1, 6)
    ]
    trained = tuple(ByPurchase(user, row.item) for row in rows for user in range(3))
    described = {row.item: (draw.random(), draw.random()) for row in rows}
    asked = [
        Ranking("cf", 5, tuple(rows), trained_on=trained, features=described),
        Ranking("agent", 3, tuple(rows), accurate=False),
    ]
    histories = tuple(
        ByPurchase(i, rows[(7 * i + j) % len(rows)].item) for i in range(0, 40, 2) for j in range(1 + i % 3)
    )
    asked[0] = replace(asked[0], histories=histories)
    made = worker.report(ReportAsked("lists", (), tuple(asked), (asked[1],)))
    found = made.rankings
    assert made.usual == {"agent": found["agent"]}, "the baseline's lists are measured alike"
    hits = [rank for rank in ranks if rank]
    hot = {
        "HitRate": len(hits) / 40,
        "MRR": sum(1 / rank for rank in hits) / 40,
        "MAP": sum(1 / rank for rank in hits) / 40,
        "NDCG": sum(1 / math.log2(1 + rank) for rank in hits) / 40,
        "PopularityBiasMetric": 3.0,
    }
    assert {name: found["cf"][name] for name in hot} == pytest.approx(hot, rel=1e-12)
    assert found["cf"].keys() - hot == {"Personalization", "Novelty", "Diversity", "Serendipity"}
    assert found["cf"]["Serendipity"] == pytest.approx(serendipity(rows, histories, described), rel=1e-9)
    assert found["agent"].keys() == {"Personalization"}


def requests() -> tuple[Request, ...]:
    return tuple(request(i, {"vlm.agrees": i % 15 > 0, "vlm.score": i % 7, "vlm.flat": 0.5}) for i in range(60))


def test_a_baseline_keeps_every_signal_s_values_and_says_how_its_halves_agree(worker: DriftWorker) -> None:
    signals = [
        signal(),
        signal("number", name="score", expr="vlm.score"),
        signal("number", name="flat", expr="vlm.flat"),
        signal("volume", name="volume", about="agent"),
        signal(name="gone", expr="vlm.gone"),
    ]
    found = measure_baseline(declared(), signals, requests())
    assert found.watched == ("agent.volume", "vlm.agrees", "vlm.flat", "vlm.score")
    assert found.too_constant == ("vlm.flat",)
    assert found.requests == 60
    assert found.values["per_minute"] == pytest.approx(20)
    assert found.agreement_p is not None
    assert 0.1 < found.agreement_p <= 1
    read = references(found.values)
    assert read["vlm.agrees"].values == (0.0,) * 4 + (1.0,) * 56
    assert read["agent.volume"].per_minute == pytest.approx(20)


def test_a_baseline_whose_halves_differ_says_so() -> None:
    unlike = tuple(request(i, {"vlm.agrees": i // 3 % 2}) for i in range(60))
    assert (measure_baseline(declared(), [signal()], unlike).agreement_p or 0) < 1e-6


def test_a_baseline_of_no_requests_is_refused() -> None:
    with pytest.raises(UsageError, match="no complete request in that time"):
        measure_baseline(declared(), [signal()], ())


@pytest.mark.endurance
def test_groups_are_compared_in_the_worker_as_anywhere(worker: DriftWorker) -> None:
    metric = GroupMetric("vlm.agrees", "vlm", "agrees", "vlm.agrees", "share")
    requests = [request(i, {"segment.age_band": "ab"[i % 2], "vlm.agrees": i % 3 > 0}) for i in range(200)]
    sums = over_days(with_requests({}, [metric], ["age_band"], requests).values())
    assert worker.disparities([metric], sums, ["age_band"]) == disparities([metric], sums, ["age_band"])
