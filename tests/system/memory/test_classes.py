"""Whatever class of the client can hold a secret does not show it: printed, formatted, logged, copied."""

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

import pytest

from solekey.crypto import Confidential, SecretBytes
from tests.system.memory.classes import CANARY, iter_classes, iter_dataclasses, make_leaky

# Fields of text or bytes that a class may print, and why. A new one is a decision, made here.
PUBLIC_FIELDS = {
    "DeviceInfo.name": "device names are in clear at the server",
    "DeviceInfo.thumbprint": "a hash of a public key",
    "DeviceCode.account_half": "a code is no secret: devices.md §6",
    "DeviceCode.device_half": "a code is no secret",
    "ServerSays.last_seen": "a day that the server says",
    "ShownDevices.names": "device names are in clear at the server",
    "ShownDevices.last_seen": "days that the server says",
    "DeviceName.text": "device names are in clear at the server",
    "DeviceName.salt": "stored in clear beside the name",
    "Server.origin": "an address",
    "SealedAhead.encoded": "a change list: the vault has it",
    "Server.ca_file": "a path",
    "Cli.exposed": "names of flags",
    "KdfParameters.salt": "the server sends it to whoever asks",
    "UntrustedKdfParameters.salt": "the server sends it to whoever asks",
    "KnownKdf.salt": "the server sends it to whoever asks",
    "KnownKdf.origin": "an address",
    "LoginIdentity.origin": "an address",
    "LoginIdentity.username": "the server knows it",
    "ProfileDetails.origin": "an address",
    "ProfileDetails.username": "the server knows it",
    "ProfileDetails.device_name": "device names are in clear at the server",
    "Authority.pem": "a certificate, which the server shows to everybody",
    "Authority.fingerprint": "a hash of a certificate",
    "Authority.name": "stands in a certificate",
    "DraftNames.origin": "an address",
    "DraftNames.username": "the server knows it",
    "KnownProfile.origin": "an address",
    "KnownProfile.username": "the server knows it",
    "KnownProfile.device_name": "device names are in clear at the server",
    "KnownProfile.authority": "a certificate",
    "IndexHead.digest": "a hash of an event, which the server has",
    "StreamCopy.unjudged": "signed statements, which the server has",
    "ProfileDetails.kdf_known": "part of the same",
    "ProfileDetails.device_key_from": "a spec names a place and holds no secret: key-providers.md §1",
    "ProfileDetails.user_key_from": "a spec",
    "Cli.given_profile": "a name or a path",
    "Cli.user_key_from": "a spec",
    "Cli.user_key_source": "a spec",
    "StoredKey.spec": "a spec",
    "PromptProvider.spec": "a spec",
    "FileProvider.spec": "a spec",
    "KeyringProvider.spec": "a spec",
    "KeyringProvider.name": "part of a spec",
    "KeyringEntries.service": "part of a spec",
    "TokenProvider.spec": "a spec",
    "DeviceKeyStore.spec": "a spec",
    "ProviderSpec.scheme": "part of a spec",
    "ProviderSpec.rest": "part of a spec",
    "Pkcs11Uri.token": "part of a spec; a PIN in it is refused",
    "Pkcs11Uri.serial": "part of a spec",
    "Pkcs11Uri.manufacturer": "part of a spec",
    "Pkcs11Uri.model": "part of a spec",
    "Pkcs11Uri.object": "part of a spec",
    "SessionInfo.device_name": "device names are in clear at the server",
    "FactorInfo.name": "the server stores it: factors.md §3.2",
    "FactorChallenge.origin": "an address",
    "FactorChallenge.challenge": "the server's, good once; worth nothing without the second factor",
    "CreationRequest.origin": "an address",
    "CreationRequest.rp_id": "a host name",
    "CreationRequest.rp_name": "a host name",
    "CreationRequest.user_id": "the account id",
    "CreationRequest.user_name": "the server knows it",
    "CreationRequest.challenge": "the server's, good once",
    "AssertionRequest.origin": "an address",
    "AssertionRequest.rp_id": "a host name",
    "AssertionRequest.challenge": "the server's, good once",
    "AssertionRequest.credentials": "credential ids",
    "CreationRequest.exclude": "credential ids",
    "NewPasskey.client_data": "made for the server, good once; the private half stays on the device",
    "NewPasskey.attestation": "made for the server: a public key",
    "Assertion.credential": "a credential id: worth nothing without its device",
    "Assertion.client_data": "made for the server: challenge and address",
    "Assertion.authenticator_data": "made for the server: flags and a counter",
    "Assertion.signature": "good once, for one challenge",
    "Committer.device_name": "device names are in clear at the server",
    "QueueingCommitter.device_name": "device names are in clear at the server",
    "MemorySource.data": "ciphertext",
    "JournalContext.purpose": "a word of ours, such as seen",
    "JournalHeader.raw": "stands in clear at the beginning of a journal",
    "PartSource._recent": "ciphertext",
    "RangedSource._ahead": "ciphertext",
    "RecoveryKit.log_head": "a checkpoint that everybody may see",
    "RecoveryKit.server": "an address",
    "RecoveryKit.username": "the server knows it",
    "Runtime.http": "a transport of tests",
    "Sheet.canvas": "an object that draws",
    "UploadSpool.fingerprint": "a hash that names a file of the profile",
    "StreamContent.fingerprint": "a hash that names a file of the profile",
    "Records.name": "a file of the profile",
    "Records._block": "records, which the server has",
    "StreamCopy.state": "folded from public events",
    "Leak.secret": "what the searcher calls the secret",
    "Leak.spelling": "how it was spelt",
    "Leak.place": "where it was found",
}

