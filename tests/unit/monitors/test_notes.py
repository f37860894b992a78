from __future__ import annotations

import pytest

from syscard_monitors import notes
from tests.unit.build import NOW, declared
from tests.unit.monitors.build import card_of, finding


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "agrees 0.90 -> 0.30"),
        ({"unit": "ms", "reference": 400.0, "value": 2400.0, "label": "p95"}, "p95 400 ms -> 2.4 s"),
        ({"kind": "category", "label": "mix"}, "mix moved by 0.30"),
        ({"kind": "undeclared", "label": "seen in spans"}, "seen in spans"),
    ],
)
def test_a_change_is_said_from_what_to_what(changes: dict[str, object], words: str) -> None:
    assert notes.change(finding(**changes)) == words  # type: ignore[arg-type]


def test_a_title_names_the_part_only_where_it_is_not_the_subject() -> None:
    assert notes.title("vlm", finding("vlm")) == "agrees 0.90 -> 0.30"
    assert notes.title("vlm", finding("llm")) == "llm agrees 0.90 -> 0.30"


def test_a_note_says_only_what_was_found_and_that_order_is_no_test() -> None:
    lines = notes.sentences("vlm", NOW, [finding("vlm"), finding("llm")], ["llm", "agent"], ["cf"])
    assert lines == (
        "From 14:00:00 UTC vlm differs from its baseline: agrees 0.90 -> 0.30 (20 requests).",
        "In the same windows: llm agrees 0.90 -> 0.30 (20 requests).",
        "llm and agent lie downstream of vlm and may only inherit the change; "
        "that is the order of the declared graph, not a test.",
        "cf shows no change in these windows.",
    )


def test_a_note_about_one_thing_is_one_sentence() -> None:
    assert len(notes.sentences("vlm", NOW, [finding("vlm")], [], [])) == 1


def test_what_spans_do_not_carry_is_said_to_be_unknown() -> None:
    assert notes.unknowns("vlm->llm", [finding("vlm->llm")], card_of()) == (
        "which version of llm ran: its spans carry no component version",
        "which prompt llm ran with: its spans carry no prompt hash",
    )


def test_the_first_thing_to_do_is_by_the_kind_that_narrows_it_down_most_and_names_the_runbook() -> None:
    components = declared().body()["components"]
    components["vlm"]["runbook"] = "https://runbooks.shop.example/vlm"
    card = card_of(declared(components=components))
    both = [finding("vlm"), finding("vlm", kind="rate", signal="error")]
    assert notes.do_first("vlm", both, card).startswith("look at the error type")
    assert notes.do_first("vlm", both, card).endswith("; runbook: https://runbooks.shop.example/vlm")
    assert "runbook" not in notes.do_first("cf", [finding("cf")], card)
    assert "declare ghost in system.yaml" in notes.do_first("ghost", [finding("ghost", kind="undeclared")], card)


def test_of_the_whole_system_it_is_not_known_which_part_it_comes_from() -> None:
    found = [finding("system", kind="rate", signal="error")]
    assert notes.unknowns("system", found, card_of()) == (
        "which part it comes from: none of them had changed when it began",
    )
    assert notes.do_first("system", found, card_of()).endswith("and at what the system calls")


def test_of_a_rate_that_is_no_error_there_is_no_error_type_to_look_at() -> None:
    cut_off = finding("llm", kind="rate", signal="truncated")
    assert notes.do_first("llm", [cut_off], card_of()).startswith("open the example traces")
    longer = finding("llm", kind="ratio", signal="output_tokens")
    assert notes.do_first("llm", [cut_off, longer], card_of()).startswith("compare the deployed version, prompt")
