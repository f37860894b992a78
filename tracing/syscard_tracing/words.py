"""The words of a text as they are compared across spans: normalised, of any language, without knowing which.

- Letters are compared without case and width (NFKC, casefold).
- A content word has four letters or more: short ones are mostly grammar. No list of stop words, no stemming.
- What holds a digit is an id or a figure and a word of its own, joints included: `i-17`, `1f954`, `3.5`.
- Scripts that are written without blanks (Chinese, Japanese, Korean, Thai ...) are cut into overlapping pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Final

from syscard.fingerprints import RUN

MAX_WORDS: Final = 20_000
"""Words of one text that are looked at."""
_LETTERS: Final = 4
_PAIRED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_PIECE: Final = re.compile(f"[{_PAIRED}]+|[^\\W{_PAIRED}]+")
_PAIRED_START: Final = re.compile(f"[{_PAIRED}]")
_TOKEN: Final = re.compile(r"[^\s\-_.]+(?:[\-_.]+[^\s\-_.]+)*")
_SIGNS: Final = re.compile(r"[^\w\s\-.]")


def content_words(text: str) -> set[str]:
    """The distinct content words of a text."""
    return {word for word in _words(text) if _says_something(word)}


def shingles(text: str) -> set[str]:
    """The distinct runs of `RUN` words in a row, short words included; empty where there are fewer."""
    words = list(_words(text))
    return {" ".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def _words(text: str) -> Iterator[str]:
    return islice(_all_words(text), MAX_WORDS)


def _all_words(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(_plain(text)):
        if any(c.isdigit() for c in token) and not _is_paired(token):
            yield token
            continue
        for piece in _PIECE.findall(token.replace("_", " ")):
            yield from _pairs(piece) if _is_paired(piece) else (piece,)


def _plain(text: str) -> str:
    """The text without case, width, signs and marks: a mark on a letter does not end a word."""
    if text.isascii():
        return _SIGNS.sub(" ", text.lower())
    text = unicodedata.normalize("NFKC", text).casefold()
    # Casefolding can undo the normal form.
    text = unicodedata.normalize("NFKC", text)
    return _SIGNS.sub(lambda sign: "" if unicodedata.category(sign[0])[0] == "M" else " ", text)


def _is_paired(token: str) -> bool:
    return not token.isascii() and _PAIRED_START.match(token) is not None


def _pairs(run: str) -> Iterator[str]:
    return (run[i : i + 2] for i in range(max(1, len(run) - 1)))


def _says_something(word: str) -> bool:
    return len(word) >= _LETTERS or _is_paired(word) or any(c.isdigit() for c in word)
