"""The document as a page: verdict first, tables, no script, nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border-bottom: 1px solid #888; padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; }
.verdict { border: 3px solid; padding: .5rem 1rem; font-size: 1.3rem; font-weight: bold; }
code { font-size: .9em; overflow-wrap: anywhere; }
"""
_SEARCHED: Final = (
    "<p>Every secret that the client made or its user typed, in every spelling, also inside of what is "
    "compressed or encoded. <em>Searched</em> leaves out zeros and what was searched before.</p>"
)
_UNITS: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def write_page(document: dict[str, Any]) -> str:
    """Write the page."""
    subject, seen = document["subject"], document["seen_by_the_server"]
    parts = [
        "<h1>Evidence: what the server side of Solekey has seen</h1>",
        f'<p class="verdict">Verdict: {escape(document["verdict"])}</p>',
        _list(document["failures"]),
        f"<p>Commit <code>{escape(subject['commit'])}</code>, {subject['changed_files']} files changed.</p>",
        f"<p>{escape(subject['site'])}. Python {escape(subject['python'])}.</p>",
        "<h2>What was searched</h2>",
        _SEARCHED,
        _table(
            ("channel", "pieces", "bytes", "searched", "secrets", "found"),
            (
                (
                    each["channel"],
                    each["pieces"],
                    _size(each["bytes"]),
                    _size(each["searched"]),
                    each["secrets"],
                    each["found"],
                )
                for each in document["channels"]
            ),
        ),
        "<h2>Positive controls: leaks that were planted</h2>",
        _table(
            ("planted", "channel", "written as", "caught", "found as"),
            (
                (
                    each["planted"],
                    each["channel"],
                    each["how"],
                    "caught" if each["caught"] else "MISSED",
                    "; ".join(each["spellings"]),
                )
                for each in document["controls"]
            ),
        ),
        "<h2>Twin run</h2>",
        "<p>Two users with other plaintexts of the same padded sizes. Left out of the comparison:</p>",
        _list(document["twin"]["rules"]),
        _table(
            ("step", "exchanges", "the server sees"),
            (
                (each["step"], each["exchanges"], "the same" if each["same"] else "A DIFFERENCE")
                for each in document["twin"]["steps"]
            ),
        ),
        _controls(document["twin"]["controls"]),
        "<h2>Stored bytes, explained with the clients' keys</h2>",
        _table(
            ("what", "byte strings", "bytes"),
            (
                (each["kind"], each["strings"], _size(each["bytes"]))
                for each in document["stored"]["explained"]
            ),
        ),
        f"<p>Unexplained: {len(document['stored']['unexplained'])}.</p>",
        _list(document["stored"]["unexplained"]),
        _controls(document["stored"]["controls"]),
        "<h2>What the server does see</h2>",
        "<p>The names of all fields of all requests, held against <code>spec/threat-model.md</code> §6.</p>",
        f"<p>Not listed there: {len(seen['unlisted'])}.</p>",
        f"<p>{', '.join(f'<code>{escape(each)}</code>' for each in seen['fields'])}</p>",
        _controls(seen["controls"]),
        "<h2>What this cannot show</h2>",
        _list(document["limits"]),
        "<h2>Commitments to the secrets</h2>",
        "<p>SHA-256 of a nonce and the secret. Who is given the openings can search again.</p>",
        _table(("secret", "commitment"), sorted(document["commitments"].items())),
    ]
    head = f'<meta charset="utf-8"><title>Solekey: evidence</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    kind = ' class="number"' if isinstance(value, int) else ""
    return f"<td{kind}>{escape(str(value))}</td>"


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _controls(controls: dict[str, bool]) -> str:
    rows = ((name, "noticed" if noticed else "MISSED") for name, noticed in controls.items())
    return _table(("positive control", ""), rows)


def _size(count: int) -> str:
    return next((f"{count / size:.1f} {unit}" for unit, size in _UNITS if count >= size), f"{count} bytes")
