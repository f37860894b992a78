"""The report as one HTML file that needs nothing else: no request, no script, no font. Jinja2 only when called."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from syscard.errors import MissingExtra
from syscard.render.charts import claims_chart, hatching, signal_charts
from syscard.render.page import Occasion, Report
from syscard.render.report import report
from syscard.views import View

if TYPE_CHECKING:
    from jinja2 import Environment


def html(
    view: View, previous: dict[str, Any] | None = None, now: datetime | None = None, occasion: Occasion | None = None
) -> str:
    """The snapshot as a page; the arguments are those of `report`.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    return drawn("snapshot.html.j2", report(view, previous, now, occasion), view)


def drawn(template: str, page: Report, view: View | None = None, *, room: str = "", **more: Any) -> str:
    """A report drawn by one of our templates; with `view` its charts are drawn, too.

    Args:
        template: name of a template of this package, or of `room`.
        page: what it says.
        view: what charts are drawn of.
        room: another package of ours with templates and styles of its own, `templates/<name>`.
        more: what the template asks for beside the page.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    templates = _environment(room)
    style = _style(templates, room)
    charts = _charts(view) if view is not None else {"claims": "", "signals": ()}
    return templates.get_template(template).render(
        page=page,
        style=_ours(style),
        policy=content_policy(style),
        hatching=_ours(hatching()),
        **charts,
        **more,
    )


def style_policy(room: str) -> str:
    """The content policy of the pages of a room.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    return content_policy(_style(_environment(room), room))


def link(href: str, text: str) -> str:
    """A link for a cell of a table: both are escaped, and the cell is not escaped again."""
    from markupsafe import Markup

    return Markup('<a href="{}">{}</a>').format(href, text)


def _environment(room: str) -> Environment:
    try:
        import jinja2  # noqa: F401 - asked for each time: what is missing is said, whatever was made before
    except ImportError as error:
        raise MissingExtra("server", "the web page" if room else "snapshot") from error
    return _made(room)


@cache
def _made(room: str) -> Environment:
    """Templates are read and compiled once."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in (room, "syscard.render") if name]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["arrows"] = _arrows
    return made


def _arrows(text: str) -> str:
    """No line ends within the arrow of `vlm->llm`; what is markup already stays as it is."""
    from markupsafe import Markup, escape

    if isinstance(text, Markup):
        return text
    return escape(text).replace("-&gt;", Markup('<span class="to">-&gt;</span>'))


def _style(templates: Environment, room: str) -> str:
    """The one sheet of a page: ours, and what a room adds to it."""
    names = ("snapshot.css.j2", *(("room.css.j2",) if room else ()))
    return "".join(templates.get_template(name).render() for name in names)


def _charts(view: View) -> dict[str, Any]:
    signals = [(ref, said, _ours(svg)) for ref, said, svg in signal_charts(view)]
    return {"claims": _ours(claims_chart(view)), "signals": signals}


def _ours(text: str) -> str:
    """Not escaped again: a file of ours, or what was made as a tree of elements."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - nothing that came from outside


def content_policy(style: str) -> str:
    """Nothing may be loaded or run; of styles, only the one sheet with this digest."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
