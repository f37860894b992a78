"""A gate's verdict as lines of a terminal, as Markdown for a pull request, and as JUnit's XML. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET  # written here, never read

from syscard.gates import Check, Verdict
from syscard.words import one_line, wrap

_WIDTH: Final = 80
_WORDS: Final = {"ok": "ok", "failed": "FAILED", "warned": "warn", "waived": "WAIVED"}
_ITEMS: Final = 6
_ITEMS_OF_A_FILE: Final = 50


def verdict_lines(verdict: Verdict, version: int) -> Iterator[str]:
    """Names in it come from spans: each is made one line, and no line is wider than a terminal."""
    yield f"{one_line(verdict.stage)} {'BLOCKED' if verdict.blocked else 'open'}   card v{version}"
    for check in verdict.checks:
        yield from wrap(check_text(check), _WIDTH, first=f"  {_WORDS[check.outcome]:<6} ")


def check_text(check: Check, most: int = _ITEMS) -> str:
    """`claims broken: 1, needs <= 0   grounded`, and until when it is waived."""
    value = "no figure" if check.value is None else f"{check.value:g}"
    more = ", ..." if len(check.items) > most else ""
    items = f"   {', '.join(map(one_line, check.items[:most]))}{more}" if check.items and not check.passed else ""
    why = f" ({one_line(check.why)})" if check.why else ""
    sample = f"   {one_line(check.sample)}" if check.sample else ""
    by = f"   {waived_text(check)}" if check.waivers else ""
    return f"{one_line(check.says)}: {value}, needs {check.op} {check.threshold:g}{why}{items}{sample}{by}"


def waived_text(check: Check) -> str:
    """`waived until 2026-12-31 (W-1)`."""
    return f"waived until {(check.waived_until or '?')[:10]} ({', '.join(check.waivers)})"


def verdict_markdown(verdict: Verdict, system: str, version: int, digest: str) -> str:
    """A comment for a pull request."""
    from syscard.render.markdown import escaped

    word = "BLOCKED" if verdict.blocked else "open"
    lines = [
        f"## {escaped(f'{system}: gate {verdict.stage} {word}')}",
        "",
        f"Card v{version}, digest `{digest[:16]}`.",
        "",
        "| verdict | rule | figure | needs | for |",
        "| --- | --- | --- | --- | --- |",
    ]
    for check in sorted(verdict.checks, key=lambda c: _ORDER.index(c.outcome)):
        value = "no figure" if check.value is None else f"{check.value:g}"
        shown = ", ".join(check.items[:_ITEMS]) + (", ..." if len(check.items) > _ITEMS else "")
        told = "; ".join(filter(None, (
            "" if check.passed else shown, check.why, check.sample, waived_text(check) if check.waivers else ""
        )))  # fmt: skip
        said = (_WORDS[check.outcome], f"{check.rule}: {check.says}", value, f"{check.op} {check.threshold:g}", told)
        lines.append("| " + " | ".join(escaped(cell) or " " for cell in said) + " |")
    return "\n".join(lines) + "\n"


_ORDER: Final = ("failed", "waived", "warned", "ok")


def verdict_junit(verdict: Verdict, system: str) -> str:
    """JUnit's XML: a rule is a test; a waived one is skipped, one that only warns passes and says so in its output."""
    outcomes = [check.outcome for check in verdict.checks]
    counts = {"tests": len(outcomes), "failures": outcomes.count("failed"), "skipped": outcomes.count("waived")}
    attributes = {"name": f"{one_line(system)} {one_line(verdict.stage)}", **{k: str(v) for k, v in counts.items()}}
    root = ET.Element("testsuites", {**attributes, "errors": "0"})
    suite = ET.SubElement(root, "testsuite", {**attributes, "errors": "0"})
    for check in verdict.checks:
        case = ET.SubElement(suite, "testcase", {
            "classname": f"syscard.gate.{one_line(verdict.stage)}", "name": one_line(f"{check.rule}: {check.says}")
        })  # fmt: skip
        text = check_text(check, _ITEMS_OF_A_FILE)
        if check.outcome == "failed":
            ET.SubElement(case, "failure", {"message": text, "type": check.severity}).text = text
        elif check.outcome == "waived":
            ET.SubElement(case, "skipped", {"message": text})
        else:
            ET.SubElement(case, "system-out").text = f"{_WORDS[check.outcome]}: {text}"
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
