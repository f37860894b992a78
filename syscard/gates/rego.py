"""Policies that a firm has in Rego decide without a server: by regorus, in a process that can be ended."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any, Final

from syscard.digest import digest
from syscard.errors import GateError, MissingExtra
from syscard.gates import rego_child
from syscard.gates.answers import Engine
from syscard.words import one_line
from syscard_configs import read_text

NAME: Final = "rego"
TIMEOUT_S: Final = 10.0
_CONFORMANCE: Final = "conformance.rego"


def rego_engine(text: str, name: str, timeout_s: float = TIMEOUT_S) -> Engine:
    """An engine with one policy; asking it raises GateError where that is no Rego or takes too long or too much.

    Args:
        text: the policy.
        name: what messages call it.
        timeout_s: seconds that each answer may take.

    Raises:
        MissingExtra: regorus is not installed.
    """
    if find_spec("regorus") is None:
        raise MissingExtra("rego", "--engine rego")
    policies = [(_CONFORMANCE, read_text("gates", _CONFORMANCE)), (name, text)]

    def ask(path: str, value: Any) -> Any:
        query = f"data.{path.replace('/', '.')}"
        found = _asked({"policies": policies, "query": query, "input": value}, name, timeout_s)
        if "error" in found:
            where = f"{name}: no Rego" if found["name"] == name else f"{name}: {one_line(found['name'])}"
            raise GateError(f"{where}: {_told(found['error'])}")
        return found["value"]

    return Engine(NAME, digest({"rego": text}), ask)


def _asked(asked: dict[str, Any], name: str, timeout_s: float) -> dict[str, Any]:
    command = [sys.executable, "-P", rego_child.__file__]
    data = json.dumps(asked).encode()
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=timeout_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise GateError(f"{name}: no answer in {timeout_s:g} s: no verdict is no yes") from None
    if done.returncode != 0:
        most = f"more than {rego_child.MOST_MIB} MiB, or nests too deep"
        raise GateError(f"{name}: its evaluation broke down: it takes {most}: no verdict is no yes")
    return dict(json.loads(done.stdout))


def _told(error: str) -> str:
    """What is wrong, without the stack behind it; regorus draws the place over several lines."""
    return one_line(error.partition("Stack backtrace")[0])[:300]
