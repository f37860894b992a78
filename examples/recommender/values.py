"""What the models answer, and what a model is to the agent. Light: nothing here loads a model's library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from recommender.conditions import Candidates, Conditions
from recommender.pictures import Served

Say = Callable[[str], None]
"""Told what goes on, a line each."""
PICTURE_MODEL: Final = "lit-lite0-minilm"
LANGUAGE_MODEL: Final = "smollm2-135m-instruct"
"""What the agent asks for; the server says what answered."""


@dataclass(frozen=True)
class Slate:
    """Candidates for one shopper, best first."""

    items: tuple[int, ...]
    scores: tuple[float, ...]
    known: bool
    history: int
    """Items that the model knows of the shopper."""
    affinity: float
    """Mean score of what is offered by a vector made afresh from the shopper's history; 0 without one."""
    popularity: float
    """Mean ln(1 + households that bought it) of the items."""


@dataclass(frozen=True)
class Reading:
    """What the model says of one picture."""

    category: str
    confidence: float
    entropy: float
    """Of the distribution over categories, in nats."""
    likeness: float
    """Cosine to the catalogue's own picture of the product, in the trained space."""
    tags: tuple[str, ...]
    tag_confidence: tuple[float, ...]
    label: str
    """Text on the picture; "" where none was read."""
    statistics: dict[str, float]
    input_tokens: int
    output_tokens: int

    @property
    def says(self) -> str:
        """The reading as a sentence."""
        printed = f" It says: {self.label}." if self.label else ""
        return f"A product of the category {self.category}: {', '.join(self.tags)}.{printed}"


@dataclass(frozen=True)
class Reason:
    """A sentence, and what the model said of its making."""

    text: str
    model: str
    finish: str
    input_tokens: int
    output_tokens: int
    logprob: float
    """Mean natural log-probability of the tokens."""


class Recommends(Protocol):
    """A recommender of one day."""

    version: str
    asof: date
    """Newest day of its data."""

    def recommend(self, user: int | None, count: int, how: Candidates) -> Slate:
        """So many candidates for a household, or for somebody whom nobody knows."""


class Reads(Protocol):
    """A model that reads pictures."""

    version: str

    def read(self, served: Served, item: int, tags: int) -> Reading:
        """What a picture of an item shows, in so many tags."""


class Writes(Protocol):
    """A language model that writes reasons."""

    def write(self, said: str, conditions: Conditions, seed: int) -> Reason:
        """One sentence; raises whatever its client raises."""
