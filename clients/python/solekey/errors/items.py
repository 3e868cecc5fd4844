"""The account's items and files: finding, changing, sealing, opening, sending. Spec: conventions.md §6."""

from typing import Literal

from solekey.errors.base import Action, SolekeyError

OpenStage = Literal["header", "commitment", "chunk", "padding", "metadata"]
"""Where an envelope failed to open, in the order of the checks; for tests and vectors, not for users."""

WrapStage = Literal["header", "place", "commitment", "tag", "commit_key"]
"""Where a wrap failed to open, in the order of the checks; for tests and vectors, not for users."""


class VaultError(SolekeyError):
    """A problem with an item."""

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
    """No readable item has this name, but some items cannot be read, and one of them may have it."""

    code = "item_name_uncertain"
    ADVICE = (
        "List the items: the list names what cannot be read. Such an item can be named by its id (itm_…)."
    )


class NotKeptError(VaultError):
    """The server is not available, and this device does not keep the item."""

    code = "item_not_kept"
    action = Action.RETRY
    ADVICE = "Read it when the server answers; keep it on this device then, to read it without the server."


class OfflineForbiddenError(VaultError):
    """The user or the operator has forbidden this device to keep anything."""

    code = "offline_forbidden"
    action = Action.CORRECT
    ADVICE = "Allow this device to keep what it needs to work offline, if the operator permits it."


class AmbiguousNameError(VaultError):
    """Several items have this name."""

    code = "item_name_ambiguous"
    ADVICE = "Name the item by its id (itm_…), which the list shows."


class NameTakenError(VaultError):
    """Another item already has this name."""

    code = "item_name_taken"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another name, or rename the other item first."


class NoConflictError(VaultError):
    """The item is not a conflict copy."""

    code = "item_no_conflict"
    ADVICE = "List the conflicts to see which items are conflict copies."


class ItemChangedError(VaultError):
    """The item's version is not the one on which the edit or removal was based."""

    code = "item_changed"
    ADVICE = "Get the item again, look at what changed, and edit that version. Nothing was changed."


class VersionMissingError(VaultError):
    """The item never had this version, or the version has been deleted."""

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
    """No current wrap opens the data key of the epoch under which the item is sealed."""

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
    """The wrap stored by the server does not contain the key that was wrapped."""

    code = "wrap_read_back"
    action = Action.RETRY
    ADVICE = "The old key is still in force and nothing is lost: try again; if it fails again, run an audit."


class TransferError(SolekeyError):
    """A file cannot be read, written or kept during a transfer."""

    code = "transfer_failed"
    action = Action.RETRY
    ADVICE = "Try again: what was transferred is kept for the next attempt."


class SourceError(TransferError):
    """A source that is not a file which can be read."""

    code = "source_unusable"
    action = Action.CORRECT
    ADVICE = "Name a regular file that you may read. Pack a folder first, or put it as a stream."


class TargetError(TransferError):
    """The file cannot be written at this place. What was there is unchanged."""

    code = "target_unusable"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Name a file in a folder where you may write."


class OutputExistsError(TargetError):
    """The output file for secrets already exists. Nothing was changed."""

    code = "output_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another file name: a file with secrets in it is never overwritten."


class DiskFullError(TransferError):
    """The disk is full. The target is unchanged, and what was transferred is kept."""

    code = "disk_full"
    action = Action.FREE_SPACE
    ADVICE = "Free some space or choose another disk, then try again: a transfer resumes."


class TransferBusyError(TransferError):
    """Another program with this profile is transferring the same file."""

    code = "transfer_running"
    ADVICE = "Wait until the other program has finished, or end it, then try again."


class OpenError(SolekeyError):
    """A ciphertext cannot be opened. The error does not tell why, on purpose.

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
    """The wrapped key was made with this user key, but does not open at this place.

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
    """The sync token is invalid, or belongs to another account or history."""

    code = "sync_token_refused"
    action = Action.CORRECT
    ADVICE = "Ask for the changes without a token, and replace the app's copy by what is answered."


class MetadataError(SealError):
    """Item metadata that the schema does not allow."""

    code = "metadata_invalid"
    ADVICE = "Change the named field: shorten it or remove the characters that are not allowed."


class ContentSizeError(SealError):
    """The source does not have the declared size: it changed while it was read, or it is too long."""

    code = "content_size_changed"
    action = Action.RETRY
    ADVICE = "Wait until no other program writes the file, then try again."
