"""The class of a failure, one for all the names that libraries give it. The classes are data: `errors.yaml`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from syscard_tracing.spans import Attributes, Event, RawSpan, Value

NO_NAME: Final = "error"
"""Class of a failure that nothing names."""
LOOKED_AT: Final = 1_000
"""Characters of a message that are looked at: at its head stands what failed, behind it anybody's words."""
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)+")
_HEAD: Final = re.compile(
    r"\s*(?:[A-Za-z_]\w{0,63}\.){0,8}([A-Za-z_]\w{0,63}(?:Error|Exception|Timeout|Exceeded))\s*[(:]"
)
_STATUS: Final = re.compile(r"\b(?:[Ee]rror code|[Ss]tatus[ _]code|HTTP(?:/\d\.\d)?)[:=]? ?(\d{3})\b")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorClass(_Frozen):
    """How failures of one class are called."""

    names: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    says: tuple[str, ...] = ()
    """Beginnings of messages, in lower case."""


class ErrorTable(_Frozen):
    """`errors.yaml`, as written."""

    schema_: Literal["syscard-errors/1"] = Field(alias="schema")
    classes: dict[str, ErrorClass]
    vague: tuple[str, ...]
    status_keys: tuple[str, ...]

    def by_name(self, name: str) -> str | None:
        """The class of a name without its module."""
        for word, kind in self.classes.items():
            if name in kind.names or name.endswith(kind.ends):
                return word
        return None

    def by_status(self, code: int | None) -> str | None:
        """The class of an HTTP status."""
        return next((word for word, kind in self.classes.items() if code in kind.status), None)

    def by_message(self, message: str) -> str | None:
        """The class of a message that begins as such failures do."""
        begin = message[:LOOKED_AT].lstrip().lower()
        return next((word for word, kind in self.classes.items() if begin.startswith(kind.says)), None)


@cache
def error_table() -> ErrorTable:
    """The classes that ship with syscard."""
    import yaml

    text = (files("syscard_configs") / "errors.yaml").read_text("utf-8")
    return ErrorTable.model_validate(yaml.safe_load(text))


def error_class(name: str, span: RawSpan) -> str:
    """The class of a failure that is called so, or by nothing (`error`); of a vague name the span says more.

    A message is read for a class or a status at its head and kept nowhere.
    """
    table, last = error_table(), short(name)
    if (found := table.by_name(last)) is not None:
        return found
    if last not in table.vague:
        return last
    told = table.by_status(_status(table, span.attributes))
    return told or _told(table, _message(span.events) or span.status_message) or last


def short(name: str) -> str:
    """The last segment of a dotted name; anything else as it is."""
    return re.split(r"\.|::", name)[-1] if _DOTTED.fullmatch(name) else name


def _status(table: ErrorTable, attributes: Attributes) -> int | None:
    return next((code for key in table.status_keys if (code := _code(attributes.get(key))) is not None), None)


def _code(value: Value) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        return int(value)
    return value if type(value) is int else None


def _message(events: tuple[Event, ...]) -> str:
    found = next((e.attributes.get("exception.message") for e in events if e.name == "exception"), None)
    return found if isinstance(found, str) else ""


def _told(table: ErrorTable, message: str) -> str | None:
    head = _HEAD.match(message[:LOOKED_AT])
    named = (table.by_name(head[1]) or (head[1] if head[1] not in table.vague else None)) if head else None
    if named:
        return named
    status = _STATUS.search(message[:LOOKED_AT])
    return (table.by_status(int(status[1])) if status else None) or table.by_message(message)
