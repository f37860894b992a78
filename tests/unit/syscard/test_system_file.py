# ruff: noqa: E501 - the tables below read best with one case a line
from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from syscard.errors import Problem, SystemFileError, UsageError
from syscard.system import System
from syscard.system_checks import NO_LINES, Place, line_of, nearest, shown, warnings, where
from syscard.system_file import MAX_BYTES, parse_system, read_system, read_warnings, starter_text
from syscard.yaml_tree import MAX_DEPTH, MAX_NODES
from syscard_configs import names, read_bytes, read_text

FILE = Path(__file__).parent / "data" / "system.yaml"
GOOD = FILE.read_text(encoding="utf-8")
JARGON = (
    "Input should",
    "Extra inputs",
    "Field required",
    "Value error",
    "valid dictionary",
    "tuple",
    "pydantic",
    "None",
)


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(SystemFileError) as caught:
        parse_system(text, "system.yaml")
    return caught.value.problems


def swap(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the file"
    return text.replace(old, new)


def line_with(fragment: str, text: str) -> int:
    found = [i for i, line in enumerate(text.split("\n"), start=1) if fragment in line]
    assert len(found) == 1, f"{fragment!r} is on lines {found}"
    return found[0]


def the_problem(text: str) -> Problem:
    problems = problems_of(text)
    assert len(problems) == 1, [p.text("f") for p in problems]
    return problems[0]


# ------------------------------------------------------------------------------------------------ what is right is read


def test_a_good_file_is_read_whole() -> None:
    system = read_system(FILE)
    assert system.system.ref == "shop"
    assert system.edges == (("cf", "vlm"), ("vlm", "llm"))
    assert [c.id for c in system.claims] == ["grounded", "fast"]
    assert system.system.review.next == date(2027, 2, 1)
    assert system.monitors.tune["vlm.agrees"].min_n == 100
    assert system.monitors.tune["cf->vlm.share"].off is True


def test_a_file_read_again_from_its_own_body_is_the_same() -> None:
    system = read_system(FILE)
    assert System.model_validate(system.body()) == system


@pytest.mark.parametrize("example", names("examples"))
def test_every_example_that_ships_is_valid_and_raises_no_warning_when_it_was_written(
    example: str, tmp_path: Path
) -> None:
    path = tmp_path / example
    path.write_bytes(read_bytes("examples", example))
    assert read_system(path).claims
    assert read_warnings(path, date(2026, 11, 22)) == ()


def test_the_recommender_declares_what_the_demo_replays() -> None:
    system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
    assert system.traces.select == {"service.name": "shop-recommender"}
    assert set(system.components) == {"cf", "vlm", "llm", "agent"}
    assert len(system.interactions) == 4
    assert [c.id for c in system.claims] == [
        "grounded",
        "sees-the-picture",
        "fast",
        "only-real-items",
        "no-offers",
        "no-personal-data",
        "taken",
        "ranked",
        "fair-acceptance",
    ]


def test_the_starter_is_commented_valid_and_about_the_system_that_was_asked_for() -> None:
    text = starter_text("corner-shop")
    system = parse_system(text, "system.yaml")
    assert system.system.ref == "corner-shop"
    assert system.traces.select == {"service.name": "corner-shop"}
    assert "my-recommender" not in text
    for section in ("system", "traces", "components", "interactions", "monitors", "claims", "risks", "unknowns"):
        assert re.search(rf"^#.*\n{section}:", text, re.MULTILINE), f"{section} has no comment"


def test_the_starter_asks_only_for_fields_that_every_system_has() -> None:
    standard = r"(\w+\.)?(latency_ms|error|fallback|input_tokens|output_tokens|calls)|latency"
    for claim in parse_system(starter_text("x"), "x").claims:
        assert re.fullmatch(rf"\w+\(({standard})\)", claim.metric), claim.metric


def test_a_starter_written_today_is_not_overdue_today() -> None:
    today = date(2031, 5, 1)
    system = parse_system(starter_text("x", today), "x")
    assert system.system.review.next == today + timedelta(days=90)
    assert warnings(system, today) == ()


@pytest.mark.parametrize("ref", ["", "Shop", "1shop", "a b", "x" * 65, "a\nschema: evil"])
def test_a_starter_for_a_name_that_cannot_be_one_is_a_usage_error(ref: str) -> None:
    with pytest.raises(UsageError, match="cannot name a system"):
        starter_text(ref)


# ----------------------------------------------------------------------------------------------------- YAML's own traps


@pytest.mark.parametrize(
    "written", ["1.10", "2026-11-02", "1e3", "0x10", "1_000", "12:30", "007", "no", "off", "true", "=", "2026.11.2"]
)
def test_a_version_is_kept_as_it_was_written(written: str) -> None:
    assert parse_system(swap("version: 1.10", f"version: {written}"), "f").system.version == written


@pytest.mark.parametrize("written", ["no", "Off", "yes", "1.0", "2027-02-01"])
def test_a_word_that_yaml_takes_for_something_else_stays_a_word(written: str) -> None:
    system = parse_system(swap("team: discovery", f"team: {written}"), "f")
    assert system.system.owner.team == written


@pytest.mark.parametrize("key", ["team", "accountable"])
def test_an_unquoted_channel_is_not_a_comment(key: str) -> None:
    text = re.sub(rf"{key}: .*", f"{key}: #discovery-oncall  ", GOOD, count=1)
    problem = the_problem(text)
    assert problem == Problem(
        line_with("#discovery-oncall", text),
        f"system.owner.{key}",
        "is empty: YAML takes #discovery-oncall for a comment; quote it",
        '"#discovery-oncall"',
    )


def test_an_unquoted_channel_is_told_even_where_nothing_has_to_be_written() -> None:
    problem = the_problem(swap('on_call: "#discovery"', "on_call: #discovery"))
    assert (problem.line, problem.where, problem.write) == (8, "system.owner.on_call", '"#discovery"')


def test_an_unquoted_channel_in_a_list_is_told() -> None:
    text = swap("    - Reasons may be wrong.", "    - Reasons may be wrong.\n    - #1 is always the same.")
    problem = the_problem(text)
    assert (problem.line, problem.where, problem.write) == (15, "system.limitations[1]", '"#1 is always the same."')


def test_an_unquoted_channel_that_swallows_a_closing_bracket_is_told() -> None:
    text = swap("packs: [llm]", "packs: [#llm]")
    assert the_problem(text) == Problem(
        line_with("#llm", text), "the file", "YAML takes #llm for a comment; quote it", '"#llm"'
    )


def test_a_real_comment_behind_an_optional_key_is_a_comment() -> None:
    system = parse_system(swap('on_call: "#discovery"', "on_call: # nobody yet"), "f")
    assert system.system.owner.on_call is None


@pytest.mark.parametrize(
    ("old", "new", "marker", "said"),
    [
        ('expect: ">= 0.90"', "expect: >= 0.90", "expect: >= 0.90", "must be quoted"),
        ('expect: ">= 0.90"', "expect: > 0.90", "expect: > 0.90", "must be quoted"),
        ("name: Shop", "name: @home", "@home", "cannot start with @; quote it"),
        ("name: Shop", "name: %shop", "%shop", "cannot start with %; quote it"),
        ("name: Shop", "name: *shop", "*shop", "starts with *"),
        ("name: Shop", "name: Shop: the best", "the best", "a colon and a space inside a text"),
        ('expect: ">= 0.90"', 'expect: ">= 0.90', "0.90", "a quoted text is not closed"),
        ('on_call: "#discovery"', 'on_call: "#discovery', 'expect: ">= 0.90"', "a quote above is not closed"),
        ("name: Shop", 'name: "Shop" best', '"Shop" best', "text follows a closing quote"),
        ("name: Shop", 'name: "Sh\\op"', '"Sh\\op"', "backslash"),
        ("  name: Shop", "\tname: Shop", "\tname", "tab"),
        ("  name: Shop", " name: Shop", " name: Shop", "indent"),
        ("users: [shoppers]", "users: [shoppers", "users: [shoppers", "a list [ ... ] is not closed"),
        (
            "select: {service.name: shop}",
            "select: {service.name: shop",
            "{service.name",
            "a group { ... } is not closed",
        ),
        ("claims:\n", "--- # two\nclaims:\n", "# two", "second document"),
        ("name: Shop", "name: S\x07hop", "S\x07hop", "character"),
    ],
)
def test_yaml_that_cannot_be_read_is_one_problem_in_plain_words(old: str, new: str, marker: str, said: str) -> None:
    text = swap(old, new)
    problem = the_problem(text)
    assert said in problem.what
    assert problem.write
    assert problem.line == line_with(marker, text)
    assert "\n" not in problem.text("f")


def test_a_file_that_ends_within_a_list_says_so() -> None:
    problem = the_problem("schema: syscard/1\nsystem: [")
    assert (problem.line, problem.what) == (2, "the file ends where a value is expected")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n", "just words", "- a\n- b\n", "3"])
def test_a_file_without_keys_says_where_to_start(text: str) -> None:
    problem = the_problem(text)
    assert (problem.line, problem.where) == (1, "the file")
    assert "syscard init" in problem.write


def test_a_key_written_twice_names_both_lines_and_hides_nothing_else() -> None:
    text = swap("  name: Shop\n", "  name: Shop\n  ref: other\n  colour: red\n")
    assert [(p.line, p.where, p.what) for p in problems_of(text)] == [
        (5, "system.ref", "is written twice; the first is on line 3"),
        (6, "system.colour", "is not a key that is read here"),
    ]


def test_a_section_written_twice_is_told_on_the_second() -> None:
    text = GOOD + "claims: []\n"
    problem = the_problem(text)
    assert (problem.line, problem.where) == (text.count("\n"), "claims")


def test_a_tag_runs_nothing_and_is_told() -> None:
    problem = the_problem(swap("name: Shop", "name: !!python/object/apply:os.getcwd []"))
    assert (problem.line, problem.where) == (4, "system.name")
    assert "tag !!python/object/apply:os.getcwd is not read" in problem.what


def test_merge_keys_and_keys_that_are_no_words_are_told() -> None:
    text = swap("schema: syscard/1\n", "schema: syscard/1\n? [a, b]\n: c\n<<: {x: y}\n")
    assert [(p.line, p.where, p.what) for p in problems_of(text)] == [
        (2, "the file", "a key must be a word"),
        (4, "<<", "merge keys are not read"),
    ]


def test_an_alias_may_repeat_a_small_value() -> None:
    text = swap("window: {last: 1h, min_n: 100}\n    by", "window: &hour {last: 1h, min_n: 100}\n    by")
    system = parse_system(swap("window: {last: 1h, min_n: 100}", "window: *hour", text), "f")
    assert system.claims[0].window == system.claims[1].window


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    problem = the_problem("\n".join(levels))
    assert "alias" in problem.what
    assert 1 <= problem.line <= len(levels)


def test_an_alias_to_itself_is_refused() -> None:
    assert "alias" in the_problem("a: &a [*a]\n").what


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "a: " + "{b: " * 5_000, "- " * 5_000 + "x", "a: [" + "x, " * MAX_NODES],
    ids=["brackets", "braces", "dashes", "a long list"],
)
def test_a_file_that_is_too_deep_or_too_full_is_refused(text: str) -> None:
    problem = the_problem(text)
    assert f"deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} values" in problem.what


