"""Two-sample tests by SciPy: registered with Evidently for its reports, and asked alone where no report is made.

Evidently takes four to six seconds to import, the tests one; a contract test holds both ways to the same p-value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from syscard.errors import MissingExtra
from syscard_monitors.drift.asked import Comparison


def p_values(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """The p-value of each comparison by its key, of the method that it names.

    Raises:
        KeyError: a method is a distance, which has none.
        MissingExtra: SciPy is not installed.
    """
    try:
        return {c.key: TESTS[c.method](c.reference, c.current) for c in comparisons}
    except ImportError as error:
        raise MissingExtra("server", "drift") from error


def ks(reference: Sequence[float], current: Sequence[float]) -> float:
    """Two-sample Kolmogorov-Smirnov test, exact where samples are small."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(reference, current).pvalue)


def ks_by_limit(reference: Sequence[float], current: Sequence[float]) -> float:
    """Two-sample Kolmogorov-Smirnov test by its limiting distribution."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(reference, current, method="asymp").pvalue)


def chi2(reference: Sequence[Any], current: Sequence[Any]) -> float:
    """Chi-square test of homogeneity."""
    return _of_table(_chi2, reference, current)


def fisher(reference: Sequence[Any], current: Sequence[Any]) -> float:
    """Fisher's exact test, two-sided, for two levels."""
    return _of_table(_fisher, reference, current)


def _of_table(p_value: Callable[[list[list[int]]], float], reference: Sequence[Any], current: Sequence[Any]) -> float:
    """The contingency table of both samples, through one test."""
    counts = [Counter(sample) for sample in (reference, current)]
    levels = sorted({*counts[0], *counts[1]})
    return 1.0 if len(levels) < 2 else p_value([[count[level] for level in levels] for count in counts])


def _chi2(table: list[list[int]]) -> float:
    from scipy.stats import chi2_contingency

    return float(chi2_contingency(table, correction=False).pvalue)


def _fisher(table: list[list[int]]) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact(table).pvalue)


TESTS: Final[Mapping[str, Callable[[Sequence[Any], Sequence[Any]], float]]] = {
    "ks": ks,
    "syscard_ks": ks_by_limit,
    "syscard_chi2": chi2,
    "syscard_fisher": fisher,
}
