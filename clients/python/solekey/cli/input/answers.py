"""Where a command's secrets come from: a flag, the environment, a file, a line of stdin, or a prompt."""

import os
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from solekey.cli.input.text_input import read_secret_file, read_secret_line
from solekey.cli.input.word_prompt import ask_words
from solekey.cli.known_profile import read_stored_key
from solekey.cli.output.printing import prompt, prompt_with_default, usage_error, warn
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.crypto import UserKey
    from solekey.recovery.kit import RecoveryKit

F = TypeVar("F", bound=Callable[..., Any])

PASSPHRASE_ENV: Final = "SOLEKEY_PASSPHRASE"  # noqa: S105  # a variable's name
PIN_ENV: Final = "SOLEKEY_PIN"
PROMPT: Final = "prompt:"
_USERNAME: Final = re.compile(r"[a-z0-9._@+-]{3,64}", re.ASCII)
_USERNAME_SHAPE: Final = "A user name has 3 to 64 of the characters a-z 0-9 . _ @ + -"
_PHRASES: Final = frozenset({"user_key", "new_user_key"})


def secret_option(flag: str, env: str, help_: str) -> Callable[[F], F]:
    """Add an option for a secret. On the command line ``-`` means a line of stdin, ``@file`` a file."""
    return click.option(
        flag, envvar=env, show_envvar=True, callback=read_secret, help=help_, metavar="SECRET"
    )


def password_option(command: F) -> F:
    """Add ``--password``."""
    return secret_option("--password", "SOLEKEY_PASSWORD", "The password; it proves who you are, no more.")(
        command
    )


def user_key_option(command: F) -> F:
    """Add ``--user-key`` and ``--user-key-from``."""
    for option in (
        click.option(
            "--user-key-from",
            envvar="SOLEKEY_USER_KEY_FROM",
            show_envvar=True,
            expose_value=False,
            callback=_remember_spec,
            metavar="SPEC",
            help="Where the user key is kept: prompt:, file:PATH, keyring:[NAME] or pkcs11:…; "
            "the profile's own if not given.",
        ),
        secret_option("--user-key", "SOLEKEY_USER_KEY", "The user key: 24 words."),
    ):
        command = option(command)
    return command


def new_user_key_options(command: F) -> F:
    """Add what a command needs that puts a new user key in force."""
    for option in (
        click.option(
            "--accept-risk",
            is_flag=True,
            help="For scripts: ask neither for the kit nor for its words again.",
        ),
        secret_option("--new-user-key", "SOLEKEY_NEW_USER_KEY", "The new user key; made if not given."),
    ):
        command = option(command)
    return command


def ask(value: str | None, what: str, flag: str, *, hidden: bool = True) -> str:
    """Take what was given, or ask for it where somebody can answer."""
    if value is not None:
        return value
    if not sys.stdin.isatty():
        env = "SOLEKEY_" + flag.removeprefix("--").replace("-", "_").upper()
        raise usage_error("{} is needed: give {} (-, or @file) or set {}", what, flag, env)
    return prompt("{}", what, hide=hidden)


def ask_username(value: str | None, default: str = "") -> str:
    """Take the user name that was given, or ask for it until it can be one."""
    typed = value
    while True:
        if typed is None and default and sys.stdin.isatty():
            typed = prompt_with_default("User name", default=default)
        name = ask(typed, "User name", "--username", hidden=False).strip()
        if _USERNAME.fullmatch(unicodedata.normalize("NFKC", name).casefold()):
            return name
        if value is not None or not sys.stdin.isatty():
            raise click.UsageError(_USERNAME_SHAPE)
        warn(_USERNAME_SHAPE)
        typed = None


