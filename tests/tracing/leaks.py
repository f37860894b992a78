"""Tools of the leak tests: canaries of every shape for every place of a span, and every byte of a home."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow.parquet as parquet

from syscard.home import Home
from syscard_configs import names, read_text
from syscard_tracing.batch import from_bytes
from syscard_tracing.tables import DialectTable, parse_table

LEVELS: Final = ("features", "fingerprints", "masked", "full")
LEVEL: Final = "test.level"
"""The attribute by which a span is of the component that is kept at a level."""


class Canary(NamedTuple):
    """One planted value: at which level, in which place of which group, in which shape."""

    level: str
    group: str
    place: str
    shape: str


def code(number: int) -> str:
    """A word that nothing else holds, for a number."""
    return "zq" + "".join(chr(97 + int(digit, 16)) for digit in f"{number:06x}") + "x"


def _card(number: int) -> int:
    digits = [4, *map(int, f"{number:014d}")]
    odd = sum(sum(divmod(2 * d, 10)) for d in digits[::2]) + sum(digits[1::2])
    return int("".join(map(str, digits)) + str(-odd % 10))


SHAPES: Final[dict[str, Callable[[int], Any]]] = {
    "word": code,
    "name": lambda n: f"Zebra {code(n)}",
    "sentence": lambda n: f"My neighbour {code(n)} takes insulin every day, she says.",
    "unicode": lambda n: f"моя соседка {code(n)} придёт завтра в пять часов",
    "email": lambda n: f"{code(n)}@example.org",
    "secret": lambda n: f"sk-{code(n)}0123456789abcdef",
    "password": lambda n: json.dumps({"note": {"password": code(n)}}),
    "told password": lambda n: f'The tool said: {{"password": "x; {code(n)}", "n": 1}} and went on',
    "cut password": lambda n: json.dumps({"note": {"password": f"x {code(n)}"}})[:-3],
    "password in password": lambda n: f" {json.dumps(json.dumps({'secret': {'value': code(n)}}))}",
    "yaml password": lambda n: f"settings:\n  password: |\n    {code(n)}\n",
    "header": lambda n: json.dumps({"headers": [["Authorization", f"Token {code(n)}"]]}),
    "user": lambda n: json.dumps({"user_id": f"u-{code(n)}"}),
    "told user": lambda n: f"Lines:\n{json.dumps({'first_name': code(n)})}\n{json.dumps({'user_id': code(n)})}",
    "phone": lambda n: f"call +3169{n:07d} now",
    "number": lambda n: int(f"3169{n:07d}"),
    "card": _card,
}
_FOUND: Final = re.compile(rb"zq([a-p]{6})x|(?<!\d)3169(\d{7})(?!\d)|(?<!\d)4(\d{14})\d(?!\d)")


def wire(value: Any) -> dict[str, Any]:
    """A value as OTLP/JSON has it."""
    if isinstance(value, list):
        return {"arrayValue": {"values": [wire(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP/JSON has them."""
    return [{"key": key, "value": wire(value)} for key, value in attributes.items()]


@dataclass
class Plant:
    """Plants canaries, and knows afterwards which was which."""

    planted: list[Canary]

    def one(self, level: str, shape: str, group: str, place: str) -> Any:
        """A new canary's value."""
        self.planted.append(Canary(level, group, place, shape))
        return SHAPES[shape](len(self.planted) - 1)

    def found_in(self, content: bytes) -> set[Canary]:
        """The canaries that some bytes hold."""
        numbers = set()
        for match in _FOUND.finditer(content.lower()):
            letters, *digits = match.groups()
            numbers.add(
                int("".join(f"{c - 97:x}" for c in letters), 16) if letters else int(next(filter(None, digits)))
            )
        return {self.planted[n] for n in numbers if n < len(self.planted)}


def tables() -> list[DialectTable]:
    """The tables that ship, as written."""
    return [parse_table(read_text("dialects", name)) for name in names("dialects")]


def keys_of(table: DialectTable) -> Iterator[tuple[str, str]]:
    """(group, key) of everything that a table names."""
    sections: dict[str, Any] = {
        "columns": [key for keys in table.columns.values() for key in keys],
        "subject": table.subject,
        "operation": table.operation.keys,
        "user": table.user,
        "hashed": table.hashed,
        "dropped": table.dropped,
        "text": table.text,
        "labels": table.labels,
    }
    for group, keys in sections.items():
        yield from ((_group(group, key, table), key) for key in keys)


def _group(group: str, key: str, table: DialectTable) -> str:
    """A member of a text goes into a column, and with the text."""
    return "members" if group == "columns" and key.partition("#")[0] in table.text else group


def filled(key: str, value: Any) -> tuple[str, Any]:
    """An attribute for a key of a table: `*` is something, `key#member` is a member of a JSON object in a string."""
    name, _, member = key.partition("#")
    return name.replace("*", "0.message.content"), json.dumps({member: value}) if member else value


def every_byte(home: Home) -> dict[str, bytes]:
    """Everything that a home holds, by file: the bytes as they are, and inflated where something is packed."""
    found: dict[str, bytes] = {}
    for path in sorted(p for p in home.root.rglob("*") if p.is_file()):
        name = str(path.relative_to(home.root))
        found[name] = path.read_bytes()
        if path.suffix == ".parquet":
            found[f"{name} (inflated)"] = str(parquet.read_table(path).to_pylist()).encode()
        if path.suffix == ".db":
            found[f"{name} (read)"] = _database(path)
    return found


def _database(path: Path) -> bytes:
    """Every value of every table; Arrow streams inflated."""
    said: list[str] = []
    with sqlite3.connect(path) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                said += [_value(value) for value in row]
    return "\n".join(said).encode()


def _value(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return str(from_bytes([value]).to_pylist())
    except Exception:  # noqa: BLE001 - no Arrow stream: as it is
        return repr(value)