def test_control_characters_behind_an_escape_are_refused() -> None:
    problem = the_problem(swap("name: Shop", r'name: "\e[31mShop"'))
    assert (problem.line, problem.where, problem.what) == (4, "system.name", "holds control characters")


# -------------------------------------------------------------------------------------------- the file as the disk has it


def unreadable(path: Path) -> Problem:
    with pytest.raises(SystemFileError) as caught:
        read_system(path)
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(f"{path}:")
    (problem,) = caught.value.problems
    return problem


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    problem = unreadable(tmp_path / "system.yaml")
    assert (problem.line, problem.what, problem.write) == (1, "there is no such file", "syscard init")


def test_a_directory_is_told(tmp_path: Path) -> None:
    assert unreadable(tmp_path).what == "this is a directory"


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "a\0b").what.startswith("cannot be read")
    assert unreadable(FILE / "system.yaml").what.startswith("cannot be read")


def test_a_file_over_the_limit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 1 MiB" in unreadable(path).what


def test_a_device_without_an_end_is_not_read_to_its_end() -> None:
    assert "larger than 1 MiB" in unreadable(Path("/dev/zero")).what


def test_a_file_that_is_not_utf_8_is_told_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_bytes(swap("name: Shop", "name: Sh\xf6p").encode("latin-1"))
    problem = unreadable(path)
    assert (problem.line, problem.what) == (4, "is not UTF-8: byte 0xf6")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_system(path) == read_system(FILE)
    path.write_bytes(b"\xef\xbb\xbf" + swap("ref: shop", "ref: S").replace("\n", "\r\n").encode())
    assert unreadable(path).line == 3


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'w').write(open({str(FILE)!r}).read())"])
    assert read_system(pipe) == read_system(FILE)
    assert writer.wait(timeout=30) == 0


