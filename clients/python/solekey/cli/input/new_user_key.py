"""A new user key on its way into force: shown once, saved as a recovery kit, entered again from it.

Spec: recovery.md §4.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from solekey.cli.input.answers import parse_typed_phrase
from solekey.cli.input.output_file import OutputFile
from solekey.cli.output.printing import alternate_screen, prompt, prompt_with_default, say, warn
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.crypto import UserKey
    from solekey.recovery.kit import OpenAccount
    from solekey.recovery.paper import Paper
    from solekey.vault.vault import Vault

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class KitChoice:
    """What a person chose for the kit: where it goes, its paper, and whether nobody is asked."""

    path: Path | None
    letter: bool
    accept_risk: bool

    @property
    def paper(self) -> "Paper":
        """The paper size."""
        from solekey.recovery.paper import Paper

        return Paper.LETTER if self.letter else Paper.A4


def letter_option(command: F) -> F:
    """Add ``--letter``."""
    return click.option("--letter", is_flag=True, help="US Letter paper; A4 if not given.")(command)


def kit_options(command: F) -> F:
    """Add where a new user key's kit is written, and how."""
    for option in (
        letter_option,
        click.option(
            "--kit",
            type=OutputFile(),
            help="Where the recovery kit (PDF) is written; asked for if not given.",
        ),
    ):
        command = option(command)
    return command


def prepare_user_key(state: Cli, account: "OpenAccount", choice: KitChoice) -> "UserKey":
    """Make a user key that may come into force: its kit is saved, and its words were entered again.

    A kit that an interrupted sign-up has left is taken up again. With ``--accept-risk`` nobody is asked.
    """
    from solekey.crypto import UserKey

    if not (choice.accept_risk or sys.stdin.isatty()):
        raise click.UsageError(
            "without a terminal nobody can be asked to enter the words of the recovery kit again: run this "
            "at one, or keep the words safe yourself and say so (--accept-risk)"
        )
    user_key = _take_up(account, choice.path) or UserKey.make()
    path = _save(state, account, user_key, choice)
    if choice.accept_risk:
        with _telling_unseen(path):
            _show_words(state, user_key.to_phrase(), path)
        return user_key
    with _telling_unseen(path), alternate_screen():
        _show_words(state, user_key.to_phrase(), path)
        prompt_with_default(
            "Print {} now, or put it where you will find it. Then press Enter: the words leave the screen",
            path,
            default="",
        )
    return _have_entered_again(user_key)


def keep_kit(state: Cli, account: "OpenAccount", user_key: "UserKey", choice: KitChoice) -> "UserKey":
    """Save the kit of words that the person has already, where ``--kit`` asks for one. Again does no harm."""
    from solekey.errors import KitExistsError
    from solekey.recovery.documents import read_kit

    if choice.path is not None:
        if choice.path.exists():
            key_id = user_key.derive_key_id(account.connection.profile.account)
            if read_kit(choice.path).kit.key_id != key_id:
                raise KitExistsError(f"{choice.path} is the kit of another key")
        else:
            _write(state, account, user_key, choice, choice.path)
    return user_key


def choose_new_user_key(state: Cli, vault: "Vault", given: str | None, choice: KitChoice) -> "UserKey":
    """Take the words that were given, or make a user key and have its kit saved before it is in force."""
    if given is not None:
        return keep_kit(state, vault.unlocked, parse_typed_phrase(given), choice)
    return prepare_user_key(state, vault.unlocked, choice)


def _take_up(account: "OpenAccount", path: Path | None) -> "UserKey | None":
    """Take up the key of a kit that was saved before this very sign-up was interrupted."""
    from solekey.errors import KitExistsError
    from solekey.recovery.documents import read_kit

    if path is None or not path.exists():
        return None
    if account.streams.devices.account_key is not None:  # it may be a key that was given up with good reason
        raise KitExistsError(f"{path} exists")
    saved = read_kit(path)
    if saved.kit.account != account.connection.profile.account or saved.user_key is None:
        raise KitExistsError(f"{path} is another account's")
    return saved.user_key


def _save(state: Cli, account: "OpenAccount", user_key: "UserKey", choice: KitChoice) -> Path | None:
    """Save the kit where it was asked for, or where the person says now."""
    from solekey.errors import KitExistsError, TransferError

    if choice.path is not None:
        if not choice.path.exists():
            _write(state, account, user_key, choice, choice.path)
        return choice.path
    if choice.accept_risk:
        return None
    default = f"solekey-kit-{user_key.derive_key_id(account.connection.profile.account)[:8]}.pdf"
    while True:
        answer = prompt_with_default("Save the recovery kit (PDF) as", default=default)
        path = Path(answer).expanduser()
        try:
            _write(state, account, user_key, choice, path)
        except (KitExistsError, TransferError, OSError) as error:
            warn("That does not work: {}", error)
        else:
            return path


def _write(state: Cli, account: "OpenAccount", user_key: "UserKey", choice: KitChoice, path: Path) -> None:
    from solekey.recovery.documents import write_kit
    from solekey.recovery.kit import make_kit

    write_kit(make_kit(account, user_key), user_key, path, paper=choice.paper)
    state.tell("Saved {}. Print it and put it in a safe place; then delete the file.", path)


def _show_words(state: Cli, phrase: str, path: Path | None) -> None:
    if state.as_json:
        state.emit({"step": "user_key", "user_key": phrase, "kit": str(path) if path else None})
        return
    words = phrase.split()
    where = "They are in the recovery kit; nobody else has them" if path else "Nobody else has them"
    say("\nYour user key is these 24 words. {}. They are shown once:\n", where)
    for row in range(6):
        places = [column * 6 + row for column in range(4)]
        say("{}", "   ".join(f"{place + 1:2} {words[place]:10}" for place in places))
    say("")


@contextmanager
def _telling_unseen(path: Path | None) -> Iterator[None]:
    """Say, where the words cannot be shown, that they count for nothing."""
    try:
        yield
    except BrokenPipeError:
        kit = f" Delete {path}: it is the kit of words that open nothing." if path else ""
        warn("The words could not be shown, for nobody reads the output: nothing was changed.{}", kit)
        raise


def _have_entered_again(user_key: "UserKey") -> "UserKey":
    """Have all words entered again, until they are right; the key is the one that was entered."""
    from solekey.errors import PhraseError, WordsDifferError
    from solekey.recovery.reentry import Reentry

    warn(
        "Enter the words from the recovery kit, in one line or several, or scan its QR code.\n"
        "Nothing is in force before they are right; Ctrl-C gives up."
    )
    with user_key:
        reentry = Reentry(user_key)
        while True:
            piece = prompt("Words from {} to 24", reentry.entered + 1)
            try:
                confirmed = reentry.enter(piece)
            except (PhraseError, WordsDifferError) as error:
                from solekey.cli.advice import advise

                warn("{}. {}", str(error).capitalize(), advise(error))
            else:
                if confirmed is not None:
                    return confirmed
