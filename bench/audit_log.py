"""A log of any length, by cloning the accounts of a real one under fresh keys.

Everything that tells one account from another is replaced: its id, its devices and their keys, account
keys, commit keys, sessions, factors, rotations and wraps. Every statement is signed anew by whoever signed
it, every event chained anew. So each clone is verified from the beginning to the end as its original is, and
no two have a signature in common.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_protocol.errors import SignatureError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Signer, auth, rotation, vault
from solekey_protocol.ids import (
    SYSTEM_ACCOUNT,
    AccountId,
    Digest,
    PublicKey,
    compute_digest,
    derive_device_id,
)
from solekey_protocol.statements import SIGNING_CONTEXT

_IDS: Final = re.compile(rb'"(?:acc|dev|ses|rot)_[a-z2-7]{26}|(?<=_key":")[0-9a-f]{64}')
"""What stands in a record and belongs to one account: ids, and public keys."""
_STATEMENT: Final = b',"statement":'
_AFTER_DATA: Final = b',"datacontenttype":'


@dataclass(frozen=True, slots=True)
class _Step:
    """One event of the original, and the public keys that have signed it."""

    event: Event
    signers: Mapping[Signer, PublicKey]


@dataclass(slots=True)
class _Clone:
    """What stands in a clone in the place of what stands in the original."""

    keys: dict[PublicKey, Ed25519PrivateKey] = field(default_factory=dict)
    values: dict[bytes, bytes] = field(default_factory=dict)


class Original:
    """One account of a log, to be cloned."""

    def __init__(self, events: Sequence[Event]) -> None:
        raws = b"".join(event.raw for event in events)
        found = {value.lstrip(b'"') for value in _IDS.findall(raws)}
        self._keys = sorted(PublicKey(value.decode()) for value in found if b"_" not in value)
        self._devices = {derive_device_id(key).encode(): key for key in self._keys}
        self._others = sorted(value for value in found if b"_" in value and value not in self._devices)
        self._steps = [_Step(event, dict(self._find_signers(event))) for event in events]
        self._wraps = {event.body.wrap for event in events if isinstance(event.body, vault.KeyWrapped)}
        self._factors = {e.body.factor_id for e in events if isinstance(e.body, auth.MfaEnrolled)}
        self._read_back = dict(_find_read_back(events))
        digests = [event.digest.encode() for event in events]
        digests += [digest.encode() for digest in (*self._wraps, *self._factors, *self._read_back)]
        self._pattern = re.compile(b"|".join([*found, *digests]))

    @property
    def events(self) -> int:
        """How many events a clone has."""
        return len(self._steps)

    @property
    def signatures(self) -> int:
        """How many signatures a clone has."""
        return sum(len(step.signers) for step in self._steps)

    def clone(self, number: int) -> list[bytes]:
        """Make the clone of a number: the same number, the same bytes."""
        clone = self._make(number)
        return [self._write(step, clone) for step in self._steps]

    def triples(self, number: int) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield public key, signature and message of each signature of a clone."""
        clone = self._make(number)
        for step in self._steps:
            signed = parse_event(self._write(step, clone)).signed
            if signed is None:
                continue
            for signer, key in step.signers.items():
                public = bytes.fromhex(_public(clone.keys[key]))
                yield public, bytes.fromhex(signed.signatures[signer]), signed.statement.signing_bytes()

    def account(self, number: int) -> AccountId:
        """The account id of a clone."""
        return _derive_account(number)

    def first_key(self, number: int) -> PublicKey:
        """The account key that a clone was founded with: what its user pins."""
        founded = next(step for step in self._steps if Signer.ACCOUNT in step.signers)
        return _public(self._make(number).keys[founded.signers[Signer.ACCOUNT]])

    def _make(self, number: int) -> _Clone:
        clone = _Clone()
        for key in self._keys:
            seed = sha256(b"clone %d of %b" % (number, key.encode())).digest()
            clone.keys[key] = Ed25519PrivateKey.from_private_bytes(seed)
            clone.values[key.encode()] = _public(clone.keys[key]).encode()
        for device, key in self._devices.items():
            clone.values[device] = derive_device_id(_public(clone.keys[key])).encode()
        for value in self._others:
            is_account = value.startswith(b"acc_")
            raw = sha256(b"clone %d of %b" % (number, value)).digest()[:16]
            made = _derive_account(number) if is_account else AccountId.from_raw(raw)
            clone.values[value] = value[:4] + made.encode()[4:]
        wraps, factors = (
            {digest: sha256(b"clone %d of %b" % (number, digest.encode())) for digest in names}
            for names in (self._wraps, self._factors)
        )
        digests = {**wraps, **factors}
        clone.values |= {digest.encode(): other.hexdigest().encode() for digest, other in digests.items()}
        for digest, read_back in self._read_back.items():
            verified = _digest_wraps(wraps[wrap].digest() for wrap in read_back)
            clone.values[digest.encode()] = verified.encode()
        return clone

    def _write(self, step: _Step, clone: _Clone) -> bytes:
        raw = self._pattern.sub(lambda match: clone.values[match[0]], step.event.raw)
        if step.event.signed is not None:
            data = raw[len(b'{"data":') : raw.rindex(_AFTER_DATA)]
            statement = data[data.index(_STATEMENT) + len(_STATEMENT) : -1]
            for signer, key in step.signers.items():
                made = clone.keys[key].sign(SIGNING_CONTEXT + statement).hex().encode()
                raw = raw.replace(step.event.signed.signatures[signer].encode(), made, 1)
        clone.values[step.event.digest.encode()] = compute_digest(raw).encode()
        return raw

    def _find_signers(self, event: Event) -> Iterator[tuple[Signer, PublicKey]]:
        """Find by trying which key has made each signature."""
        for signer in sorted(event.signed.signatures) if event.signed is not None else ():
            yield signer, next(key for key in self._keys if _has_signed(event, signer, key))


