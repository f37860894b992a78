"""Reading `system.yaml`: every problem at once, each with its line and with what to write.

Three passes: `syscard.yaml_tree` makes plain values that know their lines, pydantic checks their shape, and
`syscard.system_checks` what the parts say of each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError

from syscard.documented import Sha256Text
from syscard.errors import Problem, SystemFileError, UsageError
from syscard.shape_problems import Shape
from syscard.system import EDGE, About, AttributeName, Identifier, Ref, System
from syscard.system_checks import (
    Fault,
    Lines,
    Place,
    faults,
    located,
    shown,
    warnings,
)
from syscard.system_examples import EXAMPLES
from syscard.system_rest import faults_beside
from syscard.yaml_tree import Tree, Unreadable, decoded
from syscard_configs import read_text

MAX_BYTES: Final = 1 << 20
STARTER: Final = ("examples", "starter.yaml")

_STARTER_REF: Final = "my-recommender"
_STARTER_DAY: Final = "2027-03-01"


def read_system(path: Path) -> System:
    """The system that a file declares.

    Raises:
        SystemFileError: the file cannot be read, or has problems; carries all of them.
    """
    return parse_system(_text(path), str(path))


def parse_system(text: str, name: str) -> System:
    """The system that the text of a file declares; `name` is what messages call the file.

    Raises:
        SystemFileError: the text has problems; carries all of them, in the order of the file.
    """
    return _parse(text, name)[0]


def read_warnings(path: Path, today: date, beside: Iterable[Fault] = ()) -> tuple[Problem, ...]:
    """What a valid file should be warned of today, with lines: days that have passed and the like, and `beside`.

    Raises:
        SystemFileError: the file cannot be read, or has problems.
    """
    system, lines = _parse(_text(path), str(path))
    return warnings(system, today, lines, beside)


def starter_text(ref: str, today: date | None = None) -> str:
    """The commented `system.yaml` that `syscard init` writes, for a system called `ref`.

    `today` moves the days in it a quarter ahead, so that a new file does not start overdue.

    Raises:
        UsageError: `ref` cannot be the name of a system.
    """
    try:
        TypeAdapter(Ref).validate_python(ref)
    except ValidationError:
        raise UsageError(f"'{shown(ref)}' cannot name a system; {_NAMES[_pattern(Ref)][0]}") from None
    day = today + timedelta(days=90) if today else _STARTER_DAY
    return read_text(*STARTER).replace(_STARTER_REF, ref).replace(_STARTER_DAY, str(day))


def _parse(text: str, name: str) -> tuple[System, Lines]:
    try:
        tree = Tree.of(text, "schema: and system:", "syscard init writes a file to start from")
    except Unreadable as error:
        raise SystemFileError(name, (error.problem,)) from None
    system, found = _checked(tree)
    problems = tuple(sorted({*tree.problems(), *found}))
    if problems or system is None:
        raise SystemFileError(name, problems)
    return system, tree.lines


def _checked(tree: Tree) -> tuple[System | None, tuple[Problem, ...]]:
    """The system and what its parts contradict, or no system, what is wrong with the shape, and what else is wrong."""
    try:
        system = System.model_validate(tree.values, by_alias=True, by_name=False)
    except ValidationError as error:
        beside = faults_beside(tree.values, error)
        return None, (*_SHAPE.problems(error, tree), *located(beside, tree.values, tree.lines))
    return system, located(faults(system), tree.values, tree.lines)


def _text(path: Path) -> str:
    try:
        return decoded(_bytes(path))
    except Unreadable as error:
        raise SystemFileError(str(path), (error.problem,)) from None


def _bytes(path: Path) -> bytes:
    try:
        # One byte more than allowed is read, never all: the path may be a pipe or a device without an end.
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable(1, "there is no such file", "syscard init") from None
    except IsADirectoryError:
        raise Unreadable(1, "this is a directory", f"{path / 'system.yaml'}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unreadable(1, f"cannot be read: {shown(reason).lower()}") from None
    if len(data) > MAX_BYTES:
        raise Unreadable(1, "is larger than 1 MiB", "the declaration only; data belongs elsewhere")
    return data


# -------------------------------------------------------------------------------- from pydantic's words to plain ones


def _pattern(kind: Any) -> str:
    return str(get_args(kind)[1].pattern)


_WORD: Final = "small letters, digits, - and _, starting with a letter, at most 64 long"
_NAMES: Final = {
    _pattern(Ref): (f"a name has {_WORD}", "a name such as shop-recommender"),
    _pattern(Identifier): ("an id has letters, digits, - and _, starting with a letter", "an id such as R-1"),
    _pattern(About): ("a claim or risk is about system, a component or an edge", "llm, vlm->llm or system"),
    _pattern(AttributeName): ("an attribute has letters, digits and . _ - /", "shop.category, or shop.* for all below"),
    _pattern(Sha256Text): ("a digest is SHA-256: 64 digits 0-9 and a-f", "digest: sha256:..."),
    EDGE.pattern: ("an edge is two components and an arrow", "cf->llm"),
}
_ADDRESSES: Final = frozenset({"url", "urls", "to", "target", "targets", "webhook", "webhooks", "apprise", "token"})


def _unread(place: Place) -> tuple[str, str] | None:
    if "notify" in place[:-1] and place[-1] in _ADDRESSES:
        what = "is not declared here: an address holds a password, and this file is in git"
        return what, "SYSCARD_NOTIFY_URL in the environment, or a file named by SYSCARD_NOTIFY_FILE"
    if place == ("notify",):
        return "stands under monitors", "monitors: {notify: {repeat: 4h}}"
    return None


_SHAPE: Final = Shape(System, EXAMPLES, _NAMES, _unread)
