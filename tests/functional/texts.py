"""Answers as a small shop's language model gives them, and as it does after its prompt was changed; seeded."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

SYSTEM: Final = """
schema: syscard/1
system:
  ref: shop-texts
  name: Shop texts
  version: "1"
  owner: {team: discovery, accountable: lead@shop.example}
  intended_use: Say in one sentence why a product is shown.
  users: [shoppers]
  out_of_scope: [advice]
  limitations: [answers are made of templates]
  review: {every: 90d, next: 2027-02-01}
traces:
  select: {service.name: shop-texts}
  request: {root: invoke_agent agent, complete_after: 1s}
components:
  llm:
    kind: llm
    owner: discovery
    select: {gen_ai.request.model: tiny}
    embed: {model: MODEL}
  shop:
    kind: service
    owner: discovery
    select: {gen_ai.operation.name: invoke_agent}
monitors:
  packs: [llm]
"""
_ITEMS: Final = (
    "carrots",
    "bananas",
    "toothbrushes",
    "umbrellas",
    "teapots",
    "candles",
    "blankets",
    "lemons",
    "cheese",
)
_KINDS: Final = ("vegetables", "fruit", "household goods", "kitchen things", "groceries")
_USUAL: Final = (
    "Because you bought {kind} last week, {item} would go well with your next dinner.",
    "You often choose {kind}, so these {item} fit what you usually like.",
    "Shoppers with a basket like yours also picked {item} among {kind}.",
    "These {item} match the {kind} in your history and are fresh today.",
)
_CHANGED: Final = (
    "WOW!!! Unbelievable {item}! Your friends will be jealous, grab this amazing treasure now!",
    "Dear customer, science proves {item} make everybody happier, healthier and richer overnight!",
    "Once upon a midnight dreary a wizard whispered about enchanted {item} beyond the mountains.",
    "Hurry, hurry! Limited miracle: {item} that change your whole life forever, guaranteed!",
)


def answers(count: int, seed: int, *, changed: bool = False) -> Iterator[tuple[str, str]]:
    """(what the model was given, what it answered)."""
    draw = random.Random(seed)
    for _ in range(count):
        item, kind = draw.choice(_ITEMS), draw.choice(_KINDS)
        text = draw.choice(_CHANGED if changed else _USUAL).format(item=item, kind=kind)
        yield f"Facts: the shopper bought {kind}; the product is {item}. Write one sentence for a dinner basket.", text


def requests(told: Iterable[tuple[str, str]], start: datetime, seed: int) -> list[bytes]:
    """One request an answer, three seconds apart, as OTLP/JSON."""
    draw, first = random.Random(seed), int(start.timestamp() * 1e9)
    return [_request(draw, first + n * 3_000_000_000, *pair) for n, pair in enumerate(told)]


def _request(draw: random.Random, start: int, given: str, answered: str) -> bytes:
    trace, root = f"{draw.getrandbits(128):032x}", f"{draw.getrandbits(64):016x}"
    agent = _span(trace, root, None, "invoke_agent agent", start, {"gen_ai.operation.name": "invoke_agent"})
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "tiny",
        "gen_ai.input.messages": _message("user", given),
        "gen_ai.output.messages": _message("assistant", answered),
    }
    llm = _span(trace, f"{draw.getrandbits(64):016x}", root, "chat tiny", start + 1_000_000, chat)
    service = {"attributes": _attributes({"service.name": "shop-texts"})}
    group = {"resource": service, "scopeSpans": [{"scope": {"name": "shop"}, "spans": [agent, llm]}]}
    return json.dumps({"resourceSpans": [group]}).encode()


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _span(trace: str, span: str, parent: str | None, name: str, start: int, said: dict[str, str]) -> dict[str, Any]:
    above = {"parentSpanId": parent} if parent else {}
    length = 900_000_000 if parent else 1_000_000_000
    return {
        "traceId": trace, "spanId": span, **above, "name": name, "kind": 1, "status": {},
        "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + length), "attributes": _attributes(said),
    }  # fmt: skip


def _attributes(said: dict[str, str]) -> Sequence[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
