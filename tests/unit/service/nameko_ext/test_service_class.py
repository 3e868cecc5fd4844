"""The classes that nameko runs: each follows the bus once, however many are made in a process."""

import subprocess
import sys

import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import warnings
from importlib import import_module
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # eventlet announces its retirement
    from solekey_protocol.services import SERVICES
    from solekey_service.nameko_ext.service_class import make_service_class
packages = [each.package for each in SERVICES.values()]
made = [make_service_class(import_module(f"{package}.definition").DEFINITION) for package in packages]
print(*(len(service.on_records.nameko_entrypoints) for service in made))
"""


def test_each_service_of_a_process_follows_the_bus_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split() == ["1"] * 4


NOTING = """
import warnings
from dataclasses import replace
from types import SimpleNamespace
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # eventlet announces its retirement
    from solekey_eventlog.noted_first import find_open_note
    from solekey_service.access import Access
    from solekey_service.definition import Route
    from solekey_service.nameko_ext.service_class import make_service_class
    from tests.support.demo_service.reacting import VAULT

def write(api, request):
    return find_open_note() is request.note

made = make_service_class(replace(VAULT, routes=(Route("POST", "/v1/vault/write", Access.TRUSTED, write),)))
request = SimpleNamespace(id="0" * 32, note=SimpleNamespace(is_durable=False))
print(made.write(SimpleNamespace(api=None), request), find_open_note())
"""


def test_what_a_handler_writes_begins_with_the_note_of_its_request() -> None:
    """Else the proof would be noted behind what it writes, and two at once could both write."""
    done = subprocess.run(
        [sys.executable, "-c", NOTING], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.split() == ["True", "None"], done.stderr