# ---------------------------------------------------------------------------------------------------------- the shape


SHAPE = [
    ("schema: syscard/1", "schema: syscard/2", "schema", "'syscard/2' is not known here", "syscard/1"),
    ("  ref: shop", "  ref: My Shop", "system.ref", "'My Shop' does not fit: a name has small letters", "such as"),
    ("  name: Shop", '  name: ""', "system.name", "is empty", "name: "),
    ("  name: Shop", '  name: "  "', "system.name", "is empty", "name: "),
    ("  name: Shop", "  name:", "system.name", "is empty", "name: "),
    ("  name: Shop", "  name: ~", "system.name", "is empty", "name: "),
    ("  name: Shop", "  name: [Shop]", "system.name", "wants text, has a list", "name: "),
    ("  name: Shop", f"  name: {'x' * 2001}", "system.name", "is longer than 2000 characters", "name: "),
    ("  version: 1.10", "  version: {a: b}", "system.version", "wants text", "version: 2026"),
    ("  users: [shoppers]", "  users: shoppers", "system.users", "wants a list, has 'shoppers'", "users: ["),
    ("  users: [shoppers]", "  users: []", "system.users", "is empty", "users: ["),
    ("    - Reasons may be wrong.", "    - Reasons: wrong.", "system.limitations[0]", "quote it", "limitations: ["),
    ("{every: 90d, next: 2027-02-01}", "{every: 90, next: 2027-02-01}", "system.review.every", "'90' is no duration", "30s, 5m"),
    ("{every: 90d, next: 2027-02-01}", "{every: 90d, next: 2027-02-30}", "system.review.next", "'2027-02-30' is no day", "2027-02-01"),
    ("{every: 90d, next: 2027-02-01}", "{every: 90d, next: 0}", "system.review.next", "'0' is no day", "2027-02-01"),
    ("{every: 90d, next: 2027-02-01}", f"{{every: {'9' * 30}d, next: 2027-02-01}}", "system.review.every", "too long for a duration", "365d"),
    ("{service.name: shop}", "{service: shop}", "traces.select.service", "did you mean service.name?", "service.name"),
    ("{service.name: shop}", "{}", "traces.select", "is empty", "select: {service.name"),
    ("  retain: 30d", "  keep: everything", "traces.keep", "'everything' is not known here", "one of features, fingerprints"),
    ("kind: ranking", "kind: rankng", "components.cf.kind", "did you mean ranking?", "ranking"),
    ("  cf: {kind", "  CF: {kind", "components.CF", "'CF' does not fit", "such as"),
    ("{from: gen_ai.response.model}", "3", "components.llm.version", "wants keys with values, has '3'", "version: {"),
    ("{from: gen_ai.response.model}", "{source: a}", "components.llm.version.source", "is not a key that is read here", "one of declared, from, prompt"),
    ("  cf->vlm: {order: before}", "  cf>vlm: {order: before}", "interactions.cf>vlm", "an edge is two components and an arrow", "cf->llm"),
    ("  cf->vlm: {order: before}", "  cf->vlm: {order: after}", "interactions.cf->vlm.order", "'after' is not known here", "before"),
    ("tolerance: 0.05", "tolerance: 0", "monitors.tune.vlm.agrees.tolerance", "must be more than 0", ""),
    ("tolerance: 0.05", "tolerance: inf", "monitors.tune.vlm.agrees.tolerance", "wants a number, has 'inf'", ""),
    ("off: yes", "off: perhaps", "monitors.tune.cf->vlm.share.off", "wants true or false, has 'perhaps'", ""),
    ("at_most: 1,", "at_most: few,", "monitors.false_alarms.at_most", "wants a number, has 'few'", "at_most: 1"),
    ("false_alarms: {at_most: 1, per: 30d}", "report: {every: weekly}", "monitors.report.every", "'weekly' is no duration", "e.g. 30s"),
    ("false_alarms: {at_most: 1, per: 30d}", "report: {every: 7d, keep: 0}", "monitors.report.keep", "must be at least 1", "keep: 12"),
    ("false_alarms: {at_most: 1, per: 30d}", "report: {each: 7d}", "monitors.report.each", "is not a key that is read here", "one of every, keep"),
    ("false_alarms: {at_most: 1, per: 30d}", "snapshots: {every: 5m}", "monitors.snapshots.every", "nobody reads snapshots so often", "every: 7d"),
    ("false_alarms: {at_most: 1, per: 30d}", "snapshots: {every: 7d, keep: 0}", "monitors.snapshots.keep", "must be at least 1", "keep: 52"),
    ("last: 1h, min_n: 100}\n    by", "last: 1h, min_n: many}\n    by", "claims[0] grounded.window.min_n", "wants a whole number, has 'many'", "min_n: 100"),
    ("last: 1h, min_n: 100}\n    by", "last: 1h, min_n: 0}\n    by", "claims[0] grounded.window.min_n", "must be at least 1", "min_n: 100"),
    ("  - id: grounded", "  - id: is it grounded", "claims[0] is it grounded.id", "an id has letters", "such as R-1"),
    ("about: system", "about: the system", "claims[1] fast.about", "about system, a component or an edge", "llm"),
    ("metric: p95(latency)", "metric: p96(latency)", "claims[1] fast.metric", "'p96(latency)' is no metric", "p95(...)"),
    ("metric: p95(latency)", "metric: p95( )", "claims[1] fast.metric", "is no metric", "share(...)"),
    ("expect: <= 3s", "expect: 3s", "claims[1] fast.expect", "'3s' is no expectation", ">= 0.90"),
    ("expect: <= 3s", "expect: <= 3 parsecs", "claims[1] fast.expect", "is no expectation", ">= 0.90"),
    ("expect: <= 3s", f"expect: <= {'9' * 400}", "claims[1] fast.expect", "too large", "smaller"),
    ("    by: [age_band]", "    by: {age_band: 1}", "claims[0] grounded.by", "wants a list, has keys with values", "by: ["),
    ("    treatment: accept", "    treatment: ignore", "risks[0] R-1.treatment", "'ignore' is not known here", "one of mitigate, accept"),
    ("  - {id: U-1, says: Second language., owner: discovery, answer_by: 2027-01-15}", "  - how?", "unknowns[0]", "wants keys with values, has 'how?'", "unknowns: ["),
]  # fmt: skip


