"""spec/audit.md §3 describes the checks of the catalogue, each with its codes, and no others."""

import re

from solekey.audit.catalogue import CHECKS
from tests.support.repository import ROOT

SPEC = (ROOT / "spec" / "audit.md").read_text(encoding="utf-8")
AUDIT = ROOT / "clients" / "python" / "solekey" / "audit"
PARAGRAPHS = {
    match[1]: " ".join(match[2].split())
    for match in re.finditer(r"^\*\*([A-Z]{3}-\d\d)\*\* (.+?)\n\n", SPEC, re.MULTILINE | re.DOTALL)
}


def test_each_check_has_its_paragraph():
    assert list(PARAGRAPHS) == list(CHECKS)
    for check, paragraph in PARAGRAPHS.items():
        assert paragraph.lower().startswith(CHECKS[check].title.lower()), check
        assert "Source: " in paragraph
        assert "What would change the conclusion: " in paragraph


def test_each_code_that_a_check_finds_is_in_its_paragraph():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in AUDIT.rglob("*.py"))
    found = re.findall(r'find(?:_at)?\(\s*"([A-Z]{3}-\d\d)", "([a-z_]+)"', sources)
    assert len(found) > 25  # positive control: the pattern finds them
    assert [(check, code) for check, code in found if f"`{code}`" not in PARAGRAPHS[check]] == []