DATACLASSES = sorted(iter_dataclasses(), key=lambda kind: kind.__name__)
KEYS = sorted({kind for kind in iter_classes() if issubclass(kind, SecretBytes)}, key=lambda k: k.__name__)
HOLDERS = [kind for kind in DATACLASSES if issubclass(kind, Confidential)]


def is_an_audits(kind: type) -> bool:
    """An audit has public events, digests and paths. What it searches leaks for is walked."""
    name = kind.__module__
    return name.startswith("solekey.audit.") and not name.startswith("solekey.audit.leaks")


def is_public_field(kind: type, name: str) -> bool:
    return f"{kind.__name__}.{name}" in PUBLIC_FIELDS


def print_in_every_way(value: Any) -> str:
    """All that printing, formatting, logging or a traceback with local variables shows of a value."""
    record = logging.LogRecord("test", logging.DEBUG, "", 0, "%s %r", (value, value), None)
    try:
        _fail(value)
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join(
        [
            repr(value),
            str(value),
            f"{value} {value!r} {[value]} { {'a': value} }",
            record.getMessage(),
            json.dumps({"value": value}, default=str),
            *shown.format(),
        ]
    )


def _fail(value: Any) -> NoReturn:
    raise RuntimeError(value)


def refuses_to_travel(value: Any) -> bool:
    """Whether pickling (each protocol), copying and JSON refuse the value."""
    ways = [lambda p=protocol: pickle.dumps(value, p) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for travel in (*ways, lambda: copy.copy(value), lambda: copy.deepcopy(value), lambda: json.dumps(value)):
        try:
            travel()
        except TypeError:
            continue
        return False
    return True


@pytest.mark.parametrize(
    "kind", [kind for kind in DATACLASSES if not is_an_audits(kind)], ids=lambda kind: kind.__name__
)
def test_a_class_that_can_hold_a_secret_prints_none(kind):
    leaky = make_leaky(kind, lambda name: is_public_field(kind, name))
    assert CANARY not in print_in_every_way(leaky), (
        f"{kind.__name__} prints a field of text or bytes: make it Confidential, or name it in PUBLIC_FIELDS"
    )


@pytest.mark.parametrize("kind", HOLDERS, ids=lambda kind: kind.__name__)
def test_what_is_confidential_does_not_travel(kind):
    assert refuses_to_travel(make_leaky(kind))


@pytest.mark.parametrize("kind", KEYS, ids=lambda kind: kind.__name__)
def test_no_kind_of_key_prints_or_travels(kind):
    key = kind.__new__(kind)
    for name in (name for base in kind.__mro__ for name in getattr(base, "__slots__", ())):
        object.__setattr__(key, name, 1)  # an epoch, a key id
    SecretBytes.__init__(key, CANARY.encode()[:32])
    assert CANARY[:32] not in print_in_every_way(key)
    assert "<redacted>" in repr(key)
    assert refuses_to_travel(key)
    assert not hasattr(key, "__dict__")
    with pytest.raises(TypeError):
        key.__getstate__()
    with pytest.raises(TypeError):
        bytes(key)


@pytest.mark.parametrize("kind", DATACLASSES, ids=lambda kind: kind.__name__)
def test_what_hides_a_field_does_not_travel_either(kind):
    hides = any(not field.repr for field in dataclasses.fields(kind))
    assert not hides or issubclass(kind, Confidential), f"{kind.__name__} hides a field: make it Confidential"


def test_the_classes_that_are_known_to_hold_secrets_are_walked():
    names = {kind.__name__ for kind in (*HOLDERS, *KEYS)}
    assert names >= {"TotpSecret", "Tokens", "LoggedIn", "Answer", "Item", "ItemInfo", "OpenedItem", "Stored"}
    assert names >= {"Put", "ItemMetadata"}
    assert names >= {"UserKey", "WrappingKey", "DataKey", "LoginKey", "AccountSigningKey"}


def test_the_list_of_public_fields_names_fields_that_are():
    known = {f"{kind.__name__}.{field.name}" for kind in DATACLASSES for field in dataclasses.fields(kind)}
    assert not PUBLIC_FIELDS.keys() - known


def test_only_classes_that_are_walked_print_something_of_their_own():
    for kind in iter_classes():
        if "__repr__" in vars(kind):
            assert dataclasses.is_dataclass(kind) or issubclass(kind, Confidential | Enum), kind


@dataclass(frozen=True, slots=True)
class Careless:
    """A planted leak: a plain dataclass with a secret."""

    phrase: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Forgetful(Confidential):
    """A planted leak: the dataclass's own `__repr__` replaces the redacted one."""

    content: bytes


@pytest.mark.parametrize("kind", [Careless, Forgetful])
def test_a_planted_class_that_leaks_is_found(kind):
    assert CANARY in print_in_every_way(make_leaky(kind))


def test_a_planted_class_that_travels_is_found():
    assert not refuses_to_travel(Careless("phrase", {}))
