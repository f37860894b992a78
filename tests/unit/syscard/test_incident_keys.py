from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syscard.finding import Finding, State, Window
from syscard.incident_keys import fingerprint, fingerprint_of, group_key, overflow_fingerprint, signal_of
from tests.unit.build import NOW

numbers = st.none() | st.floats(-1e9, 1e9)
windows = st.builds(
    lambda index, n: Window(index=index, start=NOW, end=NOW + timedelta(minutes=index), n=n),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
changing = st.fixed_dictionaries(
    {
        "window": windows,
        "n": st.integers(0, 10**6),
        "value": numbers,
        "reference": numbers,
        "effect": numbers,
        "tolerance": numbers,
        "threshold": numbers,
        "p_value": numbers,
        "one_in": numbers,
        "needs": st.none() | st.integers(0, 99),
        "state": st.sampled_from([*State]),
        "severity": st.sampled_from(("page", "ticket", "note")),
        "label": st.text(max_size=20),
        "why": st.text(max_size=20),
        "method": st.none() | st.text(max_size=9),
        "traces": st.lists(st.text(max_size=9), max_size=3).map(tuple),
    }
)


def of(signal: str = "agrees", about: str = "vlm", kind: str = "share", **changes: Any) -> str:
    window = Window(index=0, start=NOW, end=NOW, n=20)
    body = {"label": "agrees", "state": State.BREACH, "window": window, "n": 20, **changes}
    return fingerprint_of("shop", Finding(signal=signal, about=about, kind=kind, **body))


@given(changing)
def test_no_value_time_version_or_threshold_is_in_a_fingerprint(changes: dict[str, Any]) -> None:
    assert of(**changes) == of()


def test_another_part_signal_segment_or_system_is_another_fingerprint() -> None:
    plain = fingerprint("shop", rule="agrees", part="vlm", metric="agrees")
    others = {
        fingerprint("shop", rule="agrees", part="llm", metric="agrees"),
        fingerprint("shop", rule="words", part="vlm", metric="agrees"),
        fingerprint("shop", rule="agrees", part="vlm", metric="words"),
        fingerprint("shop", rule="agrees", part="vlm", metric="agrees", segment="age_band=18-24"),
        fingerprint("till", rule="agrees", part="vlm", metric="agrees"),
    }
    assert of() == plain
    assert len(others | {plain}) == 6
    assert all(len(key) == 16 for key in others)


@given(st.lists(st.text(alphabet="ab|", max_size=4), min_size=3, max_size=3))
def test_names_cannot_be_cut_so_that_two_things_have_one_fingerprint(names: list[str]) -> None:
    one = fingerprint(names[0], rule=names[1], part=names[2], metric="m")
    other = fingerprint(f"{names[0]}|{names[1]}", rule=names[2], part="m", metric="")
    assert one != other


def test_the_two_paces_of_an_error_budget_are_one() -> None:
    assert of("latency.p95.burn", kind="burn") == of("latency.p95.slow-burn", kind="burn")
    assert of("latency.p95.burn", kind="burn") != of("latency.p50.burn", kind="burn")
    assert of("latency.burn", kind="share") != of("latency.slow-burn", kind="share")


def test_what_there_is_no_room_for_has_a_fingerprint_of_its_own() -> None:
    assert overflow_fingerprint("shop") not in {of(), of("overflow", "system")}


def test_a_group_is_the_system_the_part_and_where_it_runs() -> None:
    assert group_key("shop", "vlm", {}) == "shop/vlm"
    traces = {"select": {"service.name": "shop", "deployment.environment.name": "production"}}
    assert group_key("shop", "vlm", traces) == "shop/vlm/production"


def test_a_part_with_dots_in_its_name_still_has_a_signal() -> None:
    assert signal_of("made.up.agrees", "made.up") == "agrees"
