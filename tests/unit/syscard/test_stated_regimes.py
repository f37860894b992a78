"""Whether a regime applies, as system.yaml states it: a word, or a word with its reason."""

from __future__ import annotations

import pytest

from syscard.applicability import applies
from syscard.errors import Problem, SystemFileError
from syscard.render.facts import answered
from syscard.system_file import parse_system
from syscard_configs import read_text

EXAMPLE = read_text("examples", "recommender.yaml")
STATED = next(line for line in EXAMPLE.split("\n") if line.startswith("    eu_ai_act:"))


def with_regimes(text: str) -> str:
    return EXAMPLE.replace(STATED, f"    eu_ai_act: {text}")


def problems_of(regime: str) -> tuple[Problem, ...]:
    with pytest.raises(SystemFileError) as caught:
        parse_system(with_regimes(regime), "system.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("no", "no"),
        ("not_applicable", "no"),
        ("voluntary", "voluntary"),
        ("high_risk", "yes"),
        ("applicable", "yes"),
        ("unclear", "unclear"),
    ],
)
def test_a_word_is_kept_as_it_was_written_and_has_one_meaning(written: str, word: str) -> None:
    identity = parse_system(with_regimes(written), "system.yaml").body()["system"]
    assert identity["regimes"] == {"eu_ai_act": written, "nist_ai_rmf": "voluntary"}
    assert applies(identity, ("eu_ai_act",)) == (word, "")


def test_a_reason_stands_beside_the_word() -> None:
    identity = parse_system(with_regimes("{applies: no, because: it sells shoes}"), "system.yaml").body()["system"]
    assert identity["regimes"]["eu_ai_act"] == {"applies": "no", "because": "it sells shoes"}
    assert applies(identity, ("eu_ai_act",)) == ("no", "it sells shoes")


def test_the_example_that_ships_states_a_reason_and_faces_show_it() -> None:
    identity = parse_system(EXAMPLE, "recommender.yaml").body()["system"]
    word, because = applies(identity, ("eu_ai_act",))
    assert (word, "Annex III" in because) == ("no", True)
    assert dict(answered(identity))["regimes"] == f"eu ai act no ({because}); nist ai rmf voluntary"


def test_the_most_exact_name_that_is_stated_decides() -> None:
    identity = {"regimes": {"nist_ai_rmf": "voluntary", "nist_ai_600_1": {"applies": "no", "because": "no text"}}}
    assert applies(identity, ("nist_ai_600_1", "nist_ai_rmf")) == ("no", "no text")
    assert applies(identity, ("moon_treaty", "nist_ai_rmf")) == ("voluntary", "")
    assert applies(identity, ("moon_treaty",)) == ("not stated", "")
    assert applies({}, ("eu_ai_act",)) == ("not stated", "")


@pytest.mark.parametrize(
    ("regime", "where", "what", "write"),
    [
        (
            "perhaps",
            "system.regimes.eu_ai_act.applies",
            "'perhaps' is not known here",
            "one of no, voluntary, high_risk",
        ),
        ("{applies: no}", "system.regimes.eu_ai_act.because", "is missing", "because: it is not among"),
        ("{applies: no, because: }", "system.regimes.eu_ai_act.because", "is empty", "because: it is not among"),
        ("{applies: no, because: x, why: y}", "system.regimes.eu_ai_act.why", "is not a key", "applies, because"),
        ("[no]", "system.regimes.eu_ai_act", "wants keys with values, has a list", ""),
    ],
)
def test_what_is_wrong_with_a_regime_is_said_with_its_line(regime: str, where: str, what: str, write: str) -> None:
    (problem,) = problems_of(regime)
    line = with_regimes(regime).split("\n").index(f"    eu_ai_act: {regime}") + 1
    assert (problem.line, problem.where) == (line, where)
    assert what in problem.what
    assert write in problem.write
