"""Where keys are kept: one small protocol, chosen by a spec that looks like a URL. Spec: key-providers.md.

::

    prompt:            a person types the 24 words                    (provider)
    file:PATH          a file sealed under a passphrase               (key_file the format, file the rest)
    keyring:[NAME]     the operating system's keyring                 (os_keyring)
    pkcs11:token=…     sealed by a key that never leaves a token      (pkcs11_uri, token, token_provider)

The same specs name where a device key is kept (`device_key_store`, `token_device_key`); `question` is what a
person is asked::

    provider = open_provider("file:/media/stick/solekey.key", account=session.account, ask=getpass)
    provider.store(user_key)
    with session.unlock(provider.load()) as vault: ...
    close_tokens()                                       # log out of tokens before the process ends

What needs a package of its own is imported when it is used (`extras`).
"""

import sys
from typing import TYPE_CHECKING

from solekey.lazy_names import import_when_used

if TYPE_CHECKING:
    from solekey.providers.provider import UserKeyProvider, open_provider
    from solekey.providers.question import Ask, Question, QuestionKind

__all__ = ["Ask", "Question", "QuestionKind", "UserKeyProvider", "close_tokens", "open_provider"]

_HOMES = {
    "Ask": "question",
    "Question": "question",
    "QuestionKind": "question",
    "UserKeyProvider": "provider",
    "open_provider": "provider",
}

__getattr__ = import_when_used(__name__, _HOMES)  # a spec can be parsed before any cryptography is there


def close_tokens() -> None:
    """Log out of every PKCS#11 token that this process has used; the next use asks for the PIN again."""
    if "solekey.providers.token" in sys.modules:
        from solekey.providers import token

        token.close_tokens()
