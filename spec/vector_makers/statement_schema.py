"""Statements that are signed and outside the closed schema of their type. Spec: conventions.md §4."""

from collections.abc import Mapping
from typing import Any

from vector_makers.primitives import ACCOUNT, ITEM_RAW, encode_id, encode_json
from vector_makers.saying import (
    DEVICE,
    DIGEST,
    OTHER_DEVICE,
    REVOKED,
    TWO,
    WRAPPED,
    Members,
    Signed,
    change_key,
    say,
)
from vector_makers.vector import Vector

THREE = ("device", "account", "next_account")
HEAD = {"digest": DIGEST, "seq": 9}
BODY = REVOKED["body"]


def make_vectors() -> list[Vector]:
    """Make the vectors."""
    rules = {
        "members": _members(),
        "type": _types(),
        "heads": _heads(),
        "values": {**_values(), **_body_values()},
        "signers": _signers(),
    }
    signed = [
        _refuse(rule, name, said.to_input(), why)
        for rule, cases in rules.items()
        for name, (said, why) in cases.items()
    ]
    return [*_documents(), *signed]


def _refuse(rule: str, name: str, given: Mapping[str, Any], why: str) -> Vector:
    return Vector(f"schema: {name}", f"§4 {rule}", why, given, "schema_violation", "schema")


def _documents() -> list[Vector]:
    signed = say(REVOKED)
    documents: dict[str, Any] = {
        "an array": [],
        "null": None,
        "without the statement": {"signatures": signed.signatures},
        "without the signatures": {"statement": REVOKED},
        "an unknown member beside the statement": {**signed.to_json(), "note": ""},
        "a statement that is a text": {**signed.to_json(), "statement": encode_json(REVOKED).decode()},
    }
    why = "Exactly two members: an object each."
    return [
        _refuse("members", name, signed.to_input(encode_json(document)), why)
        for name, document in documents.items()
    ]


def _members() -> dict[str, tuple[Signed, str]]:
    cases = {
        f"without {member}": (say({k: v for k, v in REVOKED.items() if k != member}), "Required.")
        for member in REVOKED
    }
    changes: dict[str, tuple[Members, str]] = {
        "an unknown member": ({"note": ""}, "Closed."),
        "an unknown member in the body": ({"body": {**BODY, "note": ""}}, "Closed."),
        "without a member of the body": ({"body": {"device": OTHER_DEVICE}}, "Required."),
        "a body that is null": ({"body": None}, "An object."),
        "a body of another type": ({"body": WRAPPED["body"]}, "The body of its type."),
    }
    return cases | {name: (say({**REVOKED, **change}), why) for name, (change, why) in changes.items()}


def _types() -> dict[str, tuple[Signed, str]]:
    changes: dict[str, Members] = {
        "an unknown type": {"type": "solekey.devices.device_forgotten.v1"},
        "another version of a type": {"type": "solekey.devices.device_revoked.v2"},
        "the type of a service's fact": {"type": "solekey.auth.account_registered.v1"},
        "a type of another stream": {"type": "solekey.vault.wrap_retired.v1"},
        "a type that is null": {"type": None},
        "another stream": {"stream": "vault"},
    }
    why = "A type that clients sign (events.md §4), and the stream that it belongs to."
    return {name: (say({**REVOKED, **change}), why) for name, change in changes.items()}


def _heads() -> dict[str, tuple[Signed, str]]:
    heads: dict[str, Any] = {
        "heads that are an array": [],
        "a head of its own stream": {"devices": HEAD},
        "a head of an unknown stream": {"billing": HEAD},
        "a head without a digest": {"vault": {"seq": 9}},
        "a head with an unknown member": {"vault": {**HEAD, "time": 0}},
        "a head below 0": {"vault": {**HEAD, "seq": -1}},
        "a head above 2^31 - 1": {"vault": {**HEAD, "seq": 2**31}},
        "a head's digest in capitals": {"vault": {**HEAD, "digest": DIGEST.upper()}},
    }
    why = "Heads of other streams: seq 0 … 2^31 - 1 and a digest."
    return {name: (say({**REVOKED, "heads": value}), why) for name, value in heads.items()}


def _values() -> dict[str, tuple[Signed, str]]:
    changes: dict[str, tuple[Members, str]] = {
        "seq 0": ({"seq": 0}, "Places begin at 1."),
        "seq 2^31": ({"seq": 2**31}, "Above the limit."),
        "seq as text": ({"seq": "4"}, "An integer."),
        "seq true": ({"seq": True}, "An integer."),
        "prev of 63 characters": ({"prev": DIGEST[:63]}, "64 characters."),
        "prev null": ({"prev": None}, "Before the first event: 64 zeros."),
        "an account in capitals": ({"account": ACCOUNT.upper()}, "One spelling."),
        "an account with a line end behind": (
            {"account": f"{ACCOUNT}\n"},
            "Patterns hold for the whole text.",
        ),
        "an item where the account belongs": (
            {"account": encode_id("itm", ITEM_RAW)},
            "Kinds are told apart.",
        ),
        "a device with bits beyond the last byte": ({"device": f"{DEVICE[:-1]}b"}, "One spelling."),
    }
    return {name: (say({**REVOKED, **change}), why) for name, (change, why) in changes.items()}


def _body_values() -> dict[str, tuple[Signed, str]]:
    bodies = {
        "an unknown reason": {**BODY, "reason": "bored"},
        "a reason in capitals": {**BODY, "reason": "LOST"},
        "an account where a device belongs": {**BODY, "device": ACCOUNT},
    }
    numbers: dict[str, Members] = {
        "epoch 0": {"epoch": 0},
        "epoch 2^31": {"epoch": 2**31},
        "epoch true": {"epoch": True},
        "epoch as text": {"epoch": "1"},
        "wrap version 0": {"wrap_version": 0},
    }
    why = "The closed schema of its type."
    return {
        **{name: (say({**REVOKED, "body": body}), why) for name, body in bodies.items()},
        **{
            name: (say({**WRAPPED, "body": {**WRAPPED["body"], **change}}), why)
            for name, change in numbers.items()
        },
        **{f"{count} certificates": (say(change_key(count), *THREE), "1 … 64.") for count in (0, 65)},
    }


def _signers() -> dict[str, tuple[Signed, str]]:
    good = say(REVOKED).signatures
    signature = good["device"]

    def signed_as(signatures: dict[str, Any]) -> Signed:
        return Signed(REVOKED, signatures, TWO)

    return {
        "no signature": (signed_as({}), "Its type names the device."),
        "a signature too many": (say(REVOKED, *TWO, "commit"), "Its type names two."),
        "another signer": (say(REVOKED, "device", "commit"), "Its type names the account."),
        "an unknown signer": (signed_as({"server": signature}), "There is no such signer."),
        "a signer missing of three": (
            say(change_key(), "device", "account"),
            "The next account key must sign.",
        ),
        "a signature in capitals": (
            signed_as({**good, "device": signature.upper()}),
            "128 lower-case hex characters.",
        ),
        "a signature of 63 bytes": (
            signed_as({**good, "device": signature[:-2]}),
            "128 lower-case hex characters.",
        ),
        "a signature that is null": (signed_as({**good, "device": None}), "128 lower-case hex characters."),
    }
