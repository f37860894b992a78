"""The face of each package: what `__all__` says is there, in order, and nothing has to be looked up elsewhere."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files

import pytest

PACKAGES = ("syscard", "syscard_configs", "syscard_monitors", "syscard_tracing", "syscard_tui", "syscard_web")
WITH_A_FACE = ("syscard", "syscard_configs", "syscard_tracing")


@pytest.mark.parametrize("name", WITH_A_FACE)
def test_everything_exported_can_be_got_and_is_sorted(name: str) -> None:
    package = import_module(name)
    assert package.__all__ == sorted(package.__all__)
    assert 0 < len(package.__all__) <= 15
    for exported in package.__all__:
        assert getattr(package, exported).__name__ == exported


@pytest.mark.parametrize("name", ["syscard", "syscard_tracing"])
def test_a_name_that_is_not_exported_is_an_attribute_error(name: str) -> None:
    package = import_module(name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense


@pytest.mark.parametrize("name", WITH_A_FACE)
def test_a_star_import_gives_exactly_what_is_exported(name: str) -> None:
    found: dict[str, object] = {}
    exec(f"from {name} import *", found)
    assert sorted(key for key in found if key != "__builtins__") == import_module(name).__all__


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_says_that_it_is_typed(name: str) -> None:
    assert files(name).joinpath("py.typed").is_file()
    assert import_module(name).__doc__
