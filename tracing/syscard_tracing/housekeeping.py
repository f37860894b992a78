"""What `serve` does once an hour beside receiving: past days sorted, retention, old files deleted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from syscard.clock import Clock
from syscard.errors import SyscardError
from syscard.home import Home
from syscard_tracing import journal, retention
from syscard_tracing.durable import rolling
from syscard_tracing.retention import Dropped, Keeping
from syscard_tracing.roller import open_lake

EVERY: Final = timedelta(hours=1)
_LOOK_S: Final = 60.0
_log = logging.getLogger("syscard.tracing")


def keep_house(home: Home, keeping: Keeping, now: datetime) -> list[Dropped]:
    """Everything that is due, once; the days that were dropped. Rolls go on meanwhile.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    from syscard_tracing import upkeep

    lake = open_lake(home)
    if not lake.exists():
        return []
    dropped = retention.apply(home, keeping, now)
    with rolling(lake.path):
        settled = upkeep.settle(lake, now)
        upkeep.vacuum(lake)
    if settled:
        _log.info("lake %s: sorted %s", lake.path, ", ".join(settled))
    return dropped


class Housekeeper:
    """Keeps house in a thread of its own, so that sorting a big day holds up no roll."""

    def __init__(self, home: Home, keeping: Callable[[], Keeping], clock: Clock) -> None:
        self._home = home
        self._keeping = keeping
        self._clock = clock
        self._looked: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syscard-housekeeper", daemon=True)

    def start(self) -> None:
        """Start looking, once a minute, whether an hour has passed."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is under way can be cut off, the lake is whole at every moment."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self.look()

    def look(self) -> None:
        """Keep house if an hour has passed since anybody did. A failure is said; an hour later it is tried again."""
        now = self._clock()
        try:
            if self._looked is None and (last := journal.last(self._home, "looked")):
                self._looked = datetime.fromisoformat(last["at"])
            if self._looked is not None and now - self._looked < EVERY:
                return
            self._looked = now
            keep_house(self._home, self._keeping(), now)
            journal.write(self._home, now, "looked")
        except (SyscardError, OSError) as error:
            _log.warning("housekeeping failed, nothing is lost: %s", error)
        except Exception:  # noqa: BLE001 - a dead thread would fill the disk in silence
            _log.exception("housekeeping failed, nothing is lost")
