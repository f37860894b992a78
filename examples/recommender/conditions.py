"""How the world is while one request runs. The default is a good day; a fault changes a field or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Candidates = Literal["fresh", "aged", "popular", "mixed_up"]
Prompt = Literal["standard", "sales", "french", "contact"]
Served = Literal["current", "requantised"]


@dataclass(frozen=True)
class Conditions:
    """Everything about a request that a fault may change."""

    blur: float = 0.0
    """Radius of a Gaussian blur, in pixels of a picture 256 wide."""
    light: float = 1.0
    """Factor of brightness."""
    channels_shifted: bool = False
    """Red, green and blue are taken for each other."""
    pictures_swapped: bool = False
    """Every product shows another one's picture."""
    overlay: str = ""
    """Text that a vendor has put into the picture."""
    candidates: Candidates = "fresh"
    """What the recommender answers from."""
    candidates_delay_s: float = 0.0
    """Time added to each call of the recommender."""
    asks: int = 1
    """How often the agent asks the recommender before it is content."""
    tags: int = 3
    """Words that the picture model says of a picture."""
    prompt: Prompt = "standard"
    temperature: float = 0.0
    model_hangs: bool = False
    """The language model takes the call and never answers."""
    served: Served = "current"
    """Which weights answer under the language model's name."""
