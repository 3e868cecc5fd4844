"""Signed statements. Spec: conventions.md §4."""

import json
from typing import Any

from vector_makers.primitives import (
    ACCOUNT,
    DEVICE_SEED,
    ITEM_RAW,
    OTHER_ACCOUNT,
    encode_id,
    encode_json,
    flip,
    sha256,
    sign,
)
from vector_makers.saying import (
    DEVICE,
    DIGEST,
    GROUP_ORDER,
    LABEL,
    OTHER_DEVICE,
    REVOKED,
    SEEDS,
    STRANGER,
    WRAPPED,
    Members,
    Signed,
    change_key,
    say,
)
from vector_makers.vector import Vector, VectorFile


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Statements as a server takes them in a request, and as everybody verifies them."
    vectors = [*_accepted(), *_not_json(), *_outside_the_schema(), *_wrong_signers(), *_wrong_signatures()]
    return VectorFile("statement", "conventions.md", about, vectors)


def _accepted() -> list[Vector]:
    three = ("device", "account", "next_account")
    cases = {
        "one signer": (say(REVOKED), "A device speaks."),
        "of the vault": (say(WRAPPED), "The stream is another."),
        "without heads": (say({**REVOKED, "heads": {}}), "A client may know no other stream."),
        "an empty head": (
            say({**REVOKED, "heads": {"auth": {"digest": "0" * 64, "seq": 0}}}),
            "A stream before its first event.",
        ),
        "all heads": (
            say(
                {
                    **REVOKED,
                    "heads": {name: {"digest": DIGEST, "seq": 1} for name in ("auth", "rotation", "vault")},
                }
            ),
            "All other streams.",
        ),
        "the first of its stream": (say({**REVOKED, "prev": "0" * 64, "seq": 1}), "Before it: 64 zeros."),
        "the largest place": (say({**REVOKED, "seq": 2**31 - 1}), "2^31 - 1 is inside the limits."),
        "three signers": (say(change_key(), *three), "Each signs the same bytes."),
        "the largest of all": (say(change_key(64), *three), "64 devices; still below 32 KiB."),
    }
    vectors = [
        Vector(f"verifies: {name}", "§4", why, signed.to_input(), output=signed.to_output())
        for name, (signed, why) in cases.items()
    ]
    signed = say(REVOKED)
    spelt = json.dumps(dict(reversed(signed.to_json().items())), indent=2).replace("lost", "l\\u006fst")
    why = "A request in another spelling: what is signed and digested is the canonical form."
    return [
        *vectors,
        Vector(
            "verifies: another spelling",
            "§4",
            why,
            signed.to_input(spelt.encode()),
            output=signed.to_output(),
        ),
    ]


def _not_json() -> list[Vector]:
    signed = say(REVOKED)
    text = encode_json(signed.to_json())
    cases = {
        "nothing": (b"", "Not JSON."),
        "cut": (text[:-1], "Not JSON."),
        "a member twice": (
            text.replace(b'"reason":"lost"', b'"reason":"stolen","reason":"lost"'),
            "One verifier would read the first, another the last.",
        ),
        "a float": (text.replace(b'"seq":4', b'"seq":4.0'), "There are no floats."),
        "2^53": (text.replace(b'"seq":4', b'"seq":9007199254740992'), "Beyond 2^53 - 1."),
        "a byte order mark": (b"\xef\xbb\xbf" + text, "Not JSON."),
    }
    return [
        Vector(f"json: {name}", "§4 json", why, signed.to_input(document), "malformed", "json")
        for name, (document, why) in cases.items()
    ]


def _refuse(name: str, signed: Signed, why: str, document: Any = None) -> Vector:
    given = signed.to_input(None if document is None else encode_json(document))
    return Vector(f"schema: {name}", "§4 schema", why, given, "schema_violation", "schema")


