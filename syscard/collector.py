"""How seldom a server looks for circles of objects. Standard library only."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """Look seldom, and not through the libraries: an answer or a batch makes many objects and no circle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
