"""A sign-up on its way: what the same request needs when it is sent again, and what was shown once.

``signup.json``, 0600, in the profile folder: from the first registration until the account is founded. It
holds the authenticator's secret, which a sign-up that is resumed shows again; it is deleted with the file.
A sign-up with another server or user name begins anew, and overwrites it.

Spec: authentication.md §2.4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, cast

from solekey.crypto import Confidential
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId
from solekey_protocol.limits import KIB

_FILE: Final = "signup.json"
_MAX_BYTES: Final = 16 * KIB


@dataclass(frozen=True, slots=True, repr=False)
class SignUpDraft(Confidential):
    """A registration.

    Attributes:
        origin, username: where, and who.
        account: the account id that the client has made.
        kdf: how the password is stretched.
        totp: what the server answered: ``{"secret", "uri"}``; None while its answer has not come.
    """

    origin: str
    username: str
    account: AccountId
    kdf: Mapping[str, Json]
    totp: Mapping[str, Json] | None = None

    @classmethod
    def load(cls, folder: PrivateFolder) -> Self | None:
        """Load the draft; None when there is none, or when it cannot be used."""
        document = folder.read(_FILE)
        if document is None:
            return None
        try:
            members = parse_json(document, max_bytes=_MAX_BYTES)
            return cls._parse(members)
        except (MalformedError, KeyError, TypeError, ValueError):
            return None

    @classmethod
    def _parse(cls, members: Json) -> Self:
        if not isinstance(members, dict):
            raise MalformedError("expected an object")
        origin, username, account = members["origin"], members["username"], members["account"]
        kdf, totp = members["kdf"], members["totp"]
        if not isinstance(kdf, dict) or not isinstance(totp, dict | None):
            raise MalformedError("expected objects")
        return cls(str(origin), str(username), AccountId(str(account)), kdf, totp)

    def save(self, folder: PrivateFolder) -> None:
        """Save it, in place of an earlier one. Raises ProfileError."""
        folder.make()
        document = {
            "origin": self.origin,
            "username": self.username,
            "account": self.account,
            "kdf": self.kdf,
            "totp": self.totp,
        }
        folder.write(_FILE, encode_json(cast("Json", document)))

    @staticmethod
    def delete(folder: PrivateFolder) -> None:
        """Delete it: the account is founded."""
        folder.delete(_FILE)
