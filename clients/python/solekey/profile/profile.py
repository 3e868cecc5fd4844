"""A profile: what one device of one account keeps on disk. No user key, data key or password is ever in it.

::

    profile.json      server, user name, account, device name, where the device key and the user key are kept
    signup.json       a sign-up on its way, see `solekey.profile.draft`; gone when the account is founded
    server-ca.pem     the pinned authority, if the server has its own
    device.key        the device key's 32-byte seed, hex; not there if a keyring or a token keeps it
    session.json      access tokens and the one-time refresh token, bound to the device key
    streams/          verified copies of the account's events, and what they amount to
    heads.json        pins how far they went; there from the beginning, see `solekey.profile.pins`
    synced.json       when that was last so, for what is shown without the server
    wraps.cbor        wrapped data keys, for what is read without the server; they need the user key
    offline.json      what may be kept besides
    queue/            writes that wait for the server, sealed
    kept/             ciphertext of items that are kept, or were read
    items.sqlite      the item index, sealed: spec item-index.md
    uploads/          sealed files on their way up
    downloads/        sealed files on their way down

Nothing but a sign-up's draft is kept before the account is known, that is before the first login succeeded: a
mistake in the server, the user name, the password or the code leaves nothing behind.

Spec: keys.md §7, authentication.md §3.3.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from solekey.crypto import Confidential, DeviceKey, KnownKdf, RandomSource
from solekey.errors import (
    DamagedProfileError,
    DiskFullError,
    KdfParametersError,
    NotLoggedInError,
    ProfileError,
    ProfileExistsError,
    ProfileMissingError,
)
from solekey.files.any_path import AnyPath
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import begin_pins
from solekey.providers.device_key_store import IN_PROFILE, KEY_FILE, DeviceKeyStore
from solekey.providers.question import Ask, refuse_to_ask
from solekey.server import Server
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, Digest, PublicKey, SessionId, compute_digest
from solekey_protocol.limits import MIB
from solekey_protocol.services import Service

_DETAILS, _CA, _TOKENS = "profile.json", "server-ca.pem", "session.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ProfileDetails:
    """What `profile.json` says. It never holds a PIN, a passphrase or a user key.

    Attributes:
        origin, username, account, device_name: the server, who, and what the device is called.
        kdf_known: what is remembered of the login key that was used last; see `KnownKdf`.
        device_key_from: the spec of what keeps the device key.
        device_public_key: whose key it is.
        user_key_from: the spec of what keeps the user key, if this device has stored it; see `providers`.
        authority: the SHA-256 of `server-ca.pem`; None where the system's authorities are trusted.
    """

    origin: str
    username: str
    account: AccountId | None
    device_name: str
    kdf_known: Mapping[str, Json] | None = None
    device_key_from: str = IN_PROFILE
    device_public_key: PublicKey | None = None
    user_key_from: str | None = None
    authority: Digest | None = None


@dataclass(frozen=True, slots=True)
class Tokens(Confidential):
    """A session: short access tokens, one a service, and the one-time refresh token."""

    session: SessionId
    access: Mapping[Service, str] = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime
    auth_position: int


class Profile:
    """A profile folder. Make one with `create`, open one with `open`.

    Attributes:
        kept: whether it is on disk; a new one is held in memory until `keep`.
    """

    def __init__(
        self,
        folder: PrivateFolder,
        details: ProfileDetails,
        device_key: DeviceKey,
        new_for: Server | None = None,
    ) -> None:
        self.folder = folder
        self._details = details
        self.device_key = device_key
        self._new_for = new_for
        self._unkept_tokens: Tokens | None = None

    @classmethod
    def create(
        cls,
        path: AnyPath,
        server: Server,
        *,
        username: str,
        device_name: str,
        random: RandomSource,
        device_key: str | None = None,
        ask: Ask = refuse_to_ask,
    ) -> Self:
        """Make the profile of a new device, in memory; open it when this user's is there already, to resume.

        Args:
            path: the folder.
            server: the server, which is pinned.
            username: whose device it is.
            device_name: what it is called.
            random: makes the device key.
            device_key: where the device key is kept: `file:` (the folder), `keyring:[NAME]`, `pkcs11:…`.
            ask: asks a person for the PIN of a token.

        Raises:
            ProfileExistsError: the folder is the profile of another user, or of another server, or its device
                key is kept elsewhere.
            ProfileError: the folder is open to others.
            ProviderError: what should keep the device key does not.
        """
        path = Path(path)
        folder = PrivateFolder(path)
        if folder.read(_DETAILS) is not None:
            existing = cls.open(path, ask)
            existing.verify_is(server, username)
            existing.verify_device_key_place(device_key)
            return existing
        if path.exists():
            folder.verify_private()
        spec = device_key or IN_PROFILE
        key = DeviceKeyStore(spec, folder, ask).make(random)
        details = ProfileDetails(
            origin=server.origin,
            username=username,
            account=None,
            device_name=device_name,
            device_key_from=spec,
            device_public_key=key.public_key,
        )
        return cls(folder, details, key, new_for=server)

    @classmethod
    def open(cls, path: AnyPath, ask: Ask = refuse_to_ask) -> Self:
        """Open a profile. A token that keeps the device key is needed when it signs, not before.

        Args:
            path: the folder.
            ask: asks a person for the PIN of a token.

        Raises:
            ProfileMissingError: there is none.
            ProfileError: damaged, or open to others.
            ProviderError: what keeps the device key does not serve it.
        """
        path = Path(path)
        folder = PrivateFolder(path)
        document = folder.read(_DETAILS)
        if document is None:
            raise ProfileMissingError(f"{path} is not a profile")
        folder.verify_private()
        try:
            details = _parse_details(_parse_members(document))
        except (MalformedError, KeyError, TypeError, ValueError) as error:
            raise DamagedProfileError(f"{path / _DETAILS} is damaged: {error}") from error
        if details.device_key_from == IN_PROFILE and folder.read(KEY_FILE) is None:
            raise ProfileMissingError(f"{path} is not a profile")
        store = DeviceKeyStore(details.device_key_from, folder, ask)
        return cls(folder, details, store.open(details.device_public_key))

    @property
    def kept(self) -> bool:
        """Whether it is on disk."""
        return self._new_for is None

    def at(self, server: Server) -> Self:
        """Build this profile as it would be at another server; nothing is written before `keep`."""
        details = replace(self._details, origin=server.origin)
        return type(self)(self.folder, details, self.device_key, new_for=server)

    def keep(self, account: AccountId) -> None:
        """Put a new profile on disk, now that its account is known. `profile.json` is written last.

        Raises:
            ProfileError: the folder cannot be made, or is open to others.
            ProviderError: what should keep the device key does not.
        """
        if self._new_for is None:
            return
        self.folder.make()
        authority = self._new_for.authority
        pem = authority.read_bytes() if authority is not None else None
        if pem is not None:
            self.folder.write(_CA, pem)
        if self.folder.read(_DETAILS) is None:
            begin_pins(self.folder)
        DeviceKeyStore(self._details.device_key_from, self.folder, refuse_to_ask).keep(self.device_key)
        self._new_for = None
        self.update(account=account, authority=compute_digest(pem) if pem is not None else None)
        if pem is None:
            self.folder.delete(_CA)
        if self._unkept_tokens is not None:
            self.save_tokens(self._unkept_tokens)

    def verify_is(self, server: Server, username: str) -> None:
        """Verify that this is that user's profile at that server, certified as it is pinned.

        Raises:
            ProfileExistsError
        """
        if (self._details.origin, self._details.username) != (server.origin, username):
            raise ProfileExistsError(
                f"{self.folder.path} is the profile of {self._details.username} at {self._details.origin}"
            )
        given = server.authority.read_bytes() if server.authority is not None else None
        if given is not None and given != self.folder.read(_CA):
            raise ProfileExistsError(f"{self.folder.path} has pinned another authority than {server.ca_file}")

    @property
    def details(self) -> ProfileDetails:
        """What `profile.json` says."""
        return self._details

    @property
    def account(self) -> AccountId:
        """The account. Raises NotLoggedInError before the first login has named it."""
        if self._details.account is None:
            raise NotLoggedInError("this profile has not logged in yet")
        return self._details.account

    @property
    def server(self) -> Server:
        """The pinned server. Raises DamagedProfileError: its authority is not the one that was pinned."""
        if self._new_for is not None:
            return self._new_for
        if self._details.authority is None:
            return Server(self._details.origin)
        if compute_digest(self.folder.read(_CA) or b"") != self._details.authority:
            raise DamagedProfileError(f"{self.folder.path / _CA} is missing or damaged")
        return Server(self._details.origin, self.folder.path / _CA)

    @property
    def kdf_known(self) -> KnownKdf | None:
        """What is remembered of the login key that was used last. Raises ProfileError."""
        known = self._details.kdf_known
        try:
            return KnownKdf.parse(known) if known is not None else None
        except KdfParametersError as error:
            raise ProfileError(f"{self.folder.path} is damaged: {error}") from error

    def note_kdf(self, known: KnownKdf) -> None:
        """Remember how the password was stretched: the next login uses no less, and no other salt unseen."""
        if self.kdf_known != known:
            self.update(kdf_known=known.encode())

    def verify_device_key_place(self, spec: str | None) -> None:
        """Verify that the device key is kept at ``spec``, if there is one. Raises ProfileExistsError."""
        if spec not in (None, self._details.device_key_from):
            kept = self._details.device_key_from
            raise ProfileExistsError(f"{self.folder.path} keeps its device key in {kept}, and it stays there")

    def save(self, details: ProfileDetails) -> None:
        """Save `profile.json`; of a profile that is not kept yet, remember it."""
        self._details = details
        if self._new_for is not None:
            return
        document: dict[str, Json] = {"version": FORMAT_VERSION, **asdict(details)}
        self.folder.write(_DETAILS, encode_json(document))

    def update(self, **changes: object) -> None:
        """Save `profile.json` with some members changed."""
        self.save(replace(self._details, **changes))  # type: ignore[arg-type]  # checked by replace itself

    def load_tokens(self) -> Tokens:
        """Load the session. Raises NotLoggedInError."""
        if self._new_for is not None and self._unkept_tokens is not None:
            return self._unkept_tokens
        document = self.folder.read(_TOKENS)
        if document is None:
            raise NotLoggedInError("there is no session on this device")
        try:
            return _parse_tokens(_parse_members(document))
        except (MalformedError, KeyError, TypeError, ValueError) as error:
            raise NotLoggedInError("the stored session is damaged") from error

    def save_tokens(self, tokens: Tokens) -> None:
        """Save the session; of a profile that is not kept yet, remember it.

        On a full disk it overwrites the one before: that one's refresh token is used up, so it is worth no
        more than what a crash would leave.

        Raises:
            DiskFullError: that takes room, too.
        """
        if self._new_for is not None:
            self._unkept_tokens = tokens
            return
        document: dict[str, Json] = {
            "session": tokens.session,
            "access": {service.value: token for service, token in tokens.access.items()},
            "refresh": tokens.refresh,
            "expires_at": tokens.expires_at.isoformat(),
            "auth_position": tokens.auth_position,
        }
        try:
            self.folder.write(_TOKENS, encode_json(document))
        except DiskFullError as error:
            try:
                self.folder.overwrite(_TOKENS, encode_json(document))
            except FileNotFoundError:
                raise error from None

    def forget_tokens(self) -> None:
        """Delete the session from disk; of a profile that is not kept yet, forget it."""
        if self._new_for is not None:
            self._unkept_tokens = None
            return
        self.folder.delete(_TOKENS)


def _parse_members(document: bytes) -> dict[str, Json]:
    members = parse_json(document, max_bytes=MIB)
    if not isinstance(members, dict):
        raise MalformedError("expected an object")
    return members


def _parse_details(members: dict[str, Json]) -> ProfileDetails:
    if members.pop("version") != FORMAT_VERSION:
        raise ProfileError("this profile was made by a newer release")
    account, public_key = members.pop("account"), members.pop("device_public_key", None)
    authority = members.pop("authority")
    details = ProfileDetails(
        account=AccountId(str(account)) if account else None,
        device_public_key=PublicKey(str(public_key)) if public_key else None,
        authority=Digest(str(authority)) if authority is not None else None,
        **members,  # type: ignore[arg-type]  # held to its types below
    )
    texts = (details.origin, details.username, details.device_name, details.device_key_from)
    optional = isinstance(details.user_key_from, str | None)
    optional = optional and isinstance(details.kdf_known, Mapping | None)
    if not all(isinstance(text, str) for text in texts) or not optional:
        raise MalformedError("a member is of another type")
    Server(details.origin)
    return details


def _parse_tokens(members: dict[str, Json]) -> Tokens:
    access, position = members["access"], members["auth_position"]
    if not isinstance(access, dict) or not all(isinstance(token, str) for token in access.values()):
        raise MalformedError("expected access tokens by service")
    if type(position) is not int or position < 0:
        raise MalformedError("expected a position in the auth stream")
    expires_at = datetime.fromisoformat(str(members["expires_at"]))
    if expires_at.tzinfo is None:
        raise MalformedError("expected a moment with its time zone")
    return Tokens(
        session=SessionId(str(members["session"])),
        access={Service(name): str(token) for name, token in access.items()},
        refresh=str(members["refresh"]),
        expires_at=expires_at,
        auth_position=position,
    )
