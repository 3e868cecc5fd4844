"""The client's error tree. Each error has a stable snake_case ``code`` and tells what to do next.

::

    SolekeyError
    ├── SecretError                                 a key or password that cannot be used
    │   ├── WipedSecretError         secret_wiped          used after its `with` block ended
    │   ├── EmptyPasswordError       password_empty
    │   ├── PhraseError                                    a recovery phrase that is not one
    │   │   ├── PhraseLengthError    phrase_wrong_length   not 24 words
    │   │   ├── UnknownWordError     phrase_unknown_word   a word that is not in the list
    │   │   └── PhraseChecksumError  phrase_bad_checksum   24 known words that are no phrase
    │   └── WrongUserKeyError        wrong_user_key        a valid user key, but another one
    ├── KdfRefusedError              kdf_refused           the server's password parameters are malformed
    │   ├── KdfDowngradeError        kdf_downgrade         ... weaker than the floor
    │   └── KdfExcessiveError        kdf_excessive         ... above the ceiling
    ├── UnsupportedFormatError       unsupported_format    made by a newer release
    ├── OpenError                    open_failed           a ciphertext that does not open
    ├── TamperedWrapError            wrap_tampered         a wrapped key that does not open
    ├── SealError                                          plaintext that cannot be sealed
    │   ├── MetadataError            metadata_invalid      outside the closed metadata schema
    │   └── ContentSizeError         content_size_changed  the source is not as long as declared
    ├── ProfileError                 profile_unusable      the profile folder
    │   ├── ProfileMissingError      profile_missing
    │   ├── ProfileExistsError       profile_exists
    │   └── NotLoggedInError         not_logged_in
    ├── TransportError                                     no usable answer from the server
    │   ├── InsecureServerError      insecure_server       not https, or a certificate that is not pinned
    │   ├── RedirectRefusedError     redirect_refused
    │   ├── UnreachableError         server_unreachable
    │   └── BadAnswerError           bad_answer            not what the API says
    ├── EvidenceError                                      a server that does what no honest one does
    │   ├── RollbackError            rollback_detected     shows less than it has shown before
    │   ├── HistoryForkError         fork_detected         shows another history; evidence is on disk
    │   ├── ForgedEventError         event_forged          a record that breaks the rules of its stream
    │   └── SwappedObjectError       object_swapped        other bytes than a signed commit names, or none
    ├── VaultError
    │   ├── ItemMissingError         item_missing
    │   ├── ItemNameError            item_name_ambiguous   several items have this name
    │   ├── ItemChangedError         item_changed          another device was faster
    │   ├── ContentionError          commit_contention     other devices were always faster
    │   └── ForeignDeviceError       device_unknown        no such device in this account
    ├── RotationError                rotation_refused
    │   ├── NewUserKeyNeededError    new_user_key_needed   an open change goes to another user key
    │   └── ReadBackError            wrap_read_back        what was stored is not what was sent
    └── ServerRefusedError           (the server's code)   see `solekey.refusals`

Spec: conventions.md §6.
"""

from typing import ClassVar, Literal

OpenStage = Literal["header", "commitment", "chunk", "padding", "metadata"]
"""Where an envelope failed to open, in the order of the checks; for tests and vectors, not for users."""


class SolekeyError(Exception):
    """Base of everything that the client refuses."""

    code: ClassVar[str] = "solekey_error"
    ADVICE: ClassVar[str] = "Run it again; if it fails the same way, report it with the error's code."

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return self.ADVICE


class SecretError(SolekeyError):
    """A key, phrase or password that cannot be used."""

    code = "secret_unusable"


class WipedSecretError(SecretError):
    """A secret that was used after it had been wiped."""

    code = "secret_wiped"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Unlock again, and use keys only inside the unlocked block."


class EmptyPasswordError(SecretError):
    """An empty password."""

    code = "password_empty"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Enter a password that is not empty."


class PhraseError(SecretError):
    """Words that are not a recovery phrase."""

    code = "phrase_invalid"


class PhraseLengthError(PhraseError):
    """A recovery phrase that does not have 24 words."""

    code = "phrase_wrong_length"

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

    def __init__(self, word: str, position: int, suggestions: tuple[str, ...]) -> None:
        super().__init__(f"word {position} of the recovery phrase, {word!r}, is not in the word list")
        self.word = word
        self.position = position
        self.suggestions = suggestions

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        if not self.suggestions:
            return f"Check word {self.position} against what you wrote down."
        meant = ", ".join(self.suggestions)
        return f"Check word {self.position} against what you wrote down; did you mean {meant}?"


class PhraseChecksumError(PhraseError):
    """24 words of the list whose checksum is wrong: a word was mistaken for another, or the order."""

    code = "phrase_bad_checksum"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return (
            "Every word is in the list, but not all are yours: compare each word and the order with the kit."
        )


class WrongUserKeyError(SecretError):
    """A valid user key that is not the one which made this wrap."""

    code = "wrong_user_key"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "This phrase belongs to another account or was replaced by a newer one: use the latest kit."


class KdfRefusedError(SolekeyError):
    """Password parameters from the server that the client does not use."""

    code = "kdf_refused"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "The server may be hostile or misconfigured: your password was not used. Tell its operator."


class KdfDowngradeError(KdfRefusedError):
    """Password parameters that are weaker than the client's floor."""

    code = "kdf_downgrade"


