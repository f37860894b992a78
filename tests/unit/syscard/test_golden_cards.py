"""Chains that earlier releases wrote are verified over their own bytes, read as today's edits, and give the same card.

`python -m tests.unit.syscard.test_golden_cards RELEASE` keeps the chain that today's code writes, before a release.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.baseline import Halves
from syscard.declare import declaring, system_of
from syscard.disparity import CompareGroups, Disparity, GroupFigure
from syscard.finding import Sampling
from syscard.fold import empty_card, fold
from syscard.risks import Assessment, AssessRisks, Calibration, RiskCount
from syscard.stored import Stored, read, verify, written
from tests.unit import build
from tests.unit.build import NOW, chained, draft

FOLDER: Final = Path(__file__).parents[2] / "data" / "cards"
RELEASES: Final = sorted(path.name for path in FOLDER.iterdir())


def rows_of(release: str) -> list[Stored]:
    lines = (FOLDER / release / "edits.jsonl").read_text("utf-8").splitlines()
    return [Stored(**json.loads(line)) for line in lines]


def kept(release: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / release / "card.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_a_chain_of_every_release_is_verified_and_folds_to_the_card_that_was_kept(release: str) -> None:
    rows, golden = rows_of(release), kept(release)
    assert verify(rows) == len(rows) > 1
    card = fold(map(read, rows), start=golden["card"]["system"])
    assert card.model_dump(mode="json") == golden["card"]
    assert card.digest == golden["digest"]


def test_there_are_chains_from_before_today_s_shapes() -> None:
    """Fields that came later are missing in the oldest, and evidence of it is known by the digest it had."""
    texts = "".join(row.draft for row in rows_of(RELEASES[0]))
    newest = "".join(row.draft for row in rows_of(RELEASES[-1]))
    for later in ('"halves"', '"sampled"', '"impact"', '"one_in"'):
        assert later not in texts
        assert later in newest


def test_a_shop_that_an_older_release_declared_is_still_a_system() -> None:
    assert system_of(fold(map(read, rows_of(RELEASES[-1])), start="shop")).components.keys() >= {"llm", "vlm"}


def _figures() -> list[e.Draft]:
    sampled = Sampling(requests=400, sampled=40, kept=0.1, by="probability")
    figure = build.evidence(0.93, n=400).model_copy(
        update={"low": 0.9, "high": 0.95, "sampled": sampled, "one_in": 1e6, "one_in_needed": 5e4}
    )
    first = draft(figure, minute=2)
    slices = (
        e.SliceStatus(status="holds", value=0.93, low=0.9, high=0.95, n=400, evidence=first.digest, sampled=sampled),
        e.SliceStatus(slice="age_band=65+", status="unknown", n=9, needs=50, why="needs n 50, has 9"),
    )
    return [first, draft(e.SetClaim(claim="grounded", slices=slices), minute=2)]


def _groups() -> e.Body:
    groups = tuple(GroupFigure(group=g, n=200, value=v, low=v - 0.1, high=v + 0.1) for g, v in (("a", 0.9), ("b", 0.6)))
    told = Disparity(
        key="grounded", about="llm", label="grounded", statistic="share", segment="age_band", state="uneven",
        ratio=1.5, ratio_low=1.3, ratio_high=1.8, highest="a", lowest="b", groups=groups,
    )  # fmt: skip
    return CompareGroups(window_start=NOW, window_end=NOW, tolerated=1.25, methods={"share": "Wilson"},
                         disparities=(told,), compared=(told.name,))  # fmt: skip


def _risks() -> e.Body:
    told = Assessment(risk="IR-05", about="vlm->llm", state="seen", says="wrong readings reach reasons", value=0.2,
                      effect=0.2, low=0.1, high=0.3, scale="share", threshold=0.05, n=400, share=0.2)  # fmt: skip
    calibration = Calibration(risk="IR-05", about="vlm->llm", windows=20, size=500, quantile=0.99, value=0.04,
                              default=0.05, threshold=0.05, method="windows")  # fmt: skip
    return AssessRisks(baseline="b" * 64, requests=400, told=(told,), assessed=(told.name,),
                       calibrations=(calibration,), counts=(RiskCount(name=told.name, looks=9, seen=2),),
                       overlap=4)  # fmt: skip


def _incidents(figure: str) -> list[e.Body]:
    reach = ie.Impact(requests=9, of=40, groups=(ie.GroupReached(segment="age_band", group="a", requests=5),))
    change = e.Change(at=NOW, about="llm", says="model m-1 -> m-2")
    opened = build.opening(1, findings=(build.member(evidence_digest=figure),), changed=(change,), impact=reach)
    return [
        opened,
        e.ExtendIncident(number=1, findings=(build.member("llm.late"),), inherited_by=("agent",), severity="page"),
        ie.AssignIncident(number=1, owner="mara"),
        e.MoveIncident(number=1, state="acknowledged"),
        e.NoteOnIncident(number=1, text_sha256="a" * 64),
        e.ReportOnIncident(number=1, document_sha256="b" * 64, page_sha256="c" * 64, engine="e", compared=9, drifted=2),
        ie.AssessIncident(number=1, serious="assess", regime="eu_ai_act"),
        build.opening(2, "vlm"),
        ie.MergeIncident(number=2, into=1),
        e.MoveIncident(number=1, state="resolved", resolution="fixed", why="calm"),
        ie.AttachPostmortem(number=1, sha256="d" * 64, name="postmortem.md"),
        e.ReopenIncident(number=1, since=NOW, severity="page", findings=(build.member("llm.empty"),)),
        ie.HoldIncident(number=1, transitions=4),
        e.RiskSeen(risk="R-1", incident=1, says="a wrong reading became a reason"),
        build.silence(),
    ]  # fmt: skip


def _today() -> tuple[e.Edit, ...]:
    """A chain with the kinds and fields that today's code writes."""
    half = Halves(signal="llm.grounded", method="exact", n=200, n_other=200, p_value=0.4, p_adjusted=0.4)
    baseline = e.SetBaseline(
        name="launch", start=NOW, end=NOW, requests=400, data_digest="ab" * 32, approved_by="lead", agreement_p=0.4,
        watched=("llm.grounded",), too_constant=(), split="by time", halves=(half,),
    )  # fmt: skip
    figures = _figures()
    seen = e.Observe(what="model", ref="llm", value="m-2", evidence_class="span", traces=40, declared=False,
                     previous="m-1")  # fmt: skip
    edge = e.Observe(what="edge", ref="llm->vlm", value="", evidence_class="link", traces=9, declared=False,
                     examples=("t@1",))  # fmt: skip
    report = e.PeriodicReport(start=NOW, end=NOW + timedelta(days=7), why="no request came")
    looks: list[e.Body] = [
        _groups(),
        _risks(),
        seen,
        edge,
        e.SetPart(ref="llm", state="broken", why="late", incident=1),
        report,
    ]
    after: list[e.Body] = [*_incidents(figures[0].digest), *looks, e.Hold(trace="t@1", reason_sha256="e" * 64),
             e.Erasure(reference="r", traces=1, spans=2, days={"2026-11-22": 2}, holds=1)]  # fmt: skip
    batches: list[Sequence[e.Draft]] = [
        declaring(empty_card("shop"), build.declared(), build.HUMAN, NOW),
        [draft(baseline, minute=1, author=build.HUMAN)],
        figures,
        *([draft(body, minute=at)] for at, body in enumerate(after, start=3)),
    ]
    return chained(batches)


def main(release: str) -> None:
    """Keep today's chain and card as those of a release."""
    edits, folder = _today(), FOLDER / release
    folder.mkdir(parents=True)
    lines = [json.dumps(asdict(written(edit)), ensure_ascii=False) for edit in edits]
    (folder / "edits.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    keep(folder, [written(edit) for edit in edits], "shop")


def keep(folder: Path, rows: list[Stored], system: str) -> None:
    """The card that the rows give today."""
    card = fold(map(read, rows), start=system)
    document = {"digest": card.digest, "card": card.model_dump(mode="json")}
    (folder / "card.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
