"""Crosswalk packs: what a body of rules asks for, and where on a card that would stand. Data, in our own words."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from syscard.errors import UsageError
from syscard.finding import Value
from syscard_configs import names, read_text

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
CardPath = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.([a-z_]+|\*(:[A-Za-z0-9-]+)?))*$")]
"""`claims.*:fairness.slices`: keys, `*` for every entry, and after it a topic of claims or a risk of the catalogue."""
Evidenceability = Literal["full", "partial", "none"]


class Item(Value):
    """One thing that is asked for."""

    id: Text
    title: Text
    """In our own words: no text of a standard is repeated."""
    card_paths: tuple[CardPath, ...] = ()
    """Empty: the card has no place for it."""
    evidenceability: Evidenceability
    """How much of it traces can show."""
    needs: Text
    """What it takes, beside what traces show."""


class Pack(Value):
    """One framework in one version."""

    framework: Name
    name: Text
    version: Text
    regimes: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Keys of `regimes` in system.yaml that say whether it applies, the most exact first."""
    binding: bool
    """Whether it can bind anybody; False of a framework that everybody follows of their own will."""
    source: Text
    valid_from: date
    valid_from_note: Text
    checked: date
    checked_against: Literal["official text", "secondary sources"]
    check: Text
    """What nobody has checked."""
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


def read_pack(text: str, name: str) -> Pack:
    """A pack from YAML.

    Raises:
        UsageError: the text is none, or names an item twice; names the file and the first thing wrong.
    """
    import yaml
    from pydantic import ValidationError

    try:
        pack = Pack.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise UsageError(f"{name}: it is no crosswalk: {first}: see docs/crosswalks.md for the shape") from error
    ids = [item.id for item in pack.items]
    if twice := next((id_ for id_ in ids if ids.count(id_) > 1), None):
        raise UsageError(f"{name}: {twice} stands there twice: take one out")
    return pack


@cache
def packs() -> dict[str, Pack]:
    """The packs that ship, by framework."""
    found = (read_pack(read_text("crosswalks", file), f"crosswalks/{file}") for file in names("crosswalks"))
    return {pack.framework: pack for pack in found}


def pack_of(framework: str) -> Pack:
    """One pack.

    Raises:
        UsageError: there is none of this name.
    """
    if framework not in packs():
        raise UsageError(f"no framework '{framework[:40]}'; there is: {', '.join(packs())}")
    return packs()[framework]
