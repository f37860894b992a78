"""What a team states of a body of rules in system.yaml: whether it binds the system, and why.

Two spellings are read: a word (`nist_ai_rmf: voluntary`), and a word with its reason
(`eu_ai_act: {applies: no, because: it is not among the systems of Annex III}`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, model_serializer, model_validator

Stated = Literal["no", "voluntary", "high_risk", "unclear", "applicable", "not_applicable"]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class Regime(BaseModel):
    """What is stated of one regime."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    applies: Stated
    because: Reason

    @model_validator(mode="before")
    @classmethod
    def _word(cls, given: Any) -> Any:
        """A word alone has no reason; a mapping must give one."""
        return {"applies": given, "because": ""} if isinstance(given, str) else given

    @model_serializer
    def _short(self) -> Any:
        """As it was written: edits of a file that did not change must not change either."""
        return {"applies": self.applies, "because": self.because} if self.because else self.applies
