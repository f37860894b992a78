"""Turning on other people's instrumentors: each when its library is imported, and one for each call.

The program pays for nothing that it does not use. Where two would record the same call, the preferred one is on, and a
warning says so. What the host has turned on itself, or has imported in order to, is the host's and left alone.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from syscard_tracing.sdk_known import CONTENT, MODULES, PICTURES, Known, known, library_of, same_call

if TYPE_CHECKING:
    from uuid import UUID

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

GROUP: Final = "opentelemetry_instrumentor"
Wanted = Literal["auto", "none"] | Sequence[str]
_log = logging.getLogger("syscard.tracing")


class Instrumentor(NamedTuple):
    """An installed instrumentor."""

    known: Known
    distribution: str
    entry: EntryPoint | None

    @property
    def library(self) -> str:
        """What it instruments."""
        return self.known.library

    @property
    def home(self) -> str:
        """The module it lives in."""
        return self.entry.module if self.entry is not None else self.distribution

    @property
    def is_the_hosts(self) -> bool:
        """Whether the host has imported it: it is about to turn it on, or has."""
        return self.entry is not None and self.entry.module in sys.modules

    def switch(self) -> Any:
        """The object that turns it on and off."""
        return self.entry.load()() if self.entry is not None else _PydanticAI()


class _PydanticAI:
    """pydantic-ai writes its spans itself, when it is told to."""

    is_instrumented_by_opentelemetry = False

    def instrument(self, tracer_provider: TracerProvider) -> None:
        agent = import_module("pydantic_ai").Agent
        if agent._instrument_default is not False:
            return  # the host has told it, or logfire
        settings = import_module("pydantic_ai.models.instrumented").InstrumentationSettings
        content = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").upper() != "NO_CONTENT"
        agent.instrument_all(settings(tracer_provider=tracer_provider, include_content=content))
        self.is_instrumented_by_opentelemetry = True

    def uninstrument(self) -> None:
        import_module("pydantic_ai").Agent.instrument_all(instrument=False)


def installed() -> list[Instrumentor]:
    """Every instrumentor of a GenAI library that is installed, the preferred ones first."""
    found = {}
    for entry in entry_points(group=GROUP):
        name = entry.dist.name.lower().replace("_", "-") if entry.dist is not None else ""
        if (what := known(name)) is not None:
            found[name] = Instrumentor(what, name, entry)
    if find_spec("pydantic_ai") is not None and (what := known("pydantic-ai")) is not None:
        found["pydantic-ai"] = Instrumentor(what, "pydantic-ai", None)
    return sorted(found.values(), key=lambda one: (one.known.rank, one.distribution))


class Switchboard:
    """Which instrumentors are on, and by whom."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._seen: set[str] = set()
        self._on: dict[Instrumentor, Any] = {}
        self._asked_by_name = False

    def turn_on(self, wanted: Wanted, content: bool | None) -> None:
        """Turn on what is wanted, each as soon as its library is imported."""
        _say_content(content)
        if wanted == "none":
            return
        self._asked_by_name = wanted != "auto"
        for one in installed() if wanted == "auto" else _named([wanted] if isinstance(wanted, str) else wanted):
            if one.distribution not in self._seen:
                self._seen.add(one.distribution)
                _when_imported(MODULES.get(one.library), functools.partial(self._arrived, one))

    def carry_threads(self) -> None:
        """Carry the current span into threads and pools; with OpenTelemetry's instrumentor for them."""
        try:
            threading = import_module("opentelemetry.instrumentation.threading")
        except ImportError:
            _log.warning("threads=True needs: pip install opentelemetry-instrumentation-threading")
            return
        switch = threading.ThreadingInstrumentor()
        if not switch.is_instrumented_by_opentelemetry:
            switch.instrument()

    def _arrived(self, one: Instrumentor) -> None:
        """A library is in use: decide whether its instrumentor is turned on."""
        if one.is_the_hosts and not self._asked_by_name:
            _log.warning("%s was imported by the program: turning it on is left to the program", one.distribution)
            return
        for theirs in _on_now():
            if any(f"{theirs}.".startswith(f"{on.home}.") for on in self._on):
                continue  # it is, or belongs to, one that we turned on
            if same_call(library_of(theirs) or "", one.library):
                _log.warning("%s, which the program turned on, records the same calls as %s, which stays off", theirs,
                             one.distribution)  # fmt: skip
                return
        if self._settled(one):
            self._switch_on(one)

    def _settled(self, one: Instrumentor) -> bool:
        """Whether it may be on beside the others that are on; one that is preferred less gives way."""
        for other in [on for on in self._on if same_call(on.library, one.library)]:
            if self._asked_by_name:
                _log.warning("%s and %s record the same calls: they will be there twice", other.distribution,
                             one.distribution)  # fmt: skip
                continue
            better, worse = sorted((other, one), key=lambda each: each.known.rank)
            past = "" if better.library == worse.library else f" (calls to {worse.library} past it are not seen)"
            _log.warning(
                "%s records the calls that %s would, which stays off%s; instrument(instrumentors=[...]) chooses",
                better.distribution, worse.distribution, past,
            )  # fmt: skip
            if worse is one:
                return False
            self._on.pop(worse).uninstrument()
        return True

    def _switch_on(self, one: Instrumentor) -> None:
        switch = one.switch()
        if switch.is_instrumented_by_opentelemetry:
            return
        switch.instrument(tracer_provider=self._provider)
        if switch.is_instrumented_by_opentelemetry:
            self._on[one] = switch
            _log.debug("%s is on", one.distribution)


