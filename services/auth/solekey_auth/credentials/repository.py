"""The private rows of one transaction: credentials, challenges, refresh tokens, failed logins.

Each method is one statement or two; whatever must happen at most once is decided by the row that it changes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select, update

from solekey_auth.credentials.credential import Credential, KdfParameters, Username
from solekey_auth.sessions.refresh_token import IssuedToken
from solekey_auth.tables import challenges, credentials, login_failures, refresh_tokens
from solekey_eventlog.clock import CLOCK_SKEW
from solekey_protocol.events.auth import LoginStage
from solekey_protocol.ids import AccountId, Digest, PublicKey, SessionId, compute_digest


class CredentialRows:
    """Who has which name and logs in how."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_by_username(self, username: Username) -> Credential | None:
        """Find the credential that holds a username."""
        return self._find(credentials.c.username == username)

    def find_by_account(self, account: AccountId) -> Credential | None:
        """Find the credential of an account."""
        return self._find(credentials.c.account == account)

    def delete(self, credential: Credential) -> None:
        """Forget exactly this unproven registration; not one that came in its place meanwhile."""
        self._connection.execute(
            delete(credentials).where(
                credentials.c.account == credential.account,
                credentials.c.username == credential.username,
                credentials.c.registered_at == credential.registered_at,
                credentials.c.proven.is_(False),
            )
        )

    def put(self, credential: Credential) -> None:
        """Keep a new registration. Raises IntegrityError when the account or the name was faster."""
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
            )
        )

    def take_totp_step(self, account: AccountId, step: int, last_credible: int) -> bool:
        """Use up a step and all before it; False when that had happened. Proves the registration.

        A last step beyond ``last_credible`` was used while the clock was ahead, and uses up nothing.
        """
        last = credentials.c.last_totp_step
        used = self._connection.execute(
            update(credentials)
            .where(credentials.c.account == account, (last < step) | (last > last_credible))
            .values(last_totp_step=step, proven=True)
        )
        return used.rowcount == 1

    def replace_totp(self, account: AccountId, salt: bytes, step: int) -> None:
        """Put another authenticator in force; the step of the code that confirmed it is used up."""
        self._connection.execute(
            update(credentials)
            .where(credentials.c.account == account)
            .values(totp_salt=salt, last_totp_step=step)
        )

    def replace_login_key(self, present: Credential, login_key: PublicKey, kdf: KdfParameters) -> bool:
        """Put another login key in force; False when the present one is not in force any more."""
        replaced = self._connection.execute(
            update(credentials)
            .where(credentials.c.account == present.account, credentials.c.login_key == present.login_key)
            .values(
                login_key=login_key,
                kdf_memory_kib=kdf.memory_kib,
                kdf_iterations=kdf.iterations,
                kdf_lanes=kdf.lanes,
                kdf_salt=kdf.salt,
            )
        )
        return replaced.rowcount == 1

    def delete_closed(self, present: Credential) -> bool:
        """Forget the credential of an account that is closed; False when it is not in force any more."""
        deleted = self._connection.execute(
            delete(credentials).where(
                credentials.c.account == present.account, credentials.c.login_key == present.login_key
            )
        )
        return deleted.rowcount == 1

    def delete_unproven(self, registered_before: datetime, now: datetime) -> None:
        """Forget registrations that were never proven: their names are free."""
        ahead = credentials.c.registered_at > now + CLOCK_SKEW  # made while the clock was
        old = (credentials.c.registered_at <= registered_before) | ahead
        self._connection.execute(delete(credentials).where(credentials.c.proven.is_(False), old))

    def _find(self, condition: ColumnElement[bool]) -> Credential | None:
        row = self._connection.execute(select(credentials).where(condition)).first()
        if row is None:
            return None
        return Credential(
            account=AccountId(row.account),
            username=Username(row.username),
            login_key=PublicKey(row.login_key),
            kdf=KdfParameters(row.kdf_memory_kib, row.kdf_iterations, row.kdf_lanes, bytes(row.kdf_salt)),
            totp_salt=bytes(row.totp_salt),
            registered_at=row.registered_at,
            proven=row.proven,
            last_totp_step=row.last_totp_step,
        )