def _outside_the_schema() -> list[Vector]:
    signed = say(REVOKED)
    vectors = [
        _refuse(f"without {member}", say({k: v for k, v in REVOKED.items() if k != member}), "Required.")
        for member in REVOKED
    ]
    documents: dict[str, Any] = {
        "an array": [],
        "null": None,
        "without the statement": {"signatures": signed.signatures},
        "without the signatures": {"statement": REVOKED},
        "an unknown member beside the statement": {**signed.to_json(), "note": ""},
        "a statement that is a text": {**signed.to_json(), "statement": encode_json(REVOKED).decode()},
    }
    for name, document in documents.items():
        given = {"document": encode_json(document).hex(), "keys": signed.to_input()["keys"]}
        vectors.append(Vector(f"schema: {name}", "§4 schema", "Closed.", given, "schema_violation", "schema"))
    vectors += [_refuse(name, say({**REVOKED, **value}), why) for name, (value, why) in _values().items()]
    bodies = {
        "an unknown member in the body": {**REVOKED["body"], "note": ""},
        "without a member of the body": {"device": OTHER_DEVICE},
        "a body that is null": None,
        "an unknown reason": {**REVOKED["body"], "reason": "bored"},
        "a reason in capitals": {**REVOKED["body"], "reason": "LOST"},
        "an account where a device belongs": {**REVOKED["body"], "device": ACCOUNT},
    }
    vectors += [
        _refuse(name, say({**REVOKED, "body": body}), "The body of its type.")
        for name, body in bodies.items()
    ]
    numbers: dict[str, tuple[str, Any]] = {
        "epoch 0": ("epoch", 0),
        "epoch 2^31": ("epoch", 2**31),
        "epoch true": ("epoch", True),
    }
    numbers |= {"epoch as text": ("epoch", "1"), "wrap version 0": ("wrap_version", 0)}
    vectors += [
        _refuse(name, say({**WRAPPED, "body": {**WRAPPED["body"], member: value}}), "Bounds of the body.")
        for name, (member, value) in numbers.items()
    ]
    three = ("device", "account", "next_account")
    vectors += [
        _refuse(f"{count} certificates", say(change_key(count), *three), "1 … 64 certificates.")
        for count in (0, 65)
    ]
    return vectors


def _values() -> dict[str, tuple[Members, str]]:
    head = {"digest": DIGEST, "seq": 9}
    heads = {
        "heads that are an array": [],
        "a head of its own stream": {"devices": head},
        "a head of an unknown stream": {"billing": head},
        "a head without a digest": {"vault": {"seq": 9}},
        "a head with an unknown member": {"vault": {**head, "time": 0}},
        "a head below 0": {"vault": {**head, "seq": -1}},
        "a head above 2^31 - 1": {"vault": {**head, "seq": 2**31}},
        "a head's digest in capitals": {"vault": {**head, "digest": DIGEST.upper()}},
    }
    types = {
        "an unknown type": "solekey.devices.device_forgotten.v1",
        "another version of a type": "solekey.devices.device_revoked.v2",
        "the type of a service's fact": "solekey.auth.account_registered.v1",
        "a type of another stream": "solekey.vault.wrap_retired.v1",
    }
    return {
        "an unknown member": ({"note": ""}, "Closed."),
        "another stream": ({"stream": "vault"}, "The type belongs to one stream."),
        "seq 0": ({"seq": 0}, "Places begin at 1."),
        "seq 2^31": ({"seq": 2**31}, "Above the limit."),
        "seq as text": ({"seq": "4"}, "An integer."),
        "seq true": ({"seq": True}, "An integer."),
        "prev of 63 characters": ({"prev": DIGEST[:63]}, "64 characters."),
        "prev null": ({"prev": None}, "Before the first event: 64 zeros."),
        "an account in capitals": ({"account": ACCOUNT.upper()}, "§2."),
        "an item where the account belongs": ({"account": encode_id("itm", ITEM_RAW)}, "§2."),
        "a device with bits beyond the last byte": ({"device": f"{DEVICE[:-1]}b"}, "§2."),
        **{name: ({"heads": value}, "Heads of other streams.") for name, value in heads.items()},
        **{
            name: ({"type": value}, "What clients say stands in events.md §4.")
            for name, value in types.items()
        },
    }


