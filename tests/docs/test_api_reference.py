"""The reference of the Python API shows all that an app may use, and nothing by accident."""

import ast
import dataclasses
import inspect
import textwrap
from enum import Enum

import pytest

import solekey
from tests.support.repository import ROOT
from tests.support.scripts import load_script

GENERATOR = ROOT / "docs" / "generate_api_reference.py"
NOT_FOR_APPS = {("Vault", "unlocked")}  # the inner parts, for the other rooms of the package
CLASSES = [kind for name in solekey.__all__ if inspect.isclass(kind := getattr(solekey, name))]


PAGE = load_script(GENERATOR).PAGE.read_text(encoding="utf-8")


def find_assigned(kind):
    """The public attributes that a constructor gives its instances."""
    constructor = vars(kind).get("__init__")
    if dataclasses.is_dataclass(kind) or not inspect.isfunction(constructor):
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    targets = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    stored = {node.attr for node in targets if isinstance(node.ctx, ast.Store)}
    return {name for name in stored if not name.startswith("_")}


def find_section(name):
    return PAGE.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("name", solekey.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert find_section(name)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_attributes_of_an_instance_are_in_the_reference(kind):
    section = find_section(kind.__name__)
    for name in find_assigned(kind):
        if (kind.__name__, name) not in NOT_FOR_APPS:
            assert f"    {name}: " in section, f"annotate {kind.__name__}.{name} in its class"
    properties = [
        name for name, value in vars(kind).items() if isinstance(value, property) and name[0] != "_"
    ]
    for name in properties:
        assert f"property {kind.__name__}.{name}: " in section


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_public_method_says_what_it_does(kind):
    if issubclass(kind, Enum):
        return
    for name, value in vars(kind).items():
        if not name.startswith("_") and inspect.isfunction(value):
            assert value.__doc__, f"{kind.__name__}.{name}"


def test_names_that_are_looked_up_first_are_those_that_are_public():
    functions = {name for name in solekey.__all__ if not name[:1].isupper()}
    assert functions == solekey._FUNCTIONS
