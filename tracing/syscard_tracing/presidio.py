"""Presidio beside the rules: names of people and places, and numbers of more countries. The one user of it.

Nothing is fetched: the spaCy model is one that is installed on this machine. Without one, Presidio's patterns work and
names are not found; that is said in the log once.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any, Final

from syscard.errors import MissingExtra
from syscard_tracing import pii

LEAST: Final = 0.4
"""Score from which Presidio's finding counts; its own patterns score 0.3 to 0.5 without a word of context."""
LONGEST: Final = 20_000
"""Characters of a text that are given to the model; what lies behind is left out."""
_MODELS: Final = ("lg", "md", "sm")
_NOT_PERSONAL: Final = frozenset({"DATE_TIME", "URL", "UUID"})
_NOT_NAMES: Final = (
    "CARDINAL", "ORDINAL", "QUANTITY", "PERCENT", "MONEY", "DATE", "TIME", "WORK_OF_ART", "PRODUCT", "EVENT", "LAW",
    "LANGUAGE", "ORG", "ORGANIZATION", "MISC",
)  # fmt: skip
"""What a model also marks, and is nobody's."""
# They look up which domains there are, over the network; the rules find mail addresses without.
_ONLINE: Final = ("EmailRecognizer", "UrlRecognizer")
_PLACEHOLDER: Final = re.compile(r"\[[a-z0-9]{2,12}\]")
_SHOWN: Final = {"PERSON": "name", "LOCATION": "place", "NRP": "group", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card"}
_log = logging.getLogger("syscard.tracing")


@cache
def load() -> PresidioFinder:
    """Presidio, made ready once in a process.

    Raises:
        MissingExtra: it is not installed, or does not work here.
    """
    return PresidioFinder()


class PresidioFinder:
    """Masks what the rules find, and then what Presidio finds in what is left."""

    def __init__(self) -> None:
        try:
            import spacy
            from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
            from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
        except ImportError as error:
            raise MissingExtra("presidio", "traces.redaction: presidio") from error
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)  # a line for each rule of another language
        self.model = _model(spacy.util.get_installed_models())
        engine: Any = SpacyNlpEngine(ner_model_configuration=NerModelConfiguration(labels_to_ignore=[*_NOT_NAMES]))
        nlp = spacy.load(self.model) if self.model else spacy.blank("en")
        language = nlp.lang
        engine.nlp = {language: nlp}  # never `load()`: it downloads
        registry = RecognizerRegistry(supported_languages=[language])
        registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
        for name in _ONLINE:
            registry.remove_recognizer(name)
        self._language = language
        self._engine = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])
        if self.model is None:
            _log.warning("presidio: no spaCy model is installed, names of people and places are not found")

    def mask(self, text: str) -> tuple[str, int]:
        """Like `syscard_tracing.pii.mask`: the text with every hit replaced by what it is, and how many there were."""
        masked, hits = pii.mask(text)
        masked = masked[:LONGEST]
        taken = [match.span() for match in _PLACEHOLDER.finditer(masked)]
        end = len(masked)
        found = self._engine.analyze(masked, language=self._language, score_threshold=LEAST)
        for hit in sorted(found, key=lambda hit: -hit.start):
            beside = all(hit.end <= start or hit.start >= stop for start, stop in taken)
            if hit.entity_type in _NOT_PERSONAL or hit.end > end or not beside:
                continue
            name = _SHOWN.get(hit.entity_type, "id")
            masked = f"{masked[: hit.start]}[{name}]{masked[hit.end :]}"
            hits, end = hits + 1, hit.start
        return masked, hits


def _model(installed: list[str]) -> str | None:
    """The largest of the installed models, English before others."""

    def rank(name: str) -> tuple[bool, int, str]:
        size = next((i for i, size in enumerate(_MODELS) if size in name.split("_")), len(_MODELS))
        return not name.startswith("en_"), size, name

    return min(installed, key=rank, default=None)
