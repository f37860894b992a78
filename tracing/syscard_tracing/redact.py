"""What becomes of text before anything is written: counts, keyed fingerprints, masked text, or the text itself.

Which strings are no text but labels is decided in `syscard_tracing.labels`.
"""

from __future__ import annotations

import hmac
import json
import re
from functools import lru_cache
from typing import Any, Final

from syscard.system import Keep
from syscard_tracing.labels import LABEL_WORDS, component_name, is_label
from syscard_tracing.literals import literal, nested, parsed
from syscard_tracing.pii import SCANNED, clean, mask
from syscard_tracing.spans import Value

OWN_ITEMS: Final = 64
TERMS: Final = 64
MASKED_LIMIT: Final = 4_000
FULL_LIMIT: Final = 16_000

_WORD: Final = re.compile(r"\S+")
_CONTENT_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_IMAGE: Final = re.compile(r"data:[^,\s\"']{0,200},[A-Za-z0-9+/=%_-]*|[A-Za-z0-9+/_-]{128,}={0,2}")
_IMAGE_TYPES: Final = frozenset({"blob", "image", "image_url", "input_image", "binary", "audio", "video", "file"})
_NOT_CONTENT: Final = frozenset(
    {"role", "type", "id", "name", "mime_type", "media_type", "modality", "finish_reason", "tool_call_id", "url", "lc"}
)


class Redactor:
    """Turns text into what may be kept. Holds the home's key: a word has the same fingerprint within one home only."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._term = lru_cache(maxsize=16384)(self._fingerprint)

    def user(self, value: str) -> str:
        """Keyed hash of a user or session: 32 hex digits."""
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

    def component(self, stated: str, taken: frozenset[str]) -> str:
        """A safe name for a component that a span states; one of the `taken` is not reached by respelling."""
        name = component_name(stated)
        return name if name is not None and (name == stated or name not in taken) else f"component:{self.mark(stated)}"

    def terms(self, text: str) -> list[str]:
        """Sorted keyed fingerprints (16 hex digits) of the content words, at most 64.

        The smallest ones are kept, so two texts keep comparable samples.
        """
        return sorted(self._term(word) for word in set(_CONTENT_WORD.findall(text.lower())))[:TERMS]

    def text(self, field: str, parts: list[Value], keep: Keep) -> dict[str, Any]:
        """Features of one text field at a keep level: `.chars .words .pii`, then `.terms`, then the text."""
        trees = [_tree(part) for part in parts]
        plain = "\n".join(leaf for tree in trees for leaf in _leaves(tree))[:SCANNED]
        masked, hits = mask(clean(plain))
        found: dict[str, Any] = {
            f"{field}.chars": len(plain),
            f"{field}.words": len(_WORD.findall(plain)),
            f"{field}.pii": hits,
        }
        if keep is not Keep.FEATURES:
            found[f"{field}.terms"] = self.terms(plain)
        if keep is Keep.MASKED:
            found[field] = masked[:MASKED_LIMIT]
        if keep is Keep.FULL:
            found[field] = clean("\n".join(_written(tree) for tree in trees)[:FULL_LIMIT])
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


def number_or_none(value: Value) -> bool | int | float | None:
    """A boolean or finite number; None for anything else."""
    kind = type(value)
    if kind is float:
        return value if value - value == 0.0 else None  # type: ignore[operator,return-value]
    return value if kind is bool or kind is int else None  # type: ignore[return-value]


def _tree(part: Value) -> Value:
    """The part without pictures; messages travel as JSON in a string."""
    if isinstance(part, str) and part[:1] in ("[", "{"):
        document = parsed(part)
        part = part if document is None else document  # what is no document is looked through as it is
    return _without_images(part, 0)


def _without_images(tree: Value, depth: int) -> Value:
    if depth > 32:
        return None
    if isinstance(tree, str):
        if nested(tree) and (found := literal(tree)) is not None:
            return _without_images(found, depth + 1)
        return _IMAGE.sub("[image]", tree)
    if isinstance(tree, list):
        return [_without_images(item, depth + 1) for item in tree]
    if isinstance(tree, dict):
        if tree.get("type") in _IMAGE_TYPES:
            return {"type": tree["type"]}
        return {key: _without_images(item, depth + 1) for key, item in tree.items()}
    return tree


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
