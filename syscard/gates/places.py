"""Where in `system.yaml` stands what a rule failed for, so that whoever reads a report can go there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syscard.gates.facts import CardJson
from syscard.yaml_tree import Tree, Unreadable

_TABLES: Final = ("claims", "risks", "unknowns")


@dataclass(frozen=True)
class Places:
    """Lines of a system's file; none where it is not at hand, or is another's: then everything is at its first line."""

    file: str
    lines: Mapping[str, int]
    """By name of a claim, part, risk or open question, and by field of `system`."""
    first: int = 1

    def of(self, item: str, card: CardJson) -> int:
        """The line of what an item is about: a claim's slice stands with its claim, an incident with its part."""
        if item.startswith("INC-") and item not in self.lines:
            incident = card["incidents"].get(item.removeprefix("INC-"), {})
            item = incident.get("subject", item)
        claim = item.partition(" ")[0]
        return self.lines.get(item) or self.lines.get(claim) or self.first


def places_of(text: str, name: str, system: str) -> Places:
    """The lines of a file, if it declares the system that is meant; a file of another one says nothing of this."""
    try:
        tree = Tree.of(text, "schema: and system:", "")
    except Unreadable:
        return Places(name, {})
    declared = tree.values.get("system")
    if not isinstance(declared, dict) or declared.get("ref") != system:
        return Places(name, {})
    lines = {str(key): line for (section, key, *rest), line in _deep(tree) if section == "system" and not rest}
    for (section, key, *rest), line in _deep(tree):
        if section in ("components", "interactions") and not rest:
            lines[str(key)] = line
    for section in _TABLES:
        lines |= {_id(one): tree.lines[(section, at)] for at, one in enumerate(tree.values.get(section) or ())}
    return Places(name, lines, tree.lines.get(("system",), 1))


def _deep(tree: Tree) -> list[tuple[tuple[Any, ...], int]]:
    return [(place, line) for place, line in tree.lines.items() if len(place) > 1]


def _id(one: object) -> str:
    return str(one.get("id")) if isinstance(one, dict) else ""
