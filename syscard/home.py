"""Where syscard keeps its things: one folder, the home."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syscard.errors import HomeNotFound, UsageError
from syscard.modes import FOLDER as FOLDER_MODE

FOLDER: Final = ".syscard"
VARIABLE: Final = "SYSCARD_HOME"


@dataclass(frozen=True)
class Home:
    """The paths of one home. Making one touches no disk."""

    root: Path

    @property
    def records(self) -> Path:
        """SQLite file of edits, evidence and monitor state."""
        return self.root / "records.db"

    @property
    def inbox(self) -> Path:
        """SQLite file of accepted requests that are not in the lake yet."""
        return self.root / "inbox.db"

    @property
    def lake(self) -> Path:
        """Delta table of observations."""
        return self.root / "lake"

    @property
    def snapshots(self) -> Path:
        """Rendered card versions."""
        return self.root / "snapshots"

    @property
    def reports(self) -> Path:
        """Evidence files of the report worker."""
        return self.root / "reports"

    @property
    def dialects(self) -> Path:
        """Dialect tables of the owner, over those that ship; the folder need not be there."""
        return self.root / "dialects"

    @property
    def keys(self) -> Path:
        """Secret keys for fingerprints and user keys, readable by the owner only."""
        return self.root / "keys"

    def create(self) -> Home:
        """Make the folders that are missing.

        Raises:
            UsageError: the folder cannot be made or written.
        """
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, self.snapshots, self.reports, self.keys):
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)  # a folder that is there keeps its mode
        except OSError as error:
            raise UsageError(f"home {self.root}: {error.strerror}: choose another with --home") from error
        return self


def find_home(named: Path | None, *, start: Path | None = None) -> Home | None:
    """The home by `--home`, else the environment, else the nearest `.syscard/` upwards."""
    if named is not None:
        return Home(named)
    if variable := os.environ.get(VARIABLE):
        return Home(Path(variable))
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return Home(folder / FOLDER)
    return None


def existing_home(named: Path | None, *, start: Path | None = None) -> Home:
    """The home, which must be there.

    Raises:
        HomeNotFound: none is named, set or found, or the one named is no folder.
    """
    home = find_home(named, start=start)
    if home is None:
        raise HomeNotFound("no home here: name one with --home or SYSCARD_HOME, or make one with: syscard init")
    if not home.root.is_dir():
        raise HomeNotFound(f"home {home.root} is not there: make it with: syscard --home {home.root} init")
    return home


def home_to_create(named: Path | None, *, start: Path | None = None) -> Home:
    """The home for a command that may make one (`init`, `serve`, `ingest`, `demo`)."""
    home = find_home(named, start=start)
    return (home or Home((start or Path.cwd()) / FOLDER)).create()
