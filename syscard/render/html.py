"""The report as one HTML file that needs nothing else: no request, no script, no font. Jinja2 only when called."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

from syscard.errors import MissingExtra
from syscard.render.charts import claims_chart, hatching, signal_charts
from syscard.render.report import report
from syscard.views import View


def html(view: View, previous: dict[str, Any] | None = None, now: datetime | None = None) -> str:
    """The snapshot as a page; `previous` is the JSON of an earlier card, for what changed.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtra("server", "snapshot") from error
    templates = Environment(
        loader=PackageLoader("syscard.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = templates.get_template("snapshot.css.j2").render()
    return templates.get_template("snapshot.html.j2").render(
        page=report(view, previous, now),
        style=Markup(style),  # noqa: S704 - our own file
        policy=content_policy(style),
        hatching=Markup(hatching()),  # noqa: S704 - made as an element tree
        claims=Markup(claims_chart(view)),  # noqa: S704 - made as an element tree
        signals=[(ref, said, Markup(svg)) for ref, said, svg in signal_charts(view)],  # noqa: S704 - the same
    )


def content_policy(style: str) -> str:
    """Nothing may be loaded or run; of styles, only the one sheet with this digest."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
