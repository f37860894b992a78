"""What can be said of a reason by counting: the rationale features. Pure, standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_OFFER: Final = re.compile(r"\d\s*%|[$€£]|\bdiscount|\bprize|\bwin\b|https?:|www\.|\.(?:com|example)\b", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\S+@\S+")
_ENGLISH: Final = frozenset(
    "a an and another are as at be because by can for from has have if in is it its like may of on or our so than that"
    " the their them these they this to was we were which will with you your".split()
)
"""The commonest words of English: about half of an English sentence, hardly any of a French or Spanish one."""
_SAID_ANYHOW: Final = _ENGLISH | frozenset(
    "also bought buy choice enjoy food good great item items label love popular product products purchased recently"
    " recommend recommended shopper sweet treat try want".split()
)
"""Words that a recommendation may always use: they claim nothing about the product or the shopper."""


@dataclass(frozen=True)
class Facts:
    """What the system knew when it wrote a reason."""

    name: str
    category: str
    tags: tuple[str, ...]
    label: str
    history: tuple[str, ...]

    @property
    def words(self) -> frozenset[str]:
        """Every word that a reason may rest on."""
        return frozenset(words(" ".join((self.name, self.category, *self.tags, self.label, *self.history))))


def words(text: str) -> list[str]:
    """Words in lower case."""
    return _WORD.findall(text.lower())


def rationale_features(text: str, facts: Facts) -> dict[str, Any]:
    """The features of a reason.

    `grounded` is the share of its content words that are among the facts, singular or plural (0 to 1; 0 where it says
    nothing), `ungrounded` how many are not. `cites_tags` counts the words of the picture's tags that it uses. `english`
    is the share of its words that are among the commonest of English. `offer` tells whether it speaks of a price, a
    prize or a web address, which this shop's reasons must not.
    """
    said = words(text)
    content = [word for word in said if word not in _SAID_ANYHOW]
    return {
        "rationale.words": len(said),
        "rationale.grounded": _share(_known(content, facts.words)),
        "rationale.ungrounded": len(content) - sum(_known(content, facts.words)),
        "rationale.names_item": set(words(facts.name)) <= set(said),
        "rationale.cites_history": any(set(words(item)) <= set(said) for item in facts.history),
        "rationale.cites_category": set(words(facts.category)) <= set(said),
        "rationale.cites_tags": len(set(words(" ".join(facts.tags))) & set(said)),
        "rationale.english": _share([word in _ENGLISH for word in said]),
        "rationale.repeats": _repeats(said),
        "rationale.offer": bool(_OFFER.search(_ADDRESS.sub("", text))),
    }


def _known(content: Sequence[str], known: frozenset[str]) -> list[bool]:
    forms = known | {word.rstrip("s") for word in known} | {f"{word}s" for word in known}
    return [word in forms or word.rstrip("s") in forms for word in content]


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 3) if hits else 0.0


def _repeats(said: Sequence[str]) -> float:
    """Share of the triples of words that were said before."""
    triples = [*zip(said, said[1:], said[2:], strict=False)]
    return round(1 - len(set(triples)) / len(triples), 3) if triples else 0.0
