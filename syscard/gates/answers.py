"""What an engine that reads Rego answers, checked: whatever is undefined or has another shape is no verdict.

Such an engine is asked two things: `data.syscard.conformance.found`, to see that it reads Rego as our gates need it,
and `data.syscard.gate.<stage>.verdict`. `docs/gates.md` describes both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from syscard.digest import iso
from syscard.errors import GateError
from syscard.gate_runs import MOST_CHECKS
from syscard.gates.facts import Facts, as_json
from syscard.gates.rules import Op
from syscard.gates.verdict import Check, Verdict
from syscard.words import one_line

Ask = Callable[[str, Any], Any]
"""Path below `data` and input; gives what it is, or None where it is undefined."""
CONFORMANCE: Final = "syscard/conformance/found"
_INPUT: Final = {"list": [3, 1, 2], "object": {"a": 1, "b": None, "c": False}}
_FOUND: Final = {
    "z": 1_798_675_200_000_000_000,
    "fraction": 520_001_000,
    "count": 6,
    "extremes": [1, 3],
    "starts": [True, False],
    "union": {"a": 1, "b": None},
    "concat": [1, 2],
    "sets": [2, 3],
    "some": ["a", "c"],
    "not": ["c"],
    "null": [True],
    "share": 0.75,
    "number": True,
    "product": 7_776_000_000_000_000,
}
"""What `conformance.rego` gives where builtins are what they should be."""
_STAGE: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Text = Annotated[str, Field(min_length=1, max_length=500)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Check(_Data):
    rule: _Text
    says: _Text
    severity: Literal["block", "warn"]
    passed: StrictBool
    value: float | None
    op: Op
    threshold: float
    items: Annotated[tuple[_Text, ...], Field(max_length=10_000)] = ()
    why: Annotated[str, Field(max_length=500)] = ""
    waivers: Annotated[tuple[_Text, ...], Field(max_length=1_000)] = ()
    waived_until_ns: Annotated[tuple[int, ...], Field(max_length=1_000)] = ()


class _Answer(_Data):
    stage: _Text
    rules: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=MOST_CHECKS)]
    checks: Annotated[tuple[_Check, ...], Field(max_length=MOST_CHECKS)]

    @model_validator(mode="after")
    def _answers_every_rule(self) -> Self:
        checked = [check.rule for check in self.checks]
        missed = [rule for rule in self.rules if rule not in checked]
        if missed:
            raise ValueError(f"undefined for the rule {', '.join(map(one_line, missed))}")
        if len(set(checked)) != len(checked):
            raise ValueError("a rule is there twice")
        return self


@dataclass(frozen=True)
class Engine:
    """An engine that can be asked, and by which policy it answers."""

    name: str
    policy: str
    """Digest."""
    ask: Ask


def conforms(engine: Engine) -> None:
    """See that an engine reads Rego as our gates need it, before it is asked for anything.

    Raises:
        GateError: it does not; names what it reads otherwise.
    """
    found = engine.ask(CONFORMANCE, _INPUT)
    if not isinstance(found, dict):
        raise GateError(
            f"{engine.name}: data.{CONFORMANCE.replace('/', '.')} is undefined: load conformance.rego there"
        )
    wrong = [name for name, value in _FOUND.items() if found.get(name) != value or type(found[name]) is not type(value)]
    if wrong:
        what = f"reads {', '.join(wrong)} otherwise than Rego means it"
        raise GateError(f"{engine.name} {what}: its verdicts cannot be trusted; take another engine")


def _dotted(path: str) -> str:
    return f"data.{path.replace('/', '.')}"


def path_of(stage: str) -> str:
    """Where the verdict of a stage stands below `data`.

    Raises:
        GateError: a stage of this name cannot be one of Rego's packages.
    """
    if not _STAGE.fullmatch(stage):
        raise GateError(f"stage '{one_line(stage)[:60]}' cannot name a package of Rego: small letters, digits and _")
    return f"syscard/gate/{stage}/verdict"


def ask_for_verdict(engine: Engine, stage: str, facts: Facts) -> Verdict:
    """The verdict of an engine that conforms.

    Raises:
        GateError: it is undefined, for the stage or for one rule, or is none.
    """
    path = path_of(stage)
    found = engine.ask(path, as_json(facts))
    if found is None:
        raise GateError(f"{engine.name}: {_dotted(path)} is undefined: no verdict is no yes")
    try:
        answer = _Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "verdict"
        what = one_line(first["msg"].removeprefix("Value error, "))
        raise GateError(f"{engine.name}: {_dotted(path)}: {place}: {what}: no verdict is no yes") from error
    if answer.stage != stage:
        raise GateError(f"{engine.name}: the policy is for stage '{one_line(answer.stage)}', not '{stage}'")
    return Verdict(stage, tuple(_check(check) for check in answer.checks))


def _check(said: _Check) -> Check:
    ends = said.waived_until_ns
    return Check(
        **said.model_dump(exclude={"waived_until_ns", "waivers"}),
        waivers=() if said.passed else said.waivers,
        waived_until=iso(_EPOCH + timedelta(microseconds=min(ends) // 1_000)) if ends and not said.passed else None,
    )
