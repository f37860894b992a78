"""Vectors of answers by a model: made in batches behind the receipt, in memory, and stored as rows of their own.

A span is stored and answered for at once; what a model makes of it comes later, below it. Texts that find the queue
full, or no model, get the vector of their words' fingerprints with the span; nothing waits, and nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from syscard.embedded import EMBEDDING
from syscard.errors import SyscardError
from syscard.observation import COLUMNS, EMBEDDED
from syscard.system import Embed
from syscard_tracing.embedding import Answer, made_by_model, passages, sentences
from syscard_tracing.encoder import load
from syscard_tracing.normalise import Reading

MOST_WAITING: Final = 512
"""Answers that wait for a model."""
TOGETHER: Final = 32
"""Answers that are taken from the queue at one time."""
PATIENCE_S: Final = 20.0
"""How long what waits is worked off when the server ends."""
Row = tuple[Any, ...]
_KEPT: Final = frozenset(
    {"trace_id", "day", "start", "received", "service", "environment", "user_key", "clock_suspect"}
)  # fmt: skip
_FEATURES: Final = [column.name for column in COLUMNS].index("features")
_log = logging.getLogger("syscard.tracing")


class Model(Protocol):
    """What makes long vectors of texts."""

    @property
    def name(self) -> str:
        """What it is called, with a digest in brackets at the end."""

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length one for each text."""


def of(embed: Embed) -> Model:
    """The model that is declared; raises as `syscard_tracing.encoder.load`."""
    return load(embed.model, network=embed.network)


class Asked(NamedTuple):
    """An answer, and the row of the span that gave it."""

    row: Row
    answer: Answer