def _wrong_signers() -> list[Vector]:
    good = say(REVOKED)
    signature = good.signatures["device"]
    cases: dict[str, tuple[Signed, str]] = {
        "no signature": (Signed(REVOKED, {}, ("device",)), "Its type names the device."),
        "a signature too many": (say(REVOKED, "device", "account"), "Its type names the device alone."),
        "another signer": (say(REVOKED, "account"), "Its type names the device."),
        "an unknown signer": (
            Signed(REVOKED, {"server": signature}, ("device",)),
            "There is no such signer.",
        ),
        "a signer missing of three": (
            say(change_key(), "device", "account"),
            "The next account key must sign.",
        ),
        "a signature in capitals": (Signed(REVOKED, {"device": signature.upper()}, ("device",)), "§2."),
        "a signature of 63 bytes": (Signed(REVOKED, {"device": signature[:-2]}, ("device",)), "§2."),
        "a signature that is null": (Signed(REVOKED, {"device": None}, ("device",)), "§2."),
    }
    return [_refuse(name, signed, why) for name, (signed, why) in cases.items()]


def _wrong_signatures() -> list[Vector]:
    good = say(REVOKED)
    signature = bytes.fromhex(good.signatures["device"])
    order = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    canonical = encode_json(REVOKED)
    others = {
        "by a stranger": sign(STRANGER, LABEL + canonical),
        "by the account signing key": sign(SEEDS["account"], LABEL + canonical),
        "without the label": sign(DEVICE_SEED, canonical),
        "without the zero byte": sign(DEVICE_SEED, LABEL[:-1] + canonical),
        "with another label": sign(DEVICE_SEED, LABEL.replace(b"v1", b"v2") + canonical),
        "over another order of members": sign(
            DEVICE_SEED, LABEL + json.dumps(dict(reversed(REVOKED.items())), separators=(",", ":")).encode()
        ),
        "over white space": sign(DEVICE_SEED, LABEL + json.dumps(REVOKED, sort_keys=True).encode()),
        "over the digest": sign(DEVICE_SEED, sha256(LABEL + canonical)),
        "over the signed form": sign(DEVICE_SEED, LABEL + encode_json({"statement": REVOKED})),
        "changed in R": flip(signature, 0),
        "changed in S": flip(signature, 32),
        "with S + L": signature[:32] + order.to_bytes(32, "little"),
        "of zeros": bytes(64),
    }
    cases = {
        f"a signature {name}": Signed(REVOKED, {"device": value.hex()}, ("device",))
        for name, value in others.items()
    }
    changes: dict[str, Members] = {
        "another account": {"account": OTHER_ACCOUNT},
        "another place": {"seq": 5},
        "another predecessor": {"prev": "0" * 64},
        "another speaker": {"device": OTHER_DEVICE},
        "other heads": {"heads": {}},
        "another body": {"body": {"device": OTHER_DEVICE, "reason": "stolen"}},
    }
    for name, change in changes.items():
        cases[f"moved to {name}"] = Signed({**REVOKED, **change}, good.signatures, ("device",))
    three = say(change_key(), "device", "account", "next_account")
    swapped = {
        **three.signatures,
        "account": three.signatures["next_account"],
        "next_account": three.signatures["account"],
    }
    cases["two signatures exchanged"] = Signed(three.statement, swapped, three.signers)
    cases["the last of three by a stranger"] = Signed(
        three.statement,
        {**three.signatures, "next_account": sign(STRANGER, LABEL + encode_json(three.statement)).hex()},
        three.signers,
    )
    return [
        Vector(
            f"signature: {name}",
            "§4 signature",
            "It does not verify.",
            signed.to_input(),
            "signature_invalid",
            "signature",
        )
        for name, signed in cases.items()
    ]
