"""Personal data and secrets in text: found by rules that need no library, and masked by the name of what they are.

Rules find what has a shape: addresses, numbers with check digits, keys with a prefix, what stands behind `password=`.
A person's name has none, nor has a street: these rules do not find them.
Every rule is bounded, so that the time for a text grows with its length and no faster.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from heapq import heapify, heappop, heapreplace
from typing import Final

from syscard_tracing.patterns import CHECKS, OPAQUE, OPAQUE_CHARS, RULES, SHOWN, luhn

SCANNED: Final = 100_000
"""Characters of one text that are looked at."""
SECRETS: Final = frozenset({"secret", "login", "basic"})
"""Rules whose hits nobody may keep, whatever was asked for."""

_RULES: Final = tuple((name, rule, re.compile(rule.pattern)) for name, rules in RULES.items() for rule in rules)
_DIGIT: Final = re.compile(r"\d")
# To Python, which reads these patterns, both are an i.
_DOTTED: Final = str.maketrans("\u0130\u0131", "ii")
_DASHES: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_OPAQUE: Final = re.compile(OPAQUE)
_NO_HIT: Final = frozenset({"image", "base64"})
# To a rule, the n of an escaped line end belongs to the word behind it.
_ESCAPED_LINE_END: Final = re.compile(r"(\\[nrt])(?=\S)")
_SPACE: Final = re.compile(r"\s")
# Letters and marks without a shape: to Python they are printable.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def mask(text: str, only: frozenset[str] | None = None) -> tuple[str, int]:
    """The text with every hit replaced by what it is, such as `[email]` or `[phone]`; and how many there were.

    Full-width and other compatible characters are read as the plain ones that they stand for, and come back as those.
    `only`: the rules whose hits are replaced; pictures always are.
    """
    if len(text) <= OPAQUE_CHARS and (is_word(text) or _OPAQUE.fullmatch(text)):
        return text, 0
    text = text[:SCANNED]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)[:SCANNED]
    text = _ESCAPED_LINE_END.sub(r"\1 ", text)[:SCANNED]
    hits, done, pieces = 0, 0, []
    for name, match in _matches(text if text.isascii() else text.translate(_DASHES)):
        if name in CHECKS and not CHECKS[name](match.group()):
            continue
        hits += name not in _NO_HIT
        if only is None or name in only or name in _NO_HIT:
            pieces += [text[done : match.start()], f"[{SHOWN.get(name, name)}]"]
            done = match.end()
    return "".join((*pieces, text[done:])), hits


def _matches(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """What one pattern of all rules would find, one after the other: the leftmost, and of those the first rule's."""
    low = (text if text.isascii() else text.translate(_DOTTED)).lower()
    has_digit = _DIGIT.search(text) is not None
    following = [
        (match.start(), order, match)
        for order, (_, rule, pattern) in enumerate(_RULES)
        if (has_digit or not rule.digit)
        and all(any(word in low for word in words) for words in rule.needs)
        and (match := pattern.search(text))
    ]
    heapify(following)
    end = 0
    while following:
        start, order, match = following[0]
        name, _, pattern = _RULES[order]
        if start >= end:
            yield name, match
            end = match.end()
        # What another rule has taken is gone: the rule looks on behind it.
        if later := pattern.search(text, end):
            heapreplace(following, (later.start(), order, later))
        else:
            heappop(following)


def is_word(text: str) -> bool:
    """Whether a text is one word of letters and digits, a small letter among them, in which no rule finds anything."""
    return (
        text.isalnum() and text.isascii() and text != text.upper() and "AIza" not in text and "dapi" not in text
        and not (text[2:4].isdigit() and 14 < len(text) < 35)  # may be an account's number
    )  # fmt: skip


def clean(text: str) -> str:
    """The text without what cannot be seen: control, zero-width and bidi characters, lone surrogates.

    Line ends and other white space become blanks. What is unseen can hide an address from the rules, turn a line
    round, or write a second one into a terminal.
    """
    text = text if text.isascii() else _UNSEEN.sub("", text)
    if text.isprintable():
        return text
    text = _SPACE.sub(" ", text)
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def is_card(digits: str) -> bool:
    """Whether a number (digits only) is one that a payment card can have."""
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and luhn(digits)