def test_signals_of_the_system_as_a_whole_are_tuned_like_those_of_a_part() -> None:
    tuned = parse_system(swap("    vlm.agrees: {", "    system.error: {"), "system.yaml").monitors.tune
    assert "system.error" in tuned


@pytest.mark.parametrize(("old", "new", "at", "said", "hint"), SHAPE, ids=[f"{s[2]}: {s[3]}" for s in SHAPE])
def test_a_wrong_value_is_told_with_its_line_its_place_and_what_to_write(
    old: str, new: str, at: str, said: str, hint: str
) -> None:
    text = swap(old, new)
    (problem,) = (p for p in problems_of(text) if p.where == at)
    assert problem.line == GOOD[: GOOD.index(old)].count("\n") + 1
    assert said in problem.what
    assert hint in problem.write
    assert not [word for word in JARGON if word in problem.text("f")]


@pytest.mark.parametrize(
    ("line", "parent", "at", "hint"),
    [
        ("  ref: shop\n", "schema:", "system.ref", "ref: shop-recommender"),
        ("    team: discovery\n", "  owner:\n", "system.owner.team", "team: discovery"),
        ("    kind: llm\n", "  llm:", "components.llm.kind", "kind: llm"),
        ("    says: Answers are fast.\n", "  - id: fast", "claims[1] fast.says", "says: "),
        ("    metric: p95(latency)\n", "  - id: fast", "claims[1] fast.metric", "metric: p95(latency)"),
    ],
)
def test_a_missing_key_is_told_on_the_line_of_what_it_is_missing_from(
    line: str, parent: str, at: str, hint: str
) -> None:
    text = swap(line, "")
    problem = the_problem(text)
    expected = (
        line_with("system:", "\n".join(text.split("\n")[:3]))
        if at == "system.ref"
        else text[: text.index(parent)].count("\n") + 1
    )
    assert problem.line == expected
    assert (problem.where, problem.what) == (at, "is missing")
    assert hint in problem.write