def clone_log(original: Original, accounts: Iterable[int]) -> Iterator[bytes]:
    """Yield the records of many clones, one account after the other."""
    for number in accounts:
        yield from original.clone(number)


def read_original(records: Iterable[bytes]) -> tuple[Original, list[bytes]]:
    """Read the longest account of a log, and the platform's own records."""
    events = [parse_event(raw) for raw in records]
    system = [event.raw for event in events if event.account == SYSTEM_ACCOUNT]
    users: dict[AccountId, list[Event]] = {}
    for event in events:
        if event.account != SYSTEM_ACCOUNT:
            users.setdefault(event.account, []).append(event)
    return Original(_in_order(max(users.values(), key=len))), system


def _in_order(events: Sequence[Event]) -> list[Event]:
    """Sort events so that each comes behind all whose digests it names."""
    left = {event.digest: event for event in events}
    done: list[Event] = []
    while left:
        ready = [event for event in left.values() if not _named(event) & left.keys()]
        done += ready
        for event in ready:
            del left[event.digest]
    return done


def _find_read_back(events: Sequence[Event]) -> Iterator[tuple[Digest, tuple[Digest, ...]]]:
    """Find which wraps were read back: those that the rotation has made."""
    for event in events:
        if isinstance(event.body, rotation.RotationVerified):
            wrapped = (each.body for each in events if isinstance(each.body, vault.KeyWrapped))
            made = tuple(body.wrap for body in wrapped if body.rotation == event.body.rotation)
            if _digest_wraps(map(bytes.fromhex, made)) != event.body.wraps:
                raise ValueError(f"rotation seq {event.seq}: other wraps were read back than it has made")
            yield event.body.wraps, made


def _digest_wraps(wraps: Iterable[bytes]) -> Digest:
    """What ``rotation_verified`` says of wraps. Spec: rotation.md §3."""
    return compute_digest(b"".join(sorted(wraps)))


def _named(event: Event) -> set[Digest]:
    heads = event.signed.statement.heads.values() if event.signed is not None else ()
    return {event.prev, *(head.digest for head in heads)}


def _has_signed(event: Event, signer: Signer, key: PublicKey) -> bool:
    assert event.signed is not None
    try:
        event.signed.verify(signer, key)
    except SignatureError:
        return False
    return True


def _derive_account(number: int) -> AccountId:
    return AccountId.from_raw(sha256(b"account %d" % number).digest()[:16])


def _public(key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(key.public_key().public_bytes_raw().hex())
