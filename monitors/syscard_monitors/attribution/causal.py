"""DoWhy, asked one question in a process of its own: `python -m syscard_monitors.attribution.causal`. Its one user.

The question comes as one line of JSON on standard input, the answer goes to standard output as another. DoWhy's
`gcm.distribution_change` (Budhathoki et al., AISTATS 2021) fits a mechanism to each signal before and now, tests which
of them changed, and shares the change of the target out over all by Shapley's value.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from functools import partial
from typing import Any, Final

from syscard.finding import Value
from syscard_monitors.attribution.question import Question, difference
from syscard_monitors.drift.worker import stay_offline, stay_small

SAMPLES: Final = 1_000
"""Drawn from the fitted mechanisms for each coalition."""


class Answer(Value):
    """What DoWhy says."""

    engine: str = ""
    values: dict[str, float] = {}
    """Signal -> what it adds to the change of the target."""
    changed: tuple[str, ...] = ()
    """Signals whose mechanism changed, by DoWhy's own test."""
    missing: bool = False
    """Whether it is not installed."""
    why: str = ""
    """What went wrong; empty where nothing did."""


def answer(asked: Question) -> Answer:
    """Ask DoWhy; the same question has the same answer.

    Raises:
        ImportError: DoWhy is not installed, or does not work here.
    """
    import dowhy
    import networkx as nx
    import pandas as pd
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    gcm.util.general.set_random_seed(asked.seed)
    graph = nx.DiGraph()
    graph.add_nodes_from(asked.parts)
    graph.add_edges_from(asked.edges)
    before, now = (pd.DataFrame({name: list(rows[name]) for name in asked.parts}) for rows in (asked.before, asked.now))
    model = gcm.ProbabilisticCausalModel(graph)
    gcm.auto.assign_causal_mechanisms(model, before)
    values, changed, *_ = gcm.distribution_change(
        model,
        before,
        now,
        asked.target,
        num_samples=SAMPLES,
        difference_estimation_func=partial(_difference, asked),
        return_additional_info=True,
    )
    return Answer(
        engine=f"DoWhy {dowhy.__version__}",
        values={name: float(values[name]) for name in asked.parts},
        changed=tuple(name for name in asked.parts if changed[name]),
    )


def _difference(asked: Question, before: Any, now: Any) -> float:
    return difference(before.ravel(), now.ravel(), asked.limit, above=asked.above)


def main() -> None:
    """Answer the question on standard input. Ctrl-c is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stay_offline()
    stay_small()
    warnings.simplefilter("ignore")
    asked = Question.model_validate_json(sys.stdin.read())
    with contextlib.redirect_stdout(sys.stderr):
        told = _answered(asked)
    sys.stdout.write(told.model_dump_json() + "\n")


def _answered(asked: Question) -> Answer:
    try:
        return answer(asked)
    except ModuleNotFoundError as error:
        return Answer(missing=(error.name or "").split(".")[0] == "dowhy", why=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a library raises is told in one line
        return Answer(why=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
