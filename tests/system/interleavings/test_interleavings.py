"""Whatever two devices do in whatever order, over ways that fail: nothing acknowledged is lost.

The examples are the same each time, and are not made smaller when one fails: it names its steps.
"""

from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from solekey import Vault
from solekey.errors import SolekeyError
from tests.system.interleavings.machine import Household

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLES = settings(
    max_examples=25,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
put = Vault.put


def test_every_interleaving_keeps_what_was_acknowledged():
    run_state_machine_as_test(Household, settings=EXAMPLES)


def overwrite(vault, name, content):
    """A put that replaces whatever is there, seen or not."""
    try:
        version = vault.find(name).version
    except SolekeyError:
        version = None
    return put(vault, name, content, base_version=version)


def lose(vault, name, content):
    """A put that is acknowledged, and whose item is removed behind its author's back."""
    stored = put(vault, name, content)
    vault.remove(stored.id)
    return stored


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        pytest.param(overwrite, "what its author had not seen is gone", id="overwriting"),
        pytest.param(lose, "is gone, and nobody removed it", id="losing"),
    ],
)
def test_a_client_that_does_not_is_found_out(planted, said):
    """The same steps are fine for the real client."""
    quarrel(Vault.put)
    with pytest.raises(AssertionError, match=said):
        quarrel(planted)


def quarrel(put_by_phone):
    """Both devices know a version; both edit it, the phone by its own way of putting."""
    state = Household()
    try:
        state.begin()
        state.put(device="laptop", name="notes", cut=None)
        state.get(device="phone", name="notes")
        state.put(device="laptop", name="notes", cut=None)
        with mock.patch.object(Vault, "put", put_by_phone):
            state.put(device="phone", name="notes", cut=None)
    finally:
        state.stack.close()
