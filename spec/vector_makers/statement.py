"""Signed statements. Spec: conventions.md §4."""

import json

from vector_makers import statement_equation, statement_schema
from vector_makers.primitives import (
    DEVICE_SEED,
    OTHER_ACCOUNT,
    encode_json,
    flip,
    sha256,
    sign,
)
from vector_makers.saying import (
    DIGEST,
    GROUP_ORDER,
    LABEL,
    OTHER_DEVICE,
    REVOKED,
    SEEDS,
    STRANGER,
    TWO,
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
    vectors = [
        *_accepted(),
        *_not_json(),
        *statement_schema.make_vectors(),
        *_wrong_signatures(),
        *statement_equation.make_vectors(),
    ]
    return VectorFile("statement", "conventions.md", about, vectors)


def _accepted() -> list[Vector]:
    three = ("device", "account", "next_account")
    cases = {
        "two signers": (say(REVOKED), "A device speaks, with the user key at hand."),
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
        f"a signature {name}": Signed(REVOKED, {**good.signatures, "device": value.hex()}, TWO)
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
        cases[f"moved to {name}"] = Signed({**REVOKED, **change}, good.signatures, TWO)
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
