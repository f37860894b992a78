"""The command line as its users meet it: exit codes, one-line errors, documents, and what each command says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.helpers import REF, SYSCARD, Ran, environment, one_line, recorded, syscard, syscard_process

STRICTER = """
stage: ship
rules:
  - {id: few, says: incidents open, metric: incidents_open, op: "<=", threshold: %s}
  - {id: traffic, says: requests seen, metric: requests, op: ">=", threshold: %s}
"""


@pytest.fixture
def in_demo(demo_home: Path) -> Any:
    """Runs commands on a copy of the demo's home."""

    def run(*arguments: object) -> Ran:
        return syscard("--home", demo_home, *arguments)

    return run


def answered(ran: Ran, code: int = 0) -> Ran:
    """It ran, said something, and complained of nothing; it may warn."""
    assert ran.code == code, ran
    assert all(line.startswith("warning: ") for line in ran.err.splitlines()), ran
    assert ran.out.strip()
    return ran


def edits(home: Path) -> int:
    """How many edits the chain has."""
    found = syscard("--home", home, "card", "verify", "--json").document["edits"]
    return int(found)


# --- init and apply --------------------------------------------------------------------------------------------------


def test_from_an_empty_folder_to_a_card(tmp_path: Path) -> None:
    first = answered(syscard("init"))
    assert "next: edit system.yaml" in first.out
    one_line(syscard("init"), "system.yaml is there already")
    checked = answered(syscard("apply", "--check"))
    assert "to change, nothing written" in checked.out
    assert not Path(".syscard/records.db").exists()
    assert "card v1" in answered(syscard("apply")).out
    assert "nothing new, card v1" in answered(syscard("apply")).out
    assert "is up to date (v1)" in answered(syscard("apply", "--check")).out
    assert "UNKNOWN" in answered(syscard("status")).out
    assert answered(syscard("status", "--check"), code=1)


def test_apply_check_shows_what_would_change_and_writes_nothing(declared: Path, tmp_path: Path) -> None:
    before, file = edits(declared), tmp_path / "system.yaml"
    file.write_text(file.read_text().replace('expect: "<= 3s"', 'expect: "<= 2s"'))
    shown = answered(syscard("--home", declared, "apply", file, "--check"))
    assert "claim fast" in shown.out
    assert "1 to change, nothing written" in shown.out
    assert edits(declared) == before
    assert "card v2" in answered(syscard("--home", declared, "apply", file)).out
    assert edits(declared) == before + 1


def test_what_is_tuned_and_comes_to_nothing_is_a_warning_with_its_line(declared: Path, tmp_path: Path) -> None:
    file = tmp_path / "system.yaml"
    file.write_text(file.read_text().replace("agent.volume: {off: true}", "agent.volum: {off: true}"))
    shown = syscard("--home", declared, "apply", file, "--check")
    assert shown.code == 0
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "agent.volum:" in text)
    assert f"warning: {file}:{line}: monitors.tune.agent.volum: no pack that is named has this signal" in shown.err
    assert "(write: agent.volume)" in shown.err


