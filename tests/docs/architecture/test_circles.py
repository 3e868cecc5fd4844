"""No two modules need each other, however long the way round, nor for the type checker alone."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

from tests.support.tree import PACKAGE_FOLDERS


def find_circle(graph: grimp.ImportGraph) -> list[str]:
    """The modules of an import circle, or nothing."""
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGE_FOLDERS, cache_dir=None)


def test_no_modules_import_each_other(graph: grimp.ImportGraph) -> None:
    assert find_circle(graph) == []


def test_a_circle_is_found(graph: grimp.ImportGraph) -> None:
    """The positive control: what the event store would need if a transaction knew its store."""
    store, transaction = "solekey_eventlog.store", "solekey_eventlog.unit_of_work"
    graph.add_import(importer=transaction, imported=store)
    assert {store, transaction} <= set(find_circle(graph))
    graph.remove_import(importer=transaction, imported=store)
