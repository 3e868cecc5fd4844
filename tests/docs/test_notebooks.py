"""Every notebook is executed: it must accept an honest log and refuse a tampered one."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.support.protocol.keyring import ACCOUNT, USER
from tests.support.protocol.story import tell, tell_whole
from tests.support.repository import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:jupyter_client"
    ),  # its own use of zmq's event loop
]


def execute(notebook, records, folder, monkeypatch):
    log, pins = folder / "events.jsonl", folder / "pins.json"
    log.write_bytes(b"".join(raw + b"\n" for raw in records))
    pins.write_text(f'{{"{ACCOUNT}": "{USER.public}"}}')
    monkeypatch.setenv("SOLEKEY_AUDIT_LOG", str(log))
    monkeypatch.setenv("SOLEKEY_AUDIT_PINS", str(pins))
    document = nbformat.read(notebook, as_version=4)
    NotebookClient(document, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return document


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebooks:
    def test_accepts_an_honest_log(self, notebook, tmp_path, monkeypatch):
        document = execute(notebook, [event.raw for event in tell_whole()], tmp_path, monkeypatch)
        printed = "".join(str(cell.get("outputs", "")) for cell in document.cells)
        assert "CLEAN" in printed
        assert "VIOLATIONS" not in printed

    def test_refuses_a_tampered_log(self, notebook, tmp_path, monkeypatch):
        records = [event.raw for event in tell()]
        del records[7]
        with pytest.raises(CellExecutionError, match="VIOLATIONS"):
            execute(notebook, records, tmp_path, monkeypatch)

    def test_refuses_a_field_outside_the_allow_list(self, notebook, tmp_path, monkeypatch):
        records = [event.raw for event in tell()]
        records[-1] = records[-1].replace(b'"bytes":', b'"key":"x","bytes":')
        with pytest.raises(CellExecutionError, match="outside the allow-list"):
            execute(notebook, records, tmp_path, monkeypatch)

    def test_is_committed_without_outputs(self, notebook):
        document = nbformat.read(notebook, as_version=4)
        assert document.cells[0].source.startswith("# ")
        assert "question" in document.cells[0].source
        assert not any(cell.get("outputs") for cell in document.cells)


def test_there_are_notebooks():
    assert NOTEBOOKS
