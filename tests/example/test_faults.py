"""The faults: each is a switch over the conditions of one request, with the truth about it beside it."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recommender.conditions import Conditions
from recommender.errors import Unavailable
from recommender.faults import BY_NAME, FAULTS, HANGING, NORMAL, Fault, conditions, fault
from recommender.traffic import Mix
from syscard_configs import read_text

DECLARED = yaml.safe_load(read_text("examples", "recommender.yaml"))
REAL = [f for f in FAULTS if f.kind == "fault"]
WANTED = (
    "blurred-pictures", "dark-pictures", "colour-shift", "swapped-pictures", "cold-start-flood", "mixed-up-shoppers",
    "aged-recommender", "popularity-collapse", "prompt-regression", "temperature-error", "wrong-language",
    "llm-timeouts", "slow-recommender", "silent-model-change", "verbose-pictures", "picture-injection",
    "personal-data", "tool-loop", "gradual-haze", "two-at-once", "new-customer-mix", "sale-week", "more-traffic",
)  # fmt: skip


def changed(on: list[tuple[Fault, float]], seed: int = 0) -> Conditions:
    return conditions(on, np.random.default_rng(seed))


def test_every_fault_that_was_promised_is_there_once() -> None:
    assert tuple(f.name for f in FAULTS) == WANTED
    assert [f.name for f in FAULTS if f.kind == "look-alike"] == list(WANTED[-3:])


def test_without_a_fault_it_is_a_good_day() -> None:
    assert changed([]) == Conditions()


@pytest.mark.parametrize("found", FAULTS, ids=lambda f: str(f.name))
def test_a_fault_changes_a_request_or_who_comes_and_a_look_alike_only_who_comes(found: Fault) -> None:
    touches = {seed for seed in range(50) if changed([(found, 1.0)], seed) != Conditions()}
    if found.kind == "look-alike":
        assert (touches, found.parts, found.signals) == (set(), (), ())
        assert found.mix != NORMAL
    else:
        assert touches or found.mix != NORMAL
        assert found.parts


@pytest.mark.parametrize("found", REAL, ids=lambda f: str(f.name))
def test_the_truth_names_parts_and_edges_that_the_system_declares(found: Fault) -> None:
    assert {*found.parts, *found.inherits} <= set(DECLARED["components"])
    assert set(found.edges) <= set(DECLARED["interactions"])
    assert set(found.inputs) <= set(found.parts)
    assert not set(found.parts) & set(found.inherits)
    assert found.done
    assert found.breaks.endswith(".")
    for signal in found.signals:
        field, direction = signal.split()
        assert direction in ("up", "down")
        assert field.partition(".")[0] in (*DECLARED["components"], "accepted")


def test_a_part_that_is_only_handed_something_else_is_said_to_be_so() -> None:
    assert BY_NAME["blurred-pictures"].where == ("vlm (its input)",)
    assert BY_NAME["two-at-once"].where == ("vlm (its input)", "llm")
    assert BY_NAME["silent-model-change"].where == ("llm",)


def test_a_fault_is_over_when_it_is_switched_off() -> None:
    for found in REAL:
        changed([(found, 1.0)])
    assert changed([]) == Conditions()


@given(st.lists(st.sampled_from(REAL), max_size=4), st.integers(0, 99))
def test_faults_that_are_on_together_all_show(on: list[Fault], seed: int) -> None:
    """Whatever one of them sets alone is still so, unless another one sets the same."""
    together = vars(changed([(f, 1.0) for f in on], seed))
    for found in on:
        if found.name == "llm-timeouts":
            continue  # left to chance
        alone = {k: v for k, v in vars(changed([(found, 1.0)], seed)).items() if v != getattr(Conditions(), k)}
        others = {k for f in on if f is not found for k, v in vars(changed([(f, 1.0)], seed)).items()
                  if v != getattr(Conditions(), k)}  # fmt: skip
        assert {k: together[k] for k in alone if k not in others} == {k: v for k, v in alone.items() if k not in others}


def test_two_at_once_is_two_of_the_others() -> None:
    both = [(BY_NAME["dark-pictures"], 1.0), (BY_NAME["temperature-error"], 1.0)]
    assert changed([(BY_NAME["two-at-once"], 1.0)]) == changed(both)
    assert BY_NAME["two-at-once"].parts == ("vlm", "llm")


def test_a_gradual_fault_grows_from_nothing() -> None:
    blur = [changed([(BY_NAME["gradual-haze"], progress / 10)]).blur for progress in range(11)]
    assert blur[0] == 0.0
    assert blur == sorted(set(blur))


def test_about_a_third_of_calls_hang() -> None:
    hangs = sum(changed([(BY_NAME["llm-timeouts"], 1.0)], seed).model_hangs for seed in range(2_000))
    assert hangs / 2_000 == pytest.approx(HANGING, abs=0.04)


def test_a_fault_that_is_not_there_is_one_line_that_names_those_that_are() -> None:
    with pytest.raises(Unavailable, match="no fault 'blurred'; there is: blurred-pictures, "):
        fault("blurred")
    assert fault("sale-week").mix == Mix(campaign=4.0, rate=2.0, eager=1.4)
