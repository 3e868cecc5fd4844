"""Every notebook is executed, on a clean log and on a tampered one: each ends with its verdict."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.protocol.keyring import ACCOUNT, USER
from tests.support.protocol.story import tell_whole
from tests.support.repository import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:jupyter_client"
    ),  # its own use of zmq's event loop
]


def execute(notebook, records, folder):
    """Execute a notebook with parameters, put where papermill puts them; return all that it shows."""
    log, pins = folder / "events.jsonl", folder / "pins.json"
    log.write_bytes(b"".join(raw + b"\n" for raw in records))
    pins.write_text(f'{{"{ACCOUNT}": "{USER.public}"}}')
    document = nbformat.read(notebook, as_version=4)
    (place,) = [n for n, cell in enumerate(document.cells) if "parameters" in cell.metadata.get("tags", [])]
    injected = f"log = {str(log)!r}\npins = [{str(pins)!r}]"
    document.cells.insert(place + 1, nbformat.v4.new_code_cell(injected))
    NotebookClient(document, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return "".join(str(cell.get("outputs", "")) for cell in document.cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebooks:
    def test_a_clean_log(self, notebook, tmp_path):
        shown = execute(notebook, [event.raw for event in tell_whole()], tmp_path)
        assert "## Verdict: Clean" in shown
        assert "verdict: clean" in shown
        assert "not caught: none" in shown or "06" not in notebook.stem

    def test_a_tampered_log(self, notebook, tmp_path):
        records = [event.raw for event in tell_whole()]
        records[-1] = records[-1].replace(b'"seq":', b'"key":"<b>x</b>","seq":')
        del records[7]
        shown = execute(notebook, records, tmp_path)
        assert "## Verdict: Violations" in shown
        assert "verdict: violations" in shown
        assert "<b>x" not in shown

    def test_is_committed_without_outputs(self, notebook):
        document = nbformat.read(notebook, as_version=4)
        assert document.cells[0].source.startswith("# ")
        for said in (
            "**The question.**",
            "**What would change the conclusion.**",
            "**What this cannot show.**",
        ):
            assert said in document.cells[0].source
        assert not any(cell.get("outputs") for cell in document.cells)


def test_there_are_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]
