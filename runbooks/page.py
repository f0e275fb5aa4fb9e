"""A rendered runbook as one HTML page."""

from __future__ import annotations

from quartermaster.runbooks.document import parse
from quartermaster.runbooks.render import DOCUMENTS, environment

__all__ = ["render_html"]


def render_html(markdown: str) -> str:
    """One HTML page of a rendered runbook: no script, readable on a phone and on paper."""
    from markdown_it import MarkdownIt

    document = parse(markdown)
    body = markdown.split("---\n", 2)[2]
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(body)
    page = environment(DOCUMENTS, autoescape=True).get_template("page.html.j2")
    return page.render(title=document.title, head=document.head, body=html)
