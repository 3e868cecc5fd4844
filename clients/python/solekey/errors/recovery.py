"""Recovery kits and shares of the user key. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


class RecoveryError(SolekeyError):
    """A recovery kit or shares that cannot be used."""

    code = "recovery_failed"
    action = Action.ENTER_AGAIN


class KitExistsError(RecoveryError):
    """The file for the kit or share already exists."""

    code = "kit_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another file name; a kit that is no longer wanted is destroyed by you, never by Solekey."


class KitUnreadableError(RecoveryError):
    """The file is not a recovery kit, or its text was lost or changed."""

    code = "kit_unreadable"
    ADVICE = "Give the PDF as it was written, or enter the 24 words from the paper."


class KitMismatchError(RecoveryError):
    """The recovery kit belongs to another account, or its words and key id do not match."""

    code = "kit_mismatch"
    ADVICE = "Look for the kit that names this account."


class WordsDifferError(RecoveryError):
    """The words entered again are not the ones that were saved.

    Attributes:
        positions: which words differ, from 1.
    """

    code = "words_differ"
    ADVICE = "Enter the words again from the recovery kit that was just saved."

    def __init__(self, positions: tuple[int, ...]) -> None:
        named = ", ".join(str(position) for position in positions)
        super().__init__(f"not the saved words at position {named}")
        self.positions = positions


class ShareError(RecoveryError):
    """Shares that cannot be made or put together."""

    code = "shares_unusable"


class ShareCountError(ShareError):
    """Numbers of shares that cannot be."""

    code = "share_count_invalid"
    ADVICE = "Choose 2 to 16 shares, and a threshold from 2 up to the number of shares."


class ShareLengthError(ShareError):
    """A share that does not have 33 words.

    Attributes:
        found: how many words it has.
        expected: how many it must have.
    """

    code = "share_wrong_length"
    ADVICE = "Enter all 33 words of the share in their order, separated by spaces."

    def __init__(self, found: int, expected: int) -> None:
        super().__init__(f"a share has {expected} words, this one has {found}")
        self.found = found
        self.expected = expected

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return f"Enter all {self.expected} words of the share in their order, separated by spaces."


class ShareWordError(ShareError):
    """A word that is not in the SLIP-39 list.

    Attributes:
        word: the word as it was entered.
        position: which word of the share it is, from 1.
        suggestions: words of the list that look like it, the most alike first.
    """

    code = "share_unknown_word"
    ADVICE = "Check the named word against the paper."

    def __init__(self, word: str, position: int, suggestions: tuple[str, ...]) -> None:
        super().__init__(f"word {position} of the share, {word!r}, is not in the word list")
        self.word = word
        self.position = position
        self.suggestions = suggestions

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        meant = f"; did you mean {', '.join(self.suggestions)}?" if self.suggestions else "."
        return f"Check word {self.position} against the paper{meant}"


class ShareChecksumError(ShareError):
    """Words of the list whose checksum is wrong: a word was mistaken for another, or the order."""

    code = "share_bad_checksum"
    ADVICE = "Every word is in the list, but not all are this share's: compare each word and the order."


class ForeignShareError(ShareError):
    """Shares that were not made together."""

    code = "share_of_another_set"
    ADVICE = "Shares of one set have the same set number, and begin with the same three words."


class ShareUnsupportedError(ShareError):
    """A SLIP-39 share that Solekey does not make: of several groups, or with too costly a passphrase."""

    code = "share_unsupported"
    ADVICE = "These shares were made by another program: put them together with that."


class TooFewSharesError(ShareError):
    """Fewer different shares than the threshold.

    Attributes:
        found: how many different shares were given.
        threshold: how many the set needs.
    """

    code = "shares_too_few"
    ADVICE = "Find the missing shares of this set, and give all of them at once."

    def __init__(self, found: int, threshold: int) -> None:
        super().__init__(f"this set needs {threshold} different shares, {found} were given")
        self.found = found
        self.threshold = threshold

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return f"Find {self.threshold - self.found} more of this set, and give all of them at once."


class SharesMismatchError(ShareError):
    """Shares that look like one set and give no secret: some are forged, or altered with a right checksum."""

    code = "shares_do_not_fit"
    ADVICE = "Try other shares of the set: at least one of these is not what was made."
