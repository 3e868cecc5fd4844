"""The import contracts of pyproject.toml hold, and each of them breaks on a planted import."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import cycle
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.tree import PACKAGE_FOLDERS, SERVICES

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
SERVER_SIDE = (
    "solekey_eventlog",
    "solekey_service",
    *(f"solekey_{service}" for service in SERVICES),
    "solekey_standalone",
)

PLANTS = [  # contract that must break, module that gets the line, the line
    ("server-layers", "solekey_protocol.ids", "import solekey_eventlog"),
    ("server-layers", "solekey_eventlog.bus", "import solekey_vault"),
    ("server-layers", "solekey_eventlog.store", "import solekey_service.config"),
    ("server-layers", "solekey_service.http", "import solekey_vault"),
    ("server-layers", "solekey_auth.domain", "import solekey_devices"),
    ("server-layers", "solekey_devices.domain", "import solekey_vault"),
    ("server-layers", "solekey_vault.domain", "import solekey_rotation"),
    ("server-layers", "solekey_rotation.domain", "import solekey_auth"),
    ("server-layers", "solekey_vault.domain", "import solekey_standalone"),
    *(("server-without-client", package, "import solekey") for package in ("solekey_protocol", *SERVER_SIDE)),
    ("client-without-server", "solekey.errors", "import solekey_eventlog"),
    ("client-without-server", "solekey.errors", "import solekey_vault"),
    ("client-without-server", "solekey.errors", "import sqlalchemy"),
    *(
        ("client-rooms", f"solekey.{module}", line)
        for module, line in (
            ("errors.base", "import solekey.crypto"),
            ("files.text", "import solekey.profile"),
            ("server", "import solekey.connection.transport"),
            ("transfer.download", "import solekey.vault.vault"),
            ("vault.keyring", "import solekey.account.devices"),
            ("account.devices", "import solekey.rotation.rotation"),
            ("api.names", "import solekey.cli.state"),
        )
    ),
    *(
        ("event-log-without-http", f"solekey_eventlog.{module}", line)
        for module, line in (
            ("store", "import solekey_service.http"),
            ("errors", "from http import HTTPStatus"),
            ("bus.kafka", "import eventlet"),
            ("projector", "import nameko"),
            ("freshness", "from werkzeug.exceptions import NotFound"),
        )
    ),
    ("pure-protocol", "solekey_protocol.ids", "import socket"),
    ("pure-protocol", "solekey_protocol.ids", "import os"),
    ("pure-protocol", "solekey_protocol.ids", "import time"),
    ("pure-protocol", "solekey_protocol.ids", "from secrets import token_bytes"),
    ("pure-protocol", "solekey_protocol.ids", "from urllib.request import urlopen"),
    *(
        ("framework-free-domain", f"solekey_{service}.domain", f"import {framework}")
        for service, framework in zip(SERVICES, cycle(("nameko", "eventlet", "kafka", "sqlalchemy")))
    ),
    ("pure-domain", "solekey_vault.domain", "import time"),
    ("pure-domain", "solekey_auth.domain", "from http import HTTPStatus"),
    ("pure-access", "solekey_service.access.tokens", "import time"),
    ("pure-access", "solekey_service.access.dpop", "from solekey_eventlog.store import EventStore"),
    ("pure-domain", "solekey_auth.domain", "from secrets import token_hex"),
    ("pure-auth", "solekey_auth.factors.proof", "import sqlalchemy"),
    ("pure-auth", "solekey_auth.credentials.credential", "import solekey_auth.credentials.repository"),
    ("pure-auth", "solekey_auth.rate_limits.bucket", "from time import monotonic"),
    ("auth-rooms", "solekey_auth.factors.totp", "import solekey_auth.sessions.logins"),
    ("auth-rooms", "solekey_auth.signing_keys.command", "import solekey_auth.api"),
    ("auth-rooms", "solekey_auth.credentials.credential", "import solekey_auth.sessions.sessions"),
    *(("server-cannot-decrypt", package, "import nacl") for package in ("solekey_protocol", *SERVER_SIDE)),
]


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    """A copy of every package and of the configuration, to plant imports in."""
    for folder in PACKAGE_FOLDERS.values():
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path, *options: str) -> tuple[bool, str]:
    """Run import-linter on a copied tree; return whether all was kept, and what it said, on one line."""
    search = os.pathsep.join(str(tree / folder) for folder in PACKAGE_FOLDERS.values())
    linter = Path(sys.executable).with_name("lint-imports")
    command = [linter, "--no-cache", "--no-logo", *options]
    environment = {**os.environ, "PYTHONPATH": search}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0, re.sub(r"\s+", " ", done.stdout + done.stderr)


def plant(tree: Path, module: str, line: str) -> None:
    """Append a line to a module, or make the module with that line."""
    path = tree / PACKAGE_FOLDERS[module.partition(".")[0]] / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    existing = path.read_text() if path.exists() else ""
    path.write_text(f"{existing}\n{line}\n")


def test_every_contract_holds_on_the_tree_as_it_is(copied_tree: Path) -> None:
    kept, said = lint(copied_tree)
    assert kept, said
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said


@pytest.mark.slow
@pytest.mark.parametrize(("contract", "module", "line"), PLANTS)
def test_a_planted_import_breaks_its_contract(
    copied_tree: Path, contract: str, module: str, line: str
) -> None:
    plant(copied_tree, module, line)
    kept, said = lint(copied_tree, "--contract", contract)
    assert not kept, said
    assert f"{CONTRACTS[contract]} BROKEN" in said
    assert module in said.partition("Broken contracts")[2]


def test_a_framework_reached_through_another_module_breaks_the_domain_contract(copied_tree: Path) -> None:
    plant(copied_tree, "solekey_eventlog.detour", "import sqlalchemy")
    plant(copied_tree, "solekey_vault.domain", "import solekey_eventlog.detour")
    kept, said = lint(copied_tree, "--contract", "framework-free-domain")
    assert not kept, said
    assert "solekey_vault.domain -> solekey_eventlog.detour" in said


def test_every_contract_has_its_plant() -> None:
    assert {contract for contract, _, _ in PLANTS} == set(CONTRACTS)


def test_what_auth_calls_pure_is_held_to_it() -> None:
    """A module whose docstring has a paragraph that begins with "Pure" is named in the contract."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (held,) = (contract["source_modules"] for contract in contracts if contract["id"] == "pure-auth")
    package = ROOT / PACKAGE_FOLDERS["solekey_auth"] / "solekey_auth"
    claimed = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for path in package.rglob("*.py")
        if re.search(r"^Pure[.:]", ast.get_docstring(ast.parse(path.read_text())) or "", re.MULTILINE)
    }
    assert "solekey_auth.domain" in claimed  # the search finds what there is
    assert sorted(claimed - set(held)) == []
