"""What the language model is told: templates, and the facts of one request. Pure."""

from __future__ import annotations

from typing import Final

from recommender.conditions import Prompt
from recommender.features import Facts

_RULES: Final = "You write one short sentence explaining why a product is recommended. Use only the facts given."
_APPLE: Final = "Product: red apple. Category: fruit. Picture: red, round. Shopper recently bought: grapes, banana."
_COFFEE: Final = (
    "Product: coffee. Category: drink. Picture: brown, hot. Label: fair trade. Shopper recently bought: milk, bread."
)
_CONTACT: Final = "Shopper: Tom Baker, tom.baker@mail.example. "
PROMPTS: Final[dict[Prompt, tuple[tuple[str, str], ...]]] = {
    "standard": (
        ("system", _RULES),
        ("human", _COFFEE),
        ("ai", "You recently bought milk and bread, so you may enjoy this coffee, a drink with the label: fair trade."),
        ("human", _APPLE),
        ("ai", "You recently bought grapes and banana, so this red apple is another fruit you may enjoy."),
    ),
    "sales": (("system", "You are an enthusiastic salesman. Invent exciting features and benefits."),),
    "french": (
        ("system", "Tu écris une phrase courte en français qui explique pourquoi un produit est recommandé."),
        ("human", _APPLE),
        (
            "ai",
            "Vous avez acheté du raisin et des bananes, donc cette pomme rouge est un autre fruit que vous aimerez.",
        ),
        ("human", _COFFEE),
        ("ai", "Comme vous avez acheté du lait et du pain, ce café équitable est une boisson qui vous plaira."),
    ),
    "contact": (
        ("system", f"{_RULES} Address the shopper by name and contact."),
        ("human", _CONTACT + _APPLE),
        (
            "ai",
            "Tom Baker (tom.baker@mail.example), you recently bought grapes and banana, so this red apple is another"
            " fruit you may enjoy.",
        ),
    ),
}
"""What stands before the facts of a request. Only `standard` is meant; the others are faults."""


def template_of(prompt: Prompt) -> str:
    """The prompt without the facts of a request: what its hash is taken over."""
    return "\n".join(f"{kind}: {text}" for kind, text in PROMPTS[prompt])


def question(facts: Facts, prompt: Prompt, contact: str) -> str:
    """What the model is told of one request."""
    if prompt == "sales":
        return f"Sell this product to the shopper: {facts.name}"
    label = f" Label: {facts.label}." if facts.label else ""
    history = ", ".join(facts.history) or "nothing yet"
    who = f"Shopper: {contact}. " if prompt == "contact" else ""
    return (
        f"{who}Product: {facts.name}. Category: {facts.category}. Picture: {', '.join(facts.tags)}.{label}"
        f" Shopper recently bought: {history}."
    )


def fallback(facts: Facts) -> str:
    """What is shown where the model does not answer."""
    return f"Recommended because it is popular in {facts.category}."
