"""PKCS#11 tokens: find one, log in once, use it from one thread at a time. Spec: key-providers.md §4.

A login counts for the whole process, so the session is kept and shared: the PIN is asked for once. It ends
with `close_tokens`, with the process, or when the token is gone. The package's errors become ours here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final

import pkcs11

from solekey.crypto import Confidential
from solekey.errors import (
    PinLockedError,
    ProviderError,
    SpecError,
    TokenAmbiguousError,
    TokenError,
    TokenMissingError,
    TokenModuleError,
    TokenUnsuitableError,
    WrongPinError,
)
from solekey.providers.pkcs11_uri import Pkcs11Uri
from solekey.providers.question import Ask, Question, QuestionKind

_OTHERS: Final = 0o077
_MAX_PIN_FILE_BYTES: Final = 1024
_MEANINGS: Final[tuple[tuple[tuple[type[pkcs11.PKCS11Error], ...], type[TokenError], str], ...]] = (
    (
        (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange),
        WrongPinError,
        "the token refuses this PIN",
    ),
    ((pkcs11.PinLocked, pkcs11.PinExpired), PinLockedError, "the token takes no PIN any more"),
    (
        (
            pkcs11.DeviceError,
            pkcs11.DeviceRemoved,
            pkcs11.SessionClosed,
            pkcs11.SessionHandleInvalid,
            pkcs11.SlotIDInvalid,
            pkcs11.TokenNotPresent,
            pkcs11.TokenNotRecognised,
        ),
        TokenMissingError,
        "the token is gone",
    ),
    (
        (
            pkcs11.AttributeTypeInvalid,
            pkcs11.AttributeValueInvalid,
            pkcs11.DeviceMemory,
            pkcs11.DomainParamsInvalid,
            pkcs11.FunctionNotSupported,
            pkcs11.KeySizeRange,
            pkcs11.MechanismInvalid,
            pkcs11.MechanismParamInvalid,
            pkcs11.SessionReadOnly,
            pkcs11.TemplateIncomplete,
            pkcs11.TemplateInconsistent,
            pkcs11.TokenWriteProtected,
        ),
        TokenUnsuitableError,
        "the token does not do what is needed",
    ),
)

TokenObject = Any
"""A key or data object on a token: what it can do, python-pkcs11 decides when it finds it."""


@dataclass(slots=True, eq=False, repr=False)
class OpenToken(Confidential):
    """A token that this process is logged in to."""

    name: str
    module: Any
    serial: bytes
    session: pkcs11.Session
    lock: RLock = field(default_factory=RLock)
    closed: bool = False

    @contextmanager
    def use(self) -> Iterator[pkcs11.Session]:
        """Use the session for a block, alone.

        Raises:
            TokenMissingError: the token was removed; the session is forgotten, the next use logs in anew.
            ProviderError: what the block raises, and what the token refuses.
        """
        with self.lock:
            try:
                with translated(self.name):
                    yield self.session
            except ProviderError as error:
                if isinstance(error, TokenMissingError) or not self._is_present():
                    _forget(self)
                    raise TokenMissingError(f"the token {self.name} is gone") from error
                raise

    def _is_present(self) -> bool:
        try:
            return any(token.serial == self.serial for token in _list_tokens(self.module))
        except TokenError:
            return False


_opened: Final[dict[tuple[str, bytes], OpenToken]] = {}
_opening: Final = RLock()


def open_token(uri: Pkcs11Uri, ask: Ask) -> OpenToken:
    """Open the token that a URI means; log in if this process has not done so.

    Raises:
        TokenModuleError: the maker's library is not named, or cannot be loaded.
        TokenMissingError, TokenAmbiguousError: none fits, or several.
        WrongPinError, PinLockedError: nothing is tried twice, because tokens count.
    """
    with _opening:
        path, module = _load_module(uri)
        tokens = _list_tokens(module)
        _forget_removed(path, {token.serial for token in tokens})
        token = _choose(uri, tokens)
        place = (path, token.serial)
        if place not in _opened:
            session = _log_in(token, uri, ask)
            _opened[place] = OpenToken(token.label or uri.name, module, token.serial, session)
        return _opened[place]


def close_tokens() -> None:
    """Log out of every token that this process has used."""
    with _opening:
        for token in list(_opened.values()):
            with token.lock:
                _forget(token)


def verify_mechanisms(session: pkcs11.Session, *needed: pkcs11.Mechanism) -> None:
    """Verify that a token has what is needed, before a key is made on it. Raises TokenUnsuitableError."""
    missing = set(needed) - session.token.slot.get_mechanisms()
    if missing:
        names = ", ".join(sorted(f"CKM_{mechanism.name}" for mechanism in missing))
        raise TokenUnsuitableError(f"the token {session.token.label} does not have {names}")


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the package's errors into ours."""
    try:
        yield
    except pkcs11.PKCS11Error as error:
        reason = type(error).__name__
        for meant, kind, text in _MEANINGS:
            if isinstance(error, meant):
                raise kind(f"{name}: {text} ({reason})") from error
        raise TokenError(f"{name}: the token failed ({reason})") from error


