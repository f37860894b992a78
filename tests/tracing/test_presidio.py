"""Presidio where it is declared: never silently the weaker. What it finds is tested where it is installed."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.errors import MissingExtra
from syscard.home import Home
from syscard_tracing import presidio
from syscard_tracing.inbox import Inbox
from syscard_tracing.normalise import Normaliser
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.rules import SystemRule, TraceRules
from syscard_tracing.spans import RawSpan

SAID = "Alice Smith lives in Springfield, mail alice@example.org or call +31 6 1234 5678."


@pytest.fixture
def _absent(monkeypatch: pytest.MonkeyPatch) -> None:
    presidio.load.cache_clear()
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)


@pytest.fixture
def asked() -> TraceRules:
    from syscard.system import Keep

    return TraceRules((SystemRule((("service.name", "shop"),), (), (), None, Keep.MASKED, presidio=True),))


@pytest.mark.usefixtures("_absent")
def test_a_start_that_needs_presidio_is_refused_in_one_line(home: Home, clock: ReplayClock, asked: TraceRules) -> None:
    with Inbox(home.inbox, clock=clock) as inbox, pytest.raises(MissingExtra) as refused:
        Pipeline(home, inbox, lambda: asked, clock)
    assert str(refused.value) == (
        "traces.redaction: presidio needs the extra 'presidio': pip install 'syscard[presidio]'"
    )


@pytest.mark.usefixtures("_absent")
def test_spans_wait_at_their_sender_when_presidio_is_declared_later(
    home: Home, clock: ReplayClock, asked: TraceRules, span: Any
) -> None:
    rules = TraceRules()
    with Inbox(home.inbox, clock=clock) as inbox:
        pipeline = Pipeline(home, inbox, lambda: rules, clock)
        rules = asked
        with pytest.raises(MissingExtra):
            pipeline.store([span(1)])
        assert inbox.pending() == 0


@pytest.mark.parametrize(
    ("installed", "best"),
    [
        (["de_core_news_lg", "en_core_web_sm", "en_core_web_lg"], "en_core_web_lg"),
        (["nl_core_news_md", "nl_core_news_sm"], "nl_core_news_md"),
        ([], None),
    ],
)
def test_the_best_installed_model_is_taken(installed: list[str], best: str | None) -> None:
    assert presidio._model(installed) == best


class TestWhereItIsInstalled:
    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("presidio_analyzer", reason="the extra [presidio] is not installed: about 400 MB")

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("something asks the network")

        for name in ("create_connection", "getaddrinfo"):
            monkeypatch.setattr(socket, name, refuse)
        presidio.load.cache_clear()

    def test_names_and_places_are_found_by_a_model_that_is_there(self) -> None:
        finder = presidio.load()
        if finder.model is None:
            pytest.skip("no spaCy model is installed")
        assert finder.mask(SAID) == ("[name] lives in [place], mail [email] or call [phone].", 4)
        masked, _ = finder.mask(SAID)
        assert finder.mask(masked) == (masked, 0)

    def test_without_a_model_patterns_work_and_it_is_said(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        import spacy.util

        monkeypatch.setattr(spacy.util, "get_installed_models", list)
        finder = presidio.load()
        assert finder.mask("NHS 401 023 2137, mail alice@example.org")[1] == 2
        assert "no spaCy model is installed" in caplog.text

    @pytest.mark.parametrize(
        "text", ["fresh bread with butter for 12 euro", "items i-17 and i-18 of category vegetable"]
    )
    def test_plain_words_stay(self, text: str) -> None:
        assert presidio.load().mask(text) == (text, 0)

    def test_it_masks_a_spans_text(self, asked: TraceRules, span: Any, now: Any) -> None:
        raw: RawSpan = span(1, {"gen_ai.output.messages": SAID}, status_message=SAID)
        features = Normaliser(asked, bytes(32)).read([raw], now)[0].as_dict()["features"]
        assert "alice@" not in features
        assert ("Alice" in features) == (presidio.load().model is None)
