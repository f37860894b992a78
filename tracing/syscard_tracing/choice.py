"""Which attributes of a component its owner wants kept, or left out: `allow` and `only` of `system.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class KeyNames:
    """Attribute names as they are written in `system.yaml`; `shop.*` is every name that starts with `shop.`."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: tuple[str, ...]) -> KeyNames:
        """Names as written."""
        return cls(
            frozenset(name for name in names if not name.endswith("*")),
            tuple(name[:-1] for name in names if name.endswith("*")),
        )

    def __contains__(self, key: object) -> bool:
        return key in self.exact or (isinstance(key, str) and bool(self.prefixes) and key.startswith(self.prefixes))


@dataclass(frozen=True)
class Choice:
    """What a component's owner wants of its attributes beyond the keep level."""

    allow: KeyNames = field(default_factory=KeyNames)
    """Kept whatever their shape, masked."""
    only: KeyNames | None = None
    """Where it is stated, every other attribute is left out, uncounted."""

    def leaves_out(self, *names: str) -> bool:
        """Whether an attribute, known by any of these names, is left out."""
        return self.only is not None and not any(name in self.only or name in self.allow for name in names)


NO_CHOICE: Final = Choice()
"""Nothing is declared: the keep level decides."""


def choice_of(allow: tuple[str, ...] | None, only: tuple[str, ...] | None) -> Choice:
    """The choice that a component declares."""
    return Choice(KeyNames.of(allow or ()), None if only is None else KeyNames.of(only))
