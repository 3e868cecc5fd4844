"""The report as one HTML page that loads nothing: no script, no font, no picture from elsewhere."""

import base64
from pathlib import Path
from typing import Final

from solekey.audit.document.contents import SHORT, Contents
from solekey.files.any_path import AnyPath
from solekey.files.whole_file import WholeFile

_TEMPLATE: Final = "page.html.j2"


def write_html(contents: Contents, target: AnyPath) -> None:
    """Write a report as an HTML page, whole or not at all."""
    with WholeFile.make(Path(target)) as whole:
        whole.file.write(render_html(contents).encode())
        whole.publish()


def render_html(contents: Contents) -> str:
    """Render the page. Everything of the log is escaped; the pictures are embedded as images."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("solekey.audit.document", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": _shorten, "image": _embed}
    return environment.get_template(_TEMPLATE).render(report=contents)


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHORT else text[:SHORT] + "…"


def _embed(svg: str) -> str:
    """An image cannot run scripts, whatever is in it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
