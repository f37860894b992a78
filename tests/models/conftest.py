"""The example with its real models. Collected only where they are: `make test-models`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from recommender.agent import Shop

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".example" / "cache"
"""As `make example` uses it: what is fitted there is not fitted again."""
collect_ignore_glob = ["test_*.py"]
if importlib.util.find_spec("torch"):
    collect_ignore_glob = []
    os.environ |= {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="session")
def said() -> list[str]:
    """What was said while the shop was opened."""
    return []


@pytest.fixture(scope="session")
def shop(said: list[str]) -> Iterator[Shop]:
    """The shop, opened once."""
    from recommender.shop import opened

    CACHE.mkdir(parents=True, exist_ok=True)
    with opened(CACHE, 4, said.append) as found:
        yield found
