"""How an attribution that was made anew is told, with what another library says beside it."""

from __future__ import annotations

from typing import Any

import pytest

from syscard.attribution import Attribution, PartVerdict
from syscard_monitors.anew import Anew
from syscard_monitors.cross_check import CrossCheck, PartCheck
from syscard_tui.commands.attribution import _check_lines, _document, _lines
from tests.functional.test_cli import section
from tests.unit.build import NOW, opening
from tests.unit.monitors import build

FOUND = Attribution(
    target="fast", damage=0.3, first="llm", causes=("llm",), confidence="high", n_before=900, n_now=400, method="x",
    parts=(PartVerdict(part="llm", verdict="changed itself", share=0.9, low=0.8, high=1.0, n=400),),
)  # fmt: skip
CHECK = CrossCheck(
    engine="DoWhy 0.14", says="fast", of="misses", change=0.3, total=0.28, first="llm", agrees=True,
    parts=(
        PartCheck(part="llm", ours="changed itself", share=0.9, dowhy=0.85, changed=True),
        PartCheck(part="[red]cf\n", ours="unchanged", share=None, dowhy=None, changed=False),
        PartCheck(part="system", ours=None, share=None, dowhy=0.15, changed=False),
    ),
    signals=12, left_out=3, rows_before=900, rows_now=400,
)  # fmt: skip


def made(kept: Attribution | None = FOUND, *, sampled: bool = False) -> Anew:
    from syscard.edits import Draft
    from syscard_monitors.window import AUTHOR

    draft = Draft(body=opening(1), author=AUTHOR, observed=NOW)
    incident = build.with_drafts(build.card_of(), [draft]).incidents[1]
    return Anew(incident.model_copy(update={"attribution": kept}), NOW, FOUND, sampled, None)


def told(**changes: Any) -> str:
    return "\n".join(_check_lines(made(), CHECK.model_copy(update=changes)))


def test_both_stand_side_by_side_part_by_part() -> None:
    assert told().splitlines() == [
        "",
        "DoWhy 0.14 on the misses of fast (+30.0 % of requests, of which its mechanisms make +28.0 %): 12",
        "signals, 900 rows before and 400 now; 3 more act on it and moved less: they are left out",
        "  part                          ours              share    DoWhy",
        "  llm                           changed itself     90 %     85 % *",
        "  [red]cf                       unchanged             -        -",
        "  system                        -                     -     15 %",
        "  * a mechanism of it changed, by DoWhy's own test",
        "both name llm first. A cross-check: disagreement is no verdict",
    ]


def test_a_mean_is_told_in_standard_deviations_and_nothing_that_was_not_left_out() -> None:
    text = " ".join(told(of="mean", change=-1.234, left_out=0).split())
    assert "on the mean of fast (-1.23 standard deviations, of which its mechanisms make +0.28): 12 signals" in text
    assert "left out" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first": "cf", "agrees": False}, "ours names llm first, DoWhy cf."),
        (
            {"first": "inputs of llm", "agrees": False},
            "ours names llm first, DoWhy inputs of llm, of the same component.",
        ),
        ({"first": None, "agrees": False}, "ours names llm first, DoWhy no part."),
        ({"agrees": None}, "ours names llm, of which DoWhy was asked nothing"),
    ],
)
def test_where_they_do_not_agree_it_is_said_and_is_no_verdict(changes: dict[str, Any], words: str) -> None:
    text = " ".join(told(**changes).split())
    assert words in text
    assert text.endswith("disagreement is no verdict")


def test_where_nothing_could_be_compared_it_is_said() -> None:
    assert [*_check_lines(made(), None)][-1] == "DoWhy was not asked: there is nothing to compare"
    assert _document(made(), None, check=True)["check"] is None


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (FOUND, "the card says the same"),
        (None, "the card has no attribution of it"),
        (FOUND.model_copy(update={"n_now": 100}), "the card names llm, over 100 requests; nothing"),
        (FOUND.model_copy(update={"first": None}), "the card names no part, over 400 requests; the baseline or what"),
    ],
)
def test_it_is_held_against_what_the_card_says(kept: Attribution | None, words: str) -> None:
    text = " ".join(" ".join(_lines(made(kept))).split())
    assert words in text
    assert text.endswith("nothing was written")
    assert _document(made(kept), None, check=False)["as_on_card"] is (kept == FOUND)


def test_a_sample_is_called_one() -> None:
    assert next(_lines(made(sampled=True))).startswith("INC-1: 400 requests, a sample, ")


def test_every_key_of_a_check_is_described() -> None:
    said, check = section("incident attribute"), _document(made(), CHECK, check=True)["check"]
    assert [key for key in (*check, *check["parts"][0]) if f"`{key}`" not in said] == []
