"""The Solekey reference client: makes, wraps and rotates keys; encrypts and decrypts; audits.

Sign up, once::

    server = Server("https://solekey.example", ca_file=None)
    with SignUp(folder, server, username="ada@example.org") as sign_up:
        totp = sign_up.register(password)                     # show totp.uri as a QR code
        session = sign_up.prove_second_factor(password, code)
        user_key = sign_up.make_user_key()                    # show user_key.to_phrase(): 24 words, once
        sign_up.found(session, user_key)

Every day::

    with Session.open(folder) as session:
        with session.unlock(UserKey.from_phrase(phrase)) as vault:
            vault.put("notes", "hello")
            vault.get("notes").content
            vault.put_file(Path("film.mkv"))                  # constant memory; call again to resume
            [item.name for item in vault.list()]

Another device::

    session = log_in(folder, server, username="ada@example.org", password=password, code=code)
    trust_device(session, UserKey.from_phrase(phrase))

Second factors: some acts ask for one that was proven a short time ago::

    session.connection.on_step_up = lambda: session.step_up(ask_for_code())   # called when it is asked for
    session.factors.make_recovery_codes().codes                               # told once
    session.sessions.list()                                                   # and `end`
    session.change_password(password, new_password)

Rotation, inside an unlocked block::

    change_user_key(vault, UserKey.make(os.urandom))
    rekey_data(vault)
    revoke_device(vault, device_id, UserKey.make(os.urandom)).describe()
    resume_rotation(vault)                                    # after a crash, on any trusted device

A user key that is handed over is wiped at the end of the block. Every error is a `SolekeyError` with a stable
``code`` and ``diagnostics()`` that says what to do next. Nothing that a server says is believed: streams are
verified and pinned (`streams`), ciphertext is checked against signed commits (`vault`).

A map: ``connection`` HTTP, logins, proofs · ``profile`` what is on disk · ``streams`` verified events ·
``files`` how files are written · ``account`` sign-up, sessions, devices · ``providers`` where keys are kept ·
``vault`` items and their keys ·
``rotation`` new keys · ``crypto`` cryptography · ``audit`` auditors · ``cli`` the command ``solekey`` ·
``errors`` all that may be refused.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solekey.account.device_list import DeviceInfo
    from solekey.account.enrolment import log_in, trust_device
    from solekey.account.factors import FactorInfo, RecoveryCodes
    from solekey.account.open_sessions import SessionInfo
    from solekey.account.session import Session
    from solekey.account.sign_up import SignUp
    from solekey.connection.login import TotpSecret
    from solekey.connection.second_factor import Passkey, RecoveryCode
    from solekey.connection.transport import Server
    from solekey.crypto import ItemMetadata, UserKey
    from solekey.errors import SolekeyError
    from solekey.profile.profile import Profile
    from solekey.progress import Phase, PhasedProgress, Progress
    from solekey.providers.provider import UserKeyProvider, open_provider
    from solekey.rotation.revocation import Revocation, revoke_device
    from solekey.rotation.rotation import (
        abort_rotation,
        change_user_key,
        rekey_data,
        resume_rotation,
        set_policy,
    )
    from solekey.runtime import Runtime
    from solekey.vault.directory import ItemInfo, Listing
    from solekey.vault.unreadable import UnreadableItem
    from solekey.vault.vault import Item, Removed, Stored, Vault

__all__ = [
    "DeviceInfo",
    "FactorInfo",
    "Item",
    "ItemInfo",
    "ItemMetadata",
    "Listing",
    "Passkey",
    "Phase",
    "PhasedProgress",
    "Profile",
    "Progress",
    "RecoveryCode",
    "RecoveryCodes",
    "Removed",
    "Revocation",
    "Runtime",
    "Server",
    "Session",
    "SessionInfo",
    "SignUp",
    "SolekeyError",
    "Stored",
    "TotpSecret",
    "UnreadableItem",
    "UserKey",
    "UserKeyProvider",
    "Vault",
    "abort_rotation",
    "change_user_key",
    "log_in",
    "open_provider",
    "rekey_data",
    "resume_rotation",
    "revoke_device",
    "set_policy",
    "trust_device",
]

_HOMES = {
    "DeviceInfo": "solekey.account.device_list",
    "FactorInfo": "solekey.account.factors",
    "Item": "solekey.vault.vault",
    "ItemInfo": "solekey.vault.directory",
    "ItemMetadata": "solekey.crypto",
    "Listing": "solekey.vault.directory",
    "Passkey": "solekey.connection.second_factor",
    "Phase": "solekey.progress",
    "PhasedProgress": "solekey.progress",
    "Profile": "solekey.profile.profile",
    "Progress": "solekey.progress",
    "RecoveryCode": "solekey.connection.second_factor",
    "RecoveryCodes": "solekey.account.factors",
    "Removed": "solekey.vault.vault",
    "Revocation": "solekey.rotation.revocation",
    "Runtime": "solekey.runtime",
    "Server": "solekey.connection.transport",
    "Session": "solekey.account.session",
    "SessionInfo": "solekey.account.open_sessions",
    "SignUp": "solekey.account.sign_up",
    "SolekeyError": "solekey.errors",
    "Stored": "solekey.vault.vault",
    "TotpSecret": "solekey.connection.login",
    "UnreadableItem": "solekey.vault.unreadable",
    "UserKey": "solekey.crypto",
    "UserKeyProvider": "solekey.providers.provider",
    "Vault": "solekey.vault.vault",
    "abort_rotation": "solekey.rotation.rotation",
    "change_user_key": "solekey.rotation.rotation",
    "log_in": "solekey.account.enrolment",
    "open_provider": "solekey.providers.provider",
    "rekey_data": "solekey.rotation.rotation",
    "resume_rotation": "solekey.rotation.rotation",
    "revoke_device": "solekey.rotation.revocation",
    "set_policy": "solekey.rotation.rotation",
    "trust_device": "solekey.account.enrolment",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `solekey --help` and auditors need no HTTP client."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
