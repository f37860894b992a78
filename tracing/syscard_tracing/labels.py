"""Which words of a span may be kept as they are. The one place where that is decided.

**The rule.** A string is kept as it is only where it is shaped like a label:

- at most 64 characters and at most 3 words (a span's name: 6, because it says an operation and whose it is);
- letters, digits, `_ . : / @ + # -`, and single blanks between words: no other punctuation, no `->`, nothing unseen;
- no hit of the rules for personal data and secrets (`syscard_tracing.pii`).

What becomes of other strings depends on their place: a column and a label of a dialect table hold `#` and 12 hex digits
of a keyed hash, so that a change can be seen and the words cannot; a `syscard.*` attribute is counted like a text
(`.chars .words .pii`); anything else is left out. Words that `system.yaml` itself holds are the owner's, and stay.

The rule looks at the shape alone: a name of two words is a label to it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from syscard_tracing.pii import clean, mask

LABEL_CHARS: Final = 64
LABEL_WORDS: Final = 3
NAME_WORDS: Final = 6
KEY_CHARS: Final = 64
"""Characters of a key that no table knows."""
KEY_WORDS: Final = 8
"""Words of a key that no table knows."""
UNNAMED: Final = "(unnamed)"
"""Stands for a key that is not shaped like one."""

_SHAPE: Final = re.compile(r"[\w.:/@+#-]+(?: [\w.:/@+#-]+)*")
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,127}")
_KEY_WORD: Final = re.compile(r"[^._/-]+")
_REF: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_DISCOVERED: Final = re.compile(r"[a-z][a-z_]{0,31}:(.+)")
_NEARLY_REF: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]*")


def is_label(text: str, words: int = LABEL_WORDS) -> bool:
    """Whether a text is shaped like a label of so many words."""
    # The length is looked at first: what is remembered must be small.
    return len(text) <= LABEL_CHARS and _is_label(text, words)


def is_key(key: str, *, known: bool) -> bool:
    """Whether an attribute key may be kept; one that nobody knows has to be shorter, because it may be a sentence."""
    if not _KEY.fullmatch(key) or mask(key)[1]:
        return False
    return known or (len(key) <= KEY_CHARS and len(_KEY_WORD.findall(key)) <= KEY_WORDS)


def component_name(stated: str) -> str | None:
    """The name under which a stated component may be kept; None where its words may not be.

    References and discovered names (`<operation>:<label>`) stay, what is nearly a reference is made one.

    >>> component_name("My Ranker.v2"), component_name("chat:gpt-4o"), component_name("a->b")
    ('my-ranker-v2', 'chat:gpt-4o', None)
    """
    if _REF.fullmatch(stated):
        return stated if is_label(stated) else None
    if (discovered := _DISCOVERED.fullmatch(stated)) and is_label(discovered[1]):
        return stated
    if is_label(stated) and _NEARLY_REF.fullmatch(stated):
        return re.sub("[. ]", "-", stated.lower())
    return None


@lru_cache(maxsize=16384)
def _is_label(text: str, words: int) -> bool:
    if not _SHAPE.fullmatch(text) or text.count(" ") >= words:
        return False
    return clean(text) == text and not mask(text)[1]
