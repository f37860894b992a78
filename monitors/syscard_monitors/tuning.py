"""What system.yaml says of signals that comes to nothing, told when it is applied and not on the night. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from syscard.errors import UsageError
from syscard.system import Monitors, System, Tune
from syscard.system_checks import Fault, Place, nearest
from syscard_monitors.burn import TIMES
from syscard_monitors.packs import Signal, load_packs, signals_for


def tune_faults(system: System, folder: Path | None = None) -> Iterator[Fault]:
    """Packs that are not there, signals that are tuned and not there, and objectives that nothing is watched for.

    Args:
        system: as it is declared.
        folder: of the home's own packs.
    """
    try:
        packs = load_packs(system.monitors.packs, folder)
    except UsageError as error:
        yield Fault(("monitors", "packs"), f"nothing is watched: {error}")
        return
    plain = system.model_copy(update={"monitors": Monitors(packs=system.monitors.packs)})
    known = {signal.key: signal for signal in signals_for(plain, packs)}
    for key, tune in system.monitors.tune.items():
        place: Place = ("monitors", "tune", key)
        if key not in known:
            yield Fault(place, "no pack that is named has this signal, so it changes nothing", nearest(key, known))
        elif tune.objective is not None:
            yield from _objective_faults((*place, "objective"), known[key], tune)


def _objective_faults(place: Place, signal: Signal, tune: Tune) -> Iterator[Fault]:
    if signal.unit not in TIMES:
        yield Fault(place, f"an objective is a time, and {signal.key} is none: it is not watched", "a claim")
    elif tune.off:
        yield Fault(place, "off: true is said beside it, so it is not watched", "one of the two")
    elif not (tune.objective and tune.objective.model_dump(exclude_none=True)):
        yield Fault(place, "names no quantile, so nothing is watched", "objective: {p95: 3s}")
