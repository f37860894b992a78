"""The recordings that ship: what they must be to be judged by, and that every fault in them really broke something."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml
from scipy.stats import fisher_exact

from syscard_configs import names, read_bytes, read_text
from tests.functional.helpers import recorded_lines, spans_of

LABELS: dict[str, dict[str, Any]] = {label["file"]: label for label in yaml.safe_load(read_text("demo", "labels.yaml"))}
FAULTS = [name for name, label in LABELS.items() if label["kind"] == "fault"]
LOOK_ALIKES = [name for name, label in LABELS.items() if label["kind"] == "look-alike"]
BANDS = {"19-24", "25-34", "35-44", "45-54", "55-64", "65+"}
PARTS = {"cf", "vlm", "llm", "agent"}
Values = dict[str, list[float]]
pytestmark = pytest.mark.xdist_group("recordings")


@dataclass(frozen=True)
class Summary:
    """What is asked of one recording; the spans themselves are too many to keep."""

    ids: tuple[tuple[str, str], ...]
    requests: tuple[dict[str, Any], ...]
    feedback: tuple[dict[str, Any], ...]
    values: Values
    """Field -> its values, as signals name it."""


@cache
def summary(name: str) -> Summary:
    ids: list[tuple[str, str]] = []
    asked: list[dict[str, Any]] = []
    came: list[dict[str, Any]] = []
    values: Values = defaultdict(list)
    for line in recorded_lines(name):
        for span in spans_of(json.loads(line)):
            span["attributes"] = {a["key"]: plain(a["value"]) for a in span.get("attributes", ())}
            ids.append((span["traceId"], span["spanId"]))
            component = span["attributes"].get("syscard.component", "")
            for field, value in fields(span, component):
                values[f"{component}.{field}".removeprefix(".")].append(float(value))
            if "parentSpanId" not in span:
                (asked if component == "agent" else came).append(span)
    return Summary(tuple(ids), tuple(asked), tuple(came), values)


def plain(value: dict[str, Any]) -> Any:
    ((kind, found),) = value.items()
    if kind == "arrayValue":
        return [plain(item) for item in found.get("values", ())]
    return int(found) if kind == "intValue" else found


def fields(span: dict[str, Any], component: str) -> Iterator[tuple[str, float]]:
    attributes = span["attributes"]
    if not component:
        yield "accepted", attributes["syscard.feedback.accepted"]
        return
    yield "latency_ms", (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
    yield "error", span["status"].get("code") == 2
    if f"syscard.{component}.fallback" not in attributes:
        yield "fallback", False
    yield "gen_ai.output.messages.pii", "@" in attributes.get("gen_ai.output.messages", "")
    for key, value in attributes.items():
        if isinstance(value, bool | int | float):
            yield key.removeprefix(f"syscard.{component}.").removeprefix("gen_ai.usage."), value


def level(name: str, field: str) -> float:
    if field.endswith(".calls"):
        component = field.removesuffix(".calls")
        return len(summary(name).values[f"{component}.latency_ms"]) / len(summary(name).requests)
    found = summary(name).values[field]
    return sum(found) / len(found)


def test_there_are_two_whole_days_and_three_hundred_requests_of_everything_else() -> None:
    assert {len(summary(name).requests) for name in ("normal", "normal-again")} == {2_000}
    assert {name: len(summary(name).requests) for name in (*FAULTS, *LOOK_ALIKES)} == dict.fromkeys(
        (*FAULTS, *LOOK_ALIKES), 300
    )
    assert (len(FAULTS), len(LOOK_ALIKES)) == (20, 3)
    assert {f"{name}.otlp.jsonl.xz" for name in LABELS} == {name for name in names("demo") if name.endswith(".xz")}


def test_they_are_small_enough_to_ship() -> None:
    assert sum(len(read_bytes("demo", f"{name}.otlp.jsonl.xz")) for name in LABELS) < 6_000_000


def test_every_id_is_there_once() -> None:
    every = [pair for name in LABELS for pair in summary(name).ids]
    assert len({span for _, span in every}) == len(every)
    traces = Counter(trace for name in LABELS for trace in {trace for trace, _ in summary(name).ids})
    assert max(traces.values()) == 1


@pytest.mark.parametrize("name", LABELS)
def test_every_request_has_feedback_later_and_a_group(name: str) -> None:
    asked = {span["spanId"]: span for span in summary(name).requests}
    for span in summary(name).feedback:
        request = asked.pop(span["links"][0]["spanId"])
        assert int(span["startTimeUnixNano"]) > int(request["endTimeUnixNano"])
        assert span["attributes"]["syscard.user.segment"] == request["attributes"]["syscard.user.segment"]
        assert request["attributes"]["syscard.user.segment"] in BANDS
    assert asked == {}


def test_a_normal_day_has_a_rhythm() -> None:
    hours = Counter(int(span["startTimeUnixNano"]) // 3_600_000_000_000 % 24 for span in summary("normal").requests)
    assert min(hours[h] for h in (19, 20)) > 8 * max(hours[h] for h in (2, 3))


def test_what_ships_says_nothing_of_the_truth_the_machine_or_people() -> None:
    for name in LABELS:
        text = b"\n".join(recorded_lines(name)).decode()
        assert not re.search(r"stacktrace|site-packages|/(?:home|root|tmp|usr)/", text), name
        assert not [word for word in LABELS if f'"{word}"' in text]
        assert set(re.findall(r"[\w.]@([\w.]*\w)", text)) == ({"mail.example"} if name == "personal-data" else set())


def effect(name: str, field: str) -> float:
    """Cohen's (1988) d of a field against the normal day: difference of means in pooled standard deviations."""
    before, now = (per_request(which, field) for which in ("normal", name))
    spread = math.sqrt((statistics.pvariance(before) + statistics.pvariance(now)) / 2)
    difference = statistics.fmean(now) - statistics.fmean(before)
    return difference / spread if spread else math.copysign(math.inf, difference) if difference else 0.0


