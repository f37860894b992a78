"""The language model's part: from facts to one sentence, through a LangChain chat model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from recommender.conditions import Conditions, Prompt
from recommender.prompts import PROMPTS
from recommender.serving import Addresses
from recommender.values import LANGUAGE_MODEL, Reason

DEADLINE_S: Final = 10.0
"""Seconds after which the agent gives up on an answer."""
MOST_TOKENS: Final = 56
AGAINST_REPEATING: Final = 0.5
"""OpenAI's frequency penalty: without one this small model goes round in circles."""
_KINDS: Final = {"system": SystemMessage, "human": HumanMessage, "ai": AIMessage}


class Writer:
    """Asks the model."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def write(self, said: str, conditions: Conditions, seed: int) -> Reason:
        """The model's sentence.

        Raises:
            openai.APITimeoutError: no answer by the deadline.
            openai.APIError: the server refused.
        """
        address = self._addresses.of(conditions.served, hangs=conditions.model_hangs)
        chat = _chat(f"{address}/v1", conditions.temperature)
        return _reason(chat.invoke(messages(conditions.prompt, said), seed=seed))


@cache
def _chat(base_url: str, temperature: float) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        base_url=base_url,
        api_key="none",
        model=LANGUAGE_MODEL,
        temperature=temperature,
        max_tokens=MOST_TOKENS,
        frequency_penalty=AGAINST_REPEATING,
        logprobs=True,
        timeout=DEADLINE_S,
        max_retries=0,
    )


def messages(prompt: Prompt, said: str) -> list[BaseMessage]:
    """The conversation: rules, examples, then the facts; the example that is most like the request comes last."""
    rules, *examples = PROMPTS[prompt]
    if prompt == "standard" and " Label: " in said:
        examples = [*examples[2:], *examples[:2]]
    return [*(_KINDS[kind](text) for kind, text in (rules, *examples)), HumanMessage(said)]


def _reason(answer: Any) -> Reason:
    facts: dict[str, Any] = answer.response_metadata
    tokens: Sequence[dict[str, Any]] = (facts.get("logprobs") or {}).get("content") or ()
    return Reason(
        text=str(answer.content).strip(),
        model=str(facts.get("model_name", "")),
        finish=str(facts.get("finish_reason", "")),
        input_tokens=int(answer.usage_metadata["input_tokens"]),
        output_tokens=int(answer.usage_metadata["output_tokens"]),
        logprob=round(sum(t["logprob"] for t in tokens) / len(tokens), 3) if tokens else 0.0,
    )
