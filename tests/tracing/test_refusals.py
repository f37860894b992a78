"""Answers that decline: told by how they begin, kept as yes or no."""

from __future__ import annotations

import json

import pytest

from syscard.system import Keep
from syscard_tracing.redact import ANSWER, Redactor
from syscard_tracing.refusals import BEGINNING, declines

DECLINED = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "Sorry. I\u2019m unable to provide medical advice.",
    "As an AI language model, I have no preferences.",
    "I must decline.",
    "Unfortunately this is against my guidelines.",
    "I won't generate that.",
)
ANSWERED = (
    "You recently bought cheese wedge, so this is a fruit you may enjoy.",
    "You can't go wrong with this lamp: it can help you read.",
    "I can help you choose.",
    "Sorry to hear that it broke; here is a spare part.",
    "",
)


@pytest.mark.parametrize("answer", DECLINED)
def test_an_answer_that_declines_is_told(answer: str) -> None:
    assert declines(answer)
    assert declines(answer.upper())


@pytest.mark.parametrize("answer", ANSWERED)
def test_an_answer_that_does_what_was_asked_is_not(answer: str) -> None:
    assert not declines(answer)


def test_only_the_beginning_of_an_answer_is_looked_at() -> None:
    assert not declines("word " * (BEGINNING // 5) + DECLINED[0])


@pytest.mark.parametrize("keep", list(Keep))
def test_whether_an_answer_declines_is_a_feature_at_every_level_and_of_answers_only(keep: Keep) -> None:
    said = json.loads(f'[{{"role": "assistant", "parts": [{{"type": "text", "content": "{DECLINED[0]}"}}]}}]')
    redactor = Redactor(bytes(32))
    assert redactor.text(ANSWER, [said], keep)[f"{ANSWER}.declines"] is True
    assert redactor.text(ANSWER, ["A lamp."], keep)[f"{ANSWER}.declines"] is False
    assert "gen_ai.input.messages.declines" not in redactor.text("gen_ai.input.messages", [said], keep)
