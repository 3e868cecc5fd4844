"""The report as a PDF for print and for screen readers (PDF/UA-1), set by Typst."""

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Final

from solekey.audit.document.contents import SHORT, Contents
from solekey.files.any_path import AnyPath
from solekey.files.whole_file import WholeFile

_TEMPLATE: Final = "print_out.typ"
_EPOCH: Final = 0
"""The document's date: the same contents give the same bytes."""


def write_pdf(contents: Contents, target: AnyPath) -> None:
    """Write a report as a PDF, whole or not at all."""
    with WholeFile.make(Path(target)) as whole:
        whole.file.write(render_pdf(contents))
        whole.publish()


def render_pdf(contents: Contents) -> bytes:
    """Set the PDF. Everything of the log is data to the template; the fonts are Typst's own."""
    import typst

    rendered = typst.compile(
        files("solekey.audit.document").joinpath(_TEMPLATE).read_bytes(),
        sys_inputs={"report": json.dumps(asdict(contents)), "short": str(SHORT)},
        ignore_system_fonts=True,
        pdf_standards=["ua-1"],
        timestamp=_EPOCH,
    )
    if not isinstance(rendered, bytes):
        raise TypeError("Typst gave no single document")
    return rendered
