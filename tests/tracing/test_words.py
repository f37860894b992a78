"""Words as fingerprints compare them: of any language, and the same word however it is written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.fingerprints import LIMIT, containment, overlap
from syscard.system import Keep
from syscard_tracing.redact import Redactor
from syscard_tracing.words import content_words, shingles

REDACTOR = Redactor(bytes(32))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fresh BREAD, and a bun.", {"fresh", "bread"}),
        ("items i-17 and 1f954 cost 3.5", {"items", "i-17", "1f954", "cost", "3.5"}),
        ('{"id": "i-17", "n": 2}', {"i-17", "2"}),
        ("ＦＲＥＳＨ bread", {"fresh", "bread"}),
        ("Straße STRASSE", {"strasse"}),
        ("Свежий хлеб", {"свежий", "хлеб"}),
        ("free-prizes snake_case", {"free", "prizes", "snake", "case"}),
        ("新鲜面包", {"新鲜", "鲜面", "面包"}),
        ("パン", {"パン"}),
        ("茶", {"茶"}),
        ("it is a", set()),
        ("", set()),
    ],
)
def test_content_words(text: str, words: set[str]) -> None:
    assert content_words(text) == words


def test_a_mark_on_a_letter_does_not_cut_a_word() -> None:
    assert len(content_words("स्वादिष्ट")) == 1
    assert content_words(unicodedata.normalize("NFD", "crème brûlée")) == content_words("crème brûlée")


@given(st.text())
def test_words_are_the_same_whatever_their_case_and_normal_form(text: str) -> None:
    assert content_words(unicodedata.normalize("NFKD", text)) == content_words(unicodedata.normalize("NFKC", text))
    assert all(content_words(word) == {word} for word in content_words("abcd Efgh i-17"))


def test_shingles_are_runs_of_words_in_their_order() -> None:
    assert shingles("Buy the fresh bread.") == {"buy the fresh", "the fresh bread"}
    assert shingles("two words") == set()
    assert shingles("a b c") != shingles("c b a")


@given(st.text(max_size=200), st.sampled_from(Keep))
def test_sketches_are_bounded_and_below_fingerprints_there_are_none(text: str, keep: Keep) -> None:
    found = REDACTOR.text("f", [text], keep)
    assert ({"f.terms", "f.shingles"} <= set(found)) == (keep is not Keep.FEATURES)
    for name in ("f.terms", "f.shingles"):
        assert len(found.get(name, ())) <= LIMIT


def test_what_the_rules_find_has_no_fingerprint() -> None:
    """An address could be found again by whoever has the key and a list of addresses."""
    plain = REDACTOR.text("f", ["bread for please"], Keep.FINGERPRINTS)
    found = REDACTOR.text("f", ["bread for jan@example.org please"], Keep.FINGERPRINTS)
    assert found["f.terms"] == plain["f.terms"]
    assert found["f.pii"] == 1


def test_another_homes_fingerprints_cannot_be_compared() -> None:
    here, there = (Redactor(key).text("f", ["fresh bread daily"], Keep.FINGERPRINTS) for key in (bytes(32), b"x" * 32))
    shared = overlap(here["f.terms"], there["f.terms"])
    assert shared is not None
    assert shared.value == 0


def test_terms_tell_a_shared_subject_and_shingles_a_copied_phrase() -> None:
    caption = "A crusty loaf of rye bread on a wooden board"
    copied = f"We suggest this: {caption.lower()}, as you asked."
    same_words = "Rye bread: wooden flavour, crusty loaf, board to cut it on"
    part, copy, other = (REDACTOR.text("f", [t], Keep.FINGERPRINTS) for t in (caption, copied, same_words))
    for whole, terms, runs in ((copy, 1.0, 1.0), (other, 1.0, 0.0)):
        said, repeated = (containment(part[f"f.{kind}"], whole[f"f.{kind}"]) for kind in ("terms", "shingles"))
        assert said
        assert repeated
        assert (said.value, repeated.value) == (terms, runs)
