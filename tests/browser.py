"""A real browser, driven by its own protocol: headless Chromium, where there is one."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import ClientConnection, connect

AXE: Final = Path(__file__).parents[1] / ".axe" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S: Final = 60
"""Shared machines stall."""
_KEYS: Final = {"Tab": 9, "Enter": 13}


class Browser:
    """One page of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; what happens meanwhile is kept."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(timeout=PATIENCE_S))
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def open(self, address: str) -> None:
        """Go to an address and wait until it is drawn."""
        self._loading(lambda: self.call("Page.navigate", url=address))

    def press(self, key: str) -> None:
        """One key, down and up."""
        code = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def tab_to(self, text: str, most: int = 200) -> int:
        """Press Tab until a link of this text has the focus; how often that took."""
        for count in range(1, most + 1):
            self.press("Tab")
            if self.focused == text:
                return count
        raise AssertionError(f"no Tab leads to '{text}'")

    def follow(self) -> None:
        """Press Enter on what has the focus, and wait for the page that it leads to."""
        self._loading(lambda: self.press("Enter"))

    def value(self, expression: str) -> Any:
        """What the page says, asked from outside: it runs no script of its own."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def faults(self) -> list[Any]:
        """What axe finds wrong on the page, with the elements that it is wrong in; skips the test without axe."""
        if not AXE.is_file():
            pytest.skip("no axe-core here: make axe (it needs npm and a network)")
        self.call("Runtime.evaluate", expression=AXE.read_text())
        shown = "r.violations.map(v => [v.id, v.help, v.nodes.slice(0, 3).map(n => n.html)])"
        asked = f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then(r => JSON.stringify({shown}))"
        told = self.call("Runtime.evaluate", expression=asked, awaitPromise=True, returnByValue=True)
        found: list[Any] = json.loads(told["result"]["value"])
        return found

    def width_on_a_screen_of(self, width: int) -> int:
        """How wide the page is laid out on a screen so wide, in pixels: more, if it has to be scrolled sideways."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        found = int(self.value("document.documentElement.scrollWidth"))
        self.call("Emulation.clearDeviceMetricsOverride")
        return found

    @property
    def focused(self) -> str:
        """Text of what has the focus."""
        return str(self.value("document.activeElement.textContent.trim()"))

    @property
    def title(self) -> str:
        """Of the page."""
        return str(self.value("document.title"))

    @property
    def requested(self) -> list[str]:
        """Every address that was asked for since the beginning."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    @property
    def complaints(self) -> list[str]:
        """What the browser logged: what was refused, blocked or broken."""
        logged = [e["params"]["entry"]["text"] for e in self.events if e["method"] == "Log.entryAdded"]
        return logged + [str(e["params"]) for e in self.events if e["method"] == "Runtime.exceptionThrown"]

    def _loading(self, begin: Any) -> None:
        already = self._loaded()
        begin()
        until = time.monotonic() + PATIENCE_S
        while self._loaded() == already:
            assert time.monotonic() < until, "the page was not loaded"
            with contextlib.suppress(TimeoutError):
                self.events.append(json.loads(self._connection.recv(timeout=1)))

    def _loaded(self) -> int:
        return sum(e["method"] == "Page.loadEventFired" for e in self.events)


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser while the block runs; skips the test where there is none."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is installed")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-default-apps", "--disable-sync", "--remote-debugging-port=0",
                 f"--user-data-dir={folder}", "about:blank"]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
    try:
        with connect(_address(folder, process), max_size=None) as connection:
            yield Browser(connection)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the browser's first page listens."""
    said, until = folder / "DevToolsActivePort", time.monotonic() + PATIENCE_S
    while not (said.is_file() and said.read_text().count("\n")):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, "the browser did not start"
        time.sleep(0.05)
    port = said.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
        pages = [page for page in json.load(answer) if page["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])
