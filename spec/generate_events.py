"""Generate spec/events/*.json, a closed schema and a real example each, from the event catalogue.

Run: ``python spec/generate_events.py``; ``--check`` changes nothing and fails when a file differs (CI does).
The examples are signed with keys derived from fixed seeds, so that they verify and never change.
"""

import hashlib
import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import BODIES, Body, Signer, Stream
from solekey_protocol.events.fields import derive_schema
from solekey_protocol.ids import (
    ZERO_DIGEST,
    AccountId,
    DeviceId,
    Digest,
    KeyId,
    PublicKey,
    RotationId,
    SessionId,
    SignatureHex,
    Timestamp,
    derive_device_id,
)
from solekey_protocol.limits import MAX_SEQ
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement, Statement

FOLDER = Path(__file__).parent / "events"


ACCOUNT_PATTERN = AccountId.PATTERN.removesuffix("$")


def derive_bytes(label: str) -> bytes:
    """Derive 32 fixed bytes from a label."""
    return hashlib.sha256(f"solekey example {label}".encode()).digest()


def signing_key(signer: Signer) -> Ed25519PrivateKey:
    """The example key of a signer."""
    return Ed25519PrivateKey.from_private_bytes(derive_bytes(signer))


def public_key(signer: Signer) -> PublicKey:
    """The example public key of a signer."""
    return PublicKey(signing_key(signer).public_key().public_bytes_raw().hex())


ACCOUNT = AccountId.from_raw(derive_bytes("account")[:16])
DEVICE = derive_device_id(public_key(Signer.DEVICE))
SAMPLES: dict[type, Any] = {
    DeviceId: DEVICE,
    RotationId: RotationId.from_raw(derive_bytes("rotation")[:16]),
    SessionId: SessionId.from_raw(derive_bytes("session")[:16]),
    Digest: Digest(derive_bytes("digest").hex()),
    KeyId: KeyId(derive_bytes("key id")[:16].hex()),
    Timestamp: Timestamp("2026-11-23T12:00:00.000Z"),
    int: 1,
}


_KEY_OWNERS = {"device_key": Signer.DEVICE, "commit_key": Signer.COMMIT}


def sample(hint: Any, name: str) -> Any:
    """An example value of a field."""
    kind = get_args(hint)[0] if get_origin(hint) in {Annotated, UnionType} else hint
    if get_origin(kind) is tuple:
        return (sample(get_args(kind)[0], name),)
    if kind is PublicKey:
        return public_key(_KEY_OWNERS.get(name, Signer.ACCOUNT))
    if kind in SAMPLES:
        return SAMPLES[kind]
    if hasattr(kind, "__dataclass_fields__"):
        return make_body(kind)
    return next(iter(kind))


def make_body(cls: Any) -> Any:
    """An example body."""
    hints = get_type_hints(cls, include_extras=True)
    return cls(**{field.name: sample(hints[field.name], field.name) for field in fields(cls)})


def make_example(cls: type[Body]) -> Event:
    """An example event, signed by the example keys where clients sign."""
    body = make_body(cls)
    if Signer.NEXT_ACCOUNT in cls.SIGNERS:
        body = replace(body, account_key=public_key(Signer.NEXT_ACCOUNT))
    time = Timestamp("2026-11-23T12:00:00.000Z")
    if not cls.SIGNERS:
        return encode_event(body, account=ACCOUNT, after=EMPTY_HEAD, time=time)
    heads = {} if cls.STREAM is Stream.DEVICES else {Stream.DEVICES: Head(1, SAMPLES[Digest])}
    statement = Statement(ACCOUNT, 1, ZERO_DIGEST, heads, DEVICE, body)
    signatures = {
        signer: SignatureHex(signing_key(signer).sign(statement.signing_bytes()).hex())
        for signer in sorted(cls.SIGNERS)
    }
    return encode_event(SignedStatement(statement, signatures), account=ACCOUNT, after=EMPTY_HEAD, time=time)


def pattern(cls: Any) -> dict[str, Any]:
    """The schema of an identifier."""
    return {"type": "string", "pattern": cls.PATTERN, "maxLength": 128}


def closed(properties: dict[str, Any], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A closed object schema."""
    required = sorted(properties.keys() - optional)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def integer(minimum: int) -> dict[str, Any]:
    """The schema of a place in a stream."""
    return {"type": "integer", "minimum": minimum, "maximum": MAX_SEQ}


def data_schema(cls: type[Body]) -> dict[str, Any]:
    """The schema of an event's data: a service's fact, or a client's signed statement."""
    body = derive_schema(cls)
    if not cls.SIGNERS:
        return closed({"body": body})
    head = closed({"seq": integer(0), "digest": pattern(Digest)})
    others = {stream.value: head for stream in V1_STREAMS if stream is not cls.STREAM}
    statement = closed(
        {
            "type": {"const": cls.TYPE},
            "stream": {"const": cls.STREAM.value},
            "account": pattern(AccountId),
            "seq": integer(1),
            "prev": pattern(Digest),
            "heads": closed(others, frozenset(others)),
            "device": pattern(DeviceId),
            "body": body,
        }
    )
    signatures = closed({signer.value: pattern(SignatureHex) for signer in sorted(cls.SIGNERS)})
    return closed({"statement": statement, "signatures": signatures})


def event_schema(cls: type[Body]) -> dict[str, Any]:
    """The schema of the whole record."""
    schema = closed(
        {
            "specversion": {"const": "1.0"},
            "id": {
                "type": "string",
                "pattern": f"^acc_[a-z2-7]{{26}}:{cls.STREAM}:[1-9][0-9]{{0,9}}$",
                "maxLength": 64,
            },
            "source": {"const": f"solekey/{cls.STREAM}"},
            "type": {"const": cls.TYPE},
            "subject": pattern(AccountId),
            "time": pattern(Timestamp),
            "datacontenttype": {"const": "application/json"},
            "stream": {"const": cls.STREAM.value},
            "seq": integer(1),
            "prev": pattern(Digest),
            "data": data_schema(cls),
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": cls.__name__,
        "description": " ".join((cls.__doc__ or "").split()),
        **schema,
    }


def main() -> int:
    """Write or check every file; returns the number of files that differ."""
    check = "--check" in sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    wanted = {}
    for cls in BODIES.values():
        document = {"schema": event_schema(cls), "example": json.loads(make_example(cls).raw)}
        name = cls.TYPE.split(".", 2)[2]
        wanted[FOLDER / f"{name}.json"] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    stale = [path for path in FOLDER.glob("*.json") if path not in wanted]
    differing = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    for path in [*differing, *stale]:
        print(f"{path.name}: {'stale' if path in stale else 'differs'}")
    if not check:
        for path in stale:
            path.unlink()
        for path in differing:
            path.write_text(wanted[path], encoding="utf-8")
        return 0
    return len(differing) + len(stale)


if __name__ == "__main__":
    sys.exit(main())