def test_a_missing_section_is_told_on_the_first_line_that_holds_anything() -> None:
    text = "# a comment\n" + swap(
        "traces:\n  select: {service.name: shop}\n  segments: {age_band: syscard.user.segment}\n  retain: 30d\n", ""
    )
    problem = the_problem(text)
    assert (problem.line, problem.where, problem.what) == (2, "traces", "is missing")


def test_an_accepted_risk_without_an_end_is_told_on_the_risk() -> None:
    text = swap("    until: 2027-02-01\n", "")
    problem = the_problem(text)
    assert problem == Problem(
        line_with("- id: R-1", text), "risks[0] R-1", "an accepted risk needs an end", "until: 2027-02-01"
    )


@pytest.mark.parametrize(
    ("old", "new", "at", "meant"),
    [
        ("  name: Shop\n", "  name: Shop\n  versoin: 1\n", "system.versoin", "version"),
        (
            "    owner: discovery\n    select",
            "    owner: discovery\n    runbok: x\n    select",
            "components.llm.runbok",
            "runbook",
        ),
        ("    by: [age_band]\n", "    by: [age_band]\n    windw: x\n", "claims[0] grounded.windw", "window"),
        ("{order: before}\n  vlm", "{ordr: before}\n  vlm", "interactions.cf->vlm.ordr", "order"),
        ("claims:\n", "claim:\n", "claim", "claims"),
        ("schema: syscard/1\n", "schema_: x\nschema: syscard/1\n", "schema_", "schema"),
        ("schema: syscard/1\n", "schema: syscard/1\n'[key]': x\n", "[key]", ""),
    ],
)
def test_an_unknown_key_is_told_with_the_key_that_was_meant(old: str, new: str, at: str, meant: str) -> None:
    text = swap(old, new)
    (problem,) = (p for p in problems_of(text) if p.where == at)
    assert problem.line == line_with(at.rsplit(".", 1)[-1] if at != "claim" else "claim:", text)
    if meant:
        assert problem.what.endswith(f"did you mean {meant}?")
        assert problem.write == meant