def per_request(name: str, field: str) -> list[float]:
    if not field.endswith(".calls"):
        return summary(name).values[field]
    return [level(name, field)]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_moved_what_the_labels_say_and_not_by_chance(name: str) -> None:
    """By 0.3 of what a signal varies by anyhow: five standard errors. On the other normal day, by less than half."""
    for signal in LABELS[name]["signals"]:
        field, direction = signal.split()
        moved = effect(name, field) * {"up": 1, "down": -1}[direction]
        assert moved > 0.3, (signal, moved)
        assert field == "cf.data.age_days" or abs(effect("normal-again", field)) < 0.14, signal


@pytest.mark.parametrize("name", [*FAULTS, *LOOK_ALIKES, "normal-again"])
def test_the_labels_name_all_that_changed_and_nothing_else(name: str) -> None:
    fields = [f for f in summary("normal").values if f in summary(name).values and not f.endswith("data.age_days")]
    changed = {f.partition(".")[0] for f in [*fields, *(f"{c}.calls" for c in PARTS)] if abs(effect(name, f)) >= 0.3}
    label = LABELS[name]
    assert changed & PARTS - {*label.get("parts", ())} == {*label.get("inherits", ())}
    assert {*label.get("parts", ())} <= changed


@pytest.mark.parametrize("name", ["normal-again", *LOOK_ALIKES])
def test_nothing_is_broken_in_a_look_alike(name: str) -> None:
    for field, most in (
        ("vlm.agrees", 0.03), ("vlm.confidence", 0.03), ("llm.rationale.grounded", 0.06), ("llm.error", 0.01),
        ("cf.known_user", 0.05), ("llm.rationale.english", 0.03), ("cf.calls", 0.0),
    ):  # fmt: skip
        assert level(name, field) == pytest.approx(level("normal", field), abs=most), field
    # Data are a day or two older than in the baseline, as they are in life.
    assert level(name, "cf.data.age_days") in (2, 3)


def test_the_figure_beside_the_claim_on_grounding_is_the_normal_days() -> None:
    values = summary("normal").values["llm.rationale.grounded"]
    stated = f"({sum(value >= 0.6 for value in values) / len(values):.0%} of its reasons reach 0.6)".replace("%", " %")
    assert stated in read_text("examples", "recommender.yaml")


def test_in_another_mix_of_customers_each_group_takes_what_it_took() -> None:
    """Fisher's exact test of each group against both normal days, Bonferroni over the groups."""
    for band in BANDS:
        usual = [*taken("normal", band), *taken("normal-again", band)]
        other = taken("new-customer-mix", band)
        table = [[sum(found), len(found) - sum(found)] for found in (usual, other)]
        assert fisher_exact(table).pvalue > 0.01 / len(BANDS), band
    young = sum(len(taken("new-customer-mix", band)) for band in ("19-24", "25-34"))
    assert young > 3 * sum(len(taken("more-traffic", band)) for band in ("19-24", "25-34"))


def taken(name: str, band: str) -> list[bool]:
    found = [span["attributes"] for span in summary(name).feedback]
    return [a["syscard.feedback.accepted"] for a in found if a["syscard.user.segment"] == band]


def test_machine_load_is_no_difference_between_recordings() -> None:
    """The recommender has nothing to do with most faults: it took as long in every recording."""
    alike = [name for name in LABELS if name not in ("picture-injection", "verbose-pictures")]
    medians = {name: statistics.median(summary(name).values["cf.latency_ms"]) for name in alike}
    slow = medians.pop("slow-recommender")
    assert slow > 800
    assert max(medians.values()) < 2.5 * min(medians.values()), medians


def test_what_suits_fewer_is_taken_up_less() -> None:
    usual = level("normal", "accepted")
    assert 0.15 < usual < 0.4
    assert level("aged-recommender", "accepted") < usual - 0.05
    assert level("sale-week", "accepted") > usual
