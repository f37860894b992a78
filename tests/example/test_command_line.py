"""The example's command line where no model is installed: what needs none works, the rest is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommender.__main__ import salt_of
from recommender.errors import Unavailable
from recommender.faults import FAULTS
from recommender.watched import COMPONENTS, Watched, own_system
from syscard.system_file import parse_system
from syscard_configs import read_text

ROOT = Path(__file__).parents[2]


def recommender(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "examples")}
    command = [sys.executable, "-m", "recommender", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, check=False)


def one_line(ran: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (ran.returncode, ran.stdout) == (2, ""), ran
    lines = ran.stderr.splitlines()
    assert len(lines) == 1, ran.stderr
    assert all(word in lines[0] for word in ("recommender: ", *words)), lines[0]


def test_the_faults_are_listed_with_the_truth_about_each(tmp_path: Path) -> None:
    ran = recommender("faults", cwd=tmp_path)
    assert ran.returncode == 0
    for fault in FAULTS:
        assert fault.name in ran.stdout
        assert fault.done in ran.stdout


def test_faults_are_switched_while_an_agent_runs(tmp_path: Path) -> None:
    said = [
        recommender("switch", *words, cwd=tmp_path).stdout for words in ((), ("tool-loop",), ("tool-loop", "--off"))
    ]
    assert said == ["on: nothing\n", "on: tool-loop\n", "on: nothing\n"]
    one_line(recommender("switch", "nonsense", cwd=tmp_path), "no fault 'nonsense'", "tool-loop")


@pytest.mark.endurance
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "blur"], ["no fault 'blur'", "blurred-pictures"]),
        (["--fault", "tool-loop@9-3"], ["write blurred-pictures"]),
        (["--instrumentor", "magic"], ["none or openinference"]),
        (["--fault", "more-traffic"], ["more traffic than what?", "--rate"]),
        ([], ["is not installed", "make example"]),
    ],
)
def test_what_cannot_run_is_one_line(options: list[str], words: list[str], tmp_path: Path) -> None:
    one_line(recommender("run", *options, cwd=tmp_path), *words)


@pytest.mark.endurance
def test_switches_of_a_run_that_has_ended_are_off(tmp_path: Path) -> None:
    recommender("switch", "tool-loop", cwd=tmp_path)
    recommender("run", cwd=tmp_path)
    assert recommender("switch", cwd=tmp_path).stdout == "on: nothing\n"


def test_the_salt_of_user_keys_is_random_and_stays(tmp_path: Path) -> None:
    salt = salt_of(tmp_path / "a")
    assert (len(salt), (tmp_path / "a" / "salt").stat().st_mode & 0o077) == (32, 0)
    assert salt == salt_of(tmp_path / "a") != salt_of(tmp_path / "b")


def test_without_syscard_it_says_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nowhere/syscard is not there: name syscard with --syscard"):
        Watched("nowhere/syscard", tmp_path)


def test_what_syscard_says_is_handed_on_in_one_line(tmp_path: Path) -> None:
    watched = Watched(str(Path(sys.executable).parent / "syscard"), tmp_path / "home")
    with pytest.raises(Unavailable, match="syscard: "):
        watched.run("card", "show")


def test_the_declaration_for_this_machine_is_the_demos_without_what_another_machine_measured() -> None:
    shipped = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
    own = parse_system(own_system({"vlm": "lit-here", "cf": "als-here"}), "system.yaml")
    assert {ref: c.select for ref, c in own.components.items()} == {
        ref: c.select for ref, c in shipped.components.items()
    }
    assert [claim.id for claim in own.claims] == [claim.id for claim in shipped.claims]
    promised = {claim.id: (claim.says, claim.expect) for claim in own.claims}
    assert promised.pop("fast") == ("95 % of answers are there within 10 s.", "<= 10s")
    assert promised.items() < {claim.id: (claim.says, claim.expect) for claim in shipped.claims}.items()
    assert (own.components["vlm"].version.declared, own.components["cf"].version.declared) == ("lit-here", "als-here")
    assert all(own.monitors.tune[f"{component}.latency"].off for component in COMPONENTS)
    assert own.traces.request.complete_after < shipped.traces.request.complete_after
    assert own_system({}).startswith("# The demo's system.yaml")
