from __future__ import annotations

from typing import Any

import pytest

from syscard.attribution import Attribution, PartVerdict
from syscard.attribution_text import cause_text, factor_lines, method_of, short_row, untold, verdict_lines
from syscard.words import cells

HOSTILE = "x\x1b[31m\r\nEVIDENCE\u202e [bold]y[/]\ud83d"
VLM = PartVerdict(part="vlm", verdict="changed itself", why="agrees changed", p_adjusted=3e-12, effect=1.9, share=0.94,
                  low=0.81, high=1.0, n=900)  # fmt: skip
LLM = PartVerdict(part="llm", verdict="inherited", why="what it shows follows from vlm", p_adjusted=0.4, n=900)
CF = PartVerdict(part="cf", verdict="unchanged", p_adjusted=1.0, n=900)
EDGE = PartVerdict(part="vlm->llm", verdict="inherited", why="it carries what changed in vlm", p_adjusted=0.7, n=900)
SILENT = PartVerdict(part="agent", verdict="cannot tell", why="no signal tells of it", n=0)
FEW = "few requests since then: 120"


def incident(*parts: PartVerdict, **changes: Any) -> dict[str, Any]:
    """An incident as a card's JSON holds it, as far as these words read it."""
    usual: dict[str, Any] = {
        "target": "grounded", "damage": 0.06, "first": "vlm", "causes": ("vlm",), "wins": 1.0, "confidence": "medium",
        "lowered_by": (FEW,), "n_before": 1_000, "n_now": 120, "method": "conditional test, Shapley",
    }  # fmt: skip
    found = Attribution(parts=parts, **(usual | changes))
    return {"attribution": found.model_dump(mode="json")}


def cause(raw: dict[str, Any]) -> str:
    return cause_text(raw["attribution"], raw["attribution"]["parts"])


def test_a_cause_is_told_with_its_share_how_sure_and_why_not_surer() -> None:
    told = "vlm (94 % of the rise of misses of grounded) changed itself, given what reaches it"
    assert cause(incident(VLM, LLM)) == f"{told}; confidence medium ({FEW})"
    both = incident(VLM, LLM.model_copy(update={"share": 0.2}), causes=("vlm", "llm"), lowered_by=(), confidence="high")
    assert "vlm (94 % of" in cause(both)
    assert "llm (20 % of" in cause(both)
    assert cause(both).endswith("changed themselves, given what reaches them; confidence high")


def test_where_no_part_is_beyond_doubt_none_is_named() -> None:
    raw = incident(CF, first=None, causes=(), confidence="low")
    assert cause(raw).startswith("no part changed beyond doubt")
    assert short_row(raw) == ("no part beyond doubt", "not worked out", "low", FEW)


def test_the_table_has_a_line_for_each_part_and_says_no_figure_that_is_not_there() -> None:
    lines = list(verdict_lines(incident(VLM, CF, EDGE, SILENT)["attribution"]))
    assert lines == [
        "vlm       changed itself  94 % (81 to 100 %)  p 3e-12  agrees changed",
        "cf        unchanged       p 1",
        "vlm->llm  inherited       p 0.7  it carries what changed in vlm",
        "agent     cannot tell     no signal tells of it",
    ]


def test_one_row_says_who_how_much_how_sure_and_what_lowers_it() -> None:
    assert short_row(incident(VLM)) == ("vlm", "94 % (81 to 100 %)", "medium", FEW)
    assert short_row(incident(VLM, lowered_by=())) == ("vlm", "94 % (81 to 100 %)", "medium", "nothing")
    assert short_row({"attribution": None}) is short_row({}) is None


def test_factors_name_who_changed_and_who_may_inherit_and_claim_no_proof() -> None:
    lines = list(factor_lines(incident(VLM, LLM, CF, EDGE, SILENT)))
    assert lines == [
        "vlm: changed itself, 94 % (81 to 100 %) of the rise of misses of grounded; agrees changed",
        "llm: inherited; what it shows follows from vlm",
        "agent: cannot tell; no signal tells of it",
        f"confidence medium, lowered by: {FEW}",
        "the test tells who changed itself, given what reaches it; it is no proof of cause",
    ]
    moved = list(factor_lines(incident(VLM, EDGE.model_copy(update={"verdict": "changed itself"}))))
    assert moved[1].startswith("vlm->llm: changed itself")


@pytest.mark.parametrize("raw", [{}, {"attribution": None}])
def test_an_incident_that_nobody_tested_has_the_order_only(raw: dict[str, Any]) -> None:
    assert (method_of(raw), untold(raw), list(factor_lines(raw))) == ("order", "", [])


def test_where_nothing_could_be_tested_it_says_why() -> None:
    raw = incident(first=None, causes=(), lowered_by=("set it anew",))
    assert untold(raw) == "cannot tell who changed itself: set it anew"
    assert (method_of(raw), short_row(raw), list(verdict_lines(raw["attribution"]))) == ("order", None, [])
    assert untold(incident(VLM)) == ""


def test_hostile_names_stay_on_their_line_and_move_no_cursor() -> None:
    part = VLM.model_copy(update={"part": HOSTILE, "why": HOSTILE})
    raw = incident(part, first=HOSTILE, causes=(HOSTILE,), target=HOSTILE, lowered_by=(HOSTILE,))
    row = short_row(raw)
    assert row is not None
    for text in (cause(raw), *verdict_lines(raw["attribution"]), *row, *factor_lines(raw)):
        assert text.isprintable(), text
        assert not {"\n", "\r", "\x1b", "\u202e"} & {*text}
        assert cells(text) < 600
        text.encode()
