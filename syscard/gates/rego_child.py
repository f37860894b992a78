"""Rego by regorus, in a process that does nothing else: it has no bound on time or memory, so its process has.

Run as a file. One JSON document on standard input, `policies` (names and texts), `query` and `input`; one on standard
output, `value` (null: undefined), or `error` with the name of what it is in.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from typing import Any, Final

MOST_MIB: Final = 1024
"""Memory of the process."""
MOST_BYTES: Final = 8 << 20
"""Of an answer."""


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What a query gives of some policies and an input."""
    import regorus

    engine, name = regorus.Engine(), ""
    try:
        for name, text in asked["policies"]:
            engine.add_policy(name, text)
        name = asked["query"]
        engine.set_input_json(json.dumps(asked["input"]))
        found = json.loads(engine.eval_query_as_json(name))
    except (RuntimeError, RecursionError) as error:
        return {"error": str(error), "name": name}
    result = found.get("result") or [{"expressions": [{"value": None}]}]
    return {"value": result[0]["expressions"][0].get("value")}


def told(found: dict[str, Any]) -> str:
    """An answer as it is printed; one that is too large is an error."""
    text = json.dumps(found)
    if len(text) > MOST_BYTES:
        return json.dumps({"error": f"the answer is larger than {MOST_BYTES >> 20} MiB", "name": "value"})
    return text


def main() -> None:
    """Answer once."""
    with suppress(ValueError, OSError):  # where the system does not know this limit, time alone is bounded
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MIB << 20, MOST_MIB << 20))
    sys.stdout.write(told(answer(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
