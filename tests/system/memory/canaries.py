"""The secrets of a test's account, under their names, to search for."""

from solekey import TotpSecret, UserKey, Vault
from solekey.connection.connection import Connection
from solekey_protocol.ids import AccountId

PASSWORD = "pässword-canary-batteries-9f3"
TEXT = "plaintext-canary: under the third flower pot"
NAME = "name-canary spare key"
TAG = "tag-canary"
PLAINTEXTS = {"password": PASSWORD, "text": TEXT, "name": NAME, "tag": TAG}


def collect_plaintexts() -> dict[str, bytes]:
    """What the user typed."""
    return {name: text.encode() for name, text in PLAINTEXTS.items()}


def collect_user_key(phrase: str, account: AccountId, name: str = "user key") -> dict[str, bytes]:
    """A user key in bytes and in words, and what is derived from it."""
    words = phrase.split()
    runs = {f"{name}'s words {at + 1}-{at + 4}": " ".join(words[at : at + 4]).encode() for at in (0, 9, 20)}
    with UserKey.from_phrase(phrase) as key:
        return {
            name: bytes(key.expose()),
            f"{name}'s wrapping key": bytes(key.derive_wrapping_key(account).expose()),
            f"{name}'s signing key": bytes(key.derive_account_signing_key(account).expose()),
            **runs,
        }


def collect_data_keys(vault: Vault) -> dict[str, bytes]:
    """The data keys that are live now, by epoch."""
    keyring, state = vault.unlocked.keyring, vault.unlocked.streams.vault
    epochs = {live.wrapped.epoch for live in state.live_wraps(keyring.user_key.key_id)}
    return {f"data key {epoch}": bytes(keyring.data_key(epoch).expose()) for epoch in epochs}


def collect_tokens(connection: Connection) -> dict[str, bytes]:
    """The session's tokens."""
    tokens = connection.tokens
    found = {f"access token for {stream}": token.encode() for stream, token in tokens.access.items()}
    return {**found, "refresh token": tokens.refresh.encode()}


def collect_totp(totp: TotpSecret) -> dict[str, bytes]:
    """The second factor's secret."""
    return {"totp secret": totp.secret.encode()}