def _named(names: Sequence[str]) -> Iterator[Instrumentor]:
    there = installed()
    for name in names:
        spelt = name.lower().replace("_", "-")
        found = next((one for one in there if spelt in (one.distribution, one.library)), None)
        if found is None:
            choice = ", ".join(one.distribution for one in there) or "none"
            _log.warning("no instrumentor %s is installed; those that are: %s", name, choice)
        else:
            yield found


def _on_now() -> Iterator[str]:
    """Modules of the instrumentors that are on, whoever turned them on."""
    base = sys.modules.get("opentelemetry.instrumentation.instrumentor")
    kinds = list(base.BaseInstrumentor.__subclasses__()) if base is not None else []
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        on = kind.__dict__.get("_instance")
        if on is not None and on.is_instrumented_by_opentelemetry:
            yield kind.__module__


def is_instrumented(library: str) -> bool:
    """Whether some instrumentor of a library is on."""
    return any(library_of(module) == library for module in _on_now())


def leaves_calls_out() -> bool:
    """Whether an instrumentor is on that has no span for some LangChain calls: OpenTelemetry's, for local models."""
    return any(module.startswith("opentelemetry.instrumentation.genai.langchain") for module in _on_now())


def span_of_run(run_id: UUID) -> Span | None:
    """The span that OpenInference has for a LangChain run; None where it has none, or is not there."""
    module = sys.modules.get("openinference.instrumentation.langchain")
    if module is None or not (switch := module.LangChainInstrumentor()).is_instrumented_by_opentelemetry:
        return None
    span: Span | None = switch.get_span(run_id)
    return span


def _say_content(content: bool | None) -> None:
    if content is None:
        os.environ.setdefault(PICTURES, "true")
    else:
        os.environ.update(CONTENT[content])


def _when_imported(module: str | None, act: Callable[[], None]) -> None:
    def quietly(_module: object = None) -> None:
        try:
            act()
        except Exception:  # noqa: BLE001 - an import of the host's must not fail for it
            _log.warning("an instrumentor could not be turned on", exc_info=True)

    try:
        from wrapt import register_post_import_hook
    except ImportError:
        module = None
    if module is None or module in sys.modules:
        quietly()
    else:
        register_post_import_hook(quietly, module)
