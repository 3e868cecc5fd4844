"""Each counter-example of spec/models, told to the code: the statement that does the harm is refused.

A story is what was said before, in the order of arrival, and the last statement of the counter-example. Where
that one waited on its way, it claims the heads that it was signed with.
"""

import re
from collections.abc import Callable

import pytest

from solekey_protocol.errors import (
    ForkError,
    LineageError,
    SignatureError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.events import Body, Stream, devices
from solekey_protocol.lineage import find_unconfirmed
from solekey_protocol.statements import EMPTY_HEAD
from tests.support.protocol.history import (
    History,
    abandoned,
    aborted,
    committed,
    completed,
    done,
    rekey,
    retired,
    started,
    taken,
    tell,
    verified,
    without,
    wrapped,
)
from tests.support.protocol.keyring import LAPTOP, MALLORY, PHONE, record
from tests.support.repository import ROOT

README = ROOT / "spec" / "models" / "README.md"

START = [wrapped()]
WRAPPED = [*START, started("r1"), wrapped(2, "K1", rotation="r1")]
VERIFIED = [*WRAPPED, verified("r1", (1, 2))]
EPOCH_2 = [*START, committed(1), rekey("r1"), wrapped(1, epoch=2, rotation="r1")]
EPOCH_2_VERIFIED = [*EPOCH_2, verified("r1", (2, 1))]
RESEALED = [*EPOCH_2_VERIFIED, committed(2, 2, "rekey"), committed(3, 2, "snapshot")]

REVOKED = devices.DeviceRevoked(PHONE.certificate.device, devices.RevocationReason.LOST)
Story = Callable[[], None]


def refuses_lineage(code: str, said: list, last) -> Story:
    def story() -> None:
        with pytest.raises(LineageError) as refused:
            tell(*said).say(last)
        assert refused.value.code == code

    return story


def find_named(history: History) -> list[Body]:
    """What clients do not believe, and auditors name."""
    vault = history.account.vault
    said = [event for event in history.events if event.stream is Stream.VAULT]
    seen = vault.chain.seen.get(Stream.DEVICES, EMPTY_HEAD).seq
    return [event.body for event in find_unconfirmed(history.account.devices, seen, said)]


def a_late_change_is_refused_after_the_abort() -> None:
    """F1: B's account_key_changed was signed before A gave up, and arrives after it."""
    history = tell(*VERIFIED)
    seen = history.seen
    for body in (abandoned("r1"), retired(2), aborted("r1")):
        history.say(body)
    late = history.sign(taken("r1"), seen, device=PHONE)
    with pytest.raises(TransitionError):
        history.account.devices.evolve(record(late, history.account.devices.head))
    with pytest.raises((TransitionError, LineageError)):
        history.say(taken("r1"), {**seen, Stream.DEVICES: history.seen[Stream.DEVICES]}, device=PHONE)


def a_new_wrap_is_not_retired_before_the_decision() -> None:
    """F1, the step before: A may not take back the new wraps while the change can still be taken."""
    refuses_lineage("wrap_in_use", VERIFIED, retired(2))()


def a_locked_device_retires_nothing() -> None:
    """F2: whoever has the device key alone signs neither the wrap that shreds nor its retirement."""
    history = tell(*START, wrapped(2))
    for body in (wrapped(3), retired(1)):
        with pytest.raises(SignatureError):
            history.write(body, device=LAPTOP, account=MALLORY)


def a_locked_device_commits_nothing() -> None:
    """F3."""
    with pytest.raises(SignatureError):
        tell(*START).write(committed(1), device=LAPTOP, commit=MALLORY)


def a_revoked_device_is_named_until_it_is_confirmed_and_then_refused() -> None:
    """F12, and heads that go back."""
    history = tell(*START)
    before = history.seen
    history.say(REVOKED)
    history.write(committed(1), before, device=PHONE)
    assert find_named(history) == [committed(1)]
    history.say(committed(2))
    assert find_named(history) == []
    with pytest.raises(ForkError):
        history.write(committed(3), before, device=PHONE)
    with pytest.raises(UntrustedDeviceError):
        history.write(committed(3), device=PHONE)


def a_late_wrap_of_an_ended_change_is_refused() -> None:
    """A wrap under K1 that was signed while its change was open, after the next rotation has spoken."""
    history = tell(*START, started("r1"))
    seen = history.seen
    for body in (abandoned("r1"), aborted("r1"), rekey("r2"), wrapped(1, epoch=2, rotation="r2")):
        history.say(body)
    with pytest.raises(LineageError) as refused:
        history.say(wrapped(2, "K1", rotation="r1"))
    assert refused.value.code == "key_not_current"
    with pytest.raises(ForkError):
        history.say(wrapped(2, "K1", rotation="r1"), seen)


def an_epoch_is_not_left_out() -> None:
    """Epoch 2 was begun by a re-key that was aborted; it is live, and needs a wrap under the new key too."""
    said = [*EPOCH_2, aborted("r1"), started("r2", from_epoch=2), wrapped(2, "K1", rotation="r2")]
    refuses_lineage("rotation_incomplete", said, verified("r2", (1, 2)))()


def what_a_rekey_has_left_stays() -> None:
    refuses_lineage("wrap_in_use", [*RESEALED, done("r1", 1)], retired(1))()


def a_rekey_ends_although_something_is_left() -> None:
    tell(*RESEALED, done("r1", 1), completed("r1"))
    refuses_lineage("rotation_incomplete", [*RESEALED, done("r1")], completed("r1"))()


def a_strange_epoch_is_not_verified() -> None:
    """R12: the late wrap of an aborted re-key begins the epoch that the next one was started for."""
    history = tell(*START, committed(1), rekey("r1"))
    seen = history.seen
    history.say(aborted("r1"))
    history.say(rekey("r2"))
    history.say(wrapped(1, epoch=2, rotation="r1"), seen)
    with pytest.raises(LineageError) as refused:
        history.say(verified("r2", (2, 1)))
    assert refused.value.code == "rotation_incomplete"


STORIES: dict[str, tuple[Story, ...]] = {
    "old/F1": (a_late_change_is_refused_after_the_abort, a_new_wrap_is_not_retired_before_the_decision),
    "old/F2": (a_locked_device_retires_nothing,),
    "old/F3": (a_locked_device_commits_nothing,),
    "old/F12": (a_revoked_device_is_named_until_it_is_confirmed_and_then_refused,),
    "without/verified": (refuses_lineage("rotation_incomplete", WRAPPED, taken("r1")),),
    "without/abandoned": (a_late_change_is_refused_after_the_abort,),
    "without/every-epoch": (an_epoch_is_not_left_out,),
    "without/left": (what_a_rekey_has_left_stays,),
    "without/seen": (a_revoked_device_is_named_until_it_is_confirmed_and_then_refused,),
    "without/order": (),  # client/test_revocation_order.py
    "without/past-key": (refuses_lineage("wrap_in_use", VERIFIED, retired(1)),),
    "without/committed": (refuses_lineage("wrap_in_use", RESEALED, retired(1)),),
    "without/account-signature": (a_locked_device_retires_nothing,),
    "without/commit-signature": (a_locked_device_commits_nothing,),
    "without/open-rotation": (a_late_wrap_of_an_ended_change_is_refused,),
    "without/exception": (a_rekey_ends_although_something_is_left,),
    "without/rekey": (refuses_lineage("key_not_current", START, wrapped(1, epoch=2)),),
    "R12": (a_strange_epoch_is_not_verified,),
}


@pytest.mark.parametrize("model", STORIES)
def test_the_code_refuses_the_counter_example(model):
    for story in STORIES[model]:
        story()


def test_every_refuted_model_has_a_story():
    names = set(re.findall(r'_(old|mutant)\(\s*"([^"]+)"', (README.parent / "check.py").read_text()))
    models = {f"{'old' if kind == 'old' else 'without'}/{name}" for kind, name in names}
    assert models == set(STORIES) - {"R12"}


def test_a_vault_that_has_not_heard_of_a_revocation_takes_what_was_signed_before():
    """Control: held back is not refused; what was signed in time counts where nobody has gone on."""
    history = tell(*VERIFIED)
    history.say(taken("r1"), without(history, Stream.VAULT, 2), device=PHONE)
