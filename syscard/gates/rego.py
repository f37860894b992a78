"""Rego in process, by regorus: policies that a firm has in Rego decide without a server."""

from __future__ import annotations

import json
from typing import Any, Final

from syscard.digest import digest
from syscard.errors import GateError, MissingExtra
from syscard.gates.answers import Engine
from syscard.words import one_line
from syscard_configs import read_text

NAME: Final = "rego"
_CONFORMANCE: Final = "conformance.rego"


def rego_engine(text: str, name: str) -> Engine:
    """An engine with one policy.

    Raises:
        MissingExtra: regorus is not installed.
        GateError: the text is no Rego.
    """
    try:
        import regorus
    except ImportError as error:
        raise MissingExtra("rego", "--engine rego") from error

    engine = regorus.Engine()
    for file, policy in ((_CONFORMANCE, read_text("gates", _CONFORMANCE)), (name, text)):
        try:
            engine.add_policy(file, policy)
        except RuntimeError as error:
            raise GateError(f"{name}: no Rego: {_told(error)}") from error

    def ask(path: str, value: Any) -> Any:
        engine.set_input_json(json.dumps(value))
        query = f"data.{path.replace('/', '.')}"
        try:
            found = json.loads(engine.eval_query_as_json(query))
        except RuntimeError as error:
            raise GateError(f"{name}: {query}: {_told(error)}") from error
        result = found.get("result") or [{"expressions": [{"value": None}]}]
        return result[0]["expressions"][0].get("value")

    return Engine(NAME, digest({"rego": text}), ask)


def _told(error: Exception) -> str:
    """What is wrong, without the stack behind it; regorus draws the place over several lines."""
    return one_line(str(error).partition("Stack backtrace")[0])[:300]
