"""The Solekey reference client: makes, wraps and rotates keys; encrypts and decrypts; audits.

Every day::

    with UserKey.from_phrase(phrase) as key, solekey.open("laptop", key=key) as account:
        account.items.put("notes", "hello")
        account.items.get("notes").content
        account.items.put_file("film.mkv")                    # constant memory; call again to resume
        [item.name for item in account.items.list()]

Sign up, once::

    with SignUp("laptop", Server("https://solekey.example"), username="ada@example.org") as sign_up:
        totp = sign_up.register(password)                     # show totp.uri as a QR code
        sign_up.prove_second_factor(password, code)
        user_key = sign_up.make_user_key()                    # show user_key.to_phrase(): 24 words, once
        account = sign_up.found(user_key)

Another device, which its user trusts with the user key, or approves on a trusted one::

    account = solekey.log_in("phone", server=server, username="ada@example.org", password=password, code=code)
    with account.keys.unlock(user_key):
        account.devices.trust()

The parts of an account::

    account.items                                             # while it is unlocked: put, get, list, remove
    account.devices.list(), .approve(code), .revoke(device, new_key)
    account.sessions.list(), .end(session)
    account.factors.list(), .make_recovery_codes().codes      # told once
    account.keys.unlock(key), .change_user_key(new_key), .change_data_key(), .resume(), .status()

Acts that need a fresh second factor ask for it where `open` was given ``on_step_up``. Every error is a
`SolekeyError` with a stable ``code``, an ``action`` for programs, and ``diagnostics()`` that says what to do
next; all are in `solekey.errors`. Nothing that a server says is believed: streams are verified and pinned,
ciphertext is checked against signed commits. What happens is logged under ``solekey``, without secrets.

A map: ``api`` the public face · ``connection`` HTTP, logins, proofs · ``profile`` what is on disk ·
``streams`` verified events · ``files`` how files are written · ``account`` sign-up, sessions, devices ·
``providers`` where keys are kept · ``vault`` items and their keys · ``rotation`` new keys · ``recovery`` kits
and shares · ``crypto`` cryptography · ``audit`` auditors · ``cli`` the command ``solekey`` · ``errors`` all
that may be refused · ``testing`` a platform for the tests of apps.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solekey.api.names import *  # noqa: F403  # the one list of public names


_FUNCTIONS = frozenset({"accept_restoration", "log_in", "move_to_server", "open", "open_security_key"})


def __getattr__(name: str) -> Any:
    """Import the public names when one is first used: `solekey --help` and auditors need no HTTP client."""
    if not (name == "__all__" or name in _FUNCTIONS or name[:1].isupper()):  # such as a module: solekey.cli
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from solekey.api import names

    public = {public: value for public, value in vars(names).items() if not public.startswith("_")}
    public["__all__"] = sorted(public)
    if name not in public:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = public[name]
    return public[name]