class LoginRows:
    """Challenges and failures, by the keyed digest of a name: the same rows whether anybody has it or not."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_challenge(self, challenge: str, name: str, expires_at: datetime) -> None:
        """Keep the digest of a new challenge."""
        self._connection.execute(
            insert(challenges).values(
                challenge=_digest(challenge), name=name, expires_at=expires_at, told=False
            )
        )

    def tell_challenge(self, challenge: str, name: str, now: datetime) -> bool:
        """Note that passkeys are told for a challenge, which stays good; False if they were, or it is not."""
        alive = (challenges.c.challenge == _digest(challenge)) & (challenges.c.expires_at > now)
        untold = (challenges.c.name == name) & challenges.c.told.is_(False)
        told = self._connection.execute(update(challenges).where(alive, untold).values(told=True))
        return told.rowcount == 1

    def take_challenge(self, challenge: str, name: str, now: datetime) -> bool:
        """Use up a challenge; False when there is none of this name that is still alive."""
        taken = self._connection.execute(
            delete(challenges)
            .where(challenges.c.challenge == _digest(challenge))
            .returning(challenges.c.name, challenges.c.expires_at)
        ).first()
        return taken is not None and taken.name == name and taken.expires_at > now

    def put_failure(self, account: AccountId | None, stage: LoginStage, now: datetime) -> None:
        """Note a failed login; the account's event follows when the failures are reported.

        One under a name that nobody has takes a row as well, so that it takes as long.
        """
        self._connection.execute(
            insert(login_failures).values(
                account=account, stage=stage.value, failed_at=now, reported=account is None
            )
        )

    def unreported_accounts(self, limit: int) -> list[AccountId]:
        """Return accounts with failed logins that are not in their event log yet."""
        query = select(login_failures.c.account).where(login_failures.c.reported.is_(False)).distinct()
        return [AccountId(account) for account in self._connection.execute(query.limit(limit)).scalars()]

    def take_unreported(self, account: AccountId) -> list[LoginStage]:
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


class TokenRows:
    """Refresh tokens, as digests. A family is a session; its newest token is the one that is not used."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, digest: Digest) -> IssuedToken | None:
        """Find an issued token."""
        row = self._connection.execute(select(refresh_tokens).where(refresh_tokens.c.token == digest)).first()
        return None if row is None else self._read(row)

    def put(self, token: IssuedToken) -> None:
        """Keep a new token's digest."""
        self._connection.execute(
            insert(refresh_tokens).values(
                token=token.digest,
                account=token.account,
                session=token.session,
                thumbprint=token.thumbprint,
                generation=token.generation,
                issued_at=token.issued_at,
                idle_until=token.idle_until,
                expires_at=token.expires_at,
                used_at=token.used_at,
            )
        )

    def use(self, digest: Digest, now: datetime) -> bool:
        """Use a token up; False when another transaction was faster."""
        used = self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.token == digest, refresh_tokens.c.used_at.is_(None))
            .values(used_at=now)
        )
        return used.rowcount == 1

    def idle_sessions(self, now: datetime, limit: int) -> Sequence[tuple[AccountId, SessionId]]:
        """Return sessions whose newest token was not used in time; they may have ended otherwise."""
        late = (refresh_tokens.c.idle_until <= now) | (refresh_tokens.c.expires_at <= now)
        query = select(refresh_tokens.c.account, refresh_tokens.c.session).where(
            refresh_tokens.c.used_at.is_(None), late
        )
        return [(AccountId(a), SessionId(s)) for a, s in self._connection.execute(query.limit(limit))]

    def close_family(self, session: SessionId, now: datetime) -> None:
        """Use up the newest token of a session that ended; it stays known, to be answered with why."""
        self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.session == session, refresh_tokens.c.used_at.is_(None))
            .values(used_at=now)
        )

    def purge(self, now: datetime) -> None:
        """Forget the used tokens of sessions that are over for good."""
        over = refresh_tokens.c.expires_at <= now
        self._connection.execute(delete(refresh_tokens).where(over, refresh_tokens.c.used_at.is_not(None)))

    def _read(self, row: Row[Any]) -> IssuedToken:
        later = (refresh_tokens.c.session == row.session) & (refresh_tokens.c.generation > row.generation)
        successor_used = self._connection.execute(
            select(exists().where(later, refresh_tokens.c.used_at.is_not(None)))
        ).scalar_one()
        return IssuedToken(
            digest=Digest(row.token),
            account=AccountId(row.account),
            session=SessionId(row.session),
            thumbprint=row.thumbprint,
            generation=row.generation,
            issued_at=row.issued_at,
            idle_until=row.idle_until,
            expires_at=row.expires_at,
            used_at=row.used_at,
            successor_used=successor_used,
        )


def _digest(challenge: str) -> str:
    return compute_digest(challenge.encode())
