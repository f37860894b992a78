"""What is kept of the meaning of a text: its names, who made it, and how faces say that. Standard library only.

Tracing writes it, monitors read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from syscard.words import one_line

DIMENSIONS: Final = 32
"""Numbers in a vector that is kept."""
EMBEDDING: Final = ".embedding"
"""Behind the name of a text: the vector, of length one."""
MADE_BY: Final = ".embedding.by"
"""What made the vector and the cosine, with a digest: those of two makers cannot be compared."""
GROUNDING: Final = ".grounding"
"""From 0 to 1: share of an answer's words that what it was given says too; no model is needed for it."""
COSINE: Final = ".grounding.cosine"
"""From 0 to 1: how near what an answer says lies to what it was given, by a model."""
FINGERPRINTS: Final = "fingerprints"
"""The maker that needs no model."""


def encoder_text(view: Mapping[str, Any], ref: str) -> str:
    """`embeddings by fingerprints (key 1a2b3c4d)`: what makes vectors of a component's texts; empty where nothing does.

    What takes the place of the model that is declared says so.
    """
    declared = (view["card"]["components"][ref]["declared"] or {}).get("embed") or {}
    wanted = one_line(declared.get("model", ""))
    made = [_made_by(encoder) for encoder in ((view["live"] or {}).get("encoders") or {}).get(ref, ())]
    if not made:
        return f"embeddings by {wanted}: none in the newest window" if wanted else ""
    instead = any(by.startswith(FINGERPRINTS) for by in made) and wanted not in ("", FINGERPRINTS)
    return f"embeddings by {', '.join(made)}{f' in place of {wanted}' if instead else ''}"


def _made_by(encoder: Mapping[str, Any]) -> str:
    left_out, every = encoder["left_out"], encoder["left_out"] + encoder["vectors"]
    return one_line(encoder["by"]) + (f" ({left_out} of {every} are no vectors)" if left_out else "")


def encoders_text(view: Mapping[str, Any]) -> tuple[str, ...]:
    """The same of every component that has any, `llm: embeddings by ...`."""
    said = ((one_line(ref), encoder_text(view, ref)) for ref in view["card"]["components"])
    return tuple(f"{ref}: {text}" for ref, text in said if text)
