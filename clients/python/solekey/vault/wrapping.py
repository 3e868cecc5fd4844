"""Wraps a data key: sealed, uploaded, said, read back, opened and compared. Spec: keys.md §5."""

from solekey.connection.connection import BYTES_TYPE, Connection
from solekey.crypto import DataKey, SigningKey, WrapContext, seal_wrap
from solekey.errors import ReadBackError, SolekeyError
from solekey.streams.author import Author
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey, fetch_wraps, open_live_wrap
from solekey_protocol.events import Signer
from solekey_protocol.events.vault import KeyWrapped, WrapSuite
from solekey_protocol.ids import RotationId, compute_digest
from solekey_protocol.services import Service
from solekey_protocol.streams import WrapRecord
from solekey_protocol.wrap import SecretKind


def wrap_first_data_key(
    connection: Connection, streams: Streams, author: Author, user_key: UnlockedUserKey
) -> None:
    """Make and wrap the data key of epoch 1, if the account has none; verify the stored wrap in any case.

    Raises:
        WrongUserKeyError: the account's user key is another one.
        ReadBackError: the server does not store what was sent.
    """
    with DataKey.make(1, connection.runtime.random) as data_key:

        def decide() -> KeyWrapped | None:
            user_key.verify_current(streams)
            return None if streams.vault.epoch else store_wrap(connection, streams, user_key, data_key)

        signers: dict[Signer, SigningKey] = {
            Signer.ACCOUNT: user_key.signing_key,
            Signer.COMMIT: data_key.derive_commit_key(connection.profile.account),
        }
        said = author.say(decide, signers=lambda _: signers)
        live = streams.vault.live_wraps(user_key.key_id)[0]
        read_back(connection, live, user_key, data_key if said else None)


def store_wrap(
    connection: Connection,
    streams: Streams,
    user_key: UnlockedUserKey,
    data_key: DataKey,
    rotation: RotationId | None = None,
) -> KeyWrapped:
    """Seal a data key for its next place, upload the bytes, and return what is to be said of them.

    ``rotation`` is the rotation that the wrap belongs to; None for a first wrap and for a repair.
    """
    version = streams.vault.versions.get((SecretKind.DATA_KEY, data_key.epoch), 0) + 1
    place = WrapContext(connection.profile.account, data_key.epoch, version, user_key.key_id)
    wrap = seal_wrap(user_key.wrapping_key, data_key, place, connection.runtime.random)
    digest = compute_digest(wrap)
    connection.call(Service.VAULT, "PUT", f"wraps/{digest}", content=wrap, content_type=BYTES_TYPE)
    return KeyWrapped(
        secret=SecretKind.DATA_KEY,
        epoch=data_key.epoch,
        wrap_version=version,
        key_id=user_key.key_id,
        suite=WrapSuite.HKDF_SHA256_AES256GCM,
        wrap=digest,
        commit_key=data_key.derive_commit_key(connection.profile.account).public_key,
        rotation=rotation,
    )


def read_back(
    connection: Connection, live: WrapRecord, user_key: UnlockedUserKey, expected: DataKey | None
) -> None:
    """Fetch a stored wrap, open it, and compare it with the key that was wrapped.

    Raises:
        ReadBackError: it is not there, does not open, or holds another key.
    """
    try:
        opened = open_live_wrap(live.wrapped, fetch_wraps(connection), user_key, connection.profile.account)
    except SolekeyError as error:
        raise ReadBackError(f"the stored wrap of epoch {live.wrapped.epoch} does not open") from error
    with opened:
        if expected is not None and opened != expected:
            raise ReadBackError(f"the stored wrap of epoch {live.wrapped.epoch} holds another key")
