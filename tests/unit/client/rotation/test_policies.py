"""Policies at the client: what is due and why, and what an enforced one refuses until it was rotated."""

import json

import pytest

from solekey import UserKey
from solekey.errors import refusals
from solekey.rotation.rotation import change_user_key, rekey_data, set_policy
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import DueCause, Enforcement, RotationDue
from solekey_protocol.ids import Timestamp

SINCE = Timestamp("2026-11-20T08:00:00.000Z")
ROTATE = {
    RotationKind.USER_KEY: lambda vault: change_user_key(vault, UserKey.make()),
    RotationKind.DATA_KEY: rekey_data,
}


def make_due(world, kind, cause=DueCause.AGE, enforcement=Enforcement.ENFORCED):
    world.server.said(world.account, RotationDue(kind, SINCE, cause, enforcement))


@pytest.mark.parametrize("kind", RotationKind)
def test_an_enforced_policy_refuses_writes_until_the_rotation_is_completed(home, kind):
    vault = home.unlock("laptop")
    vault.put("before", "1")
    make_due(home, kind)
    for write in (lambda: vault.put("after", "2"), lambda: vault.remove("before")):
        with pytest.raises(refusals.RotationRequiredError) as refused:
            write()
        assert "nothing was lost" in refused.value.diagnostics()
    assert vault.get("before").content == b"1"
    ROTATE[kind](vault)
    assert vault.put("after", "2").version == 1


def test_an_advisory_policy_refuses_nothing(home):
    vault = home.unlock("laptop")
    make_due(home, RotationKind.DATA_KEY, enforcement=Enforcement.ADVISORY)
    assert vault.put("after", "2").version == 1


def test_the_accounts_policy_counts_not_the_operators(home):
    vault = home.unlock("laptop")
    make_due(home, RotationKind.DATA_KEY)
    days = {"user_key_max_age_days": 90, "data_key_max_age_days": 90}
    set_policy(vault, **days)
    vault.put("now", "1")
    set_policy(vault, **days, enforcement=Enforcement.ENFORCED)
    with pytest.raises(refusals.RotationRequiredError):
        vault.put("now", "2")


def test_the_commands_say_what_is_due_and_why_and_what_to_run(home, run_cli):
    make_due(home, RotationKind.USER_KEY, DueCause.REVOCATION, Enforcement.ADVISORY)
    make_due(home, RotationKind.DATA_KEY)
    for command in (["status"], ["rotate", "status"]):
        code, out, _ = run_cli("laptop", *command)
        words = " ".join(out.split())
        assert code == 0
        assert "user key since 2026-11-20: a device that knew it was revoked (solekey rotate" in words
        assert "data key since 2026-11-20: it is older than the policy allows; nothing can be" in words
    due = json.loads(run_cli("laptop", "rotate", "status", "--json")[1])["due"]
    assert due[1] == {"kind": "data_key", "since": SINCE, "cause": "age", "enforced": True}
    key = home.phrase
    code, _, err = run_cli("laptop", "put", "--text", "x", "--name", "y", "--user-key", key)
    assert code == 9
    assert "rotate data-key" in " ".join(err.split())
    assert run_cli("laptop", "rotate", "data-key", "--user-key", key)[0] == 0
    assert run_cli("laptop", "put", "--text", "x", "--name", "y", "--user-key", key)[0] == 0


def test_the_policy_is_set_by_a_command(home, run_cli):
    arguments = ["--user-key-days", "90", "--data-key-days", "30", "--enforced", "--user-key", home.phrase]
    code, _, err = run_cli("laptop", "rotate", "policy", *arguments)
    assert code == 0
    assert "nothing can be stored" in err
    document = json.loads(run_cli("laptop", "rotate", "status", "--json")[1])
    assert (document["user_key_max_age_days"], document["enforcement"]) == (90, "enforced")
