"""A command line that cannot be run is one line that says what is wrong with it; help is help."""

from __future__ import annotations

import pytest

from tests.functional.helpers import syscard


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bogus",), "syscard: no such command 'bogus': see: syscard --help"),
        (("--bogus",), "syscard: no such option: --bogus: see: syscard --help"),
        (("incident", "bogus"), "syscard: incident: no such command 'bogus': see: syscard incident --help"),
        (("risk", "list", "--bogus"), "syscard: risk list: no such option: --bogus: see: syscard risk list --help"),
        (("serve", "--every", "nan"), "'--every'"),
        (("monitor", "--every", "inf"), "'--every'"),
        (("serve", "--hang-after", "inf"), "'--hang-after'"),
        (("incident", "ack", "1", "2"), "incident ack: got unexpected extra argument"),
    ],
)
def test_a_command_or_option_that_is_none_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    ran = syscard(*arguments)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert says in ran.err


def test_a_group_without_a_command_shows_its_help() -> None:
    assert "Commands:" in syscard("risk").err
