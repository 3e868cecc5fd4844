"""The OS keyring: what is stored in it, which backends are refused, and what an altered entry says."""

import keyring
import pytest
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringLocked

from solekey import errors
from solekey.providers import open_provider
from solekey.providers.os_keyring import open_backend
from tests.support.client.places import ADA, BOB, Answers, MemoryKeyring, make_key


@pytest.fixture
def provider(memory_keyring):
    return open_provider("keyring:", account=ADA, ask=Answers())


def as_plugin(name: str, module: str, priority: float = 5) -> MemoryKeyring:
    kind = type(name, (MemoryKeyring,), {"priority": priority, "__module__": module})
    return kind()


def test_an_entry_is_what_the_spec_says(provider, memory_keyring):
    provider.store(make_key())
    key_id = make_key().derive_key_id(ADA)
    entry = f"solekey-user-key-1 {ADA} {key_id} {bytes(make_key().expose()).hex()}"
    assert memory_keyring.entries == {("solekey", ADA): entry}


def test_names_keep_keys_apart(provider, memory_keyring):
    provider.store(make_key())
    named = open_provider("keyring:work", account=ADA, ask=Answers())
    named.store(make_key(1))
    assert (provider.load(), named.load()) == (make_key(), make_key(1))
    assert ("solekey work", ADA) in memory_keyring.entries


@pytest.mark.parametrize(
    "backend",
    [
        fail.Keyring(),
        null.Keyring(),
        as_plugin("PlaintextKeyring", "keyrings.alt.file"),
        as_plugin("EncryptedKeyring", "keyrings.alt.file"),
        as_plugin("PlaintextStore", "somebody.keyrings"),
        as_plugin("Careful", "somebody.keyrings", priority=0.5),
    ],
    ids=lambda backend: f"{type(backend).__module__}.{type(backend).__name__}",
)
@pytest.mark.parametrize("operation", ["load", "store", "delete"])
def test_a_backend_that_guards_nothing_is_refused(memory_keyring, backend, operation):
    keyring.set_keyring(backend)
    provider = open_provider("keyring:", account=ADA, ask=Answers())
    with pytest.raises(errors.InsecureKeyringError, match=type(backend).__name__):
        getattr(provider, operation)(*([make_key()] if operation == "store" else []))


def test_a_backend_that_guards_is_taken(memory_keyring):
    """Positive control to the refusals."""
    backend = as_plugin("Vault", "somebody.keyrings")
    keyring.set_keyring(backend)
    open_provider("keyring:", account=ADA, ask=Answers()).store(make_key())
    assert backend.entries


@pytest.mark.parametrize("good_first", [True, False])
def test_of_a_chain_the_first_is_looked_at_and_used(memory_keyring, monkeypatch, good_first):
    good, bad = as_plugin("Vault", "a.keyrings"), as_plugin("PlaintextKeyring", "keyrings.alt.file")
    chain = [good, bad] if good_first else [bad, good]
    monkeypatch.setattr(chainer.ChainerBackend, "backends", chain)
    keyring.set_keyring(chainer.ChainerBackend())
    if good_first:
        assert open_backend() is good
    else:
        with pytest.raises(errors.InsecureKeyringError):
            open_backend()


@pytest.mark.parametrize("failure", [KeyringLocked("no"), RuntimeError("D-Bus"), ValueError("plug-in")])
def test_whatever_a_backend_raises_is_an_error_of_ours(provider, memory_keyring, monkeypatch, failure):
    def fail_(*_: object) -> None:
        raise failure

    monkeypatch.setattr(memory_keyring, "get_password", fail_)
    with pytest.raises(errors.OsKeyringError, match=type(failure).__name__):
        provider.load()


def test_a_backend_that_cannot_be_loaded_is_an_error_of_ours(memory_keyring, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Keyring")
    keyring.core._keyring_backend = None
    with pytest.raises(errors.OsKeyringError):
        open_provider("keyring:", account=ADA, ask=Answers()).load()


def test_a_backend_that_forgets_is_found_out(provider, memory_keyring, monkeypatch):
    monkeypatch.setattr(memory_keyring, "set_password", lambda *_: None)
    with pytest.raises(errors.OsKeyringError, match="does not return"):
        provider.store(make_key())


def test_an_altered_entry_is_refused(provider, memory_keyring):
    provider.store(make_key())
    ((place, entry),) = memory_keyring.entries.items()
    tag, account, key_id, key = entry.split()
    other = make_key(1)
    for altered in (
        "",
        "hello",
        f"{tag} {BOB} {key_id} {key}",
        f"solekey-user-key-2 {account} {key_id} {key}",
        f"{tag} {account} {other.derive_key_id(ADA)} {key}",
        f"{tag} {account} {key_id} {bytes(other.expose()).hex()}",
        f"{tag} {account} {key_id} {key[:-2]}",
        f"{tag} {account} {key_id} {key} more",
        f"{tag} {account} {key_id} {'z' * 64}",
    ):
        memory_keyring.entries[place] = altered
        with pytest.raises(errors.KeyringEntryError):
            provider.load()
    memory_keyring.entries[place] = entry
    assert provider.load() == make_key()
