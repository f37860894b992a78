"""What becomes of text before anything is written: counts, keyed fingerprints, masked text, or the text itself.

Which strings are no text but labels is decided in `syscard_tracing.labels`.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from syscard.fingerprints import sketch
from syscard.system import Keep
from syscard_tracing import hidden
from syscard_tracing.hidden import EVERY, Search, is_plain
from syscard_tracing.keys import Key
from syscard_tracing.labels import LABEL_WORDS, component_name, is_label
from syscard_tracing.names import Names, named
from syscard_tracing.pii import SCANNED, SECRETS, clean, is_card, mask
from syscard_tracing.refusals import declines
from syscard_tracing.spans import Value
from syscard_tracing.words import content_words, shingles

OWN_ITEMS: Final = 64
ANSWER: Final = "gen_ai.output.messages"
"""The field that holds what a model answered, whatever the dialect calls it."""
_SHORT_USER: Final = 128
MASKED_LIMIT: Final = 4_000
FULL_LIMIT: Final = 16_000

_WORD: Final = re.compile(r"\S+")
_PLACEHOLDER: Final = re.compile(r"\[[a-z0-9]{2,12}\]")
LONG: Final = 10**8
"""From here on a whole number has as many digits as a telephone's."""
_SHORTEST_CARD: Final = 2 * 10**12
_MEASURE: Final = re.compile(
    r"(?i)(?:^|[^a-z])(?:bytes?|size|length|count|total|sum|tokens?|ns|us|ms|s|nanos?|micros|millis|seconds|time|timestamp"
    r"|duration|latency|elapsed|offset|at|since|until|start|end|ttl|limit|max|min|seed|memory|flops|params|rows)$"
    r"|(?:Bytes|Size|Count|Time|Timestamp|Duration|Ns|Ms)$"
)
_NOT_CONTENT: Final = frozenset(
    {"role", "type", "id", "name", "mime_type", "media_type", "modality", "finish_reason", "tool_call_id", "url", "lc"}
)


class Redactor:
    """Turns text into what may be kept. Holds the home's key: a word has the same fingerprint within one home only.

    `find` masks the personal data of a text and counts it.
    """

    def __init__(self, key: bytes, find: Callable[[str], tuple[str, int]] = mask) -> None:
        self._key = key
        self._find = find
        self._term = lru_cache(maxsize=16384)(self._fingerprint)
        self._known_user = lru_cache(maxsize=4096)(self._user)

    def user(self, value: str) -> str:
        """Keyed hash of a user or session: 32 hex digits."""
        # The spans of a trace have one user. What is remembered must be small.
        return self._known_user(value) if len(value) <= _SHORT_USER else self._user(value)

    def _user(self, value: str) -> str:
        return hmac.digest(self._key, b"user\0" + value.encode("utf-8", "replace"), "sha256").hex()[:32]

    def mark(self, value: str) -> str:
        """What stands for words that are not kept: `#` and 12 hex digits of their keyed hash."""
        return "#" + hmac.digest(self._key, b"label\0" + value.encode("utf-8", "replace"), "sha256").hex()[:12]

    def label(self, value: str, declared: frozenset[str] = frozenset(), words: int = LABEL_WORDS) -> str:
        """The value where it is a label or a declared word, else its mark."""
        return value if is_label(value, words) or value in declared else self.mark(value)

    def labels(self, value: Value) -> Value:
        """What a dialect table calls a label, or a short array of them, as it may be kept; None for anything else."""
        if type(value) is str:
            return self.label(value) if value else value
        if type(value) is list:
            items = [self.labels(item) for item in value[:OWN_ITEMS] if not isinstance(item, list | dict)]
            return [item for item in items if item is not None]
        return number_or_none(value)

    def own(self, key: str, value: Value) -> Value:
        """A `syscard.*` attribute as it may be kept: no label where its name says that it is somebody or a secret."""
        names = named(key) if type(value) is not bool and is_plain(value) else None
        if names is None or not value:
            return own_value(value)
        if names is Names.USER and not isinstance(value, list):
            return self.user(str(value))
        return None

    def allowed(self, key: str, value: Value) -> Value:
        """An attribute that is kept whatever its shape: masked all the same, and bounded like a text."""
        if type(value) is bool or value is None:
            return value
        if (names := named(key)) and is_plain(value):
            return f"[{names.value}]"
        if isinstance(value, int | float):
            return number_or_none(value)
        if isinstance(value, list) and is_plain(value):
            items = [self.allowed("", item) for item in value[:OWN_ITEMS]]
            return [item for item in items if item is not None]
        return self._find(clean(_written(Search(EVERY).without(value))))[0][:MASKED_LIMIT]

    def component(self, stated: str, taken: frozenset[str]) -> str:
        """A safe name for a component that a span states; one of the `taken` is not reached by respelling."""
        name = component_name(stated)
        return name if name is not None and (name == stated or name not in taken) else f"component:{self.mark(stated)}"

    def terms(self, text: str) -> list[str]:
        """Keyed fingerprints (16 hex digits) of the content words, as `syscard.fingerprints` compares them."""
        return sketch([self._term(word) for word in content_words(text)])

    def said(self, parts: list[Value]) -> str:
        """The words of a text without what the rules find in it: what vectors are made of."""
        plain = "\n".join(leaf for part in parts for leaf in _leaves(Search(EVERY).without(part)))[:SCANNED]
        return _PLACEHOLDER.sub(" ", self._find(clean(plain))[0])

    def hashes(self, words: Iterable[str]) -> list[str]:
        """Keyed fingerprints of content words, all of them."""
        return [self._term(word) for word in words]

    @property
    def key_name(self) -> str:
        """What tells the home's keys apart and gives nothing of them away."""
        return Key(self._key, 0, None).name

    def shingles(self, text: str) -> list[str]:
        """Keyed fingerprints of every few words in a row: what is repeated word for word shares them."""
        return sketch([self._fingerprint(run) for run in shingles(text)])

    def text(self, field: str, parts: list[Value], keep: Keep) -> dict[str, Any]:
        """Features of one text field at a keep level.

        `.chars .words .pii`, of an answer `.declines`; from `fingerprints` on `.terms .shingles`, of the text without
        what the rules found in it; then the text: masked, or at `full` as it is but for secrets and pictures.
        """
        search = Search(EVERY)
        plain = "\n".join(leaf for part in parts for leaf in _leaves(search.without(part)))[:SCANNED]
        masked, hits = self._find(clean(plain))
        found: dict[str, Any] = {
            f"{field}.chars": len(plain),
            f"{field}.words": len(_WORD.findall(plain)),
            f"{field}.pii": hits + search.hits,
        }
        if field == ANSWER:
            found[f"{field}.declines"] = declines(plain)
        if keep is Keep.FEATURES:
            return found
        said = _PLACEHOLDER.sub(" ", masked)
        found |= {f"{field}.terms": self.terms(said), f"{field}.shingles": self.shingles(said)}
        if keep is Keep.MASKED:
            found[field] = masked[:MASKED_LIMIT]
        if keep is Keep.FULL:
            secrets = Search(hidden.SECRETS)
            written = clean("\n".join(_written(secrets.without(part)) for part in parts)[:SCANNED])
            found[field] = mask(written, only=SECRETS)[0][:FULL_LIMIT]
        return found

    def _fingerprint(self, word: str) -> str:
        return hmac.digest(self._key, b"term\0" + word.encode("utf-8", "replace"), "sha256").hex()[:16]


