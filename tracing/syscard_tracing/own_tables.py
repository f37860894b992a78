"""Dialect tables of a home: files in `<home>/dialects/` go over those that ship; one of the same name replaces."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from syscard.errors import SyscardError, UsageError
from syscard_tracing.dialects import Dialects, shipped_dialects
from syscard_tracing.pii import clean
from syscard_tracing.tables import DialectTable, parse_table

LARGEST: Final = 256 * 1024
"""Bytes of one table."""
MOST: Final = 64
"""Tables of one home."""
HELP: Final = "docs/dialects.md lists the fields of a table"

_log = logging.getLogger("syscard.tracing")
_Stamp = tuple[tuple[str, int, int], ...]


class _Read(NamedTuple):
    path: Path
    text: str
    table: DialectTable


def home_dialects(folder: Path) -> Dialects:
    """The tables that ship, with those of a folder over them; the folder need not be there.

    Raises:
        UsageError: a file is no table; one line, `file:line: what is wrong: what to do`.
    """
    own = [_table(path) for path in _files(folder)]
    if not own:
        return shipped_dialects()
    merged = {table.name: table for table in shipped_dialects().tables} | _by_name(own)
    for read in own:
        for name in read.table.also:
            if name not in merged:
                raise _problem(
                    read.path, _line(read.text, ("also",)), f"there is no table '{shown(name)}' to read also"
                )
    return Dialects(merged.values())


class FreshDialects:
    """The tables of a home, read again when a file of theirs has changed. A broken file leaves those from before."""

    def __init__(self, folder: Path) -> None:
        """Read them.

        Raises:
            UsageError: a file is no table.
        """
        self._folder = folder
        self._stamp = _stamp(folder)
        self._dialects = home_dialects(folder)

    def __call__(self) -> Dialects:
        """The tables of the moment."""
        stamp = _stamp(self._folder)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._dialects = home_dialects(self._folder)
            except SyscardError as error:
                # Spans cannot wait until somebody has mended the file.
                _log.warning("%s; the tables from before are used", error)
        return self._dialects


def shown(text: str) -> str:
    """A word of a file as a message may print it."""
    return clean(text)[:60]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file())
    if len(found) > MOST:
        raise UsageError(f"{folder}: more than {MOST} tables: take some out")
    return found


def _stamp(folder: Path) -> _Stamp:
    try:
        return tuple((path.name, s.st_mtime_ns, s.st_size) for path in _files(folder) if (s := path.stat()))
    except (OSError, UsageError):
        return (("", 0, 0),)


def _table(path: Path) -> _Read:
    import yaml

    text = _text(path)
    try:
        return _Read(path, text, parse_table(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _problem(path, line, f"no YAML: {shown(error.problem or 'broken')}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _problem(path, 1, "no YAML") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(shown(str(part)) for part in first["loc"])
        what = f"{where}: {shown(first['msg']).lower()}" if where else "no table: it has no keys"
        raise _problem(path, _line(text, first["loc"]), what) from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: make it readable or take it out") from error
    except UnicodeDecodeError as error:
        raise _problem(path, data.count(b"\n", 0, error.start) + 1, "not UTF-8") from error
    if len(data) > LARGEST:
        raise UsageError(f"{path}: larger than {LARGEST // 1024} KiB: a table holds keys, not data")
    return text


def _problem(path: Path, line: int, what: str) -> UsageError:
    return UsageError(f"{path}:{line}: {what}: {HELP}")


def _by_name(own: Iterable[_Read]) -> dict[str, DialectTable]:
    found: dict[str, _Read] = {}
    for read in own:
        if (other := found.setdefault(read.table.name, read)) is not read:
            what = f"the table '{read.table.name}' is in {other.path.name} as well"
            raise _problem(read.path, _line(read.text, ("name",)), what)
    return {name: read.table for name, read in found.items()}


def _line(text: str, place: Iterable[Any]) -> int:
    """The line of the deepest part of a place that the file has."""
    import yaml

    *_, node = _nodes(yaml.compose(text, Loader=yaml.SafeLoader), place)
    return node.start_mark.line + 1 if node else 1


def _nodes(node: Any, place: Iterable[Any]) -> Iterator[Any]:
    import yaml

    yield node
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return
            yield pair[0]
            node = pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            yield node
