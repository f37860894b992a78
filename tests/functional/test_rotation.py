"""`syscard keys` as an administrator types it, and what the card says afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syscard.home import Home
from syscard_tracing import keys
from syscard_tracing.roller import open_lake
from tests.functional.helpers import ending_at, one_line, recorded, sound, spans_of, syscard


def ingest(home: Path, lines: list[bytes], tmp_path: Path) -> None:
    """Store requests, and look once."""
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"\n".join(lines))
    assert syscard("--home", home, "ingest", file).code == 0
    assert syscard("--home", home, "monitor", "--once").code == 0


@pytest.mark.endurance
def test_a_key_is_rotated_listed_and_outlived_by_the_card(declared: Path, tmp_path: Path) -> None:
    one_line(syscard("--home", declared, "keys", "rotate"), "has no key yet")
    lines = ending_at(recorded("normal")[:80], datetime.now(UTC) - timedelta(minutes=2))
    ingest(declared, lines[:40], tmp_path)
    (first,) = syscard("--home", declared, "keys", "list", "--json").document
    assert (first["state"], first["since"], first["until"]) == ("in use", None, None)
    said = syscard("--home", declared, "keys", "rotate")
    assert said.code == 0
    assert "cannot be compared" in said.out
    ingest(declared, lines[40:], tmp_path)
    old, new = syscard("--home", declared, "keys", "list", "--json").document
    assert (old["key"], old["state"], new["state"]) == (first["key"], "old", "in use")
    assert old["until"] == new["since"]
    assert f"{new['key']}  in use" in syscard("--home", declared, "keys", "list").out
    card = syscard("--home", declared, "card", "show", "--json").document
    assert [i["subject"] for i in card["card"]["incidents"].values()] == [], "a new key is no change of the system"
    (told,) = [f for f in card["live"]["tracing"] if f["key"] == "two_keys"]
    assert (told["hits"], told["n"]) == (0, 80)
    sound(declared)


@pytest.mark.endurance
def test_a_user_of_before_and_after_is_found_under_both_keys(declared: Path, tmp_path: Path) -> None:
    """As the SDK sends a user: its key is hashed once more at receipt."""
    import json

    lines = [json.loads(line) for line in ending_at(recorded("normal")[:40], datetime.now(UTC) - timedelta(minutes=2))]
    for document in lines:
        for span in spans_of(document):
            span["attributes"] = [a for a in span["attributes"] if not a["key"].startswith(("syscard.user", "user."))]
            span["attributes"].append({"key": "user.id", "value": {"stringValue": "ann@shop.example"}})
    packed = [json.dumps(document).encode() for document in lines]
    ingest(declared, packed[:20], tmp_path)
    assert syscard("--home", declared, "keys", "rotate").code == 0
    ingest(declared, packed[20:], tmp_path)
    users = set(open_lake(Home(declared)).scan().collect()["user_key"].drop_nulls())
    assert len(users) == 2, "one person, told apart by the rotation"
    dry = syscard("--home", declared, "erase", "--user", "ann@shop.example", "--dry-run", "--json").document
    assert dry["traces"] == 40
    assert syscard("--home", declared, "erase", "--user", "ann@shop.example", "--yes", "--despite-hold").code == 0
    assert open_lake(Home(declared)).count() == 0


@pytest.mark.endurance
def test_with_the_last_span_that_it_hashed_the_old_key_goes(declared: Path, tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=10)
    ingest(declared, ending_at(recorded("normal")[:20], old), tmp_path)
    secret = keys.secrets_of(declared / "keys")[0]
    assert syscard("--home", declared, "keys", "rotate").code == 0
    assert syscard("--home", declared, "retain", "--days", "30", "--now").code == 0
    assert keys.secrets_of(declared / "keys")[0] == secret
    ingest(declared, ending_at(recorded("normal")[20:40], datetime.now(UTC) - timedelta(minutes=2)), tmp_path)
    assert syscard("--home", declared, "retain", "--days", "3", "--now").code == 0
    ingest(declared, ending_at(recorded("normal")[40:60], datetime.now(UTC) - timedelta(minutes=1)), tmp_path)
    assert syscard("--home", declared, "retain", "--days", "3", "--now").code == 0
    assert secret not in keys.secrets_of(declared / "keys")
    assert "destroyed" in syscard("--home", declared, "keys", "list").out
    sound(declared)
