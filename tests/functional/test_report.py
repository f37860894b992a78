"""`syscard report` on the replayed demo, with the real Evidently."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.functional.helpers import one_line, syscard


def test_a_report_is_two_files_of_evidence_under_their_digests(demo_home: Path, tmp_path: Path) -> None:
    ran = syscard("--home", demo_home, "report", "--last", "200", "-o", tmp_path / "page.html", "--json")
    assert ran.code == 0, ran.err
    told = ran.document
    for kind, content in told["files"].items():
        path = Path(content["path"])
        assert path.parent == demo_home / "reports" / "shop-recommender", kind
        assert path.stem == content["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), kind
        assert path.stat().st_mode & 0o777 == 0o600, kind
    page, document = (Path(told["files"][kind]["path"]) for kind in ("html", "json"))
    kept = json.loads(document.read_bytes())
    assert kept["page_sha256"] == told["files"]["html"]["sha256"]
    assert (tmp_path / "page.html").read_bytes() == page.read_bytes()
    assert sorted(page.parent.iterdir()) == sorted([page, document])

    rows = {row["signal"]: row for row in told["signals"]}
    assert told["window"]["requests"] == 200
    assert rows["llm.cites_history"]["method"] == "syscard_fisher"
    assert rows["llm.cites_history"]["drifted"], "the newest recording is of a changed prompt"
    assert not rows["vlm.agrees_with_catalogue"]["drifted"]
    lists = {row["component"]: row for row in told["rankings"]}
    assert lists.keys() == {"cf", "agent"}
    assert lists["cf"]["answered"] > 150
    assert lists["cf"]["metrics"].keys() == {"NDCG", "MAP", "HitRate", "MRR", "Personalization"}
    assert 0.05 < lists["cf"]["metrics"]["HitRate"] < 0.5
    assert "--trained-on" in lists["cf"]["missing"]["Novelty"]
    assert told["missing"].keys().isdisjoint(rows)


def test_a_report_without_a_baseline_or_of_nothing_is_one_line(declared: Path) -> None:
    one_line(syscard("--home", declared, "report"), "no baseline", "syscard baseline set")
    one_line(syscard("--home", declared, "report", "--last", "5", "--from", "2026-11-01"), "--last", "--from")
    one_line(syscard("--home", declared, "report", "--by", "eye"), "test, psi or js")
    assert not list((declared / "reports").glob("*"))
