"""The client's error tree is as its docstring draws it."""

import re

import pytest

from solekey import errors
from solekey.errors import OpenError, PhraseLengthError, SolekeyError, UnknownWordError, refusals

ARGUMENTS = {
    OpenError: ("chunk",),
    PhraseLengthError: (3, 24),
    UnknownWordError: ("zo", 3, ("zoo",)),
    errors.TamperedWrapError: ("tag",),
}


def collect_errors(base):
    children = [child for child in base.__subclasses__() if child.__module__ != refusals.__name__]
    return [base, *(error for child in children for error in collect_errors(child))]


ALL = [error for error in collect_errors(SolekeyError) if not error.__name__.startswith("_")]
# Errors of other parts of the client that take their own arguments are told apart by their own tests.
SPEAKING = [error for error in ALL if error in ARGUMENTS or error.__init__ is SolekeyError.__init__]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_is_drawn_and_has_its_own_code(error):
    assert re.search(rf"\b{error.__name__}\b", errors.__doc__)
    assert re.fullmatch("[a-z]+(_[a-z]+)*", error.code)
    assert [other for other in ALL if other.code == error.code] == [error]


@pytest.mark.parametrize("error", SPEAKING, ids=lambda error: error.__name__)
def test_says_what_to_do_next(error):
    text = error(*ARGUMENTS.get(error, ("what happened",))).diagnostics()
    assert text[0].isupper()
    assert text[-1] in ".?"
