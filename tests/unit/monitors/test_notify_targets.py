"""Addresses come from the environment or a file that only its owner can read, and stand in no message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.errors import UsageError
from syscard_monitors.notify.targets import IN_HOME, MOST, Addresses, Target, masked, read_addresses

SECRET = "s3cr3t-T0K3N"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_addresses_are_read_from_variable_file_and_home_each_once(tmp_path: Path) -> None:
    file = write(tmp_path / "urls", f"# on call\n\nslack://{SECRET}/a/b\njson://one.example/x\n")
    write(tmp_path / IN_HOME, "json://two.example/y\n")
    environ = {"SYSCARD_NOTIFY_URL": "json://one.example/x\n  json://three.example", "SYSCARD_NOTIFY_FILE": str(file)}
    found = read_addresses(environ, tmp_path)
    assert [t.url for t in found.targets] == [
        "json://one.example/x", "json://three.example", f"slack://{SECRET}/a/b", "json://two.example/y"
    ]  # fmt: skip
    assert [t.label for t in found.targets] == [
        "json://one.example/...", "json://three.example/...", "slack://...", "json://two.example/..."
    ]  # fmt: skip


def test_where_nothing_is_set_nobody_is_told(tmp_path: Path) -> None:
    assert read_addresses({}, tmp_path) == Addresses()
    assert not read_addresses({}, tmp_path)


def test_two_addresses_that_look_alike_are_numbered(tmp_path: Path) -> None:
    found = read_addresses({"SYSCARD_NOTIFY_URL": f"slack://{SECRET} slack://other"}, tmp_path)
    assert [t.label for t in found.targets] == ["slack://...", "slack://... #2"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / IN_HOME, f"slack://{SECRET}", mode)
    with pytest.raises(UsageError, match="can be read by others, and holds passwords: chmod 600 it") as caught:
        read_addresses({}, tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SYSCARD_NOTIFY_URL": f"hooks.example/{SECRET}"}, "has no scheme"),
        ({"SYSCARD_NOTIFY_URL": f"json://h:{SECRET}/x"}, "no host or port that can be read"),
        ({"SYSCARD_NOTIFY_FILE": "/no/such/file"}, "SYSCARD_NOTIFY_FILE: /no/such/file: No such file"),
        ({"SYSCARD_HEARTBEAT_URL": f"ftp://{SECRET}"}, "SYSCARD_HEARTBEAT_URL: an address of http"),
        ({"SYSCARD_ALERTMANAGER_URL": f"http://x y/{SECRET}"}, "SYSCARD_ALERTMANAGER_URL: an address of http"),
        ({"SYSCARD_NOTIFY_URL": " ".join(f"json://h{n}/{SECRET}" for n in range(MOST + 1))}, "at most 20"),
    ],
)
def test_what_is_wrong_is_said_without_the_address(environ: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_addresses(environ, tmp_path)
    assert SECRET not in str(caught.value)


def test_an_address_on_a_line_with_blanks_names_the_line_and_not_the_address(tmp_path: Path) -> None:
    write(tmp_path / IN_HOME, f"# x\njson://h {SECRET}\n")
    with pytest.raises(UsageError, match=r"notify\.urls:2: one address a line") as caught:
        read_addresses({}, tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "label"),
    [
        (f"jsons://user:{SECRET}@hooks.example:8443/{SECRET}?k={SECRET}", "jsons://hooks.example:8443/..."),
        (f"mailtos://me:{SECRET}@mail.example", "mailtos://mail.example/..."),
        (f"slack://{SECRET}/{SECRET}/x", "slack://..."),
        (f"tgram://123:{SECRET}/1", "tgram://..."),
        (f"https://hc-ping.example/{SECRET}", "https://hc-ping.example/..."),
        (f"ntfy://{SECRET}", "ntfy://..."),
    ],
)
def test_a_label_shows_the_scheme_and_a_host_where_that_is_none_of_the_secrets(url: str, label: str) -> None:
    assert masked(url) == label
    assert SECRET not in repr(Target(label, url))


@given(scheme=st.sampled_from(("slack", "discord", "tgram", "json", "mailto", "pagerduty")), rest=st.text(max_size=40))
def test_no_label_shows_what_stands_before_an_at_or_behind_a_slash(scheme: str, rest: str) -> None:
    try:
        label = masked(f"{scheme}://{SECRET}:{SECRET}@host/{SECRET}?{rest}")
    except UsageError as error:
        label = str(error)
    assert SECRET not in label
