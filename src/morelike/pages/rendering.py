"""Render a template as a page that needs no other file. Every value is escaped unless it is marked as safe.

Hidden characters in a text are written out.
"""

import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from morelike.core.errors import printable

SHARED = Path(__file__).parent  # holds the style that templates include


def render(template: Path, context: dict[str, Any]) -> str:
    """Return a template filled in with ``context``; a value that it lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, SHARED]),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "inline_code": inline_code}
    return environment.get_template(template.name).render(context)


def number(value: Any) -> str:
    """Format a number for reading; anything else as it is.

    >>> number(1234), number(0.123456), number(True), number(None)
    ('1,234', '0.1235', 'yes', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def inline_code(text: str) -> Markup:
    """Show what stands in backticks as code; everything is escaped.

    >>> print(inline_code("`a < b` holds"))
    <code>a &lt; b</code> holds
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