def test_every_problem_of_a_system_file_is_said_with_its_line(declared: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    good = (tmp_path / "system.yaml").read_text()
    file.write_text(good.replace("kind: ranking", "kind: rnking").replace('"<= 3s"', "soon").replace("keep:", "kep:"))
    before = edits(declared)
    ran = syscard("--home", declared, "apply", file)
    assert (ran.code, ran.out) == (2, "")
    lines = ran.err.removeprefix("syscard: ").splitlines()
    assert len(lines) == 3, ran.err
    text = file.read_text().splitlines()
    for line, wrong in zip(lines, ("kep", "rnking", "soon"), strict=True):
        name, number, _ = line.split(":", 2)
        assert name == str(file)
        assert any(wrong in text[int(number) - 1 + near] for near in (0, 1, 2)), line
    assert edits(declared) == before
    file.write_text(good.replace("about: vlm\n", "about: vml\n").replace("watch: [grounded]", "watch: [gounded]"))
    assert len(syscard("--home", declared, "apply", file).err.splitlines()) == 2
    for content, words in ((b"a: [1", "broken.yaml:"), (b"\xff\xfe\x00", "broken.yaml"), (b"", "broken.yaml")):
        file.write_bytes(content)
        ran = syscard("--home", declared, "apply", file)
        assert ran.code == 2
        assert words in ran.err
        assert "Traceback" not in ran.err
    one_line(syscard("--home", declared, "apply", tmp_path / "no.yaml"), "no.yaml")
    one_line(syscard("--home", declared, "apply", tmp_path), str(tmp_path))
    assert edits(declared) == before


# --- the card --------------------------------------------------------------------------------------------------------


def test_the_card_is_shown_explained_and_compared(in_demo: Any) -> None:
    whole = answered(in_demo("card", "show")).out
    assert all(name in whole for name in ("grounded", "vlm->llm", "R-1", "U-1", "SmolLM2-135M-Instruct"))
    first = answered(in_demo("card", "show", "--version", "v1")).out
    assert "nothing has been measured yet" in first
    why = answered(in_demo("card", "why", "grounded")).out
    assert "BROKEN" in why
    assert "E-" in why
    one_line(in_demo("card", "why", "groundde"), "groundde", "grounded")
    one_line(in_demo("card", "why", "groundde", "--json"), "groundde", "grounded")
    one_line(in_demo("card", "show", "--version", "v999"), "no card v999", "newest is v")
    one_line(in_demo("card", "show", "--version", "v0"), "v0")
    one_line(in_demo("card", "show", "--version", "first"), "first", "v2")
    one_line(in_demo("card", "show", "--version", "v²"), "v²")
    one_line(in_demo("card", "show", "--version", "v" + "9" * 30), "v999")
    assert "BROKEN" in answered(in_demo("card", "diff", "v2")).out
    assert answered(in_demo("card", "diff", "v3", "v3")).out == "no material change\n"
    one_line(in_demo("card", "diff", "v2", "v999"), "v999")
    one_line(in_demo("card", "diff", "two"), "two")
    history = answered(in_demo("card", "history")).out.splitlines()
    versions = [int(line.split()[0][1:]) for line in history]
    assert versions == list(range(1, len(versions) + 1))
    assert "apply recommender.yaml" in history[0]


def test_a_snapshot_is_files_that_are_whole_signed_and_found_again(in_demo: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "deep"
    *lines, said = answered(in_demo("snapshot", "--out", folder)).out.splitlines()
    paths = [Path(line) for line in lines]
    assert "signed by" in said
    assert ["".join(p.suffixes) for p in paths] == [".md", ".json", ".html", ".pdf", ".dsse.json", ".pub.pem"]
    assert sorted(folder.iterdir()) == sorted(paths)
    first = [path.read_bytes() for path in paths]
    answered(in_demo("snapshot", "--out", folder))
    assert [path.read_bytes() for path in paths] == first, "the same card and reason are one snapshot"
    assert sorted(folder.iterdir()) == sorted(paths)
    (tmp_path / "file").write_text("")
    one_line(in_demo("snapshot", "--out", tmp_path / "file"), "file")
    one_line(in_demo("snapshot", "--period", "soon"), "--period")
    one_line(in_demo("snapshot", "--reason", "scheduled"), "--reason")
    verified = answered(in_demo("card", "verify", folder)).out
    assert "verified: ok" in verified
    paths[3].write_bytes(first[3][:-1])
    found = in_demo("card", "verify", folder)
    assert (found.code, found.out, found.err.splitlines()[0].count(paths[3].name)) == (1, "", 1)


# --- the gate --------------------------------------------------------------------------------------------------------


def test_the_gate_answers_by_exit_code(in_demo: Any, tmp_path: Path) -> None:
    blocked = answered(in_demo("gate", "--no-record"), code=1).out
    assert "promote BLOCKED" in blocked
    assert "FAILED claims broken: 1, needs <= 0   grounded" in blocked
    policy = tmp_path / "policy.yaml"
    policy.write_text(STRICTER % (5, 100))
    assert "ship open" in answered(in_demo("gate", "--no-record", "--policy", policy, "--stage", "ship")).out
    policy.write_text(STRICTER % (5, 9_000))
    verdict = answered(in_demo("gate", "--no-record", "--policy", policy, "--stage", "ship", "--json"), code=1).document
    assert (verdict["stage"], verdict["blocked"]) == ("ship", True)
    one_line(in_demo("gate", "--no-record", "--policy", policy), "stage 'ship', not 'promote'", "--policy")
    one_line(in_demo("gate", "--no-record", "--stage", "ship"), "no policy ships for stage 'ship'", "promote")
    one_line(in_demo("gate", "--no-record", "--policy", tmp_path / "none.yaml"), "none.yaml")
    one_line(in_demo("gate", "--no-record", "--policy", tmp_path), str(tmp_path))
    for text, words in (
        ("stage: [", ":1"),
        ("stage: ship\nrules: []\n", "rules"),
        ("just words", "policy.yaml"),
        ("", "policy.yaml"),
        (STRICTER % (5, 100) + "  - {id: x, says: x, metric: vibes, op: '>', threshold: 1}\n", "rules[2] x.metric"),
    ):
        policy.write_text(text)
        one_line(in_demo("gate", "--no-record", "--policy", policy, "--stage", "ship"), words)
    policy.write_bytes(b"\xff\xfe\x00")
    one_line(in_demo("gate", "--no-record", "--policy", policy), "policy.yaml", "UTF-8")


# --- incidents -------------------------------------------------------------------------------------------------------


@pytest.mark.endurance
def test_an_incident_is_taken_noted_and_closed_once(in_demo: Any) -> None:
    listed = answered(in_demo("incident", "list")).out
    assert listed.index("INC-5") < listed.index("INC-1"), "open ones first"
    assert "differs from its baseline" in answered(in_demo("incident", "show", "INC-5")).out
    assert answered(in_demo("incident", "show", "5")).out == in_demo("incident", "show", "inc-5").out
    assert "INC-5 acknowledged" in answered(in_demo("incident", "ack", "INC-5")).out
    one_line(in_demo("incident", "ack", "INC-5"), "INC-5 is acknowledged already")
    assert "noted" in answered(in_demo("incident", "note", "5", "prompt v3 was deployed at 07:40")).out
    assert "prompt v3 was deployed" in answered(in_demo("incident", "show", "5")).out
    one_line(in_demo("incident", "note", "5", "   "), "empty note")
    assert "resolved" in answered(in_demo("incident", "resolve", "5", "--as", "rolled_back")).out
    one_line(in_demo("incident", "resolve", "5"), "INC-5 is resolved already")
    one_line(in_demo("incident", "ack", "INC-1"), "INC-1 is resolved already")
    one_line(in_demo("incident", "resolve", "1", "--as", "magic"), "--as magic", "fixed")
    for command in ("show", "ack", "resolve"):
        one_line(in_demo("incident", command, "INC-77"), "INC-77", "INC-1")
        one_line(in_demo("incident", command, "seven"), "seven", "INC-3")
    one_line(in_demo("incident", "note", "77", "x"), "no INC-77")
    one_line(in_demo("incident", "show", "77", "--json"), "INC-77")
    one_line(in_demo("incident", "show", "²"), "²", "INC-3")
    assert "verified: ok" in answered(in_demo("card", "verify")).out
    assert answered(in_demo("incident", "resolve", "INC-1", "--as", "false_positive")).out.startswith("INC-1 false_")


# --- baseline, doctor, status ----------------------------------------------------------------------------------------


def test_a_baseline_is_shown_and_needs_requests(in_demo: Any, declared: Path) -> None:
    assert "launch: 1,000 requests" in answered(in_demo("baseline", "show")).out
    assert "no baseline yet" in answered(syscard("--home", declared, "baseline", "show")).out
    assert syscard("--home", declared, "baseline", "show", "--json").document is None
    one_line(syscard("--home", declared, "baseline", "set"), "no complete request")
    one_line(in_demo("baseline", "set", "--from", "2031-01-01"), "no complete request")


def test_the_doctor_reads_a_trace_file_as_documented(tmp_path: Path, declared: Path) -> None:
    file = tmp_path / "one.json"
    file.write_bytes(recorded("normal")[0])
    ran = answered(syscard("--home", declared, "doctor", "trace", file, "--json"))
    assert len(ran.document) == 5
    fields = "trace_id span_id parent_span_id dialect operation component model model_response provider input_tokens"
    fields += " output_tokens counts_tokens error_type segment unread"
    assert all(list(span) == fields.split() for span in ran.document)
    assert [span["component"] for span in ran.document] == ["agent", "cf", "vlm", "vlm", "llm"]
    llm = ran.document[4]
    assert (llm["model"], llm["input_tokens"], llm["counts_tokens"]) == ("smollm2-135m-instruct", 178, True)
    ran = syscard("doctor", "trace", file)
    assert len(ran.out.splitlines()) == 5, "without a home as well"
    assert (ran.code, ran.err) == (0, "5 spans, 1 dialect, 0 not recognised, 0 keys not understood\n")
    one_line(syscard("doctor", "trace", tmp_path / "none.json"), "none.json")


def test_the_doctor_reads_a_dialect_of_the_users_own_and_refuses_a_broken_one(tmp_path: Path, declared: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(recorded("normal")[0].decode().replace("syscard_tracing", "acme.sdk"))
    (declared / "dialects").mkdir()
    table = declared / "dialects" / "acme.yaml"
    head = "schema: syscard-dialect/1\nname: acme\norder: 1\nalso: [syscard, otel-genai]\ndetect: {scopes: [acme.]}\n"
    table.write_text(head + "operation: {keys: []}\n")
    ran = answered(syscard("--home", declared, "doctor", "trace", file, "--json"))
    assert {span["dialect"] for span in ran.document} == {"acme"}
    table.write_text(head + "operation: []\n")
    for command in (("doctor", "trace", file), ("ingest", file), ("serve", "--port", "0", "--only", "receiver")):
        one_line(syscard("--home", declared, *command), f"{table}:6: operation: ", "docs/dialects.md")


def test_the_doctor_says_that_a_home_is_sound(in_demo: Any, tmp_path: Path) -> None:
    assert all(line.startswith("ok ") for line in answered(in_demo("doctor")).out.splitlines())
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no system is declared yet" in answered(syscard("--home", empty, "doctor")).out


def test_status_answers_by_exit_code_only_when_asked(in_demo: Any) -> None:
    assert "BROKEN" in answered(in_demo("status")).out
    answered(in_demo("status", "--check"), code=1)
    assert answered(in_demo("status", "--check", "--json"), code=1).document["verdict"] == "BROKEN"
    assert max(len(line) for line in in_demo("status").out.splitlines()) <= 80


@pytest.mark.parametrize("command", ["status", "card show", "gate", "incident list", "card verify", "monitor --once"])
def test_a_home_without_a_card_says_what_to_type(command: str, tmp_path: Path) -> None:
    one_line(syscard(*command.split()), "no home here", "syscard init")
    one_line(syscard("--home", tmp_path / "nowhere", *command.split()), "nowhere", "init")
    empty = tmp_path / "empty"
    empty.mkdir()
    one_line(syscard("--home", empty, *command.split()), "has no card yet", "syscard apply")
    assert list(empty.iterdir()) == []


def test_a_home_may_hold_several_systems(declared: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((tmp_path / "system.yaml").read_text().replace(f"ref: {REF}", "ref: second"))
    answered(syscard("--home", declared, "apply", other))
    for command in ("status", "gate --no-record", "card show", "card verify", "card history"):
        one_line(syscard("--home", declared, *command.split()), "--system", REF, "second")
        answered(syscard("--home", declared, "--system", REF, *command.split()), code=int(command.startswith("gate")))
    one_line(syscard("--home", declared, "--system", "third", "status"), "no system 'third'", "second")


# --- documents -------------------------------------------------------------------------------------------------------

DOCUMENTS = {
    "status": ("status",),
    "card show": ("card", "show"),
    "card why": ("card", "why", "grounded"),
    "card history": ("card", "history"),
    "card diff": ("card", "diff", "v2"),
    "card verify": ("card", "verify"),
    "snapshot": ("snapshot",),
    "gate": ("gate", "--no-record"),
    "waive list": ("waive", "list"),
    "risk list": ("risk", "list"),
    "risk show": ("risk", "show", "13"),
    "incident list": ("incident", "list"),
    "incident show": ("incident", "show", "5"),
    "baseline show": ("baseline", "show"),
    "doctor": ("doctor",),
}


def keys(document: Any) -> Iterator[str]:
    """Top-level keys: of a document, or of the entries of a list."""
    for entry in document if isinstance(document, list) else [document]:
        yield from entry


def section(name: str) -> str:
    """What docs/json.md says of one command."""
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    parts = [part for part in text.split("\n## ")[1:] if f"`{name}`" in part.splitlines()[0]]
    assert len(parts) == 1, f"docs/json.md has no section headed `{name}`"
    return parts[0]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_is_described(name: str, demo_home: Path) -> None:
    ran = syscard("--home", demo_home, *DOCUMENTS[name], "--json")
    assert (ran.code, ran.err) == (1 if name == "gate" else 0, "")
    said = section(name)
    assert [key for key in dict.fromkeys(keys(ran.document)) if f"`{key}`" not in said] == []


def test_the_document_of_a_trace_is_described(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_bytes(recorded("normal")[0])
    spans = syscard("doctor", "trace", file, "--json").document
    said = section("doctor trace")
    assert [key for key in spans[0] if f"`{key}`" not in said] == []


# --- as a process ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "card show", "incident list --json"])
def test_output_piped_into_something_that_stops_reading_shows_no_traceback(command: str, demo_home: Path) -> None:
    line = f'"$@" --home "$HOME_OF_IT" {command} | head -n 1; exit ${{PIPESTATUS[1]}}'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *SYSCARD],
        env={**environment(), "HOME_OF_IT": str(demo_home)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_the_process_gives_the_same_answers(demo_home: Path, tmp_path: Path) -> None:
    whole = syscard_process("--home", demo_home, "card", "show", "--json", cwd=tmp_path)
    assert whole.code == 0
    assert json.loads(whole.out) == syscard("--home", demo_home, "card", "show", "--json").document
    assert syscard_process("--home", demo_home, "status", "--check", cwd=tmp_path).code == 1
    one_line(syscard_process("--home", demo_home, "card", "why", "x", cwd=tmp_path), "no claim 'x'")
    usage = syscard_process("--home", demo_home, "card", "shwo", cwd=tmp_path)
    assert usage.code == 2
    assert "shwo" in usage.err
    assert "Traceback" not in usage.err


def test_a_signal_is_explained_with_what_it_means_where_it_comes_from_and_how_it_stands(in_demo: Any) -> None:
    out = answered(in_demo("explain", "llm.cites_history")).out
    for words in ("says      Fewer reasons name what the user did before",
                  "means     the mean, over requests, of llm.rationale.cites_history",
                  "breach    an effect beyond 0.15",
                  "from      packs/llm.yaml of syscard", "baseline  launch: ", "owner     discovery",
                  "now       BREACH cites the history"):  # fmt: skip
        assert words in out
    body = answered(in_demo("explain", "llm.cites_history", "--json")).document
    assert body["now"]["state"] == "breach"
    assert body["baseline"]["groups"] == 6
    assert body["says"].startswith("Fewer reasons name")
    assert body["owner"] == "discovery"


def test_signals_are_listed_and_one_that_is_not_there_names_those_near_it(in_demo: Any) -> None:
    lines = answered(in_demo("explain")).out.splitlines()
    assert len(lines) == len(answered(in_demo("explain", "--json")).document) > 40
    assert next(line for line in lines if line.startswith("vlm.category")).split()[1] == "ok"
    one_line(in_demo("explain", "vlm.agree"), "no signal 'vlm.agree'", "vlm.agrees_with_catalogue")