class Encoders:
    """The models of one home's systems, and what waits for them. Safe to use from several threads.

    `store` takes rows into the inbox; `key` is the home's; `load` has the models.
    """

    def __init__(self, key: bytes, store: Callable[[Sequence[Row]], None], load: Callable[[Embed], Model] = of) -> None:
        self._key = key
        self._store = store
        self._load = load
        self._waiting: queue.Queue[Asked | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._given_up: dict[Embed, str] = {}
        self.counts: Counter[str] = Counter()
        """Answers: `encoded`, `fell_back` to fingerprints, `lost` because their row could not be stored."""

    @property
    def why(self) -> str:
        """Why a model is not used; empty where every one is."""
        return "; ".join(self._given_up.values())

    def now(self, readings: Sequence[Reading]) -> list[Row]:
        """The rows of these spans, with what the models make of their answers, or else fingerprints."""
        asked = _asked(readings)
        return _with(readings, zip(asked, self.made(asked), strict=True))

    def later(self, readings: Sequence[Reading]) -> list[Row]:
        """The rows of these spans; answers that the queue has no room for have vectors by fingerprints."""
        refused = [one for one in _asked(readings) if not self._takes(one)]
        self._count("fell_back", len(refused))
        return _with(readings, ((one, one.answer.words) for one in refused))

    def close(self) -> None:
        """Work off what waits, but not for ever."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(PATIENCE_S)

    def _takes(self, one: Asked) -> bool:
        if one.answer.embed in self._given_up:
            return False
        try:
            self._waiting.put_nowait(one)
        except queue.Full:
            return False
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="syscard-encoder", daemon=True)
                self._thread.start()
        return True

    def _run(self) -> None:
        going = True
        while going:
            taken, going = self._batch()
            if taken:
                self._work(taken)

    def _batch(self) -> tuple[list[Asked], bool]:
        """What waits, at most `TOGETHER`; and whether more may come."""
        taken: list[Asked] = []
        item = self._waiting.get()
        while item is not None:
            taken.append(item)
            if len(taken) >= TOGETHER:
                return taken, True
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return taken, True
        return taken, False

    def _work(self, taken: Sequence[Asked]) -> None:
        try:
            self._store([below(one, said) for one, said in zip(taken, self.made(taken), strict=True) if said])
        except SyscardError as error:
            self._count("lost", len(taken))
            _log.warning("vectors of %d answers are not stored: %s", len(taken), error)
        except Exception as error:  # noqa: BLE001 - a dead thread would leave all that follow without a vector
            self._count("lost", len(taken))
            _log.error("vectors of %d answers could not be made (%s)", len(taken), type(error).__name__)

    def _count(self, what: str, answers: int) -> None:
        with self._lock:
            self.counts.update({what: answers} if answers else {})

    def _encoder(self, embed: Embed) -> Model | None:
        """None where it cannot be had: that is said once."""
        if embed in self._given_up:
            return None
        try:
            return self._load(embed)
        except SyscardError as error:
            self._given_up[embed] = str(error)
        except Exception as error:  # noqa: BLE001 - weights can be broken in any way, and no span may be lost to them
            self._given_up[embed] = f"embed.model {embed.model}: it cannot be loaded ({type(error).__name__})"
        _log.warning("%s; vectors are made of fingerprints until syscard is started anew", self._given_up[embed])
        return None

    def made(self, asked: Sequence[Asked]) -> list[dict[str, Any]]:
        """The features of each of these answers, by its model or else by fingerprints."""
        found: dict[int, dict[str, Any]] = {}
        for embed in dict.fromkeys(one.answer.embed for one in asked):
            own = {i: one.answer for i, one in enumerate(asked) if one.answer.embed == embed}
            made = self._by_model(embed, own)
            self._count("fell_back" if made is None else "encoded", len(own))
            found |= {i: answer.words for i, answer in own.items()} if made is None else made
        return [found[i] for i in range(len(asked))]

    def _by_model(self, embed: Embed, answers: Mapping[int, Answer]) -> dict[int, dict[str, Any]] | None:
        """None where there is no model, or it fails at these texts."""
        encoder = self._encoder(embed)
        try:
            return self._encoded(encoder, answers) if encoder else None
        except Exception as error:  # noqa: BLE001 - a model is anybody's, and no span may be lost to it
            _log.error("embed.model %s failed at %d answers (%s)", embed.model, len(answers), type(error).__name__)
            return None

    def _encoded(self, encoder: Model, answers: Mapping[int, Answer]) -> dict[int, dict[str, Any]]:
        """Every text is encoded once, however many answers hold it."""
        texts = [[one.text, *sentences(one.text), *passages(one.given)] for one in answers.values()]
        every = list(dict.fromkeys(text for many in texts for text in many))
        vectors = dict(zip(every, encoder(every), strict=True))
        return {i: made_by_model(one, vectors, encoder.name, self._key) for i, one in answers.items()}


def _asked(readings: Iterable[Reading]) -> list[Asked]:
    return [Asked(reading.row, answer) for reading in readings for answer in reading.answers]


def _with(readings: Iterable[Reading], said: Iterable[tuple[Asked, dict[str, Any]]]) -> list[Row]:
    """Rows with more features in those of some."""
    more: dict[int, dict[str, Any]] = {}
    for one, features in said:
        more.setdefault(id(one.row), {}).update(features)
    return [_more(reading.row, more.get(id(reading.row))) for reading in readings]


def _more(row: Row, features: Mapping[str, Any] | None) -> Row:
    if not features:
        return row
    known = json.loads(row[_FEATURES] or "{}")
    return (*row[:_FEATURES], _written({**features, **known}), *row[_FEATURES + 1 :])


def below(one: Asked, features: Mapping[str, Any]) -> Row:
    """A row below a span's that says more of it; its id is made of the span's, so that an answer sent twice has one."""
    said = {column.name: one.row[i] for i, column in enumerate(COLUMNS)}
    name = f"{said['trace_id']}/{said['span_id']}/{one.answer.field}{EMBEDDING}"
    found = {column: value if column in _KEPT else None for column, value in said.items()}
    found |= {"span_id": hashlib.sha256(name.encode()).hexdigest()[:16], "parent_span_id": said["span_id"]}
    found |= {"operation": EMBEDDED, "name": EMBEDDED, "duration_us": 0, "counts_tokens": False}
    return tuple({**found, "features": _written(features)}.values())


def _written(features: Mapping[str, Any]) -> str:
    return json.dumps(dict(sorted(features.items())), ensure_ascii=False, separators=(",", ":"))
