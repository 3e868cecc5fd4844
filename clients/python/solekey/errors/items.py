"""The account's items and files: finding, changing, sealing, opening, sending. Spec: conventions.md §6."""

from typing import Literal

from solekey.errors.base import Action, SolekeyError

OpenStage = Literal["header", "commitment", "chunk", "padding", "metadata"]
"""Where an envelope failed to open, in the order of the checks; for tests and vectors, not for users."""

WrapStage = Literal["header", "place", "commitment", "tag", "commit_key"]
"""Where a wrap failed to open, in the order of the checks; for tests and vectors, not for users."""


class VaultError(SolekeyError):
    """Something about an item."""

    code = "vault_refused"
    action = Action.LOOK_AGAIN
    ADVICE = "List the items to see what there is."


class AccountLockedError(VaultError):
    """The account is locked: its user key was not given, or the block that unlocked it has ended."""

    code = "account_locked"
    action = Action.UNLOCK
    ADVICE = "Unlock the account with its user key first."


class ItemMissingError(VaultError):
    """There is no item of this name or id."""

    code = "item_missing"


class ItemNameUncertainError(ItemMissingError):
    """No item that can be read has this name, and some cannot be read: one of them may be it."""

    code = "item_name_uncertain"
    ADVICE = (
        "List the items: the list names what cannot be read. Such an item can be named by its id (itm_…)."
    )


class NotKeptError(VaultError):
    """There is no server, and this item is not kept on this device."""

    code = "item_not_kept"
    action = Action.RETRY
    ADVICE = "Read it when the server answers; keep it on this device then, to read it without the server."


class OfflineForbiddenError(VaultError):
    """This device may keep nothing: its user or the operator has said so."""

    code = "offline_forbidden"
    action = Action.CORRECT
    ADVICE = "Allow this device to keep what it needs without its server, if the operator does, too."


class AmbiguousNameError(VaultError):
    """Several items have this name."""

    code = "item_name_ambiguous"
    ADVICE = "Name the item by its id (itm_…), which the list shows."


class NameTakenError(VaultError):
    """Another item has the name that an item was to be given."""

    code = "item_name_taken"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another name, or rename the other item first."


class NoConflictError(VaultError):
    """The item is no conflict copy."""

    code = "item_no_conflict"
    ADVICE = "List the conflicts to see which items are conflict copies."


class ItemChangedError(VaultError):
    """The item is in another version than the one that an edit or a removal was based on."""

    code = "item_changed"
    ADVICE = "Get the item again, look at what changed, and edit that version. Nothing was changed."


class VersionMissingError(VaultError):
    """The item never had this version, or it was replaced and is deleted since."""

    code = "item_version_missing"
    ADVICE = "Look at the item's history: it says which versions can still be read."


class VersionGoneError(VaultError):
    """Another device changed or re-encrypted the item, and the version that was being read is deleted."""

    code = "item_version_gone"
    action = Action.RETRY
    ADVICE = "Try again: that takes the item's present version."


class ContentionError(VaultError):
    """Other devices committed first each time."""

    code = "commit_contention"
    action = Action.RETRY
    ADVICE = "Try again when the other devices are less busy; nothing was lost."


class EpochKeyMissingError(VaultError):
    """No live wrap opens the data key of an epoch that an item is sealed under."""

    code = "epoch_key_missing"
    action = Action.STOP
    ADVICE = "The item cannot be opened without that key: run an audit to see who retired its wrap."


class RepairFailedError(VaultError):
    """The words that were given open nothing that is missing."""

    code = "repair_failed"
    action = Action.ENTER_AGAIN
    ADVICE = "Try the words of every earlier recovery kit; retired keys are kept for the grace time only."


class RotationError(SolekeyError):
    """A rotation that cannot go on like this."""

    code = "rotation_refused"
    action = Action.RESUME
    ADVICE = "Check the open rotation, then resume it."


class NewUserKeyNeededError(RotationError):
    """An open user key change goes to another user key than the one given, or none was given."""

    code = "new_user_key_needed"
    ADVICE = "Give the new recovery phrase that was shown when this change began, or abort it."


class ReadBackError(RotationError):
    """The wrap that the server stores does not open to the key that was wrapped."""

    code = "wrap_read_back"
    action = Action.RETRY
    ADVICE = "The old key is still in force and nothing is lost: try again; if it fails again, run an audit."


class TransferError(SolekeyError):
    """A file that cannot be read, written or kept on its way."""

    code = "transfer_failed"
    action = Action.RETRY
    ADVICE = "Try again: what was transferred is kept for the next attempt."


class SourceError(TransferError):
    """A source that is not a file which can be read."""

    code = "source_unusable"
    action = Action.CORRECT
    ADVICE = "Name a regular file that you may read. Pack a folder first, or put it as a stream."


class TargetError(TransferError):
    """A place where the file cannot be written. What stood there is untouched."""

    code = "target_unusable"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Name a file in a folder where you may write."


class OutputExistsError(TargetError):
    """There is a file where secrets were to be written. Nothing was changed."""

    code = "output_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another file name: a file with secrets in it is never overwritten."


class DiskFullError(TransferError):
    """No room on a disk. What stood at the target is untouched, what was transferred is kept."""

    code = "disk_full"
    action = Action.FREE_SPACE
    ADVICE = "Make room, or choose another disk, and try again: a transfer goes on."


class TransferBusyError(TransferError):
    """Another program of this profile transfers the same file right now."""

    code = "transfer_running"
    ADVICE = "Wait until the other program is through, or end it, then try again."


class OpenError(SolekeyError):
    """A ciphertext that does not open. It says one thing only, whatever was wrong.

    Attributes:
        stage: where it failed, for tests and vectors.
    """

    code = "open_failed"
    action = Action.STOP
    ADVICE = "The stored ciphertext was damaged or replaced: fetch it again; if it still fails, run an audit."

    def __init__(self, stage: OpenStage) -> None:
        super().__init__("the ciphertext does not open with this key for this item")
        self.stage = stage


class TamperedWrapError(SolekeyError):
    """A wrapped key that was made by this user key and does not open for this place.

    Attributes:
        stage: where it failed, for tests and vectors.
    """

    code = "wrap_tampered"
    action = Action.STOP
    ADVICE = "Your phrase is right, but the server's copy of the wrapped key is not: run an audit."

    def __init__(self, stage: WrapStage) -> None:
        super().__init__("the wrapped key was altered or moved")
        self.stage = stage


class SealError(SolekeyError):
    """Plaintext that cannot be sealed."""

    code = "seal_refused"
    action = Action.CORRECT


class SyncTokenError(VaultError):
    """A token of a sync that is none, or of another account or history."""

    code = "sync_token_refused"
    action = Action.CORRECT
    ADVICE = "Ask for the changes without a token, and replace the app's copy by what is answered."


class MetadataError(SealError):
    """Item metadata outside its closed schema."""

    code = "metadata_invalid"
    ADVICE = "Change the named field: shorten it or remove the characters that are not allowed."


class ContentSizeError(SealError):
    """A source that is not as long as declared: it changed while it was read, or it is too long."""

    code = "content_size_changed"
    action = Action.RETRY
    ADVICE = "Wait until no other program writes the file, then try again."
