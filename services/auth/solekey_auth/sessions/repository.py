"""The rows of refresh tokens in one transaction. Spec: tokens.md §4."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, exists, insert, select, update

from solekey_auth.domain import IssuedToken
from solekey_auth.tables import refresh_tokens
from solekey_protocol.ids import AccountId, Digest, SessionId

_PUT: Final = insert(refresh_tokens)  # built once: SQLAlchemy takes longer for that than to run it
_FIND: Final = select(refresh_tokens).where(refresh_tokens.c.token == bindparam("token"))


class SessionRepository:
    """Refresh tokens, as digests. A family is a session; its newest token is the one that is not used."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, digest: Digest) -> IssuedToken | None:
        """Find an issued token."""
        row = self._connection.execute(_FIND, {"token": digest}).first()
        return None if row is None else self._read(row)

    def put(self, token: IssuedToken) -> None:
        """Keep a new token's digest."""
        self._connection.execute(
            _PUT,
            {
                "token": token.digest,
                "account": token.account,
                "session": token.session,
                "thumbprint": token.thumbprint,
                "generation": token.generation,
                "issued_at": token.issued_at,
                "idle_until": token.idle_until,
                "expires_at": token.expires_at,
                "used_at": token.used_at,
            },
        )

    def use(self, digest: Digest, now: datetime) -> bool:
        """Use a token up; False if another transaction committed first."""
        used = self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.token == digest, refresh_tokens.c.used_at.is_(None))
            .values(used_at=now)
        )
        return used.rowcount == 1

    def find_idle(self, now: datetime, limit: int) -> Sequence[tuple[AccountId, SessionId]]:
        """Find sessions whose newest token was not used in time; they may have ended otherwise."""
        late = (refresh_tokens.c.idle_until <= now) | (refresh_tokens.c.expires_at <= now)
        query = select(refresh_tokens.c.account, refresh_tokens.c.session).where(
            refresh_tokens.c.used_at.is_(None), late
        )
        return [(AccountId(a), SessionId(s)) for a, s in self._connection.execute(query.limit(limit))]

    def list_accounts(self) -> Sequence[AccountId]:
        """List the accounts of which a session has not ended, or has expired and was not ended yet."""
        alive = select(refresh_tokens.c.account).where(refresh_tokens.c.used_at.is_(None)).distinct()
        return [AccountId(account) for account in self._connection.execute(alive).scalars()]

    def close_family(self, session: SessionId, now: datetime) -> None:
        """Use up the newest token of a session that ended; it stays known, to be answered with why."""
        self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.session == session, refresh_tokens.c.used_at.is_(None))
            .values(used_at=now)
        )

    def purge(self, now: datetime) -> None:
        """Delete the used tokens of sessions that are over for good."""
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