def own_value(value: Value) -> Value:
    """A `syscard.*` attribute as it may be kept: scalars, labels, short arrays of them; None for anything else.

    An array with one text in it is a text: without that item it would look whole.
    """
    if type(value) is str:
        return value if not value or is_label(value) else None
    if type(value) is list:
        items = [item for item in value[:OWN_ITEMS] if not isinstance(item, list | dict)]
        kept = [own_value(item) for item in items]
        has_text = any(type(item) is str and own is None for item, own in zip(items, kept, strict=True))
        return None if has_text else [own for own in kept if own is not None]
    return number_or_none(value)


def unknown_number(key: str, value: Value) -> bool | int | float | None:
    """A number under a key that no table knows; None for what may be a person's, and for anything but a number.

    That is: what the key itself says is a user, a secret or a person's; and whole numbers of nine digits or more
    (telephone, card, national id) unless the key ends in a word for a measure.
    """
    number = number_or_none(value)
    if number is None or number is True or number is False:
        return number
    is_long = abs(number) >= LONG and number == int(number)
    return None if named(key) or (is_long and not _MEASURE.search(key)) else number


def number_or_none(value: Value) -> bool | int | float | None:
    """A boolean or finite number; None for anything else, and for what a payment card can have as its number."""
    kind = type(value)
    if kind is float:
        finite = value - value == 0.0  # type: ignore[operator]
        return value if finite and not _is_card(value) else None  # type: ignore[return-value,arg-type]
    if kind is int:
        return None if _is_card(value) else value  # type: ignore[return-value,arg-type]
    return value if kind is bool else None  # type: ignore[return-value]


def _is_card(number: float) -> bool:
    return number >= _SHORTEST_CARD and number == int(number) and is_card(str(int(number)))


def _leaves(tree: Value) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, list):
        return [leaf for item in tree for leaf in _leaves(item)]
    if isinstance(tree, dict):
        return [leaf for key, item in tree.items() if key not in _NOT_CONTENT for leaf in _leaves(item)]
    return []


def _written(tree: Value) -> str:
    return tree if isinstance(tree, str) else json.dumps(tree, ensure_ascii=False)
