"""Keys, passwords and words, and where they are kept. Spec: conventions.md §6."""

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
    """The new password is easy to guess."""

    code = "password_weak"
    ADVICE = "Choose a longer password: several words that do not belong together are easy to remember."


class PasswordTextError(SecretError):
    """The password is not Unicode text, for example bytes in another encoding."""

    code = "password_not_text"
    ADVICE = "Set your terminal to UTF-8 and enter the password again."


class PasswordUntypeableError(SecretError):
    """The new password has characters that cannot be typed or seen."""

    code = "password_untypeable"
    ADVICE = "Choose a password of letters, digits, punctuation and spaces, which you can type anywhere."


class PhraseError(SecretError):
    """Words that are not a recovery phrase."""

    code = "phrase_invalid"


class PhraseLengthError(PhraseError):
    """A recovery phrase that does not have 24 words.

    Attributes:
        found: how many words it has.
        expected: how many it must have.
    """

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
    """A word that is not in the BIP-39 English list.

    Attributes:
        word: the word as it was entered.
        position: which word of the phrase it is, from 1.
        suggestions: words of the list that look like it, the most alike first.
    """

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
    """The checksum of the 24 words is wrong: a word, or the order of the words, is wrong."""

    code = "phrase_bad_checksum"
    ADVICE = "Every word is in the list, but not all are yours: compare them with the recovery kit."


class WrongUserKeyError(SecretError):
    """The user key is valid, but it is not the one that made this wrap."""

    code = "wrong_user_key"
    ADVICE = "This phrase belongs to another account or was replaced: use the latest recovery kit."


class ProviderError(SolekeyError):
    """A place that keeps a key and does not serve it."""

    code = "provider_failed"
    action = Action.CORRECT
    ADVICE = "Give the 24 words themselves, and look at the place that keeps the key."


class SpecError(ProviderError):
    """A text that names no key provider."""

    code = "provider_spec_invalid"
    ADVICE = "Write prompt:, file:PATH, keyring:[NAME] or pkcs11:token=LABEL;object=NAME?module-path=PATH."


class ExtraMissingError(ProviderError):
    """A provider whose Python package is not installed."""

    code = "provider_not_installed"
    ADVICE = "Install the named extra, then try again."


class NobodyToAskError(ProviderError):
    """A PIN or passphrase is needed where nobody can be asked."""

    code = "provider_unattended"
    action = Action.ENTER_AGAIN
    ADVICE = "Ask a person, who answers with the passphrase or PIN (a token also takes pin-source=)."


class ProviderReadOnlyError(ProviderError):
    """A provider that stores nothing."""

    code = "provider_read_only"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose file:PATH, keyring:[NAME] or pkcs11:…; they store keys."


class ProviderEmptyError(ProviderError):
    """A provider that has no user key of this account."""

    code = "provider_empty"
    action = Action.UNLOCK
    ADVICE = "Insert the medium that has it, or give the user key itself and store it there."


class ProviderOccupiedError(ProviderError):
    """A provider that has another user key of this account already."""

    code = "provider_occupied"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "If that key was replaced by a rotation, overwrite it; otherwise choose another place."


class ForeignUserKeyError(ProviderError):
    """A provider that has the user key of another account."""

    code = "provider_other_account"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another place: this one belongs to another account and was left as it is."


class KeyFileError(ProviderError):
    """The key file cannot be read or written."""

    code = "key_file_unusable"
    ADVICE = "Check that the medium is there and writable, and that the path names the file itself."


class MalformedKeyFileError(KeyFileError):
    """The file is not a key file."""

    code = "key_file_malformed"
    ADVICE = "Name the key file itself; if this is it, it is damaged: use your words and store the key again."


class KeyFileKdfError(KeyFileError):
    """The key file's passphrase parameters are outside the range that this client accepts."""

    code = "key_file_kdf_refused"
    ADVICE = "Somebody altered the file, or it was not made by Solekey; your passphrase was not asked for."


class WeakPassphraseError(KeyFileError):
    """The new passphrase is too short, or is not text."""

    code = "passphrase_refused"
    action = Action.ENTER_AGAIN
    ADVICE = (
        "Choose at least 12 characters, better six random words: whoever has the file may guess for ever."
    )


class WrongPassphraseError(KeyFileError):
    """The passphrase is wrong, or the header of the file was altered: the two look the same."""

    code = "wrong_passphrase"
    action = Action.ENTER_AGAIN
    ADVICE = "Enter the passphrase again; if you are sure of it, the file was altered: use your words."


class TamperedKeyFileError(KeyFileError):
    """The passphrase is right, but the sealed key in the key file was altered."""

    code = "key_file_tampered"
    ADVICE = "Your passphrase is right, but the file was altered: use your words and store the key again."


class OsKeyringError(ProviderError):
    """The operating system's keyring does not work."""

    code = "keyring_unusable"
    ADVICE = "Unlock the keyring of your desktop session, or choose another provider."


class InsecureKeyringError(OsKeyringError):
    """The keyring would store the key unencrypted, or not at all."""

    code = "keyring_insecure"
    ADVICE = "Install or start a real keyring (Secret Service, KWallet, macOS Keychain, Windows Credentials)."


class KeyringEntryError(OsKeyringError):
    """The keyring's entry does not hold a Solekey key."""

    code = "keyring_entry_damaged"
    ADVICE = "Delete the entry in the keyring's own program, then store the key again."


class TokenError(ProviderError):
    """The PKCS#11 token did not do what was requested."""

    code = "token_failed"
    ADVICE = "Check the token with its maker's program, or with pkcs11-tool, then try again."


class TokenModuleError(TokenError):
    """The PKCS#11 module cannot be loaded."""

    code = "token_module_missing"
    ADVICE = "Add ?module-path= and the path of the PKCS#11 library of the token's maker to the spec."


class TokenMissingError(TokenError):
    """The token is not present, or was removed."""

    code = "token_missing"
    ADVICE = "Insert the token, wait until it is ready, then try again."


class TokenAmbiguousError(TokenError):
    """Several tokens match."""

    code = "token_ambiguous"
    ADVICE = "Say which: add serial=… (or slot-id=…) to the spec."


class TokenUnsuitableError(TokenError):
    """The token cannot store a key as required."""

    code = "token_unsuitable"
    ADVICE = "Use a token with AES-GCM (user key) or Ed25519 (device key), or choose another provider."


class WrongPinError(TokenError):
    """A PIN that the token refuses."""

    code = "pin_refused"
    action = Action.ENTER_AGAIN
    ADVICE = "Check the PIN before you try again: most tokens lock after a few wrong ones."


class PinLockedError(TokenError):
    """A token that takes no PIN any more."""

    code = "pin_locked"
    ADVICE = "Unlock it with the security officer's PIN (the maker's program), or use your words."


class TamperedTokenObjectError(TokenError):
    """The object on the token cannot be opened with the token's key for this account."""

    code = "token_object_tampered"
    ADVICE = "Somebody with the PIN altered what lies on the token: use your words and store the key again."


class DeviceKeyMissingError(ProviderError):
    """The device key is no longer where this profile keeps it."""

    code = "device_key_missing"
    ADVICE = (
        "Restore the place that kept it. If it is lost, log in with a new profile and revoke this device."
    )
