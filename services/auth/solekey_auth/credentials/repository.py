"""The rows about accounts in one transaction: credentials, known devices, challenges, failed logins.

Each method is one statement or two; whatever must happen at most once is decided by the row that it changes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from solekey_auth.credentials.credential import Credential, MovedTotp, Username
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.refusals import LoginRefused
from solekey_auth.tables import (
    barred_devices,
    challenges,
    closed_names,
    credentials,
    known_devices,
    login_failures,
)
from solekey_eventlog.clock import CLOCK_SKEW
from solekey_eventlog.engine import upsert
from solekey_protocol.events.auth import LoginStage
from solekey_protocol.ids import AccountId, DeviceId, PublicKey, compute_digest
from solekey_service.refusals import Refusal

# What every login asks is built once: SQLAlchemy takes longer for that than to run it.
_BY_USERNAME: Final = select(credentials).where(credentials.c.username == bindparam("username"))
_BY_ACCOUNT: Final = select(credentials).where(credentials.c.account == bindparam("account"))
_TAKE_STEP: Final = (
    update(credentials)
    .where(
        credentials.c.account == bindparam("its_account"),
        (credentials.c.last_totp_step < bindparam("step", type_=Integer))
        | (credentials.c.last_totp_step > bindparam("last_credible", type_=Integer)),
    )
    .values(last_totp_step=bindparam("step", type_=Integer), proven=True)
)
_IS_KNOWN: Final = select(
    exists().where(
        known_devices.c.account == bindparam("account"), known_devices.c.device == bindparam("device")
    )
)
_IS_BARRED: Final = select(
    exists().where(
        barred_devices.c.account == bindparam("account"), barred_devices.c.device == bindparam("device")
    )
)
_PUT_CHALLENGE: Final = insert(challenges)
_TAKE_CHALLENGE: Final = (
    delete(challenges)
    .where(challenges.c.challenge == bindparam("its_challenge"))
    .returning(challenges.c.name, challenges.c.expires_at)
)


@lru_cache
def _note_device(dialect: str) -> Any:
    note = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(known_devices)
    return note.on_conflict_do_update(
        index_elements=["account", "device"], set_={"seen_at": note.excluded.seen_at}
    )


class CredentialRepository:
    """Who has which name and logs in how, and from which devices an account was logged in to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_by_username(self, username: Username) -> Credential | None:
        """Find the credential that holds a username."""
        return self._find(_BY_USERNAME, {"username": username})

    def find(self, account: AccountId) -> Credential | None:
        """Find the credential of an account; a closed account has none."""
        return self._find(_BY_ACCOUNT, {"account": account})

    def list_after(
        self, account: AccountId | None, limit: int, *, before_key: int | None = None
    ) -> Sequence[Credential]:
        """List credentials by their accounts, from the one that follows ``account``; None: from the first.

        With ``before_key``: only where the authenticator derives from an earlier operator key than that.
        """
        query = select(credentials).order_by(credentials.c.account).limit(limit)
        if account is not None:
            query = query.where(credentials.c.account > account)
        if before_key is not None:
            query = query.where(credentials.c.key_number < before_key)
        return [_read(row) for row in self._connection.execute(query)]

    def require(self, account: AccountId, refusal: Refusal) -> Credential:
        """Find the credential of a caller's account. Raises ``refusal`` if the account was closed."""
        found = self.find(account)
        if found is None:
            raise refusal
        return found

    def put(self, credential: Credential) -> None:
        """Keep a new registration. Raises IntegrityError if another one took the account or the name."""
        self._connection.execute(
            insert(credentials).values(
                account=credential.account,
                username=credential.username,
                login_key=credential.login_key,
                kdf_memory_kib=credential.kdf.memory_kib,
                kdf_iterations=credential.kdf.iterations,
                kdf_lanes=credential.kdf.lanes,
                kdf_salt=credential.kdf.salt,
                totp_salt=credential.totp_salt,
                registered_at=credential.registered_at,
                proven=credential.proven,
                last_totp_step=credential.last_totp_step,
                key_number=credential.key_number,
            )
        )

    def take_totp_step(self, account: AccountId, step: int, last_credible: int) -> bool:
        """Use up a step and all before it; False if it was used up. Proves the registration.

        Args:
            account: whose authenticator.
            step: whose code was right.
            last_credible: the newest step that can have been used by now. A later one was used while the
                clock was ahead, and uses up nothing.
        """
        values = {"its_account": account, "step": step, "last_credible": last_credible}
        used = self._connection.execute(_TAKE_STEP, values)
        return used.rowcount == 1

    def replace_totp(self, new: Credential, step: int) -> None:
        """Replace the authenticator; the step of the code that confirmed the new one is used up."""
        self._connection.execute(
            update(credentials)
            .where(credentials.c.account == new.account)
            .values(
                totp_salt=new.totp_salt,
                last_totp_step=step,
                key_number=new.key_number,
                totp_factor_id=None,
                totp_mask=None,
            )
        )

    def move_totp(self, as_read: Credential, moved: Credential) -> bool:
        """Keep an authenticator under another operator key; False if it was replaced meanwhile."""
        same = (credentials.c.account == as_read.account) & (credentials.c.totp_salt == as_read.totp_salt)
        totp = moved.moved_totp
        changed = self._connection.execute(
            update(credentials)
            .where(same)
            .values(
                totp_salt=moved.totp_salt,
                key_number=moved.key_number,
                totp_factor_id=totp and totp.factor_id,
                totp_mask=totp and totp.mask,
            )
        )
        return changed.rowcount == 1

    def replace_login_key(self, present: Credential, login_key: PublicKey, kdf: KdfParameters) -> bool:
        """Replace the login key; False if the present one is not in force any more."""
        replaced = self._connection.execute(
            update(credentials)
            .where(_is_in_force(present))
            .values(
                login_key=login_key,
                kdf_memory_kib=kdf.memory_kib,
                kdf_iterations=kdf.iterations,
                kdf_lanes=kdf.lanes,
                kdf_salt=kdf.salt,
            )
        )
        return replaced.rowcount == 1

    def delete_registration(self, expired: Credential) -> None:
        """Delete exactly this unproven registration; not one that has taken its place."""
        self._connection.execute(
            delete(credentials).where(
                credentials.c.account == expired.account,
                credentials.c.username == expired.username,
                credentials.c.registered_at == expired.registered_at,
                credentials.c.proven.is_(False),
            )
        )

    def delete_unproven(self, registered_before: datetime, now: datetime) -> None:
        """Delete registrations that no login has proven: their names are free."""
        ahead = credentials.c.registered_at > now + CLOCK_SKEW  # made while the clock was
        old = (credentials.c.registered_at <= registered_before) | ahead
        self._connection.execute(delete(credentials).where(credentials.c.proven.is_(False), old))

    def close(self, present: Credential, name: str, key_number: int, now: datetime) -> bool:
        """Delete the credential of an account that is closed; False if it is not in force any more.

        Args:
            present: the credential on which the closing was decided.
            name: keyed digest of its username, which is never given again.
            key_number: of the operator key in the digest.
            now: when the account is closed.
        """
        deleted = self._connection.execute(delete(credentials).where(_is_in_force(present)))
        if deleted.rowcount != 1:
            return False
        self._connection.execute(insert(closed_names).values(name=name, closed_at=now, key_number=key_number))
        return True

    def is_closed_name(self, names: Sequence[str]) -> bool:
        """Whether an account of this name was closed: any of the keyed digests that it may have."""
        query = select(exists().where(closed_names.c.name.in_(names)))
        return bool(self._connection.execute(query).scalar_one())

    def is_known_device(self, account: AccountId, device: DeviceId) -> bool:
        """Whether the account was logged in to from this device, and has not revoked it since."""
        found = self._connection.execute(_IS_KNOWN, {"account": account, "device": device})
        return bool(found.scalar_one())

    def put_known_device(self, account: AccountId, device: DeviceId, now: datetime) -> None:
        """Note a login from a device."""
        row = {"account": account, "device": device, "seen_at": now}
        self._connection.execute(_note_device(self._connection.dialect.name), row)

    def delete_known_device(self, account: AccountId, device: DeviceId) -> None:
        """Delete a device that was revoked: it is a stranger."""
        self._connection.execute(delete(known_devices).where(_is_device(account, device)))

    def delete_known_devices(self, account: AccountId) -> None:
        """Delete the devices of an account that was closed."""
        self._connection.execute(delete(known_devices).where(known_devices.c.account == account))

    def bar_device(self, account: AccountId, device: DeviceId) -> bool:
        """Bar a device from logging in, for good; False if it was."""
        bar = upsert(self._connection, barred_devices).values(account=account, device=device)
        made = bar.on_conflict_do_nothing().returning(barred_devices.c.device)
        return self._connection.execute(made).first() is not None

    def is_barred(self, account: AccountId, device: DeviceId) -> bool:
        """Whether a device was barred from logging in to an account."""
        found = self._connection.execute(_IS_BARRED, {"account": account, "device": device})
        return bool(found.scalar_one())

    def purge_known_devices(self, seen_before: datetime) -> None:
        """Delete devices that were not seen for long."""
        self._connection.execute(delete(known_devices).where(known_devices.c.seen_at <= seen_before))

    def _find(self, query: Select[Any], values: Mapping[str, str]) -> Credential | None:
        row = self._connection.execute(query, values).first()
        return None if row is None else _read(row)


