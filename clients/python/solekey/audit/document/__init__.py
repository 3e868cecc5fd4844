"""The report of an audit, to be handed over: one HTML page or one PDF, from the tables of a verified log.

``contents`` what it says, read from the tables · ``words`` its fixed sentences · ``plots`` its pictures ·
``page`` HTML (``page.html.j2``) · ``print_out`` PDF (``print_out.typ``). Install ``solekey[audit]``.

Nothing of a log is ever markup here: Jinja2 escapes it, and Typst is given it as data.
"""

from solekey.audit.document.contents import Contents, collect_contents
from solekey.audit.document.page import write_html
from solekey.audit.document.print_out import write_pdf

__all__ = ["Contents", "collect_contents", "write_html", "write_pdf"]
