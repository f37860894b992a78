"""Dialect tables of a home: files in `<home>/dialects/` go over those that ship; one of the same name replaces."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from syscard.errors import Problem, SyscardError, UsageError
from syscard.system_checks import Lines, Place, line_of, located, shown, where
from syscard.yaml_tree import Tree, Unreadable, decoded
from syscard_tracing.dialects import Dialects, shipped_dialects
from syscard_tracing.table_checks import circle, table_faults, unread_name
from syscard_tracing.tables import DialectTable

LARGEST: Final = 256 * 1024
"""Bytes of one table."""
MOST: Final = 64
"""Tables of one home."""
HELP: Final = "docs/dialects.md lists the fields of a table"
_READABLE: Final = "make it readable or take it out"

_log = logging.getLogger("syscard.tracing")
_Stamp = tuple[tuple[str, int, int], ...]


class _Read(NamedTuple):
    path: Path
    lines: Lines
    table: DialectTable


def home_dialects(folder: Path) -> Dialects:
    """The tables that ship, with those of a folder over them; the folder need not be there.

    Raises:
        UsageError: a file is no table, or says what cannot be meant; one line,
            `file:line: where: what is wrong (write: what to write): where the fields are described`.
    """
    own = [_table(path) for path in _files(folder)]
    if not own:
        return shipped_dialects()
    shipped = {table.name: table for table in shipped_dialects().tables}
    named = _by_name(own)
    _check_also(named, shipped)
    _check_names(named, shipped)
    return Dialects((shipped | {name: read.table for name, read in named.items()}).values())


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


def _files(folder: Path) -> list[Path]:
    """The files of tables; such as begin with a dot are an editor's."""
    try:
        if not folder.is_dir():
            if folder.exists() or folder.is_symlink():
                raise UsageError(f"{folder} is no folder: tables stand in files in it; move it away")
            return []
        found = sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.startswith("."))
        for path in found:
            _check_file(path)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}: {_READABLE}") from error
    if len(found) > MOST:
        raise UsageError(f"{folder}: more than {MOST} tables: take some out")
    return found


def _check_file(path: Path) -> None:
    """Whether it can be opened without waiting: a pipe without a writer would never answer."""
    if path.is_file():
        return
    if path.is_symlink() and not path.exists():
        raise UsageError(f"{path} is a link that leads nowhere: mend it or take it out")
    raise UsageError(f"{path} is no file: a table is one; move it away")


def _stamp(folder: Path) -> _Stamp:
    try:
        return tuple((path.name, s.st_mtime_ns, s.st_size) for path in _files(folder) if (s := path.stat()))
    except (OSError, UsageError):
        return (("", 0, 0),)


def _table(path: Path) -> _Read:
    try:
        tree = Tree.of(_text(path), "schema: and name:", "schema: syscard-dialect/1")
    except Unreadable as error:
        raise _refused(path, error.problem) from error
    problems = [*tree.problems()]
    try:
        table = DialectTable.model_validate(tree.values)
        problems += located(table_faults(table), tree.values, tree.lines)
    except ValidationError as error:
        problems += [_of_shape(d, tree) for d in error.errors(include_url=False) if d["loc"] not in tree.blames]
    else:
        if not problems:
            return _Read(path, tree.lines, table)
    raise _refused(path, min(problems))


def _of_shape(detail: ErrorDetails, tree: Tree) -> Problem:
    place = tuple(step for step in detail["loc"] if step != "[key]")
    return Problem(line_of(place, tree.lines), where(place, tree.values), shown(detail["msg"]).lower())


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: {_READABLE}") from error
    if len(data) > LARGEST:
        raise UsageError(f"{path}: larger than {LARGEST // 1024} KiB: a table holds keys, not data")
    return decoded(data)


def _refused(path: Path, problem: Problem) -> UsageError:
    return UsageError(f"{problem.text(str(path))}: {HELP}")


def _at(read: _Read, place: Place, what: str) -> UsageError:
    return _refused(read.path, Problem(line_of(place, read.lines), where(place, {}), what))


def _by_name(own: Iterable[_Read]) -> dict[str, _Read]:
    found: dict[str, _Read] = {}
    for read in own:
        if (other := found.setdefault(read.table.name, read)) is not read:
            raise _at(read, ("name",), f"the table '{read.table.name}' is in {other.path.name} as well")
    return found


def _check_also(own: Mapping[str, _Read], shipped: Mapping[str, DialectTable]) -> None:
    for read in own.values():
        for i, name in enumerate(read.table.also):
            if name not in own and name not in shipped:
                raise _at(read, ("also", i), f"there is no table '{shown(name)}' to read also")
    # Those that ship read each other (`otel-genai`, `syscard`), and may be replaced by a copy that does.
    if round_ := circle({name: read.table for name, read in own.items() if name not in shipped}):
        raise _at(own[round_[0]], ("also",), f"these read each other in a circle: {' -> '.join(round_)}")


def _check_names(own: Mapping[str, _Read], shipped: Mapping[str, DialectTable]) -> None:
    tables = {**shipped, **{name: read.table for name, read in own.items()}}
    for read in own.values():
        if fault := unread_name(read.table, [tables[name] for name in read.table.also]):
            raise _at(read, fault.path, f"{fault.what} (write: {fault.write})")
