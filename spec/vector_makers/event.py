"""Event records: CloudEvents of a closed form. Spec: events.md §1, §3."""

import json
from typing import Any

from vector_makers.account import (
    EARLIER,
    LAPTOP,
    LATER,
    PHONE,
    certificate,
    digest,
    founded,
    session,
    taken,
    trusted,
    wrapped,
)
from vector_makers.devices_stream import FOUNDED, TRUSTED
from vector_makers.primitives import ACCOUNT, OTHER_ACCOUNT, encode_json, sha256
from vector_makers.saying import Members
from vector_makers.story import Record, Story
from vector_makers.vector import Vector, VectorFile

STAGES = {"json": ("json", "malformed")}
IN_SCHEMA = ("schema", "schema_violation")
EVENT_BYTES = 65_535
REGISTERED = Story().write("auth.account_registered", {"credential_version": 1})
REVOCATION = TRUSTED.write(
    "devices.device_revoked", {"device": certificate(PHONE)["device"], "reason": "lost"}
)
SMALL_ORDER = {
    "of order 1": (1).to_bytes(32, "little").hex(),
    "of order 4": "00" * 32,
    "of order 8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
}


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Records as they stand on the bus and in the log; signatures are not verified here."
    refused = [*_not_json(), *_members(), *_types(), *_values(), *_places(), *_small_order()]
    return VectorFile("event", "events.md", about, [*_accepted(), *refused])


def _accept(name: str, record: Record, why: str) -> Vector:
    document = json.loads(record.text)
    said = document["data"] if "statement" in document["data"] else None
    output = {
        "head": record.head,
        "leaf_hash": sha256(b"\x00" + record.text.encode()).hex(),
        "statement": said and sha256(encode_json(said)).hex(),
    }
    return Vector(f"parses: {name}", "§1", why, {"record": record.text}, output=output)


def _refuse(rule: str, name: str, text: str, why: str) -> Vector:
    stage, code = STAGES.get(rule, IN_SCHEMA)
    return Vector(f"{rule}: {name}", f"§1 {rule}", why, {"record": text}, code, stage)


def _accepted() -> list[Vector]:
    opened = {
        "device": certificate(LAPTOP)["device"],
        "expires_at": LATER,
        "factor": "totp",
        "session": session("one"),
    }
    return [
        _accept("a service's fact", REGISTERED, "Its data is the body alone."),
        _accept("a client's statement", REVOCATION, "Its data is the signed statement."),
        _accept(
            "a fact that is not the first",
            Story((REGISTERED,)).write("auth.session_opened", opened),
            "prev is the SHA-256 of the exact bytes before it.",
        ),
        _accept("a null in a body", TRUSTED.write("vault.key_wrapped", wrapped()), "No rotation."),
        _accept("three signers", TRUSTED.write("devices.account_key_changed", taken("one")), "Each signs."),
        _accept(
            "the last place",
            Story().write(
                "auth.account_registered", {"credential_version": 2**31 - 1}, place={"seq": 2**31 - 1}
            ),
            "2^31 - 1 is inside the limits.",
        ),
    ]


def _change(record: Record, path: str, value: Any) -> str:
    """Put another value at a path of members; without a value, take the member out."""
    document = json.loads(record.text)
    inner = document
    *folders, name = path.split(".")
    for folder in folders:
        inner = inner[folder]
    if value is None:
        del inner[name]
    else:
        inner[name] = value
    return encode_json(document).decode()


def _not_json() -> list[Vector]:
    text = REGISTERED.text
    long = text.replace('"auth"', '"auth' + "h" * (EVENT_BYTES + 1 - len(text)) + '"', 1)
    if len(long) != EVENT_BYTES + 1:
        raise AssertionError("one byte too many is wanted")
    cases = {
        "nothing": ("", "Not JSON."),
        "cut": (text[:-1], "Not JSON."),
        "a line end behind": (text + "\n", "Canonical form has no white space."),
        "another order of members": (
            json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
            "A record is hashed as it is, so it is canonical.",
        ),
        "a member twice": (
            text.replace('"seq":1', '"seq":1,"seq":1'),
            "One reader reads the first, one the last.",
        ),
        "an escape that is not needed": (text.replace('"auth"', '"\\u0061uth"', 1), "Canonical form."),
        "a byte order mark": ("\ufeff" + text, "Not JSON."),
        "a float": (text.replace('"seq":1', '"seq":1.0'), "There are no floats."),
        "65,536 bytes": (long, "A record is an entry of a log of 65,535 bytes at most, whatever it says."),
    }
    return [_refuse("json", name, *case) for name, case in cases.items()]


