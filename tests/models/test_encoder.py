"""The real encoder: MiniLM's weights from their package, by transformers and torch."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from syscard.system import Embed, System
from syscard.system_file import parse_system
from syscard_monitors.assemble import Request
from syscard_monitors.embeddings import measure
from syscard_monitors.judge import Measured
from syscard_monitors.packs import load_packs, signals_for
from syscard_monitors.vectors import sample_of, seen_in
from syscard_tracing.embedding import Answer
from syscard_tracing.encoder import Encoder, load
from syscard_tracing.encoders import Asked, Encoders
from tests.functional.texts import SYSTEM, answers, requests
from tests.models.conftest import ROOT

FIELD = "gen_ai.output.messages"
MINILM = Embed(model="minilm")
# The home's interpreter has all of syscard and no torch; this one has torch.
RUN = "import sys; sys.path.append(sys.argv.pop(1)); from syscard_tui.main import main; main()"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("minilm", network=False)


def made(told: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """What the encoder makes of answers."""
    encoders = Encoders(bytes(range(32)), print)
    return encoders.made([Asked((), Answer(MINILM, FIELD, text, given, {}, {})) for given, text in told])


def test_vectors_have_length_one_and_keep_the_order_of_their_texts_however_they_are_batched(encoder: Encoder) -> None:
    texts = [text for _, text in answers(40, 1)]
    together, alone = encoder(texts), [encoder([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert math.hypot(*one) == pytest.approx(1, abs=1e-4)
        assert sum(a * b for a, b in zip(one, other, strict=True)) == pytest.approx(1, abs=1e-4)


def test_texts_that_say_the_same_lie_nearer_than_others(encoder: Encoder) -> None:
    one, same, other = encoder(["Lemons are fresh today.", "Today we have fresh lemons.", "The printer is broken."])
    near, far = (sum(a * b for a, b in zip(one, vector, strict=True)) for vector in (same, other))
    assert near > 0.8 > 0.3 > far


def test_the_name_says_which_weights_they_are(encoder: Encoder) -> None:
    assert encoder.name == "all-MiniLM-L6-v2 (sha256 53aa51172d14)"


def test_answers_with_other_words_about_the_same_are_no_change_and_others_are() -> None:
    system = _system()
    signal = next(s for s in signals_for(system, load_packs(("llm",))) if s.key == "llm.meaning")
    field = f"llm.{FIELD}.embedding"

    def seen(count: int, seed: int, *, changed: bool = False) -> list[Any]:
        told = made(list(answers(count, seed, changed=changed)))
        carried = [{f"llm.{name}": [value] for name, value in one.items()} for one in told]
        return seen_in([Request(f"{n:032x}", "root", n, n + 1, n + 1, one) for n, one in enumerate(carried)], field, ())

    sample = sample_of(seen(300, 1))
    usual, changed = (measure(signal, seen(200, seed, changed=c), sample, "s") for seed, c in ((2, False), (3, True)))
    assert isinstance(usual, Measured)
    assert isinstance(changed, Measured)
    assert not usual.exceeds
    assert changed.value > 0.95
    assert changed.p_value is not None
    assert changed.p_value < 1e-12


def test_what_was_among_the_facts_is_grounded_more_than_what_was_made_up() -> None:
    usual, changed = (
        [one[f"{FIELD}.grounding.cosine"] for one in made(list(answers(60, 4, changed=c)))] for c in (False, True)
    )
    assert sum(usual) / 60 > sum(changed) / 60 + 0.05


def test_the_whole_way_from_spans_to_an_incident_of_the_llm(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "system.yaml").write_text(SYSTEM.replace("MODEL", "minilm"), encoding="utf-8")
    home.mkdir()
    run(home, "apply", tmp_path / "system.yaml")
    take(home, tmp_path, 240, seed=1)
    run(home, "baseline", "set")
    take(home, tmp_path, 200, seed=2)
    assert json.loads(run(home, "incident", "list", "--json")) == []
    assert "llm: embeddings by all-MiniLM-L6-v2 (sha256 53aa51172d14" in run(home, "status")
    take(home, tmp_path, 160, seed=3, changed=True)
    (incident,) = json.loads(run(home, "incident", "list", "--json"))
    assert incident["subject"] == "llm"


def take(home: Path, tmp_path: Path, count: int, seed: int, **how: Any) -> None:
    start = datetime.now(UTC) - timedelta(hours=20 - 2 * seed)
    spans = tmp_path / f"{seed}.jsonl"
    spans.write_bytes(b"\n".join(requests(answers(count, seed, **how), start, seed)))
    run(home, "ingest", spans)
    run(home, "monitor", "--once")


def run(home: Path, *arguments: object) -> str:
    """A command by the interpreter that has all of syscard, with this one's torch behind its own packages."""
    packages = Path(torch.__file__).parents[1]
    command = [ROOT / ".venv" / "bin" / "python", "-c", RUN, packages, "--home", home, *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def _system() -> System:
    return parse_system(SYSTEM.replace("MODEL", "minilm"), "system.yaml")
