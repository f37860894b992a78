"""The examples for pipelines do what they say: their commands are run as they are written, on a declared system."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.functional.helpers import syscard

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"


def example(name: str) -> Any:
    """A file of YAML, read as YAML 1.2 means `on`: as a word."""
    return yaml.load((EXAMPLES / name).read_text(), yaml.BaseLoader)


def module(name: str) -> ModuleType:
    """An example in Python; none of its libraries is there, so loading it must need none."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def commands(node: Any) -> Iterator[str]:
    """Lines of shell that call syscard."""
    if isinstance(node, str):
        yield from (line.strip() for line in node.splitlines() if line.strip().startswith("syscard "))
    elif isinstance(node, list | dict):
        for value in node.values() if isinstance(node, dict) else node:
            yield from commands(value)


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_gate_of_an_example_runs_as_written_and_leaves_the_reports_that_it_takes_up(
    name: str, declared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (asked,) = commands(example(name))
    monkeypatch.setenv("SYSCARD_HOME", str(declared))
    shutil.copy(tmp_path / "system.yaml", "system.yaml")
    ran = syscard(*shlex.split(asked)[1:])
    assert (ran.code, ran.err) == (1, "")
    text = (EXAMPLES / name).read_text()
    for report in ("gate.xml", "gate.sarif", "gate.md"):
        assert Path(report).read_text()
        assert text.count(report) > 1 or "gate.*" in text
    results = json.loads(Path("gate.sarif").read_text())["runs"][0]["results"]
    assert {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results} == {"system.yaml"}


def test_the_workflow_gives_no_right_and_no_secret_to_more_than_needs_it() -> None:
    workflow = example("github-actions.yml")
    assert (list(workflow["on"]), workflow["permissions"]) == (["pull_request"], {"contents": "read"})
    secret = [step["name"] for step in workflow["jobs"]["gate"]["steps"] if "secrets." in json.dumps(step)]
    assert secret == ["fetch the records"]
    scripts = [step.get("run", "") for step in workflow["jobs"]["gate"]["steps"]]
    assert not any("${{" in script for script in scripts)


def test_a_step_of_kubeflow_fails_where_the_gate_is_blocked_or_cannot_be_asked(declared: Path, tmp_path: Path) -> None:
    ask_gate = module("kubeflow_step").ask_gate
    with pytest.raises(RuntimeError, match=r"the gate is blocked: \{"):
        ask_gate(str(declared), record=False)
    with pytest.raises(RuntimeError, match="the gate could not be asked: syscard: "):
        ask_gate(str(tmp_path / "nowhere"))


def test_a_step_of_sagemaker_gives_the_gate_s_exit_code_and_leaves_reports(declared: Path, tmp_path: Path) -> None:
    step = module("sagemaker_step")
    assert step.ask_gate(declared, tmp_path / "out") == 1
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"gate.xml", "gate.md"}
    assert step.ask_gate(declared, tmp_path / "out", "nowhere") == 2
