from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from syscard.errors import UsageError
from syscard.system import System
from syscard_configs import names, read_text
from syscard_monitors.packs import Signal, load_packs, read_pack, signals_for
from tests.unit.build import declared

OURS = [n.removesuffix(".yaml") for n in names("packs")]


def signals(*packs: str, folder: Path | None = None, **monitors: Any) -> dict[str, Signal]:
    system = declared(monitors={"packs": list(packs), **monitors})
    return {s.key: s for s in signals_for(system, load_packs(packs, folder))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's pack of signals of language models: one of ours changed, one of its own."""
    (tmp_path / "llm.yaml").write_text(
        """
pack: llm
applies_to: {kind: llm}
defaults: {min_n: 50}
signals:
  - {name: words, label: length, expr: "{c}.rationale.words", kind: ratio, tolerance: 2.0}
  - {name: polite, label: polite, expr: "{c}.polite", kind: share, direction: down, tolerance: 0.1}
"""
    )
    (tmp_path / "mine.yaml").write_text(
        "{pack: mine, signals: [{name: own, label: own, expr: '{c}.own', kind: rate, tolerance: 0.1}]}"
    )
    return tmp_path


@pytest.mark.parametrize("name", OURS)
def test_every_pack_that_ships_is_one_and_is_called_as_its_file(name: str) -> None:
    assert read_pack(read_text("packs", f"{name}.yaml"), name).pack == name


@pytest.mark.parametrize("name", OURS)
def test_every_signal_that_ships_says_in_one_sentence_what_it_means_when_it_moves(name: str) -> None:
    for signal in read_pack(read_text("packs", f"{name}.yaml"), name).signals:
        assert re.fullmatch(r"[A-Z][^.]{20,150}\.", signal.says), signal.name


def test_a_signal_is_looked_into_by_who_owns_the_part_that_it_is_about() -> None:
    body = declared().body()
    body["components"]["vlm"]["owner"] = "catalogue"
    body["interactions"]["cf->vlm"]["owner"] = "integration"
    found = {s.key: s.owner for s in signals_for(System.model_validate(body), load_packs(["interactions"]))}
    assert (found["vlm.error"], found["llm.error"]) == ("catalogue", "discovery")
    assert (found["cf->vlm.offered"], found["vlm->llm.grounded"]) == ("integration", "discovery")


def test_a_pack_may_name_who_looks_into_its_signals(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        """
pack: mine
defaults: {owner: safety}
signals:
  - {name: one, label: one, expr: "{c}.one", kind: rate, tolerance: 0.1}
  - {name: two, label: two, expr: "{c}.two", kind: rate, tolerance: 0.1, owner: legal}
"""
    )
    found = signals("mine", folder=tmp_path)
    assert (found["llm.one"].owner, found["llm.two"].owner, found["llm.error"].owner) == (
        "safety",
        "legal",
        "discovery",
    )


def test_what_a_user_s_signal_does_not_say_of_its_meaning_stays_as_ours_says_it(folder: Path) -> None:
    ours, merged = signals("llm"), signals("llm", folder=folder)
    assert merged["llm.words"].says == ours["llm.words"].says
    assert merged["llm.polite"].says == ""


def test_the_common_pack_watches_every_component_without_being_named() -> None:
    found = signals()
    assert {s.about for s in found.values()} == {"cf", "vlm", "llm", "agent"}
    assert found["llm.latency"].expr == "llm.latency_ms"


def test_a_pack_watches_components_of_its_kind() -> None:
    assert {s.about for k, s in signals("llm").items() if k not in signals()} == {"llm"}


def test_a_pack_of_edges_watches_edges_between_the_right_kinds() -> None:
    edges = {k: s.expr for k, s in signals("interactions").items() if "->" in k}
    assert edges["vlm->llm.grounded"] == "llm.rationale.grounded"
    assert edges["cf->vlm.offered"] == "vlm.item.id not in cf.items"
    assert not {"cf->vlm.grounded", "vlm->llm.offered"} & edges.keys()


def test_the_pack_of_the_system_watches_the_whole_request_once_for_its_team() -> None:
    found = {k: s for k, s in signals("system").items() if s.about == "system"}
    assert {"system.error", "system.latency", "system.tokens", "system.cost"} == found.keys()
    assert {s.owner for s in found.values()} == {"discovery"}
    assert found["system.error"].expr == "error"


def test_naming_a_pack_twice_watches_once() -> None:
    twice = signals_for(declared(), load_packs(["llm", "llm", "common"]))
    assert len(twice) == len({s.key for s in twice})


def test_a_signal_inherits_what_it_does_not_say(folder: Path) -> None:
    own, common = signals("llm", folder=folder)["llm.polite"], signals()["llm.error"]
    assert (own.min_n, own.alpha, own.persist, own.severity.is_) == (50, 0.001, 2, "ticket")
    assert (common.min_n, common.severity.is_) == (200, "page")


def test_a_user_s_pack_is_merged_over_ours_signal_by_signal(folder: Path) -> None:
    ours, merged = signals("llm"), signals("llm", folder=folder)
    assert merged.keys() - ours.keys() == {"llm.polite"}
    assert (merged["llm.words"].kind, merged["llm.words"].tolerance) == ("ratio", 2.0)
    assert merged["llm.english"].expr == ours["llm.english"].expr


def test_a_user_may_have_a_pack_that_we_have_not(folder: Path) -> None:
    assert "vlm.own" in signals("mine", folder=folder)


def test_of_two_packs_that_watch_a_part_by_one_name_the_last_counts_so_that_no_value_is_looked_at_twice() -> None:
    stricter = read_pack(
        "{pack: strict, applies_to: {kind: llm},"
        " signals: [{name: error, label: errors, expr: '{c}.error', kind: rate, tolerance: 0.01}]}",
        "strict.yaml",
    )
    found = [s for s in signals_for(declared(), (*load_packs([]), stricter)) if s.name == "error"]
    assert sorted(s.key for s in found) == ["agent.error", "cf.error", "llm.error", "vlm.error"]
    assert {s.key for s in found if s.tolerance == 0.01} == {"llm.error"}


def test_a_system_tunes_single_signals() -> None:
    tune = {"llm.words": {"tolerance": 0.2, "min_n": 7, "severity": "page"}, "llm.english": {"off": True}}
    found, before = signals("llm", tune=tune), signals("llm")
    assert before.keys() - found.keys() == {"llm.english"}
    words = found["llm.words"]
    assert (words.tolerance, words.min_n, words.severity.words) == (0.2, 7, "page")
    assert found["llm.words"].label == before["llm.words"].label
    assert found["llm.logprob"] == before["llm.logprob"]


def test_a_pack_that_nobody_has_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(UsageError, match=re.escape(f"no monitor pack 'lmm'; there is: {', '.join(OURS)}")):
        load_packs(["lmm"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("signals: [", "p.yaml: not YAML: while parsing"),
        ("", "p.yaml: input should be a valid dictionary"),
        ("{pack: x, signals: [{name: a}]}", "p.yaml: signals.0.label: field required"),
        ("{pack: x, signals: [], colour: red}", "p.yaml: colour: extra inputs are not permitted"),
        (
            "{pack: x, signals: [{name: a, label: a, expr: a, kind: rate, tolerance: 0}]}",
            "p.yaml: signals.0.tolerance: input should be greater than 0",
        ),
        ("pack: 2026-13-01", "p.yaml: month must be in 1..12"),
        ("{pack: x, applies_to: {kind: lllm}, signals: []}", "p.yaml: applies_to.kind: input should be 'vision-"),
        (
            "{pack: x, applies_to: {kind: llm, edges: true}, signals: []}",
            "p.yaml: applies_to: name one of kind, edges and system",
        ),
    ],
)
def test_what_is_no_pack_is_refused_in_one_line_that_says_where(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(says)}") as caught:
        read_pack(text, "p.yaml")
    assert "\n" not in str(caught.value)


def test_edges_to_what_is_no_component_are_watched_by_nothing() -> None:
    body = declared().body()
    del body["components"]["llm"]
    system = System.model_validate({**body, "claims": []})
    assert not [s.key for s in signals_for(system, load_packs(["interactions"])) if "llm" in s.key]


def test_a_signal_is_about_what_its_pack_says_or_else_what_its_kind_says(folder: Path) -> None:
    found = signals("llm", folder=folder)
    assert found["llm.offers"].topic == "safety"
    assert (found["llm.polite"].topic, found["llm.words"].topic, found["llm.latency"].topic) == (
        "quality",
        "cost",
        "latency",
    )


def test_a_topic_that_there_is_not_is_refused(tmp_path: Path) -> None:
    text = "{pack: mine, signals: [{name: own, label: own, expr: x, kind: rate, tolerance: 0.1, topic: beauty}]}"
    with pytest.raises(UsageError, match=r"signals\.0\.topic"):
        read_pack(text, "mine.yaml")


@pytest.mark.parametrize(
    ("says", "place"),
    [
        ("alpha: 7", "alpha: input should be less than 1"),
        ("min_n: -5", "min_n: input should be greater than or equal to 1"),
        ("min_window: 0", "min_window: input should be greater than or equal to 1"),
        ("persist: 0", "persist: input should be greater than or equal to 1"),
        ("floor: .nan", "floor: input should be a finite number"),
        ("floor: -1", "floor: input should be greater than or equal to 0"),
        ("tolerance: .inf", "tolerance: input should be a finite number"),
        ("source: lllm", "source: input should be 'vision-language'"),
        ("window: 30", "window: input should be a multiple of 20"),
        ("severity: {is: ticket, page: {effect: .inf}}", "severity.page.effect: input should be a finite number"),
    ],
)
def test_a_value_that_a_signal_cannot_have_is_refused_before_anything_is_watched(says: str, place: str) -> None:
    head = "{pack: x, signals: [{name: a, label: a, expr: a, kind: rate, tolerance: 0.1, "
    with pytest.raises(UsageError, match=rf"^p\.yaml: signals\.0\.{re.escape(place)}"):
        read_pack(f"{head}{says}}}]}}".replace("tolerance: 0.1, tolerance", "tolerance"), "p.yaml")


def test_two_signals_of_one_name_in_a_pack_are_refused_as_one_of_them_would_be_lost() -> None:
    one = "{name: Cut, label: a, expr: a, kind: rate, tolerance: 0.1}"
    with pytest.raises(UsageError, match=r"^p\.yaml: signals: 'Cut' is there twice"):
        read_pack(f"{{pack: x, signals: [{one}, {one}]}}", "p.yaml")


def test_a_signal_that_needs_more_values_than_its_window_has_requests_is_refused() -> None:
    text = "{{pack: x, signals: [{{name: a, label: a, expr: a, kind: rate, tolerance: 0.1, min_window: 50{}}}]}}"
    with pytest.raises(UsageError, match="min_window 50 is never reached in a window of 20 requests"):
        read_pack(text.format(""), "p.yaml")
    assert read_pack(text.format(", window: 60"), "p.yaml").signals[0].min_window == 50


def test_a_pack_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"mine\.yaml: not UTF-8 at byte 0: save it as UTF-8$"):
        load_packs(["mine"], tmp_path)
