"""Items and rotations. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


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


class ItemNameError(VaultError):
    """Several items have this name."""

    code = "item_name_ambiguous"
    ADVICE = "Name the item by its id (itm_…), which the list shows."


class ItemChangedError(VaultError):
    """Another device changed the item after this one had read it."""

    code = "item_changed"
    ADVICE = "Get the item again and look at what changed; then remove it."


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


class ForeignDeviceError(VaultError):
    """There is no such device in this account."""

    code = "device_unknown"
    ADVICE = "List the account's devices and use one of their ids."


class DeviceNameUncertainError(ForeignDeviceError):
    """Several devices may be the one that a name means."""

    code = "device_name_uncertain"
    ADVICE = "List the account's devices, look at status and key, and use the device's id (dev_…)."


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


class RepairFailedError(VaultError):
    """The words that were given open nothing that is missing."""

    code = "repair_failed"
    action = Action.ENTER_AGAIN
    ADVICE = "Try the words of every earlier recovery kit; retired keys are kept for the grace time only."
