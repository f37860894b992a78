"""Monitor packs: which signals watch which kind of part. Data files; a user's pack is merged over ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, reduce
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from syscard.blindspots import OF_KIND, Topic
from syscard.errors import UsageError
from syscard.system import SYSTEM, ComponentKind, System, Tune, edge_ends
from syscard.words import one_line
from syscard_configs import names, read_text
from syscard_monitors.severity import SaidSeverity, SeverityRule

COMMON: Final = "common"
WINDOW: Final = 20
"""Requests in a counted window; a signal may be looked at over several of them together."""
LARGEST_WINDOW: Final = 2_000
Window = Annotated[int, Field(ge=WINDOW, le=LARGEST_WINDOW, multiple_of=WINDOW)]
Alpha = Annotated[float, Field(gt=0, lt=1)]
AtLeastOne = Annotated[int, Field(ge=1)]
Kind = Literal["share", "rate", "number", "category", "ratio", "latency", "volume", "embedding"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PackSignal(_Data):
    """One signal of a pack, with `{c}` for the component or `{u}`, `{d}` for the two ends of an edge."""

    name: str
    label: str
    says: str = ""
    """In one sentence, what it means when it moves."""
    expr: str
    kind: Kind
    topic: Topic | None = None
    """What it is about; None: as its kind says (`syscard.blindspots.OF_KIND`)."""
    direction: Literal["up", "down", "both"] = "both"
    tolerance: Annotated[float, Field(gt=0)]
    floor: Annotated[float, Field(ge=0)] = 0.0
    """For ratios: a change smaller than this, in the signal's unit, is none."""
    unit: str = ""
    source: ComponentKind | None = None
    """For edges: only from components of this kind."""
    target: ComponentKind | None = None
    alpha: Alpha | None = None
    min_n: AtLeastOne | None = None
    min_window: AtLeastOne | None = None
    window: Window | None = None
    """Requests that are looked at together."""
    persist: AtLeastOne | None = None
    severity: SaidSeverity | None = None
    owner: str | None = None
    """Who looks into it; None: who owns the part that it is about."""
    optional: bool = False
    """Left out silently where no span carries it."""
    input: bool = False
    """It tells of what a component is given from outside, not of what it does."""


class Defaults(_Data):
    """What a signal has if it does not say otherwise."""

    alpha: Alpha = 0.001
    min_n: AtLeastOne = 200
    min_window: AtLeastOne = 10
    window: Window = WINDOW
    persist: AtLeastOne = 2
    severity: SaidSeverity = SeverityRule(is_="ticket")
    owner: str | None = None


class AppliesTo(_Data):
    """The parts that a pack watches: a kind of component, every component, edges, or the system as a whole."""

    kind: ComponentKind | None = None
    edges: bool = False
    system: bool = False

    @model_validator(mode="after")
    def _is_one_of_them(self) -> AppliesTo:
        if (self.kind is not None) + self.edges + self.system > 1:
            raise ValueError("name one of kind, edges and system: a pack is about one of them")
        return self


class Pack(_Data):
    """One pack file."""

    pack: str
    applies_to: AppliesTo = AppliesTo()
    defaults: Defaults = Defaults()
    signals: tuple[PackSignal, ...]

    @model_validator(mode="after")
    def _each_can_be_judged_and_is_there_once(self) -> Pack:
        seen: set[str] = set()
        for signal in self.signals:
            needed, window = signal.min_window or self.defaults.min_window, signal.window or self.defaults.window
            if signal.name in seen:
                raise ValueError(f"signals: '{one_line(signal.name)}' is there twice: a name means one signal")
            if signal.kind != "embedding" and needed > window:
                what = f"min_window {needed} is never reached in a window of {window} requests"
                raise ValueError(f"signals: '{one_line(signal.name)}': {what}")
            seen.add(signal.name)
        return self


class Signal(_Data):
    """A signal of one system: a pack's signal, put on a part, tuned."""

    name: str
    about: str
    label: str
    says: str
    """In one sentence, what it means when it moves; empty where its pack does not say."""
    expr: str
    kind: Kind
    topic: Topic
    direction: Literal["up", "down", "both"]
    tolerance: float
    floor: float
    unit: str
    alpha: float
    min_n: int
    """Requests that the baseline needs."""
    min_window: int
    """Values that a window needs."""
    window: int
    """Requests that are looked at together."""
    persist: int
    """Windows in a row before a breach is one."""
    severity: SaidSeverity
    owner: str
    """Who looks into it."""
    optional: bool
    input: bool = False
    """It tells of what a component is given from outside, not of what it does."""

    @property
    def key(self) -> str:
        """`<about>.<name>`."""
        return f"{self.about}.{self.name}"

    @property
    def every(self) -> int:
        """Requests from one look to the next: vectors are looked at with every counted window."""
        return WINDOW if self.kind == "embedding" else self.window


