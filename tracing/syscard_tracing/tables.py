"""One dialect table, as somebody writes it in YAML: which keys a convention uses for what."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

ColumnName = Literal[
    "component", "component_version", "model", "model_response", "provider", "prompt_hash", "input_tokens",
    "output_tokens", "error_type", "segment", "fallback", "fallback_reason",
]  # fmt: skip
COLUMN_NAMES: Final[tuple[ColumnName, ...]] = get_args(ColumnName)
Operation = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
"""In our words: it is the first half of a component that nobody declared."""
Cut = Annotated[str, Field(min_length=1, max_length=8)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Detection(_Frozen):
    """How a span of this dialect is recognised: by its scope, else by a key that is there."""

    scopes: tuple[str, ...] = ()
    """Beginnings of scope names; the longest that fits decides."""
    exact: tuple[str, ...] = ()
    """Whole scope names, for those too short to be a beginning."""
    keys: tuple[str, ...] = ()
    """Attributes, `*` at the end stands for anything."""


class Correction(_Frozen):
    """An operation that this dialect states wrongly, and what it is. Everything that is named has to fit."""

    of: tuple[Operation, ...] = ()
    """Operations in our words; none: any."""
    scopes: tuple[str, ...] = ()
    """Beginnings of scope names."""
    where: dict[str, str] = {}
    """Attribute or member -> what it holds; `*` stands for anything."""
    without: tuple[str, ...] = ()
    """Attributes or members that are not there."""
    same: tuple[str, ...] = ()
    """Attributes that hold the same."""
    to: Operation


class Operations(_Frozen):
    """Where the operation is stated and what its words mean in ours; `implied`: by a key where none is stated."""

    keys: tuple[str, ...]
    values: dict[str, Operation] = {}
    """Upper or lower case is all one."""
    implied: dict[str, Operation] = {}
    corrections: tuple[Correction, ...] = ()


class Evaluation(_Frozen):
    """Where an event that judges an answer holds what: attributes, the first that is there counts."""

    name: tuple[str, ...]
    score: tuple[str, ...] = ()
    label: tuple[str, ...] = ()


class EventTable(_Frozen):
    """What is read of an event, on a span or in a log record; what is not named here is left."""

    text: dict[str, str] = {}
    """Attribute, or `body` of a log record -> the name of the text that it is a part of."""
    attributes: bool = False
    """Its attributes, and the members of its body, mean what they mean on a span: texts are read, nothing else."""
    evaluation: Evaluation | None = None


class DialectTable(_Frozen):
    """One YAML file, as written. Keys may hold `*`; `key#member` reads into a JSON object held in a string."""

    schema_: Literal["syscard-dialect/1"] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    order: int
    """Tables are tried from the lowest."""
    also: tuple[str, ...] = ()
    """Tables whose keys are read behind this one's."""
    quoted: bool = False
    """Every value is JSON held in a string: a plain word stands in quotes."""
    raised_is_failed: bool = False
    """An `exception` event is a failure even on a span whose status is OK."""
    detect: Detection
    operation: Operations
    models: tuple[Operation, ...] = ()
    """Operations that call a model, whose tokens are its own."""
    columns: dict[ColumnName, tuple[str, ...]] = {}
    says_nothing: dict[ColumnName, tuple[str, ...]] = {}
    """Values that stand for none."""
    until: dict[ColumnName, Cut] = {}
    """Of a value, what stands before the first of these characters is read."""
    lower: tuple[ColumnName, ...] = ()
    """Columns whose values differ only in upper and lower case by who wrote them."""
    subject: tuple[str, ...] = ()
    """What tells two components of one operation apart."""
    subject_of: dict[Operation, tuple[str, ...]] = {}
    """Attributes or members that tell it before those, for one operation."""
    span_names: tuple[str, ...] = ()
    """Shapes of span names; the `*` in one is the subject, where no attribute says it."""
    user: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    named: dict[str, str] = {}
    """Text or hashed key -> OpenTelemetry's name for it, under which what is kept of it stands."""
    labels: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    """Kept as a keyed hash."""
    dropped: tuple[str, ...] = ()
    """Known, and never kept."""
    events: dict[str, EventTable] = {}
    """By name of the event."""
    event_lists: tuple[str, ...] = ()
    """Attributes that hold events: a JSON array of objects, each with its `event.name`."""


def parse_table(text: str) -> DialectTable:
    """One table that ships, from YAML.

    Raises:
        pydantic.ValidationError: a key that is not known, or a value of the wrong shape.
        yaml.YAMLError: no YAML.
    """
    import yaml

    # The reader in C where PyYAML has it: every start reads twelve tables, a quarter of a second in Python.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return DialectTable.model_validate(yaml.load(text, Loader=loader))  # noqa: S506 - both are safe
