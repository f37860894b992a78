"""What importing and starting may load, and what a base install without extras can do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.conftest import demo as demo  # fixtures, shared with the functional tests
from tests.functional.conftest import demo_home as demo_home
from tests.functional.helpers import Demo

HEAVY = ("evidently", "fairlearn", "sklearn", "pandas", "numpy", "scipy", "transformers", "torch", "langchain",
         "textual", "polars", "sqlmodel", "sqlalchemy", "alembic", "pyarrow", "deltalake", "starlette",
         "uvicorn")  # fmt: skip
EXTRAS = (*HEAVY, "anyio", "jinja2", "zstandard", "apscheduler", "apprise", "deepdiff", "grpc", "typst",
          "cyclonedx", "prometheus_client", "securesystemslib", "in_toto_attestation", "langgraph",
          "psycopg")  # fmt: skip
LOADED = "\nimport sys; sys.stderr.write(' '.join(sorted({m.partition('.')[0] for m in sys.modules})))"
COMMAND = """
import sys
from syscard_tui.main import main
sys.argv = ["syscard", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    print("code", ended.code or 0, file=sys.stderr)
"""
BASE_ONLY = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
"""


def python(code: str, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "SYSCARD_HOME", "COLUMNS")}
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, cwd=cwd)


def loaded(code: str, *arguments: object) -> set[str]:
    done = python(code + LOADED, *arguments)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("code", "besides"),
    [
        ("import syscard, syscard_tracing", {"pydantic", "yaml", "typer", "rich", "opentelemetry"}),
        ("import syscard_tui.main", {"pydantic", "typer", "rich", "yaml"}),
        ("import syscard_tui.cli", set[str]()),
        ("from syscard_tracing import instrument, component", {"pydantic", "typer"}),
        ("import syscard_tracing; syscard_tracing.instrument('x').shutdown()", {"pydantic", "typer"}),
    ],
)
def test_importing_loads_nothing_heavy(code: str, besides: set[str]) -> None:
    assert not loaded(code) & {*HEAVY, *besides}


def test_status_loads_no_library_at_all(demo: Demo) -> None:
    found = loaded(COMMAND, "--home", demo.home, "status")
    assert "code" in found
    assert not found & {*HEAVY, "pydantic", "typer", "rich", "yaml", "rfc8785", "jinja2"}


@pytest.mark.parametrize(
    "command", ["card show", "incident list", "card why grounded", "gate --no-record", "baseline show"]
)
def test_reading_the_card_loads_nothing_heavy(command: str, demo: Demo) -> None:
    assert not loaded(COMMAND, "--home", demo.home, *command.split()) & {*HEAVY, "jinja2"}


def base(*arguments: object, cwd: Path) -> tuple[int, str, str]:
    """A command on a base install: exit code, output, errors."""
    done = python(BASE_ONLY + COMMAND, *arguments, cwd=cwd)
    *errors, code = done.stderr.splitlines()
    return int(code.split()[1]), done.stdout, "\n".join(errors)


def test_a_base_install_can_be_imported_and_instrumented() -> None:
    done = python(BASE_ONLY + "import syscard, syscard_tracing; syscard_tracing.instrument('x').shutdown()")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.endurance
def test_a_base_install_reads_the_card(demo: Demo, tmp_path: Path) -> None:
    for command in ("--help", "status", "card show", "card why grounded", "incident list", "incident show 5",
                    "gate --no-record"):  # fmt: skip
        code, out, errors = base("--home", demo.home, *command.split(), cwd=tmp_path)
        assert (code, errors) == (int(command.startswith("gate")), ""), command
        assert out
    assert base("init", cwd=tmp_path)[::2] == (0, "")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("tui", "tui"),
        ("serve --port 0", "server"),
        ("monitor --once", "server"),
        ("snapshot", "server"),
        ("fairness", "server"),
        ("report", "server"),
        ("ingest FILE", "server"),
        ("card verify", "server"),
        ("baseline set", "server"),
        ("doctor", "server"),
        ("demo", "server"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(command: str, extra: str, demo_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "spans.json"
    file.write_text('{"resourceSpans": []}')
    before = sorted(p.name for p in demo_home.iterdir())
    code, out, errors = base("--home", demo_home, *command.replace("FILE", str(file)).split(), cwd=tmp_path)
    assert (code, out) == (2, ""), (out, errors)
    assert len(errors.splitlines()) == 1, errors
    assert f"syscard[{extra}]" in errors
    assert before == [name for name in sorted(p.name for p in demo_home.iterdir()) if name != "serve.lock"]