def ask_new_password(value: str | None, username: str) -> str:
    """Take the new password that was given, or ask for one until it is good, and then once more."""
    if value is not None or not sys.stdin.isatty():
        return ask(value, "Password", "--password")

    from solekey.crypto.new_password import verify_new_password
    from solekey.errors import SecretError

    while True:
        chosen = prompt("New password", hide=True)
        try:
            verify_new_password(chosen, username)
        except SecretError as error:
            from solekey.cli.advice import advise

            warn("{}. {}", str(error)[:1].upper() + str(error)[1:], advise(error))
            continue
        if prompt("New password again", hide=True) == chosen:
            return chosen
        warn("The two are not the same. Enter the new password anew.")


def ask_user_key(value: str | None, *, remembered: bool = True) -> "UserKey":
    """Get the user key: words that were given; else from ``--user-key-from``; else from the provider that
    this profile remembers; else by asking for the 24 words.

    Args:
        value: the words, if they were given.
        remembered: whether the profile's provider will do; not where paper is to be tested.

    Raises:
        PhraseError: a mistyped word, which it names.
        ProviderError: what keeps the key does not serve it.
    """
    state = click.get_current_context().ensure_object(Cli)
    stored = read_stored_key(state.profile)
    spec = state.user_key_from or (stored.spec if remembered else None)
    if value is None and spec not in (None, PROMPT):
        from solekey.providers import open_provider

        state.user_key_source = spec
        return open_provider(str(spec), account=stored.account, ask=ask_person).load()
    if value is None and sys.stdin.isatty():
        return ask_words("User key")
    return parse_typed_phrase(ask(value, "User key (24 words)", "--user-key"))


def read_key_and_kit(
    path: Path | None, user_key: str | None, *, from_paper: bool = False
) -> "tuple[UserKey, RecoveryKit | None]":
    """Read a kit, and the words from it unless they are given or only on paper."""
    if path is None:
        return ask_user_key(user_key, remembered=not from_paper), None

    from solekey.recovery.documents import read_kit

    saved = read_kit(path)
    if user_key is None and saved.user_key is not None:
        return saved.user_key, saved.kit
    return saved.kit.verify_words(ask_user_key(user_key, remembered=not from_paper)), saved.kit


def parse_typed_phrase(phrase: str) -> "UserKey":
    """Parse the 24 words as people type and paste them. Raises PhraseError."""
    from solekey.crypto import UserKey
    from solekey.crypto.typed_words import list_typed_words

    return UserKey.from_phrase(" ".join(list_typed_words(phrase)))


def ask_person(question: str) -> str:
    """Answer what a key provider asks: from the environment, or by asking whoever is there.

    Raises:
        NobodyToAskError: nobody is there.
    """
    from solekey.errors import NobodyToAskError
    from solekey.providers.question import QuestionKind

    kind = getattr(question, "kind", QuestionKind.PIN)
    if kind is QuestionKind.PHRASE:
        return ask(None, question, "--user-key")
    env = PIN_ENV if kind is QuestionKind.PIN else PASSPHRASE_ENV
    if env in os.environ:
        return os.environ[env]
    if not sys.stdin.isatty():
        raise NobodyToAskError(f"{question}: nobody is here to answer, and {env} is not set")
    twice = kind is QuestionKind.NEW_PASSPHRASE
    return prompt("{}", question, hide=True, twice=twice)


def _remember_spec(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    del parameter
    context.ensure_object(Cli).user_key_from = value


def read_secret(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Take a secret as it stands, or from where ``-`` or ``@file`` on the command line point."""
    if value is None or parameter.name is None:
        return value
    if context.get_parameter_source(parameter.name) is not ParameterSource.COMMANDLINE:
        return value
    words = parameter.name in _PHRASES
    if value == "-":
        return read_secret_line(parameter.opts[0], words=words)
    if value.startswith("@"):
        return read_secret_file(parameter.opts[0], Path(value[1:]), words=words)
    if parameter.name != "code":  # good for one use, within a minute
        context.find_root().ensure_object(Cli).exposed.append(parameter.opts[0])
    return value
