"""Which part of a system changed itself, and how much of the damage is its own. Pure, and the only rooms of NumPy.

Two questions, two statistics. Whose mechanism changed? A regime test of each signal given the signals of the parts
before it (`gate`): it has a p-value and a false-alarm rate. How much of the damage is theirs? Shapley's value of the
share of requests that miss a promise, over the parts that the gate let through (`damage`): shares that sum to it. The
second is never asked without the first, as it hands out shares also where nothing changed.

What it takes for granted: the declared graph is the order in which parts act, and what two parts have in common is
seen in their signals. Where the baseline shows a dependence that the graph does not have, a part is named only if it
changed both with and without it (`screening`).
"""

from syscard_monitors.attribution.table import Series, Table, Target
from syscard_monitors.attribution.testing import Options
from syscard_monitors.attribution.verdict import attribute

__all__ = ["Options", "Series", "Table", "Target", "attribute"]
