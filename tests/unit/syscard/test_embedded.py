"""What faces say of what makes vectors of texts."""

from __future__ import annotations

from typing import Any

import pytest

from syscard.embedded import encoder_text, encoders_text


def view(model: str | None, *made: str, ref: str = "llm") -> dict[str, Any]:
    """A view with one component."""
    declared: dict[str, Any] = {"owner": "o"} | ({"embed": {"model": model}} if model else {})
    live = {"encoders": {ref: [{"by": by, "vectors": 20, "left_out": 0} for by in made]} if made else {}}
    return {"card": {"components": {ref: {"declared": declared}}}, "live": live}


@pytest.mark.parametrize(
    ("model", "made", "said"),
    [
        (None, (), ""),
        (None, ("its sender",), "embeddings by its sender"),
        ("minilm", (), "embeddings by minilm: none in the newest window"),
        ("fingerprints", ("fingerprints (key 1)",), "embeddings by fingerprints (key 1)"),
        ("minilm", ("fingerprints (key 1)",), "embeddings by fingerprints (key 1) in place of minilm"),
        ("minilm", ("MiniLM (sha256 2)",), "embeddings by MiniLM (sha256 2)"),
    ],
)
def test_what_is_used_is_said_and_what_it_takes_the_place_of(
    model: str | None, made: tuple[str, ...], said: str
) -> None:
    assert encoder_text(view(model, *made), "llm") == said


def test_what_is_no_vector_is_counted() -> None:
    seen = view("fingerprints", "fingerprints (key 1)")
    seen["live"]["encoders"]["llm"][0]["left_out"] = 5
    assert encoder_text(seen, "llm") == "embeddings by fingerprints (key 1) (5 of 25 are no vectors)"


def test_what_a_span_says_of_its_maker_is_one_line() -> None:
    assert "\n" not in encoder_text(view(None, "a\nb\x1b[31m"), "llm")
    assert "\x1b" not in encoder_text(view(None, "a\nb\x1b[31m"), "llm")


def test_nothing_is_said_of_parts_without_vectors_nor_before_the_monitors_ran() -> None:
    assert encoders_text(view(None)) == ()
    assert encoders_text(view(None, "x")) == ("llm: embeddings by x",)
    assert encoders_text({**view("minilm"), "live": None}) == ("llm: embeddings by minilm: none in the newest window",)
    nobodys = {**view(None), "card": {"components": {"llm": {"declared": None}}}}
    assert encoders_text(nobodys) == ()
