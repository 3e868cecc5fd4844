"""The services have the same shape, so that who knows one finds everything in the next.

Files, the declaration with its types, and the handler of statements. What a service has beside that is a noun
of its own spec page (the vault's objects, auth's refresh tokens).
"""

import ast
from importlib import import_module
from inspect import get_annotations, signature
from typing import Any

import pytest

from solekey_eventlog.tables import EventTables
from solekey_service.access import Access
from solekey_service.config import ServiceConfig
from solekey_service.definition import MAX_STATEMENT_BODY_BYTES, ServiceDefinition
from solekey_service.statement_handler import StatementHandler
from solekey_service.stream_api import StreamApi
from tests.support.repository import ROOT
from tests.support.tree import PACKAGE_FOLDERS, SERVICES

GRID = {
    "__init__.py",
    "__main__.py",  # python -m solekey_<service>
    "api.py",  # requests in, answers out; knows no framework
    "config.py",
    "definition.py",  # everything in which the service differs from the others, as data
    "domain.py",  # pure: what it verifies and decides
    "migrations",
    "py.typed",
    "refusals.py",  # its errors, as they travel
    "tables.py",
}
STATEMENT_SERVICES = ("devices", "vault", "rotation")


def read_files(service: str) -> set[str]:
    package = ROOT / PACKAGE_FOLDERS[f"solekey_{service}"] / f"solekey_{service}"
    return {path.name for path in package.iterdir() if path.name != "__pycache__"}


def load(service: str) -> ServiceDefinition[Any, Any]:
    definition = import_module(f"solekey_{service}.definition").DEFINITION
    assert isinstance(definition, ServiceDefinition)
    return definition


def find_handler(service: str) -> type[StatementHandler[Any, Any]]:
    module = import_module(f"solekey_{service}.statements")
    [handler] = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, StatementHandler)
        and each.__module__ == module.__name__
    ]
    return handler


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_files_that_all_have(service: str) -> None:
    assert sorted(GRID - read_files(service)) == []


def test_the_grid_is_all_that_every_service_has() -> None:
    """A file that all of them have belongs into the grid, where the next service is held to it."""
    assert set.intersection(*(read_files(service) for service in SERVICES)) <= GRID


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_declared_with_its_own_types(service: str) -> None:
    definition = load(service)
    assert definition.package == f"solekey_{service}"
    assert definition.stream.value == service
    assert issubclass(definition.config, ServiceConfig)
    assert definition.config.__module__ == f"solekey_{service}.config"
    assert isinstance(definition.tables, EventTables)
    assert issubclass(definition.api, StreamApi)
    assert definition.api.__module__ == f"solekey_{service}.api"
    kernel = get_annotations(definition.api.__init__, eval_str=True)["kernel"]
    assert kernel.__args__ == (definition.config,)
    [base] = definition.api.__orig_bases__
    assert base.__args__ == (definition.config,)


@pytest.mark.parametrize("service", SERVICES)
def test_what_every_service_answers_is_written_once(service: str) -> None:
    """Statements, events and health come from StreamApi, at the same places and for the same callers."""
    definition = load(service)
    routes = {(route.method, route.path): route for route in definition.all_routes}
    assert len(routes) == len(definition.all_routes)
    assert all(path.startswith(f"/v1/{service}/") for _, path in routes)
    assert routes["GET", f"/v1/{service}/events"].access is Access.SESSION
    assert routes["GET", f"/v1/{service}/health"].access is Access.PUBLIC
    statements = routes.get(("POST", f"/v1/{service}/statements"))
    assert (statements is not None) == (service in STATEMENT_SERVICES)
    if statements is not None:
        assert statements.max_body_bytes == MAX_STATEMENT_BODY_BYTES
    for name in ("post_statement", "get_health", "read_events"):
        assert name not in vars(definition.api)


@pytest.mark.parametrize("service", STATEMENT_SERVICES)
def test_statements_are_taken_by_a_handler_of_one_shape(service: str) -> None:
    handler = find_handler(service)
    assert handler.kind.STREAM is load(service).stream
    for name in ("gather", "verify", "record", "asks_step_up"):
        own, common = getattr(handler, name), getattr(StatementHandler, name)
        assert list(signature(own).parameters) == list(signature(common).parameters)


def find_casts(source: str) -> list[str]:
    """Find where a fold or a configuration is given its type by hand."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"cast", "isinstance"}:
            text = ast.unparse(node)
            kind = ast.unparse(node.args[0 if "cast(" in text else 1])
            if kind.strip("'\"").endswith(("Stream", "Config")):
                found.append(text)
    return found


def test_folds_and_configurations_have_their_type_without_casts() -> None:
    folders = [
        PACKAGE_FOLDERS[name] for name in PACKAGE_FOLDERS if name not in {"solekey", "solekey_protocol"}
    ]
    sources = {path: path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")}
    assert len(sources) > 50
    assert {str(path): found for path, source in sources.items() if (found := find_casts(source))} == {}
    assert find_casts("cast('VaultConfig', kernel.config)") != []
    assert find_casts("isinstance(auth, AuthStream)") != []
