"""The account's second factors: which there are, how one is added, replaced or removed.

What changes them asks for a fresh second factor (`Session.step_up`, `Connection.on_step_up`). Which factors
there are is taken from the verified events; the server's word adds names and counts. Spec: factors.md
§6, §3.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from solekey.account.step_up import factor_refusals
from solekey.connection.connection import B, Connection
from solekey.connection.login import TotpSecret
from solekey.connection.passkeys import PasskeyDevice, encode_passkey, parse_creation_options
from solekey.crypto import Confidential
from solekey.errors import BadAnswerError, FactorMissingError
from solekey.streams.exclusive import AccountLock, exclusive
from solekey.streams.streams import Streams
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import Factor, MfaEnrolled, MfaRemoved, RecoveryCodeUsed
from solekey_protocol.ids import Digest, Timestamp
from solekey_protocol.services import Service

_MAX_CODES = 100
_CODE = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)  # it is printed: nothing that moves a cursor
_MAX_NAME_CHARS = 64


@dataclass(frozen=True, slots=True)
class FactorInfo:
    """A second factor of the account.

    Attributes:
        id: which; tells it from others of its kind.
        factor: what kind.
        enrolled_at: since when.
        name: what its user calls a passkey.
        codes_left: how many recovery codes are unused; None if that is not known.
    """

    id: Digest
    factor: Factor
    enrolled_at: Timestamp
    name: str | None = None
    codes_left: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class RecoveryCodes(Confidential):
    """A new set of one-time codes. They are told once; the set before works no more."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Factors:
    """The second factors of one account."""

    _connection: Connection
    _streams: Streams

    @property
    def _lock(self) -> AccountLock:
        return self._streams.lock

    @exclusive
    def list(self) -> "tuple[FactorInfo, ...]":
        """List them, in the order of their enrolment."""
        self._streams.sync(Stream.AUTH)
        told = self._fetch_told()
        return tuple(
            FactorInfo(
                id=factor_id,
                factor=factor,
                enrolled_at=self._find_time(factor_id),
                name=_read_name(told.get(factor_id, {})),
                codes_left=self._find_codes_left(factor_id, told.get(factor_id, {})),
            )
            for factor_id, factor in self._streams.auth.factors.items()
        )

    @exclusive
    def find(self, kind_or_id: str) -> FactorInfo:
        """Find one by its kind, its id or how the id begins: a name is only the server's word.

        Raises:
            FactorMissingError: none, or several.
        """
        listed = self.list()
        exact = [info for info in listed if kind_or_id in (info.id, info.factor.value)]
        found = exact or [info for info in listed if len(kind_or_id) >= 8 and info.id.startswith(kind_or_id)]
        if len(found) != 1:
            raise FactorMissingError(f"{len(found)} factors have the kind or id {kind_or_id!r}")
        return found[0]

    @exclusive
    def add_totp(self) -> TotpSecret:
        """Make the secret of another authenticator app; `confirm_totp` puts it in the old one's place."""
        return TotpSecret.parse(self._post("totp", {}))

    @exclusive
    def confirm_totp(self, code: str) -> Digest:
        """Put the new authenticator in force, with a code of it. The old one works no more from then on.

        Raises:
            FactorRefusedError: the code is not the new authenticator's.
        """
        with factor_refusals():
            enrolled = self._call("POST", "totp/confirm", {"code": "".join(code.split())}, MfaEnrolled)
        return _expect_kind(enrolled, Factor.TOTP)

    @exclusive
    def add_passkey(self, device: PasskeyDevice, name: str, *, resident: bool = False) -> Digest:
        """Have a security key make a passkey for this account, and put it in force.

        Args:
            device: the security key.
            name: what it is called in the list, 1 to 64 characters.
            resident: keep the passkey on the key itself.

        Raises:
            PasskeyError: what the key refuses. ServerRefusedError: what the server does.
        """
        options = self._post("passkeys/options", {})
        origin = self._connection.profile.server.origin
        request = parse_creation_options(options, origin, resident=resident)
        members = encode_passkey(device.make_credential(request), name)
        return _expect_kind(self._call("POST", "passkeys", members, MfaEnrolled), Factor.PASSKEY)

    @exclusive
    def make_recovery_codes(self) -> RecoveryCodes:
        """Have a new set of recovery codes made. The set before, if there is one, works no more."""
        codes = self._post("recovery-codes", {}).get("codes")
        if not isinstance(codes, list | tuple) or not 0 < len(codes) <= _MAX_CODES:
            raise BadAnswerError("the recovery codes are not a list")
        if not all(isinstance(code, str) and _CODE.fullmatch(code) for code in codes):
            raise BadAnswerError("a recovery code is not letters and digits")
        return RecoveryCodes(tuple(str(code) for code in codes))

    @exclusive
    def remove(self, factor_id: Digest) -> None:
        """Remove a factor. Raises ServerRefusedError (factor_required): it is the last that is required."""
        removed = self._call("DELETE", factor_id, None, MfaRemoved)
        if removed.factor_id != factor_id:
            raise BadAnswerError("the server answered a removal with that of another factor")

    def _post(self, path: str, members: Mapping[str, Json]) -> Mapping[str, Json]:
        answer = self._connection.call(
            Service.AUTH, "POST", f"factors/{path}", content=encode_json(members), repeatable=False
        )
        return answer.json()

    def _call(self, method: str, path: str, members: Mapping[str, Json] | None, expected: type[B]) -> B:
        body, _ = self._connection.call_event(
            Service.AUTH, method, f"factors/{path}", members, expected=expected
        )
        return body

    def _fetch_told(self) -> dict[str, Mapping[str, Json]]:
        rows = self._connection.call_json(Service.AUTH, "GET", "factors").get("factors")
        if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
            raise BadAnswerError("the factors are not a list")
        return {str(row.get("factor_id")): row for row in rows if isinstance(row, Mapping)}

    def _find_time(self, factor_id: Digest) -> Timestamp:
        return next(
            event.time
            for event in reversed(self._streams.events(Stream.AUTH))
            if isinstance(event.body, MfaEnrolled) and event.body.factor_id == factor_id
        )

    def _find_codes_left(self, factor_id: Digest, told: Mapping[str, Json]) -> int | None:
        for event in reversed(self._streams.events(Stream.AUTH)):
            if isinstance(event.body, RecoveryCodeUsed) and event.body.factor_id == factor_id:
                return event.body.left
        left = told.get("codes_left")
        return left if type(left) is int and 0 <= left <= _MAX_CODES else None


def _read_name(told: Mapping[str, Json]) -> str | None:
    name = told.get("name")
    return name[:_MAX_NAME_CHARS] if isinstance(name, str) else None


def _expect_kind(enrolled: MfaEnrolled, factor: Factor) -> Digest:
    if enrolled.factor is not factor:
        raise BadAnswerError("the server answered with another event than that of the new factor")
    return enrolled.factor_id
