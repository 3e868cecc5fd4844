"""A key, phrase or password that cannot be used. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


class SecretError(SolekeyError):
    """A key, phrase or password that cannot be used."""

    code = "secret_unusable"
    action = Action.ENTER_AGAIN


class WipedSecretError(SecretError):
    """A secret that was used after it had been wiped."""

    code = "secret_wiped"
    action = Action.UNLOCK
    ADVICE = "Unlock again, and use keys only inside the unlocked block."


class EmptyPasswordError(SecretError):
    """An empty password."""

    code = "password_empty"
    ADVICE = "Enter a password that is not empty."


class WeakPasswordError(SecretError):
    """A new password that somebody would soon have guessed."""

    code = "password_weak"
    ADVICE = "Choose a longer password: several words that do not belong together are easy to remember."


class PasswordTextError(SecretError):
    """A password that is no Unicode text, such as bytes of another encoding."""

    code = "password_not_text"
    ADVICE = "Set your terminal to UTF-8 and enter the password again."


class PasswordUntypeableError(SecretError):
    """A new password with characters that no keyboard types, or that nobody sees."""

    code = "password_untypeable"
    ADVICE = "Choose a password of letters, digits, punctuation and spaces, which you can type anywhere."


class PhraseError(SecretError):
    """Words that are not a recovery phrase."""

    code = "phrase_invalid"


class PhraseLengthError(PhraseError):
    """A recovery phrase that does not have 24 words."""

    code = "phrase_wrong_length"
    ADVICE = "Enter all 24 words in their order, separated by spaces."

    def __init__(self, found: int, expected: int) -> None:
        super().__init__(f"a recovery phrase has {expected} words, this one has {found}")
        self.found = found
        self.expected = expected

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return f"Enter all {self.expected} words in their order, separated by spaces."


class UnknownWordError(PhraseError):
    """A word that is not in the BIP-39 English list."""

    code = "phrase_unknown_word"
    ADVICE = "Check the named word against the recovery kit."

    def __init__(self, word: str, position: int, suggestions: tuple[str, ...]) -> None:
        super().__init__(f"word {position} of the recovery phrase, {word!r}, is not in the word list")
        self.word = word
        self.position = position
        self.suggestions = suggestions

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        if not self.suggestions:
            return f"Check word {self.position} against the recovery kit."
        meant = ", ".join(self.suggestions)
        return f"Check word {self.position} against the recovery kit; did you mean {meant}?"


class PhraseChecksumError(PhraseError):
    """24 words of the list whose checksum is wrong: a word was mistaken for another, or the order."""

    code = "phrase_bad_checksum"
    ADVICE = "Every word is in the list, but not all are yours: compare them with the recovery kit."


class WrongUserKeyError(SecretError):
    """A valid user key that is not the one which made this wrap."""

    code = "wrong_user_key"
    ADVICE = "This phrase belongs to another account or was replaced: use the latest recovery kit."


class KdfRefusedError(SolekeyError):
    """Password parameters from the server that the client does not use."""

    code = "kdf_refused"
    action = Action.STOP
    ADVICE = "The server may be hostile or misconfigured: your password was not used. Tell its operator."


class KdfDowngradeError(KdfRefusedError):
    """Password parameters that are weaker than the client's floor."""

    code = "kdf_downgrade"


class KdfExcessiveError(KdfRefusedError):
    """Password parameters that would exhaust this machine."""

    code = "kdf_excessive"
