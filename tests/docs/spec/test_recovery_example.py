"""The example of spec/recovery.md is what the code computes, and its shares give its key back."""

import itertools
import re

from solekey.recovery import RecoveryKit, combine_shares, parse_share
from solekey.recovery.record import (
    ShareRecord,
    encode_kit_record,
    encode_share_record,
    parse_kit_record,
    parse_share_record,
)
from solekey_protocol.events import Stream
from solekey_protocol.ids import Timestamp, compute_digest
from solekey_protocol.statements import Head
from tests.support.client.kits import ACCOUNT
from tests.support.repository import ROOT

PAGE = ROOT / "spec" / "recovery.md"
CREATED = Timestamp("2026-11-23T21:36:07.123Z")


def read_example():
    block = re.search(r"```example\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return dict(line.split(": ", 1) for line in block[1].splitlines())


def test_the_example_is_recomputed(user_key):
    example = read_example()
    kit = RecoveryKit(
        account=ACCOUNT,
        key_id=user_key.derive_key_id(ACCOUNT),
        server="https://solekey.example",
        username="ada",
        created=CREATED,
        heads={Stream.AUTH: Head(3, compute_digest(b"auth"))},
        log_head="a log\n7\n",
    )
    share = parse_share(example["share 1"])
    record = ShareRecord(ACCOUNT, kit.key_id, CREATED, share.set, share.index, share.threshold, 3)
    assert example["phrase"] == user_key.to_phrase()
    assert example["key id"] == kit.key_id
    assert example["kit record"] == encode_kit_record(kit)
    assert parse_kit_record(example["kit record"]) == kit
    assert example["share record"] == encode_share_record(record)
    assert parse_share_record(example["share record"]) == record


def test_the_examples_shares_give_its_key(user_key):
    example = read_example()
    shares = [parse_share(example[f"share {number}"]) for number in (1, 2, 3)]
    assert [share.index for share in shares] == [1, 2, 3]
    for some in itertools.combinations(shares, 2):
        assert combine_shares(some) == user_key
