"""OK is said only without a doubt: spans come, monitors give verdicts, every declared part is known."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard.faces import QUIET_AFTER, overview
from syscard.incident_faces import incident_faces, may_inherit
from syscard.render.snapshot import html, markdown
from syscard.render.status import status_text
from syscard.views import View
from syscard_tui import quick
from tests.faces import sample


@pytest.fixture
def calm(views: dict[str, View]) -> View:
    return copy.deepcopy(views["calm"])


def _last_span(view: View, age: timedelta) -> View:
    view["live"]["watcher"]["last_span"] = (sample.NOW - age).isoformat()
    return view


def _now_block(view: View) -> str:
    return " ".join(status_text(overview(view, sample.NOW), sample.NOW).split())


def test_nine_hours_without_a_span_are_not_ok_though_the_watcher_lives(calm: View) -> None:
    face = overview(_last_span(calm, timedelta(hours=9)), sample.NOW)
    assert (face.verdict, face.watcher_alive, face.quiet) == ("UNKNOWN", True, True)
    assert "not the same as OK: no span for 9 h" in _now_block(calm)


@pytest.mark.parametrize(("age", "verdict"), [(QUIET_AFTER, "OK"), (QUIET_AFTER + timedelta(seconds=1), "UNKNOWN")])
def test_a_short_pause_is_no_doubt(calm: View, age: timedelta, verdict: str) -> None:
    assert overview(_last_span(calm, age), sample.NOW).verdict == verdict


@pytest.mark.parametrize(("baseline", "says"), [(None, "no baseline"), ({}, "no monitor gave a verdict")])
def test_without_a_verdict_of_any_monitor_it_is_not_ok(calm: View, baseline: Any, says: str) -> None:
    calm["live"]["watcher"]["ran"] = 0
    calm["card"]["baseline"] = None if baseline is None else calm["card"]["baseline"]
    assert overview(calm, sample.NOW).verdict == "UNKNOWN"
    assert says in _now_block(calm)


def test_a_declared_part_that_nothing_watches_is_a_doubt_and_an_undeclared_one_is_none(calm: View) -> None:
    calm["card"]["interactions"]["cf->llm"]["state"] = "unknown"
    assert overview(calm, sample.NOW).verdict == "UNKNOWN"
    assert "1 part unknown" in _now_block(calm)
    calm["card"]["interactions"]["cf->llm"]["declared"] = None
    assert overview(calm, sample.NOW).verdict == "OK"


def test_no_doubt_hides_what_is_broken(broken: View) -> None:
    view = _last_span(copy.deepcopy(broken), timedelta(hours=9))
    view["live"]["watcher"]["ran"] = 0
    assert overview(view, sample.NOW).verdict == "BROKEN"
    for claim in view["card"]["claims"].values():
        claim["slices"] = [{**claim["slices"][0], "status": "holds"}]
    assert overview(view, sample.NOW).verdict == "INCIDENT"


@pytest.mark.parametrize(
    ("name", "age", "code"),
    [("broken", 2, 1), ("calm", 2, 0), ("earlier", 2, 0), ("idle", None, 0), ("declared", None, 1), ("calm", 3600, 1)],
)
def test_check_fails_for_what_is_broken_or_not_watched_and_not_for_what_is_unknown(
    views: dict[str, View], monkeypatch: pytest.MonkeyPatch, name: str, age: int | None, code: int, tmp_path: Path
) -> None:
    view = copy.deepcopy(views[name])
    if age is not None:
        _last_span(view, timedelta(seconds=age))
    monkeypatch.setattr("syscard.clock.system_clock", lambda: sample.NOW)
    monkeypatch.setattr("syscard.views.read_view", lambda *_: view)
    assert quick.print_status(quick.Asked(home=tmp_path, check=True)) == code
    assert quick.print_status(quick.Asked(home=tmp_path)) == 0


def test_what_came_and_stands_in_no_figure_is_counted_on_every_face(calm: View) -> None:
    assert "without a root" not in _now_block(calm)
    calm["live"]["watcher"] |= {"orphans": 12, "late": 3}
    for text in (_now_block(calm), markdown(calm, None, sample.NOW), html(calm, None, sample.NOW)):
        assert "12 traces without a root, 3 late" in text
    later = overview(calm, sample.NOW + timedelta(hours=1))
    assert later.watcher.startswith("WATCHER SILENT")
    assert "12 traces without a root, 3 late" in later.watcher


def test_a_part_without_requests_is_idle_not_ok(calm: View) -> None:
    calm["live"]["parts"]["cf"]["per_minute"] = 0.0
    row = next(p for p in overview(calm, sample.NOW).parts if p.ref == "cf")
    assert (row.word, row.mark, row.why) == ("idle", "?", "no request in the newest window")
    calm["live"]["parts"]["cf"]["per_minute"] = 0.2
    assert "cf ok 6 d <1" in _now_block(calm)


def _incident(
    broken: View, subject: str, abouts: tuple[str, ...], heirs: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    view = copy.deepcopy(broken)
    raw = view["card"]["incidents"]["12"]
    raw |= {"subject": subject, "inherited_by": list(heirs), "attribution": None}
    raw["findings"] = [{**raw["findings"][0], "about": about} for about in abouts]
    return incident_faces(view)[0].cause, may_inherit(raw)


def test_a_cause_names_every_part_with_findings(broken: View) -> None:
    alone, _ = _incident(broken, "llm", ("llm", "llm"), ())
    assert alone == "llm is the only part with findings"
    shown, heirs = _incident(broken, "llm", ("llm", "vlm->llm"), ())
    assert shown == "llm is the first part that changed; it shows on vlm->llm"
    assert heirs == ()
    both, heirs = _incident(broken, "llm", ("llm", "vlm->llm", "agent"), ("llm->agent",))
    assert both.endswith("; it shows on vlm->llm; llm->agent, agent may only inherit it (order, not tested)")
    assert heirs == ("llm->agent", "agent")