@lru_cache(maxsize=64)
def read_pack(text: str, name: str) -> Pack:
    """A pack from YAML.

    Raises:
        UsageError: it is not a pack; names the file and the first thing wrong.
    """
    try:
        return Pack.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        says = first["msg"].removeprefix("Value error, ")
        place = ".".join(str(p) for p in first["loc"])
        raise UsageError(f"{name}: {f'{place}: ' if place else ''}{says[:1].lower()}{says[1:]}") from error
    except ValueError as error:  # YAML reads 2026-13-01 as a day
        raise UsageError(f"{name}: {error}: write the value in quotes") from error


def load_packs(wanted: Iterable[str], folder: Path | None = None) -> tuple[Pack, ...]:
    """The common pack and those named; `<folder>/<name>.yaml` is merged over ours, signal by signal.

    Raises:
        UsageError: a pack that neither we nor the folder have, or a file that is none.
    """
    return tuple(_load(name, folder) for name in dict.fromkeys((COMMON, *wanted)))


def origin(signal: str, wanted: Iterable[str], folder: Path | None = None) -> str:
    """The pack file that a signal of this name comes from: the folder's over ours, the last pack that has it.

    Raises:
        UsageError: as `load_packs`.
    """
    found = ""
    for name in dict.fromkeys((COMMON, *wanted)):
        for file, text in _files(name, folder):
            if any(known.name == signal for known in read_pack(text, file).signals):
                found = file
    return found


def _files(name: str, folder: Path | None) -> Iterator[tuple[str, str]]:
    if f"{name}.yaml" in names("packs"):
        yield f"packs/{name}.yaml of syscard", read_text("packs", f"{name}.yaml")
    own = folder / f"{name}.yaml" if folder else None
    if own is not None and own.is_file():
        yield str(own), _text_of(own)


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8 at byte {error.start}: save it as UTF-8") from error


def _load(name: str, folder: Path | None) -> Pack:
    found = [read_pack(text, file) for file, text in _files(name, folder)]
    if not found:
        known = ", ".join(n.removesuffix(".yaml") for n in names("packs"))
        raise UsageError(f"no monitor pack '{name}'; there is: {known}")
    return reduce(_merged, found)


def _merged(ours: Pack, theirs: Pack) -> Pack:
    """Theirs over ours, signal by signal; what theirs does not say of meaning and owner is still as ours says."""
    signals = {s.name: s for s in ours.signals}
    for signal in theirs.signals:
        known = signals.get(signal.name, signal)
        kept = {"says": signal.says or known.says, "owner": signal.owner or known.owner}
        signals[signal.name] = signal.model_copy(update=kept)
    return theirs.model_copy(update={"signals": tuple(signals.values())})


def signals_for(system: System, packs: Iterable[Pack]) -> tuple[Signal, ...]:
    """Every signal of a system, each put on the parts it watches and tuned as the system says.

    Of several packs that watch one part by the same name the last one counts: a value is looked at once.
    """
    found = {s.key: s for pack in packs for s in _placed(pack, system)}
    tuned = ((s, system.monitors.tune.get(key)) for key, s in found.items())
    return tuple(_tuned(s, t) for s, t in tuned if not (t and t.off))


def _placed(pack: Pack, system: System) -> Iterator[Signal]:
    for signal in pack.signals:
        if pack.applies_to.system:
            yield _put(signal, pack, system, SYSTEM, {})
        elif pack.applies_to.edges:
            yield from _on_edges(signal, pack, system)
        else:
            kinds = {ref: c.kind for ref, c in system.components.items()}
            wanted = pack.applies_to.kind
            yield from (_put(signal, pack, system, ref, {"c": ref}) for ref, k in kinds.items() if wanted in (None, k))


def _on_edges(signal: PackSignal, pack: Pack, system: System) -> Iterator[Signal]:
    for ref in system.interactions:
        source, target = edge_ends(ref)
        if source not in system.components or target not in system.components:
            continue
        kinds = (system.components[source].kind, system.components[target].kind)
        if signal.source in (None, kinds[0]) and signal.target in (None, kinds[1]):
            yield _put(signal, pack, system, ref, {"u": source, "d": target})


def _put(signal: PackSignal, pack: Pack, system: System, about: str, places: dict[str, str]) -> Signal:
    own: dict[str, Any] = {k: v for k, v in signal if k not in ("source", "target")}
    own["topic"] = signal.topic or OF_KIND[signal.kind]
    usual = {**dict(pack.defaults), "owner": pack.defaults.owner or system.owner_of(about)}
    inherited = {k: v for k, v in usual.items() if own.get(k) is None}
    expr = signal.expr
    for name, ref in places.items():
        expr = expr.replace("{" + name + "}", ref)
    return Signal(**{**own, **inherited, "about": about, "expr": expr})


def _tuned(signal: Signal, tune: Tune | None) -> Signal:
    if tune is None:
        return signal
    changes = {k: v for k, v in tune.model_dump(include={"tolerance", "min_n"}).items() if v is not None}
    severity = SeverityRule(is_=tune.severity) if tune.severity else signal.severity
    return signal.model_copy(update={**changes, "severity": severity})
