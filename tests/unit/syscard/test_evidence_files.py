from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from syscard.evidence_files import LetGo, is_whole, keep, let_go


def test_evidence_is_named_by_its_digest_and_is_its_owner_s(tmp_path: Path) -> None:
    kept = keep(tmp_path / "reports" / "shop", b"{}", ".json")
    assert kept.digest == hashlib.sha256(b"{}").hexdigest()
    assert kept.path == tmp_path / "reports" / "shop" / f"{kept.digest}.json"
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.path.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_evidence_is_kept_once_and_a_changed_file_is_mended(tmp_path: Path) -> None:
    kept = keep(tmp_path, b"figures", ".html")
    before = kept.path.stat()
    assert keep(tmp_path, b"figures", ".html") == kept
    assert kept.path.stat().st_ino == before.st_ino
    kept.path.write_bytes(b"other figures")
    assert not is_whole(kept.path)
    keep(tmp_path, b"figures", ".html")
    assert is_whole(kept.path)
    assert list(tmp_path.iterdir()) == [kept.path]


def test_what_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep(tmp_path, b"figures", ".html")
    assert list(tmp_path.iterdir()) == []


def test_the_newest_files_and_those_that_are_needed_stay(tmp_path: Path) -> None:
    kept = [keep(tmp_path, str(i).encode() * 10, ".html") for i in range(5)]
    document = keep(tmp_path, b"{}", ".json")
    for age, file in enumerate(reversed(kept)):
        os.utime(file.path, (1_000_000 - age, 1_000_000 - age))
    gone = let_go(tmp_path, ".html", 2, {kept[1].digest})
    assert gone == (LetGo(kept[2].digest, 10), LetGo(kept[0].digest, 10))
    assert set(tmp_path.iterdir()) == {kept[1].path, kept[3].path, kept[4].path, document.path}
    assert let_go(tmp_path, ".html", 2, {kept[1].digest}) == ()
    assert let_go(tmp_path / "none", ".html", 2, ()) == ()
