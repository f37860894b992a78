"""`syscard serve` beside the agent: a home with the recommender declared and a recorded day as its baseline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from recommender.errors import Unavailable
from recommender.values import Say
from recommender.whole import made_whole
from syscard_configs import read_text

COMPONENTS: Final = ("agent", "cf", "llm", "vlm")
BASELINE: Final = "normal"
"""The recording that is the baseline."""
COMPLETE_AFTER: Final = "5s"
SLOWEST: Final = "10 s"
"""What the claim on latency promises here."""
WINDOW: Final = 20
"""Requests that are taken onto the card together."""
_PATIENCE_S: Final = 120.0
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_ABOUT: Final = """\
# The demo's system.yaml, for the recommender that runs on this machine: requests count as complete sooner; latency is
# not compared with the baseline, which another machine recorded, and answers may take as long as the agent waits.
"""


class Watched:
    """A syscard home, and the commands that are run on it."""

    def __init__(self, program: str, home: Path) -> None:
        found = shutil.which(program)
        if found is None:
            raise Unavailable(f"{program} is not there: name syscard with --syscard, or send elsewhere with --endpoint")
        self._program = found
        self._home = home

    def prepare(self, versions: Mapping[str, str], say: Say) -> None:
        """Declare the recommender; the first time, take the recorded normal day in and make it the baseline.

        Args:
            versions: component -> the version that is deployed here.
            say: told what takes its time.
        """
        if not self._home.is_dir():
            say("syscard: the recorded normal day becomes the baseline, once ...")
            with made_whole(self._home) as draft:
                Watched(self._program, draft)._begin(versions)
        self._declare(versions)

    def _begin(self, versions: Mapping[str, str]) -> None:
        self._home.mkdir()
        self._declare(versions)
        with as_file(files("syscard_configs") / "demo" / f"{BASELINE}.otlp.jsonl.xz") as recording:
            self.run("ingest", recording, "--retime", "end=now")
        self.run("monitor", "--once")
        self.run("baseline", "set", "--name", "recorded day")

    def _declare(self, versions: Mapping[str, str]) -> None:
        file = self._home / "system.yaml"
        file.write_text(own_system(versions), encoding="utf-8")
        self.run("apply", file)

    def run(self, *arguments: object) -> str:
        """What a command printed.

        Raises:
            Unavailable: it could not run.
        """
        done = subprocess.run(self._command(*arguments), capture_output=True, text=True, check=False)  # noqa: S603  (our own program, no shell)
        if done.returncode not in (0, 1):
            raise Unavailable((done.stderr.strip().splitlines() or [f"syscard {arguments[0]} failed"])[-1])
        return done.stdout

    def status(self) -> dict[str, Any]:
        """The status screen as a document."""
        found: dict[str, Any] = json.loads(self.run("status", "--json"))
        return found

    @contextmanager
    def served(self) -> Iterator[str]:
        """`syscard serve` while the block runs; the address that takes spans.

        Raises:
            Unavailable: it does not start.
        """
        log = self._home / "serve.log"
        with log.open("w") as out:
            command = self._command("serve", "--port", "0", "--every", "1")
            child = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)  # noqa: S603  (as above)
            try:
                yield _address(child, log)
            finally:
                _end(child)

    def wait(self, requests: int) -> dict[str, Any]:
        """The status once so many requests are on the card in all, or after two minutes."""
        until = time.monotonic() + _PATIENCE_S
        while (found := self.status())["requests"] < requests and time.monotonic() < until:
            time.sleep(1)
        return found

    @property
    def command(self) -> str:
        """What a person types before a subcommand."""
        return " ".join(self._command())

    def _command(self, *arguments: object) -> list[str]:
        return [self._program, "--home", str(self._home), *map(str, arguments)]


def own_system(versions: Mapping[str, str]) -> str:
    """The declaration for this machine: the demo's text with some values exchanged."""
    text = read_text("examples", "recommender.yaml").replace("complete_after: 30s", f"complete_after: {COMPLETE_AFTER}")
    text = text.replace("within 3 s.", f"within {SLOWEST}.").replace('"<= 3s"', f'"<= {SLOWEST.replace(" ", "")}"')
    silent = "".join(f"    {component}.latency: {{off: true}}\n" for component in COMPONENTS)
    text = text.replace("  tune:\n", f"  tune:\n{silent}")
    for component, version in versions.items():
        declared = rf"(^  {component}:\n(?:    .*\n)*?    version: \{{declared: )[^,}}]+"
        text = re.sub(declared, rf"\g<1>{version}", text, flags=re.MULTILINE)
    return _ABOUT + text


def _address(child: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and child.poll() is None:
        if found := _ADDRESS.search(log.read_text("utf-8", errors="replace")):
            return found[0]
        time.sleep(0.1)
    said = log.read_text("utf-8", errors="replace").strip().splitlines() or [f"see {log}"]
    raise Unavailable(f"syscard serve did not start: {said[-1]}")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
