"""Everything that this system tells syscard: its instrumentation, whole.

What OpenTelemetry's conventions name (models, tokens, messages) a LangChain instrumentor writes of the language model;
without one, and of the picture model, which is no LangChain model, `_conventions` does. The rest has no convention, and
is what syscard's SDK is for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from recommender.catalogue import Product
from recommender.clicks import Answer
from recommender.conditions import Candidates, Conditions
from recommender.features import Facts, rationale_features
from recommender.pictures import Served
from recommender.prompts import fallback
from recommender.traffic import Shopper
from recommender.values import LANGUAGE_MODEL, PICTURE_MODEL, Reading, Reads, Reason, Recommends, Slate, Writes
from syscard_tracing import component, feedback, instrument
from syscard_tracing.sdk import ComponentSpan

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Instrumentor = Literal["none", "openinference"]
VERSION = "2026.11.2"


def start(instrumentor: Instrumentor) -> TracerProvider:
    """Send this process's spans to `syscard serve`; and those of the LangChain instrumentor, unless `none` is asked."""
    if instrumentor == "none":
        provider = instrument("shop-recommender", version=VERSION, instrumentors="none")
    else:
        provider = instrument("shop-recommender", version=VERSION)
    return provider


@contextmanager
def request(shopper: Shopper) -> Iterator[ComponentSpan]:
    """The span of a whole request."""
    with component("agent", kind="invoke_agent", version=VERSION) as agent:
        agent.user(shopper.key, segment=shopper.age)
        yield agent


def shown(agent: ComponentSpan, items: Sequence[str], tries: int) -> None:
    """Say what the shopper sees, and how often candidates were asked for."""
    agent.set(items=items, tries=tries)


def answered(reference: str, shopper: Shopper, answer: Answer) -> None:
    """Say what the shopper took, once it is known: once for each request."""
    feedback(reference, segment=shopper.age, accepted=answer.accepted, position=answer.position)


def recommend(
    model: Recommends,
    user: int | None,
    how: Candidates,
    delay_s: float,
    items: Sequence[Product],
    count: int,
    day: date,
) -> Slate:
    """Ask the recommender; it may take so many seconds more."""
    with component("cf", kind="retrieval", version=model.version) as cf:
        time.sleep(delay_s)
        slate = model.recommend(user, count, how)
        offered = [items[item] for item in slate.items]
        cf.slate([product.id for product in offered], slate.scores, candidates=len(items))
        cf.set(known_user=slate.known, history_len=slate.history, history_affinity=slate.affinity)
        cf.set(mean_log_pop=slate.popularity, n_categories=len({product.category for product in offered}))
        cf.data_asof(model.asof, day)
        if not slate.known:
            cf.fallback("no history")
    return slate


def look(
    model: Reads, picture: Served, product: Product, item: int, tags: int, asof_and_day: tuple[date, date]
) -> Reading:
    """Ask the picture model what a product's picture shows."""
    with component("vlm", kind="generate_content", version=model.version) as vlm:
        vlm.image(picture.data, picture.mime)
        reading = model.read(picture, item, tags)
        vlm.item(product.id)
        vlm.set(category=reading.category, agrees=reading.category == product.category)
        vlm.set(confidence=reading.confidence, entropy=reading.entropy, ref_sim=reading.likeness)
        vlm.set(tags=reading.tags, tag_confidence=reading.tag_confidence, n_tags=len(reading.tags))
        vlm.set(label=reading.label or None)
        vlm.set(**reading.statistics)
        vlm.data_asof(*asof_and_day)
        vlm.attribute("gen_ai.request.model", PICTURE_MODEL)
        _conventions(vlm, model.version, (reading.input_tokens, reading.output_tokens))
        vlm.attribute("gen_ai.output.messages", _message("assistant", reading.says))
    return reading


def explain(
    writer: Writes, item: str, template: str, said: str, facts: Facts, conditions: Conditions, seed: int, speaks: bool
) -> tuple[str, dict[str, Any]]:
    """Ask the language model for a reason; its features go with it. A fixed sentence where it does not answer."""
    with component("llm", kind="chat") as llm:
        llm.item(item)
        llm.prompt(template)
        llm.attribute("gen_ai.request.model", LANGUAGE_MODEL)
        try:
            reason = writer.write(said, conditions, seed)
            text = reason.text
            _told(llm, reason, said, conditions, speaks)
        except Exception as error:  # noqa: BLE001 - whatever the model's client raises, the shopper gets an answer
            text = fallback(facts)
            llm.failed(error)
            llm.fallback("timeout" if "Timeout" in type(error).__name__ else "error")
        features = rationale_features(text, facts)
        llm.set(**features)
    return text, features


def _told(llm: ComponentSpan, reason: Reason, said: str, conditions: Conditions, speaks: bool) -> None:
    llm.set(mean_logprob=reason.logprob)
    if speaks:
        _conventions(llm, reason.model, (reason.input_tokens, reason.output_tokens))
        llm.attribute("gen_ai.provider.name", "llama_cpp")
        llm.attribute("gen_ai.request.temperature", conditions.temperature)
        llm.attribute("gen_ai.response.finish_reasons", [reason.finish])
        llm.attribute("gen_ai.input.messages", _message("user", said))
        llm.attribute("gen_ai.output.messages", _message("assistant", reason.text))


def _conventions(span: ComponentSpan, answered: str, tokens: tuple[int, int]) -> None:
    """What a GenAI instrumentor would write."""
    span.attribute("gen_ai.response.model", answered)
    span.attribute("gen_ai.usage.input_tokens", tokens[0])
    span.attribute("gen_ai.usage.output_tokens", tokens[1])


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)