class LoginRepository:
    """Challenges and failed logins: the same rows whether or not an account has the name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_challenge(self, challenge: str, purpose: str, expires_at: datetime) -> None:
        """Keep the digest of a new challenge.

        Args:
            challenge: 32 random bytes in hex.
            purpose: what it is good for: the keyed digest of a username, or of a session's ceremony.
            expires_at: until when.
        """
        self._connection.execute(
            _PUT_CHALLENGE,
            {"challenge": _digest(challenge), "name": purpose, "expires_at": expires_at, "listed": False},
        )

    def list_for_challenge(self, challenge: str, purpose: str, now: datetime) -> bool:
        """Note that passkeys are listed for a live challenge, which stays live; False if they were before."""
        alive = (challenges.c.challenge == _digest(challenge)) & (challenges.c.expires_at > now)
        unused = (challenges.c.name == purpose) & challenges.c.listed.is_(False)
        listed = self._connection.execute(update(challenges).where(alive, unused).values(listed=True))
        return listed.rowcount == 1

    def take_challenge(self, challenge: str, purpose: str, now: datetime) -> bool:
        """Use up a challenge; False if there is none for this purpose that is still alive."""
        taken = self._connection.execute(_TAKE_CHALLENGE, {"its_challenge": _digest(challenge)}).first()
        return taken is not None and taken.name == purpose and taken.expires_at > now

    def put_failure(self, account: AccountId | None, refusal: LoginRefused, now: datetime) -> None:
        """Note a failed login; the account's event follows when the failures are reported.

        One under an unknown name takes a row as well, so that it takes as long.
        """
        self._connection.execute(
            insert(login_failures).values(
                account=account, stage=refusal.stage.value, failed_at=now, reported=account is None
            )
        )

    def find_unreported(self, limit: int) -> Sequence[AccountId]:
        """Find accounts with failed logins that are not in their event log yet."""
        query = select(login_failures.c.account).where(login_failures.c.reported.is_(False)).distinct()
        return [AccountId(account) for account in self._connection.execute(query.limit(limit)).scalars()]

    def take_unreported(self, account: AccountId) -> Sequence[LoginStage]:
        """Mark an account's failed logins as reported and return their stages, in order."""
        reported = self._connection.execute(
            update(login_failures)
            .where(login_failures.c.account == account, login_failures.c.reported.is_(False))
            .values(reported=True)
            .returning(login_failures.c.id, login_failures.c.stage)
        )
        return [LoginStage(row.stage) for row in sorted(reported, key=lambda row: row.id)]

    def purge(self, now: datetime) -> None:
        """Delete what cannot matter any more."""
        self._connection.execute(delete(challenges).where(challenges.c.expires_at <= now))
        self._connection.execute(delete(login_failures).where(login_failures.c.reported))


def _read(row: Row[Any]) -> Credential:
    return Credential(
        account=AccountId(row.account),
        username=Username(row.username),
        login_key=PublicKey(row.login_key),
        kdf=KdfParameters(row.kdf_memory_kib, row.kdf_iterations, row.kdf_lanes, bytes(row.kdf_salt)),
        totp_salt=bytes(row.totp_salt),
        registered_at=row.registered_at,
        proven=row.proven,
        last_totp_step=row.last_totp_step,
        key_number=row.key_number,
        moved_totp=None if row.totp_mask is None else MovedTotp(row.totp_factor_id, bytes(row.totp_mask)),
    )


def _is_in_force(present: Credential) -> ColumnElement[bool]:
    return (credentials.c.account == present.account) & (credentials.c.login_key == present.login_key)


def _is_device(account: AccountId, device: DeviceId) -> ColumnElement[bool]:
    return (known_devices.c.account == account) & (known_devices.c.device == device)


def _digest(challenge: str) -> str:
    return compute_digest(challenge.encode())
