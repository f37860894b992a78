"""What texts are about, end to end: answers come in by the receiver's way, and only vectors of them are kept."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard.home import Home
from syscard.observation import EMBEDDED
from syscard_tracing.roller import open_lake
from tests.functional.helpers import PROTOBUF_TYPE, Server, as_protobuf, syscard
from tests.functional.texts import SYSTEM, answers, requests

pytestmark = pytest.mark.endurance

BASELINE = 300


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the shop is declared, with a baseline of `BASELINE` usual answers."""
    folder = tmp_path_factory.mktemp("texts")
    home = declared(folder, "fingerprints")
    take(home, folder, BASELINE, seed=1)
    assert syscard("--home", home, "baseline", "set").code == 0
    return home


@pytest.fixture
def shop(known: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(known, tmp_path / "shop"))


def declared(folder: Path, model: str) -> Path:
    """A new home of the shop; its key is the same each time, and so are the vectors."""
    home, file = folder / "home", folder / "system.yaml"
    file.write_text(SYSTEM.replace("MODEL", model), encoding="utf-8")
    (home / "keys").mkdir(parents=True, mode=0o700)
    (home / "keys" / "fingerprint.key").write_bytes(bytes(range(32)))
    (home / "keys" / "fingerprint.key").chmod(0o600)
    assert syscard("--home", home, "apply", file).code == 0
    return home


def take(home: Path, tmp_path: Path, count: int, seed: int, **how: Any) -> None:
    """Ingest answers of the hours after those before."""
    spans = tmp_path / f"{seed}.jsonl"
    start = datetime.now(UTC) - timedelta(hours=20 - 2 * seed)
    spans.write_bytes(b"\n".join(requests(answers(count, seed, **how), start, seed)))
    assert syscard("--home", home, "ingest", spans).code == 0
    assert syscard("--home", home, "monitor", "--once").code == 0


def incidents(home: Path) -> list[dict[str, Any]]:
    return list(syscard("--home", home, "incident", "list", "--json").document)


def live(home: Path) -> dict[str, Any]:
    return dict(syscard("--home", home, "card", "show", "--json").document["live"])


def test_answers_that_are_about_something_else_open_one_incident_of_the_llm(shop: Path, tmp_path: Path) -> None:
    take(shop, tmp_path, 240, seed=2)
    assert incidents(shop) == []
    assert live(shop)["signals"]["llm.meaning"]["state"] == "ok"
    take(shop, tmp_path, 200, seed=3, changed=True)
    (incident,) = incidents(shop)
    assert incident["subject"] == "llm"
    found = live(shop)["signals"]["llm.meaning"]
    assert (found["state"], found["method"], found["reference"]) == ("breach", "domain classifier", 0.5)
    assert found["value"] > 0.95
    assert found["one_in"] > found["one_in_needed"] > 1_000


def test_usual_answers_for_a_whole_day_open_no_incident(shop: Path, tmp_path: Path) -> None:
    for seed in (2, 3, 4, 5):
        take(shop, tmp_path, 500, seed=seed)
    assert incidents(shop) == []
    assert live(shop)["signals"]["llm.meaning"]["effect"] < 0.1


def test_the_terminal_the_page_and_the_document_say_what_made_the_vectors(shop: Path, tmp_path: Path) -> None:
    take(shop, tmp_path, 20, seed=2)
    (by,) = live(shop)["encoders"]["llm"]
    assert re.fullmatch(r"fingerprints \(key [0-9a-f]{8}\)", by["by"])
    assert (by["vectors"], by["left_out"]) == (20, 0)
    said = f"embeddings by {by['by']}"
    assert f"llm: {said}" in syscard("--home", shop, "status").out
    assert said in " ".join(syscard("--home", shop, "card", "show").out.split())
    assert syscard("--home", shop, "snapshot", "--out", tmp_path / "page").code == 0
    for page in (tmp_path / "page").glob("*.[hm]*"):
        assert said in page.read_text("utf-8").replace("\\", "")


def test_answers_that_are_made_up_are_grounded_less(shop: Path, tmp_path: Path) -> None:
    before = live(shop)["signals"].get("llm.grounding")
    assert before is None or before["state"] == "unknown"
    take(shop, tmp_path, 20, seed=2)
    assert live(shop)["signals"]["llm.grounding"]["state"] == "ok"
    take(shop, tmp_path, 40, seed=3, changed=True)
    found = live(shop)["signals"]["llm.grounding"]
    assert found["value"] < 0.2 < found["reference"]
    assert found["state"] in ("warn", "breach")


def test_no_word_of_an_answer_is_on_the_disk(shop: Path, tmp_path: Path) -> None:
    for file in shop.rglob("*"):
        if file.is_file():
            body = file.read_bytes()
            assert not any(word in body for word in (b"carrots", b"umbrellas", b"dinner", b"basket")), file


def test_too_few_answers_are_no_verdict(shop: Path, tmp_path: Path) -> None:
    found = live(shop)["signals"].get("llm.meaning")
    assert found is None or found["state"] == "unknown"
    take(shop, tmp_path, 60, seed=2, changed=True)
    found = live(shop)["signals"]["llm.meaning"]
    assert (found["state"], found["needs"], found["n"]) == ("unknown", 100, 60)


def test_a_server_without_the_model_takes_every_span_and_says_what_it_does_instead(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    home = declared(tmp_path, "nobody/has-this-model")
    server = serve(home, "--port", "0", "--only", "receiver").ready()
    told = requests(answers(40, 1), datetime.now(UTC) - timedelta(minutes=5), 1)
    assert [server.post(as_protobuf(told[n : n + 10]), PROTOBUF_TYPE) for n in range(0, 40, 10)] == [200] * 4
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=60) as answer:
        vectors = json.load(answer)["vectors"]
    assert server.stop() == 0
    kept = open_lake(Home(home)).scan().collect().to_dicts()
    spans = [row for row in kept if row["operation"] != EMBEDDED]
    by = [json.loads(row["features"]).get("gen_ai.output.messages.embedding.by") for row in kept]
    assert len(spans) == 80
    assert len([one for one in by if one]) == len([one for one in by if one and one.startswith("fingerprints")]) == 40
    assert not vectors.get("lost")
    assert server.said.count("embed.model") == 1
