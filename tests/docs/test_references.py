"""docs/api.md and docs/errors.md are what the library says, and codes are stable and unique."""

import ast
import importlib
import inspect
import textwrap
from collections import Counter

import pytest

from solekey import errors
from solekey.errors import SolekeyError
from solekey_protocol.errors import ProtocolError
from tests.support.repository import ROOT
from tests.support.scripts import load_script

DOCS = ROOT / "docs"
# A server that refuses with one of these says the same as the client's own error.
SHARED_WITH_THE_SERVER = {"kdf_excessive", "unsupported_format"}


API = load_script(DOCS / "generate_api_reference.py")
ERRORS = load_script(DOCS / "generate_error_reference.py")
CODED = list(ERRORS.iter_client_errors())
LEAVES = [kind for kind in CODED if not kind.__subclasses__()]


@pytest.mark.parametrize("generator", [API, ERRORS], ids=["api.md", "errors.md"])
def test_the_page_is_what_the_library_says(generator):
    assert generator.PAGE.read_text(encoding="utf-8") == generator.render(), f"run {generator.__file__}"


@pytest.mark.parametrize("module", [*API.MODULES, "solekey.errors"])
def test_every_public_name_is_there_and_documented(module):
    loaded = importlib.import_module(module)
    assert len(set(loaded.__all__)) == len(loaded.__all__)
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module}.{name} has no docstring"


def test_a_code_names_one_class():
    own = Counter(kind.code for kind in CODED)
    assert [code for code, count in own.items() if count > 1] == []
    assert own.keys() & set(ERRORS.read_server_codes()) == SHARED_WITH_THE_SERVER
    protocol = Counter(kind.code for kind in ERRORS.iter_protocol_errors())
    assert [code for code, count in protocol.items() if count > 1] == []
    assert own.keys() & protocol.keys() == {"unsupported_format"}


def test_every_error_class_is_in_the_table():
    def collect(base):
        return {base}.union(*(collect(child) for child in base.__subclasses__()))

    public = {kind for kind in collect(SolekeyError) if kind.__module__.startswith("solekey.errors.")}
    listed = {*CODED, *(kind for kind in public if kind.__module__ == "solekey.errors.refusals")}
    assert public - listed == set()
    assert {kind for kind in collect(ProtocolError) if kind.__module__ == "solekey_protocol.errors"} == set(
        ERRORS.iter_protocol_errors()
    )


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_an_error_has_advice_of_its_own(kind):
    assert kind.ADVICE != SolekeyError.ADVICE
    if "diagnostics" in vars(kind):
        assert "ADVICE" in vars(kind), "errors.md shows ADVICE: give its general form, too"


def list_assigned(kind):
    """The public attributes that the class's own constructor sets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__)))
    targets = (target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets)
    named = {target.attr for target in targets if ast.unparse(target).startswith("self.")}
    return {name for name in named if not name.startswith("_")}


def test_what_an_error_carries_is_in_the_page():
    listed = {(kind, name) for kind, name, _ in ERRORS.iter_carried()}
    classes = [
        kind for kind in (getattr(errors, name) for name in errors.__all__) if "__init__" in vars(kind)
    ]
    assert {
        (kind, name) for kind in classes if "__init__" in vars(kind) for name in list_assigned(kind)
    } == listed
