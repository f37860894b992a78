from __future__ import annotations

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syscard.system import Traces
from syscard.trace_links import checked_template, link, links

TEMPLATE = "https://traces.example/trace/{trace_id}?at={start_ms}&t={start_iso}"
TRACE = "a" * 32


def test_a_link_names_the_trace_and_when_it_began() -> None:
    assert link(TEMPLATE, f"{TRACE}@1700000000000000") == (
        f"https://traces.example/trace/{TRACE}?at=1700000000000&t=2023-11-14T22%3A13%3A20Z"
    )


def test_without_a_template_or_for_no_trace_there_is_no_link() -> None:
    assert link(None, f"{TRACE}@1") is None
    assert link(TEMPLATE, "none kept") is None
    assert links({"traces": {}}, [f"{TRACE}@1"]) == {}
    assert links({"traces": {"trace_url": "http://t/{trace_id}"}}, [f"{TRACE}@1"]) == {
        f"{TRACE}@1": f"http://t/{TRACE}"
    }


@given(st.text(alphabet=string.printable, max_size=60))
def test_whatever_a_trace_is_called_a_link_leads_to_the_same_place_and_holds_no_markup(name: str) -> None:
    found = link(TEMPLATE, name)
    if found is not None:
        assert urlsplit(found).hostname == "traces.example"
        assert urlsplit(found).path.startswith("/trace/")
        assert not set(found) & set("<>\"'` \n\r\t")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("javascript:alert({trace_id})", "web address"),
        ("file:///{trace_id}", "web address"),
        ("ftp://x/{trace_id}", "web address"),
        ("//x/{trace_id}", "web address"),
        ("https://{trace_id}.example/", "web address"),
        ("https:///{trace_id}", "web address"),
        ("https://x/<b>{trace_id}", "angle brackets"),
        ("https://x/ {trace_id}", "blanks"),
        ("https://x/\"{trace_id}", "quotes"),
        ("https://x/{trace_id}{password}", "may name only"),
        ("https://x/{trace_id.__class__}", "may name only"),
        ("https://x/{trace_id!r}", "may name only"),
        ("https://x/{trace_id:99}", "may name only"),
        ("https://x/{}", "may name only"),
        ("https://x/{trace_id", "braces"),
        ("https://x/", "does not name"),
        ("https://me:secret@x/{trace_id}", "no password"),
        ("https://x/{trace_id}" + "a" * 2000, "2,000"),
    ],
)  # fmt: skip
def test_what_makes_no_safe_link_is_refused_with_why(template: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked_template(template)
    with pytest.raises(ValidationError, match=says):
        Traces.model_validate({"select": {"service.name": "shop"}, "trace_url": template})


def test_a_system_that_declares_no_link_says_what_it_said() -> None:
    assert "trace_url" not in Traces.model_validate({"select": {"service.name": "shop"}}).model_dump(exclude_none=True)
