"""Every label that is signed, hashed or derived from stands in a table of the specification, and no other."""

import re

from tests.support.repository import ROOT

CODE = ("libs", "services", "clients")
LABEL = re.compile(r"solekey/[a-z0-9/-]*v[0-9]+(?:/[a-z0-9-]+)*")


def labels_of_the_code() -> set[str]:
    files = [file for folder in CODE for file in (ROOT / folder).rglob("solekey*/**/*.py")]
    literal = re.compile(r'b"(' + LABEL.pattern + ")")
    return {label for file in files for label in literal.findall(file.read_text(encoding="utf-8"))}


def labels_of_the_spec() -> set[str]:
    tables = [
        line
        for page in ("conventions.md", "keys.md")
        for line in (ROOT / "spec" / page).read_text(encoding="utf-8").splitlines()
        if line.startswith("| `solekey/")
    ]
    return {label for line in tables for label in LABEL.findall(line.split("|")[1])}


def test_the_tables_of_labels_are_complete() -> None:
    assert labels_of_the_code() == labels_of_the_spec()


def test_positive_control_labels_are_found() -> None:
    assert {"solekey/login-key/v1", "solekey/v1/wrap", "solekey/v1/auth"} <= labels_of_the_code()
