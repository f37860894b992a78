"""Gates: typed rules over the card, and the verdict that blocks a promotion."""

from __future__ import annotations

from syscard.gates.rules import Policy, Rule, read_policy
from syscard.gates.verdict import Check, Verdict, decide

__all__ = ["Check", "Policy", "Rule", "Verdict", "decide", "read_policy"]