def _forget(token: OpenToken) -> None:
    for place, opened in list(_opened.items()):
        if opened is token:
            del _opened[place]
    token.closed = True
    with suppress(pkcs11.PKCS11Error):  # a token that is gone cannot be logged out of
        token.session.close()


def _forget_removed(path: str, present: set[bytes]) -> None:
    for (module_path, serial), token in list(_opened.items()):
        if module_path == path and serial not in present:
            _forget(token)


def _load_module(uri: Pkcs11Uri) -> tuple[str, Any]:
    if uri.module_path is None:
        raise TokenModuleError("the spec names no PKCS#11 module")
    if not uri.module_path.is_file():
        raise TokenModuleError(f"there is no PKCS#11 module {uri.module_path}")
    path = str(uri.module_path.resolve())
    try:
        return path, pkcs11.lib(path)
    except (pkcs11.PKCS11Error, AttributeError) as error:
        raise TokenModuleError(f"{uri.module_path} cannot be loaded as a PKCS#11 module") from error


def _choose(uri: Pkcs11Uri, tokens: list[pkcs11.Token]) -> pkcs11.Token:
    fitting = [token for token in tokens if _fits(uri, token)]
    if not fitting:
        raise TokenMissingError(f"there is no token {uri.name}")
    if len(fitting) > 1:
        serials = ", ".join(sorted(token.serial.decode(errors="replace") for token in fitting))
        raise TokenAmbiguousError(f"{len(fitting)} tokens fit {uri.name}: serials {serials}")
    return fitting[0]


def _list_tokens(module: Any) -> list[pkcs11.Token]:
    """List the initialised tokens; a slot whose token is being removed is passed over."""
    found = []
    with translated("the PKCS#11 module"):
        slots = module.get_slots(token_present=True)
    for slot in slots:
        with suppress(pkcs11.PKCS11Error):
            token = slot.get_token()
            if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED:
                found.append(token)
    return found


def _fits(uri: Pkcs11Uri, token: pkcs11.Token) -> bool:
    pairs = (
        (uri.token, token.label),
        (uri.serial, token.serial.decode(errors="replace")),
        (uri.manufacturer, token.manufacturer_id),
        (uri.model, token.model),
        (uri.slot_id, token.slot.slot_id),
    )
    return all(wanted is None or wanted == found for wanted, found in pairs)


def _log_in(token: pkcs11.Token, uri: Pkcs11Uri, ask: Ask) -> pkcs11.Session:
    name = token.label or uri.name
    if token.flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise PinLockedError(f"{name}: the token takes no PIN any more")
    pin = _find_pin(name, uri, ask)
    with translated(name):
        try:
            return token.open(rw=True, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:  # the application itself has logged in
            return token.open(rw=True)


def _find_pin(name: str, uri: Pkcs11Uri, ask: Ask) -> str:
    if uri.pin_source is None:
        return ask(Question(f"PIN of the token {name}", QuestionKind.PIN, name))
    try:
        with uri.pin_source.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & _OTHERS:
                raise SpecError(f"{uri.pin_source} is open to other users of this machine (chmod 600 it)")
            line = file.read(_MAX_PIN_FILE_BYTES).split(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise SpecError(f"pin-source {uri.pin_source}: {error.strerror}") from error
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"pin-source {uri.pin_source}: its first line is no UTF-8 text") from error
