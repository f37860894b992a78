"""A file with wrong shapes and contradictions: every problem is told in one round."""

from __future__ import annotations

import pytest

from syscard.errors import Problem, SystemFileError
from syscard.system_file import parse_system
from syscard_configs import read_text

GOOD = read_text("examples", "recommender.yaml")


def problems(*changes: tuple[str, str]) -> tuple[Problem, ...]:
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    with pytest.raises(SystemFileError) as caught:
        parse_system(text, "system.yaml")
    return caught.value.problems


def places(*changes: tuple[str, str]) -> list[str]:
    return [p.where for p in problems(*changes)]


def test_a_wrong_shape_does_not_hide_a_contradiction_elsewhere() -> None:
    found = places(("kind: ranking", "kind: rankin"), ("watch: [grounded]", "watch: [grounde]"))
    assert found == ["components.cf.kind", "risks[0] R-1.watch[0]"]


def test_what_leans_on_a_broken_part_by_its_name_is_no_contradiction() -> None:
    assert places(("kind: ranking", "kind: rankin")) == ["components.cf.kind"]
    assert places((">= 0.80", "about 0.80")) == ["claims[0] grounded.expect"]


def test_segments_that_nobody_can_read_are_not_missed_in_claims() -> None:
    found = places(("keep: features", "keep: nothing"), ("watch: [grounded]", "watch: [grounde]"))
    assert found == ["traces.keep", "risks[0] R-1.watch[0]"]


def test_problems_keep_their_lines_beside_broken_parts() -> None:
    found = problems(("kind: ranking", "kind: rankin"), ("watch: [grounded]", "watch: [grounde]"))
    lines = GOOD.splitlines()
    wanted = [
        next(i for i, text in enumerate(lines, 1) if key in text) for key in ("kind: ranking", "watch: [grounded]")
    ]
    assert [p.line for p in found] == wanted


@pytest.mark.parametrize("old", ["schema: syscard/1", "system:", "components:", "claims:"])
def test_whole_sections_that_are_wrong_still_give_problems_and_no_crash(old: str) -> None:
    assert problems((f"{old}\n" if old.endswith(":") else old, f"{old}x\n" if old.endswith(":") else f"{old}x"))
