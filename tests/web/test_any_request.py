"""Whatever is asked, there is an answer of a known status with strict headers, and it is a page or a document."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from syscard_web.asking import STRICT, Asked, is_this_machine
from syscard_web.site import DOCUMENTS, PAGES, Site

WORDS = st.text(max_size=30) | st.sampled_from(("12", "INC-12", "v4", "4", "0", "-1", "1e3", "shop-recommender", "٣"))
REQUESTS = st.builds(
    Asked,
    path=st.text(max_size=20),
    host=st.sampled_from(("localhost", "localhost:1", "evil.example")) | st.text(max_size=20),
    authorization=st.text(max_size=20),
    query=st.dictionaries(st.sampled_from(("system", "before", "most", "framework", "x")), WORDS, max_size=3),
    named=st.fixed_dictionaries({"number": WORDS, "version": WORDS, "claim": WORDS}),
)
STATUSES = {200, 400, 404, 421}


@settings(max_examples=60, deadline=None, database=None)
@given(st.sampled_from([*DOCUMENTS]), REQUESTS)
def test_every_document_is_json_with_strict_headers(site: Site, path: str, asked: Asked) -> None:
    answer = site.document(path, asked)
    document = json.loads(answer.body)
    assert answer.status in STATUSES
    assert (answer.status == 200) is not ("error" in document if isinstance(document, dict) else False)
    assert STRICT.items() <= answer.headers.items()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.status == 421 or is_this_machine(asked.host)


@settings(max_examples=40, deadline=None, database=None)
@given(st.sampled_from([*PAGES]), REQUESTS)
def test_every_page_is_html_with_strict_headers(site: Site, path: str, asked: Asked) -> None:
    answer = site.page(path, asked)
    assert answer.status in STATUSES
    assert answer.body.decode().rstrip().endswith("</html>")
    assert STRICT.items() <= answer.headers.items()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.status == 421 or is_this_machine(asked.host)