def test_an_unknown_key_that_resembles_nothing_gets_the_list() -> None:
    problem = the_problem(swap("{last: 1h, min_n: 100}\n    by", "{last: 1h, min_n: 100, zzz: 1}\n    by"))
    assert problem.write == "one of last, min_n"


# ----------------------------------------------------------------------------------------------- everything at once


def test_many_problems_of_both_kinds_come_together_in_the_order_of_the_file() -> None:
    text = swap("  name: Shop\n", "  name: Shop\n  name: Again\n")
    for old, new in [
        ('on_call: "#discovery"', "on_call: #x"),
        ("cf->vlm: {order", "cf->vml: {order"),
        ("[grounded]", "[g]"),
    ]:
        text = swap(old, new, text)
    problems = problems_of(text)
    assert [p.where for p in problems] == [
        "system.name",
        "system.owner.on_call",
        "interactions.cf->vml",
        "monitors.tune.cf->vlm.share",
        "risks[0] R-1.watch[0]",
    ]
    assert list(problems) == sorted(problems)


def test_wrong_values_all_over_the_file_are_told_at_once() -> None:
    text, expected = GOOD, {}
    for old, new, at, _, _ in SHAPE:
        ancestors = ("components.CF", "claims[0] is it", "claims[0] grounded.by")
        if at not in expected and not at.startswith(ancestors) and "\n" not in old and text.count(old) == 1:
            text, expected[at] = text.replace(old, new), GOOD[: GOOD.index(old)].count("\n") + 1
    told = {p.where: p.line for p in problems_of(text)}
    assert len(expected) > 15
    assert {at: told.get(at) for at in expected} == expected


