"""Messages are short, plain, and hold nothing that a chat reads as more than text."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.card import Incident
from syscard.system import MessageBudget
from syscard_monitors.notify import words
from syscard_monitors.notify.words import LONGEST, Said, plain, ranges
from tests.unit.build import NOW
from tests.unit.monitors.test_notify_deciding import incident

ACTIVE = re.compile(r"[<>@`\[\]\\]|://|[\x00-\x09\x0b-\x1f]")
"""What HTML, Markdown, links and mentions begin with."""


def said(incidents: list[Incident]) -> list[Said]:
    digest = words.Digest(incidents, incidents, incidents, incidents, ["grounded is stale"] * 50)
    return [
        words.of_news("shop", "shop/llm", incidents, frozenset({1}), incidents),
        words.of_repeat("shop", "shop/llm", incidents, NOW + timedelta(hours=4)),
        words.of_end("shop", "shop/llm", incidents),
        words.of_budget("shop", MessageBudget(), len(incidents)),
        words.of_digest("shop", digest),
        words.of_outage("shop", incidents[0].title),
        words.of_return("shop", incidents[0].title, timedelta(minutes=7)),
    ]


def test_a_page_says_what_broke_since_when_what_to_do_first_and_where_to_look() -> None:
    told = words.of_news("shop", "shop/llm", [incident()], frozenset(), [])
    assert told == Said(
        "(shop) PAGE INC-1: llm: grounded 0.90 \N{RIGHTWARDS ARROW} 0.30",
        "INC-1 page, llm: llm: grounded 0.90 \N{RIGHTWARDS ARROW} 0.30; since 2026-11-22 14:00 UTC\n"
        "llm broke.\nIt began at noon.\nDo first: roll llm back\nsee: syscard incident show INC-1",
    )


@pytest.mark.parametrize(
    "text", ["<b>x</b>", "@everyone", "[x](https://evil.example)", "`rm`", "<!channel>", "a\nb\x1b[2J"]
)
def test_what_a_span_may_have_written_is_no_markup_no_link_and_no_mention(text: str) -> None:
    assert not ACTIVE.search(plain(text))


@given(text=st.text(max_size=3000), count=st.integers(1, 60))
def test_whatever_a_card_says_a_message_is_short_and_plain(text: str, count: int) -> None:
    changes: dict[str, Any] = {"title": text, "note": (text, text), "do_first": text, "subject": text[:80]}
    many = [incident(n).model_copy(update=changes) for n in range(1, count + 1)]
    for told in said(many):
        assert len(told.title) + len(told.text) <= LONGEST
        assert not ACTIVE.search(told.title + told.text)
        assert told.title.strip()


def test_a_runbook_that_the_team_declared_is_a_link_and_nothing_else_is() -> None:
    runbook = "https://runbooks.shop.example/vlm?x=1"
    broken = incident().model_copy(update={"do_first": f"roll back https://evil.example; runbook: {runbook}"})
    told = words.of_news("shop", "shop/llm", [broken], frozenset(), [], (runbook,))
    assert f"Do first: roll back https: evil.example; runbook: {runbook}" in told.text
    assert runbook not in words.of_news("shop", "shop/llm", [broken], frozenset(), []).text
    for wrong in ("javascript://x", "https://x/<b>", "https://x/ y", "https://x/[a](b)"):
        broken = incident().model_copy(update={"do_first": f"see {wrong}"})
        assert wrong not in words.of_repeat("shop", "shop/llm", [broken], NOW, (wrong,)).text


def test_a_digest_is_called_by_what_is_in_it() -> None:
    one = [incident()]
    titles = [
        words.of_digest("shop", words.Digest(held, new, ended, one, ["grounded is stale"])).title
        for held, new, ended in ((one, one, one), ([], [], one), ([], [], []))
    ]
    assert titles == [
        "(shop) digest: 2 incidents not told before", "(shop) digest: 1 incident over",
        "(shop) digest: 1 claim unknown or stale",
    ]  # fmt: skip


def test_a_digest_that_has_no_room_says_how_much_is_left_out() -> None:
    many = [incident(n).model_copy(update={"title": "x" * 200}) for n in range(1, 40)]
    told = words.of_digest("shop", words.Digest(many, many, many, many, []))
    assert re.search(r"^and \d+ lines more$", told.text, re.MULTILINE)
    assert "held back by the message budget (39): INC-1 to INC-39" in told.text


@given(numbers=st.sets(st.integers(1, 200), min_size=1))
def test_ranges_name_every_number_once(numbers: set[int]) -> None:
    named: list[int] = []
    for part in ranges(numbers).split(", "):
        first, *last = [int(n) for n in re.findall(r"INC-(\d+)", part)]
        named += range(first, (last or [first])[0] + 1)
    assert named == sorted(numbers)