def _members() -> list[Vector]:
    missing = [
        _refuse(
            "members", f"without {member}", _change(REGISTERED, member, None), "All of them, and no others."
        )
        for member in json.loads(REGISTERED.text)
    ]
    fact, said = REGISTERED, REVOCATION
    statement = json.loads(said.text)["data"]["statement"]
    cases = {
        "an unknown member": _change(fact, "traceparent", "00-1"),
        "an array": "[]",
        "an unknown member in the data": _change(fact, "data.note", ""),
        "an unknown member in the body": _change(fact, "data.body.note", ""),
        "a statement where a fact belongs": _change(fact, "data", json.loads(said.text)["data"]),
        "a fact where a statement belongs": _change(said, "data", {"body": statement["body"]}),
        "without a signature": _change(said, "data.signatures.account", None),
        "a signature too many": _change(said, "data.signatures.commit", "0" * 128),
        "data that is a text": _change(fact, "data", "{}"),
    }
    return [*missing, *[_refuse("members", name, text, "A closed form.") for name, text in cases.items()]]


def _types() -> list[Vector]:
    cases = {
        "an unknown type": _change(REGISTERED, "type", "solekey.auth.account_opened.v1"),
        "another version": _change(REGISTERED, "type", "solekey.auth.account_registered.v2"),
        "another stream": _change(REGISTERED, "stream", "vault")
        .replace(":auth:1", ":vault:1")
        .replace("solekey/auth", "solekey/vault"),
        "the statement of another type": _change(REVOCATION, "type", "solekey.devices.device_trusted.v1"),
    }
    return [
        _refuse("type", name, text, "A type of the catalogue, in its stream.") for name, text in cases.items()
    ]


def _values() -> list[Vector]:
    cases = {
        "another specversion": ("specversion", "1.1", "1.0."),
        "another content type": ("datacontenttype", "text/json", "application/json."),
        "the source of another stream": ("source", "solekey/vault", "solekey/<stream>."),
        "the id of another place": ("id", f"{ACCOUNT}:auth:2", "<account>:<stream>:<seq>."),
        "the id of another account": ("id", f"{OTHER_ACCOUNT}:auth:1", "<account>:<stream>:<seq>."),
        "seq as text": ("seq", "1", "An integer."),
        "seq true": ("seq", True, "An integer."),
        "a subject in capitals": ("subject", ACCOUNT.upper(), "One spelling."),
        "a prev of 63 characters": ("prev", "0" * 63, "64 characters."),
        "a prev in capitals": ("prev", "A" * 64, "Lower case."),
        "a time without decimals": ("time", "2026-11-23T12:00:00Z", "Always three decimals."),
        "a month that does not exist": ("time", EARLIER.replace("-11-", "-13-"), "No such month."),
        "a number as text in the body": ("data.body.credential_version", "1", "An integer."),
        "a number below its bounds": ("data.body.credential_version", 0, "1 at least."),
        "a number above its bounds": ("data.body.credential_version", 2**31, "2^31 - 1 at most."),
    }
    vectors = [
        _refuse("values", name, _change(REGISTERED, path, value), why)
        for name, (path, value, why) in cases.items()
    ]
    for name, seq in {"seq 0": 0, "seq 2^31": 2**31}.items():
        record = Story().write("auth.account_registered", {"credential_version": 1}, place={"seq": seq})
        vectors.append(_refuse("values", name, record.text, "Places are 1 … 2^31 - 1."))
    enum = Story().write("auth.login_failed", {"stage": "username"})
    return [
        *vectors,
        _refuse("values", "a word that is not in its list", enum.text, "login_key, second_factor."),
    ]


def _places() -> list[Vector]:
    def say(**said: Any) -> str:
        return TRUSTED.write(
            "devices.device_revoked", json.loads(REVOCATION.text)["data"]["statement"]["body"], said=said
        ).text

    why = "A statement stands at the place that it was signed for."
    return [
        _refuse("statement", "of another account", say(account=OTHER_ACCOUNT), why),
        _refuse("statement", "of another place", say(seq=5), why),
        _refuse("statement", "after another record", say(prev=digest("another history")), why),
    ]


def _small_order() -> list[Vector]:
    why = "A signature under it fits every message."
    published = {"key_id": "0" * 32, "not_after": LATER, "not_before": EARLIER}
    vectors = []
    for name, key in SMALL_ORDER.items():
        bodies: dict[str, tuple[Story, str, Members]] = {
            "a device key": (
                FOUNDED,
                "devices.device_enrolled",
                {"certificate": certificate(PHONE, device_key=key)},
            ),
            "an account key": (Story(), "devices.account_founded", {**founded(), "account_key": key}),
            "a certifying key": (TRUSTED, "devices.device_trusted", {**trusted(PHONE), "account_key": key}),
            "the next account key": (
                TRUSTED,
                "devices.account_key_changed",
                {**taken("one"), "account_key": key},
            ),
            "the account key before": (
                TRUSTED,
                "devices.account_key_changed",
                {**taken("one"), "previous_account_key": key},
            ),
            "a commit key": (TRUSTED, "vault.key_wrapped", {**wrapped(), "commit_key": key}),
            "a token signing key": (Story(), "auth.signing_key_published", {**published, "public_key": key}),
        }
        vectors += [
            _refuse("public-key", f"{which} {name}", story.write(kind, body).text, why)
            for which, (story, kind, body) in bodies.items()
        ]
    return vectors