def test_the_message_has_one_line_for_each_problem() -> None:
    with pytest.raises(SystemFileError) as caught:
        parse_system(swap("ref: shop", "ref: S", swap("kind: ranking", "kind: x")), "my/system.yaml")
    first, second = str(caught.value).split("\n")
    assert first.startswith("my/system.yaml:3: system.ref: 'S' does not fit")
    assert second.startswith("my/system.yaml:21: components.cf.kind: 'x' is not known here (write: one of ")
    assert caught.value.exit_code == 2


# ------------------------------------------------------------------------------------------------- the small helpers


def test_a_place_is_shown_as_people_read_it() -> None:
    values = {"claims": [{"id": "a"}, {"x": 1}, "text"]}
    assert where((), values) == "the file"
    assert where(("claims", 0, "expect"), values) == "claims[0] a.expect"
    assert where(("claims", 1), values) == "claims[1]"
    assert where(("claims", 9, "id"), values) == "claims[9].id"


def test_the_line_of_what_is_not_there_is_the_line_around_it() -> None:
    lines: dict[Place, int] = {(): 2, ("a",): 5}
    assert line_of(("a", "b", 0), lines) == 5
    assert line_of(("b",), lines) == 2
    assert line_of(("b",), NO_LINES) == 1


def test_what_was_written_is_shown_on_one_short_line() -> None:
    assert shown("a\n\x1b[31m b") == "a [31m b"
    assert len(shown("x" * 500)) == 60


def test_the_nearest_word_is_offered_or_all_of_them() -> None:
    assert nearest("vml", ("vlm", "cf")) == "vlm"
    assert nearest("zzz", ("vlm", "cf")) == "one of vlm, cf"
    assert nearest("zzz", ()) == ""


def test_the_data_that_ships_is_read_by_name() -> None:
    assert {"recommender.yaml", "starter.yaml"} <= set(names("examples"))
    assert "examples" in names()
    assert "__init__.py" not in names()
    assert read_text("examples", "starter.yaml").encode() == read_bytes("examples", "starter.yaml")
    with pytest.raises(FileNotFoundError):
        read_text("examples", "nothing.yaml")
    with pytest.raises(FileNotFoundError):
        names("nothing")
