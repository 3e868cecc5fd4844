"""The private tables of the auth service: credentials and what lives for minutes. No event holds any of them.

``credentials``, ``passkeys``, ``recovery_codes``, ``closed_names``, ``barred_devices`` and ``operator_keys``
cannot be rebuilt from events and must be backed up; all other rows here may be lost: open challenges are
requested again, refresh tokens end with their sessions, rate limits start anew.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from solekey_auth.limits import MAX_PASSKEY_NAME_CHARS, MAX_USERNAME_CHARS
from solekey_eventlog.tables import ACCOUNT_CHARS, DIGEST_CHARS, Moment, define_event_tables

metadata = MetaData()
event_tables = define_event_tables(metadata)


def _key_number() -> Column[int]:
    """The number of the operator key that the row derives from."""
    return Column("key_number", Integer, nullable=False, server_default="0")


operator_keys = Table(  # those that were replaced
    "operator_keys",
    metadata,
    Column("number", Integer, primary_key=True),  # the first one's is 0
    Column("salt", LargeBinary, nullable=False),
    Column("masked", LargeBinary, nullable=False),  # with what derives from the key in force
    Column("check_value", String(DIGEST_CHARS), nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("username", String(MAX_USERNAME_CHARS), nullable=False, unique=True),
    Column("login_key", String(DIGEST_CHARS), nullable=False),
    Column("kdf_memory_kib", Integer, nullable=False),
    Column("kdf_iterations", Integer, nullable=False),
    Column("kdf_lanes", Integer, nullable=False),
    Column("kdf_salt", LargeBinary, nullable=False),
    Column("totp_salt", LargeBinary, nullable=False),
    Column("registered_at", Moment, nullable=False),
    Column("proven", Boolean, nullable=False),
    Column("last_totp_step", Integer, nullable=False),
    _key_number(),
    Column("totp_factor_id", String(DIGEST_CHARS)),  # where the secret derives from a former key:
    Column("totp_mask", LargeBinary),  # the factor's id, and what gives the secret back
)

closed_names = Table(  # user names that are never given again
    "closed_names",
    metadata,
    Column("name", String(DIGEST_CHARS), primary_key=True),  # keyed digest of the username
    Column("closed_at", Moment, nullable=False),
    _key_number(),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("factor_id", String(DIGEST_CHARS), primary_key=True),  # SHA-256 of the credential id
    Column("account", String(ACCOUNT_CHARS), nullable=False, index=True),
    Column("credential", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),  # 32 bits without a sign
    Column("name", String(MAX_PASSKEY_NAME_CHARS), nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("used_at", Moment),
)

recovery_codes = Table(  # a code that was used has no row
    "recovery_codes",
    metadata,
    Column("digest", String(DIGEST_CHARS), primary_key=True),  # HMAC of the code under the operator's key
    Column("account", String(ACCOUNT_CHARS), nullable=False, index=True),
    Column("salt", LargeBinary, nullable=False),  # of the set
    _key_number(),
)

pending_totp = Table(  # authenticators that are not confirmed yet
    "pending_totp",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

challenges = Table(
    "challenges",
    metadata,
    Column("challenge", String(DIGEST_CHARS), primary_key=True),  # SHA-256 of the challenge
    Column("name", String(DIGEST_CHARS), nullable=False),  # keyed digest of the username
    Column("expires_at", Moment, nullable=False, index=True),
    Column("listed", Boolean, nullable=False),  # whether the passkeys were listed for it
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token", String(DIGEST_CHARS), primary_key=True),  # SHA-256 of the token
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("session", String(ACCOUNT_CHARS), nullable=False),
    Column("thumbprint", String(DIGEST_CHARS), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("idle_until", Moment, nullable=False, index=True),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
)
Index("refresh_tokens_once", refresh_tokens.c.session, refresh_tokens.c.generation, unique=True)

rate_buckets = Table(  # one row a bucket: what simultaneous attempts that count against it queue for
    "rate_buckets",
    metadata,
    Column("bucket", String(DIGEST_CHARS), primary_key=True),  # keyed digest of its kind and subject
    Column("used", Integer, nullable=False),
    Column("counted_at", Moment, nullable=False),
    Column("free_at", Moment, nullable=False),
    Column("empty_at", Moment, nullable=False, index=True),
)

known_devices = Table(  # where an account was logged in to from
    "known_devices",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("device", String(ACCOUNT_CHARS), primary_key=True),
    Column("seen_at", Moment, nullable=False, index=True),
)

barred_devices = Table(  # revoked, as a log knew that is newer than the backup which was restored
    "barred_devices",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("device", String(ACCOUNT_CHARS), primary_key=True),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", String(ACCOUNT_CHARS)),  # NULL for an unknown name
    Column("stage", String(16), nullable=False),
    Column("failed_at", Moment, nullable=False, index=True),
    Column("reported", Boolean, nullable=False),
)