class KdfExcessiveError(KdfRefusedError):
    """Password parameters that would exhaust this machine."""

    code = "kdf_excessive"


class UnsupportedFormatError(SolekeyError):
    """A format version, suite or secret kind that this release does not know."""

    code = "unsupported_format"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Update the client: this was written by a newer release."


class OpenError(SolekeyError):
    """A ciphertext that does not open. It says one thing only, whatever was wrong.

    Attributes:
        stage: where it failed, for tests and vectors.
    """

    code = "open_failed"

    def __init__(self, stage: OpenStage) -> None:
        super().__init__("the ciphertext does not open with this key for this item")
        self.stage = stage

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return (
            "The stored ciphertext was damaged or replaced: fetch it again; if it still fails, run an audit."
        )


class TamperedWrapError(SolekeyError):
    """A wrapped key that was made by this user key and does not open for this place."""

    code = "wrap_tampered"

    def __init__(self) -> None:
        super().__init__("the wrapped key was altered or moved")

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Your phrase is right, but the server's copy of the wrapped key is not: run an audit."


class SealError(SolekeyError):
    """Plaintext that cannot be sealed."""

    code = "seal_refused"


class MetadataError(SealError):
    """Item metadata outside its closed schema."""

    code = "metadata_invalid"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Change the named field: shorten it or remove the characters that are not allowed."


class ContentSizeError(SealError):
    """A source that is not as long as declared: it changed while it was read, or it is too long."""

    code = "content_size_changed"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Wait until no other program writes the file, then try again."


class ProfileError(SolekeyError):
    """A profile folder that cannot be used."""

    code = "profile_unusable"
    ADVICE = "Check the folder's owner and permissions, or choose another with --profile."


class ProfileMissingError(ProfileError):
    """There is no profile in this folder."""

    code = "profile_missing"
    ADVICE = "Run `solekey signup`, or `solekey login` on a new device; or name the profile with --profile."


class ProfileExistsError(ProfileError):
    """The folder holds another account's profile."""

    code = "profile_exists"
    ADVICE = "Choose another folder with --profile; one profile is one device of one account."


class NotLoggedInError(ProfileError):
    """The profile has no session."""

    code = "not_logged_in"
    ADVICE = "Log in: `solekey login`."


class TransportError(SolekeyError):
    """No usable answer from the server."""

    code = "transport_failed"
    ADVICE = "Check the connection and try again; nothing that was acknowledged is lost."


class InsecureServerError(TransportError):
    """A server address that is not https, or a server that is not the pinned one."""

    code = "insecure_server"
    ADVICE = "Use the server's https:// address and its own CA file (--ca); do not go on if they changed."


class RedirectRefusedError(TransportError):
    """The server answered with a redirect; proofs and tokens are for one host only."""

    code = "redirect_refused"
    ADVICE = "Ask the operator for the service's own address and use that; redirects are never followed."


class UnreachableError(TransportError):
    """The server did not answer, also not when asked again."""

    code = "server_unreachable"


class BadAnswerError(TransportError):
    """An answer that is not what the API says."""

    code = "bad_answer"
    ADVICE = "Check the server address; if it is right, client and server are of different releases."


class EvidenceError(SolekeyError):
    """The server did what no honest server does."""

    code = "server_misbehaved"
    ADVICE = "Stop using this server, keep the profile folder as evidence, and run `solekey audit`."


class RollbackError(EvidenceError):
    """The server shows less of a stream than it has shown or named before."""

    code = "rollback_detected"


class HistoryForkError(EvidenceError):
    """The server shows another history than before; both records are in ``fork-evidence.json``."""

    code = "fork_detected"


class ForgedEventError(EvidenceError):
    """A record that is not signed by whom it must be, or breaks the rules of its stream."""

    code = "event_forged"


class SwappedObjectError(EvidenceError):
    """The server has other bytes than the ones that a signed commit names, or none at all."""

    code = "object_swapped"


class VaultError(SolekeyError):
    """Something about an item."""

    code = "vault_refused"
    ADVICE = "Run `solekey list` to see what there is."


class ItemMissingError(VaultError):
    """There is no item of this name or id."""

    code = "item_missing"


class ItemNameError(VaultError):
    """Several items have this name."""

    code = "item_name_ambiguous"
    ADVICE = "Name the item by its id (itm_…); `solekey list` shows them."


class ItemChangedError(VaultError):
    """Another device changed the item after this one had read it."""

    code = "item_changed"
    ADVICE = "Get the item again and look at what changed; then remove it."


class ContentionError(VaultError):
    """Other devices committed first each time."""

    code = "commit_contention"
    ADVICE = "Try again when the other devices are less busy; nothing was lost."


class ForeignDeviceError(VaultError):
    """There is no such device in this account."""

    code = "device_unknown"
    ADVICE = "Run `solekey devices list` and use one of its ids."


class RotationError(SolekeyError):
    """A rotation that cannot go on like this."""

    code = "rotation_refused"
    ADVICE = "Run `solekey rotate status`, then `solekey rotate resume`."


class NewUserKeyNeededError(RotationError):
    """An open user key change goes to another user key than the one given, or none was given."""

    code = "new_user_key_needed"
    ADVICE = "Give the new recovery phrase that was shown when this change began, or abort it."


class ReadBackError(RotationError):
    """The wrap that the server stores does not open to the key that was wrapped."""

    code = "wrap_read_back"
    ADVICE = "The old key is still in force and nothing is lost: try again; if it fails again, run an audit."
