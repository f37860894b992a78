"""The words about the program are true of it: help of every command, the table of commands, links, the file layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from syscard.metrics import METRICS
from syscard_configs import names, read_text
from syscard_monitors.packs import read_pack
from syscard_tui.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(group: Any, name: str = "syscard") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name: a group counts where it can be called by itself."""
    below = getattr(group, "commands", None)
    if below is None or (group.invoke_without_command and name != "syscard"):
        yield name, group
    for word, command in (below or {}).items():
        yield from commands(command, f"{name} {word}")


ALL = dict(commands(get_command(app)))


def table() -> set[str]:
    """Commands in the table of the README: `syscard card show`, `why` are two of them."""
    rows = [line for line in README.splitlines() if line.startswith("| `syscard ")]
    return {name for row in rows for name in _named(row.replace("\\|", "/").split("|")[1])}


def _named(cell: str) -> Iterator[str]:
    last = ""
    for code in re.findall(r"`([^`]+)`", cell):
        words = re.split(r" (?=[\[-]|[A-Z])", code)[0]
        last = words if words.startswith("syscard") else f"{last.rpartition(' ')[0]} {words}"
        yield last


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_has_help(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert command.help.strip().splitlines()[0].endswith((".", "?")), command.help
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert parameter.help, f"{name} --{parameter.name}"


def test_the_readme_lists_every_command_and_no_other() -> None:
    assert table() == set(ALL)


def test_the_page_of_packs_lists_every_signal_and_marks_those_that_may_be_left_out() -> None:
    page = (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")
    told = {row[0]: row[1] for row in re.findall(r"^\| `([\w-]+)` \| .* \| ([^|]+) \|$", page, re.MULTILINE)}
    for file in names("packs"):
        pack = read_pack(read_text("packs", file), file)
        assert told[pack.pack] == ", ".join(f"*`{s.name}`*" if s.optional else f"`{s.name}`" for s in pack.signals)


def test_the_pack_on_the_page_of_packs_is_one() -> None:
    page = (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read_pack(text, "docs/packs.md").signals[0].severity


def test_the_page_of_metrics_lists_every_metric_as_it_is() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(syscard_\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert told == [(name, m.kind, ", ".join(f"`{x}`" for x in m.labels) or "-", m.says) for name, m in METRICS.items()]


def test_the_rules_for_alerts_on_the_page_of_metrics_name_metrics_and_labels_that_are_there() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    rules = yaml.safe_load(text)["groups"][0]["rules"]
    assert len(rules) == 3
    for rule in rules:
        named = re.findall(r"(syscard_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert named
        for metric, labels in named:
            assert set(re.findall(r"(\w+)=", labels)) <= set(METRICS[metric].labels)


def test_the_readme_links_every_page_of_the_docs_once() -> None:
    linked = sorted(re.findall(r"\]\((docs/[^)/]+\.md)\)", README))
    assert linked == sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))


def test_options_named_in_the_readme_are_there() -> None:
    for line in README.splitlines():
        if line.startswith("| `syscard "):
            cell = line.replace("\\|", "/").split("|")[1]
            known = {o for name in _named(cell) for p in ALL[name].params for o in getattr(p, "opts", ())}
            assert set(re.findall(r"--[a-z]+", cell)) <= known, cell


def test_every_link_to_a_file_leads_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert dead == []


def test_the_folders_of_the_layout_are_there() -> None:
    layout = re.search(r"```\n(configs/syscard_configs/.*?)```", README, re.S)
    assert layout
    rows = layout[1].splitlines()
    parents = {"records/": "syscard/", "render/": "syscard/", "gates/": "syscard/"}
    named = [row.split()[0] for row in rows]
    assert [name for name in named if not (ROOT / parents.get(name, "") / name).is_dir()] == []


def test_the_five_lines_of_python_run() -> None:
    """As printed, on a model of one's own, with nobody listening: tracing must never break its host."""
    import subprocess
    import sys

    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code
    own = """
from types import SimpleNamespace
VERSION, user, count, how = "1", 7, 5, "fresh"
slate = SimpleNamespace(known=True, history=12, affinity=0.8)
model = SimpleNamespace(version="als-1", recommend=lambda *_: slate)
"""
    program = own + code[1] + "\nprint('host is well')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "host is well\n")
