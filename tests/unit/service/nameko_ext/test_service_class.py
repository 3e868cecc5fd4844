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
