"""What to do next, in the words of the command: its commands and flags, which no error names itself."""

from collections.abc import Mapping
from typing import Final

from solekey import errors
from solekey.errors import SolekeyError, refusals

_COMMANDS: Final[Mapping[type[SolekeyError], str]] = {
    errors.ApproverNotTrustedError: (
        "Run this on a trusted device, or trust this one first: `solekey devices trust`."
    ),
    errors.ClosedStreamError: (
        "Run it with standard input and output open; </dev/null or >/dev/null will do."
    ),
    errors.DeviceError: "Run `solekey devices list` to see what there is.",
    refusals.DeviceRevokedError: (
        "Another device revoked this one: if that was right, log in with another profile: `solekey login "
        "--profile NEW`. Changes that wait here for the server are taken out by `solekey queue export "
        "FOLDER`, with the user key that was in force when they were queued."
    ),
    errors.DeviceGoneError: (
        "Look at `solekey devices list`. If it was a mistake, log in again with an empty profile folder."
    ),
    refusals.DeviceNameRefusedError: (
        "Choose another name for this device (--device-name): short, and without control characters."
    ),
    errors.DeviceNameUncertainError: (
        "Run `solekey devices list`, look at standing and key, and use the device's id (dev_…)."
    ),
    refusals.DeviceNotTrustedError: "Trust this device with the user key: `solekey devices trust`.",
    errors.DevicePendingError: (
        "Approve it on a trusted device (`solekey devices approve`) and wait again (`solekey devices "
        "wait`), or trust this device with its user key: `solekey devices trust`."
    ),
    errors.DiskFullError: (
        "Make room, or choose another disk, and run the same command again: a transfer goes on."
    ),
    errors.EvidenceError: (
        "Stop using this server, keep the profile folder as evidence, and run `solekey audit`."
    ),
    errors.RestorationRefusedError: (
        "Nothing was changed on this device. Ask the operator by another way. What was revoked or replaced "
        "must be revoked or replaced again first: `solekey login --profile NEW`, do it there, and accept the "
        "restoration here afterwards."
    ),
    errors.RollbackError: (
        "Stop using this server, and keep the profile folder as evidence. If the operator tells you, by "
        "another way, that the server was restored from a backup: `solekey accept-restoration`."
    ),
    errors.HistoryForkError: (
        "Stop using this server, and keep the profile folder as evidence. If the operator tells you, by "
        "another way, that the server was restored from a backup: `solekey accept-restoration`."
    ),
    errors.ExtraMissingError: (
        "Install the named extra into the environment that runs solekey, then run it again."
    ),
    errors.FactorMissingError: "Run `solekey factors list` and use one of its ids.",
    refusals.FactorRefusedError: (
        "Wait for the next authenticator code (each works once), see that the clock of its device is "
        "right, and try again; or use a recovery code (--recovery-code) or a security key "
        "(--passkey)."
    ),
    refusals.FactorRequiredError: (
        "Add another one first: `solekey factors add-totp` or `solekey factors add-passkey`."
    ),
    errors.ForeignAccountError: (
        "This is not the server that has your account, or somebody has taken the name there. Check "
        "the address (--server); for another account use a profile of its own (--profile NAME)."
    ),
    errors.UnknownDeviceError: "Run `solekey devices list` and use one of its ids.",
    errors.InsecureServerError: (
        "Use the server's https:// address and its own CA file (--ca). If they changed, ask the "
        "operator by another way; a profile follows a renewed authority: `solekey login --ca FILE`."
    ),
    errors.NotKeptError: (
        "Read it when the server answers; `solekey keep NAME` keeps it on this device from then on."
    ),
    errors.OfflineForbiddenError: "If this device may keep ciphertext: `solekey keep --on`.",
    errors.AmbiguousNameError: "Name the item by its id (itm_…); `solekey list` shows them.",
    errors.ItemChangedError: (
        "Nothing was changed. Run `solekey get`, look at what changed, then run it again on that version: "
        "with --if-version and its number, or without."
    ),
    errors.ItemNameUncertainError: (
        "Run `solekey list`: it names what cannot be read. Such an item can be named by its id (itm_…)."
    ),
    errors.KitMismatchError: (
        "Look for the kit that names this account; `solekey status` shows the account."
    ),
    refusals.LoginRefusedError: (
        "Check the user name and the password, wait for the next authenticator code (each works "
        "once), and try again. Without the authenticator, use a recovery code (--recovery-code) or a "
        "security key (--passkey)."
    ),
    errors.NoConflictError: "Run `solekey conflicts`: it lists the conflict copies.",
    errors.NobodyToAskError: (
        "Run it at a terminal, or set SOLEKEY_PASSPHRASE or SOLEKEY_PIN (a token also takes pin- source=)."
    ),
    errors.NotLoggedInError: "Log in: `solekey login`.",
    errors.ProfileError: "Check the folder's owner and permissions, or choose another with --profile.",
    errors.ProfileExistsError: (
        "Choose another folder with --profile; one profile is one device of one account."
    ),
    errors.ProfileMissingError: (
        "Run `solekey signup`, or `solekey login` on a new device; or name the profile with --profile."
    ),
    errors.ProviderEmptyError: (
        "Insert the medium that has it, or store the key there: `solekey user-key store SPEC`."
    ),
    errors.ProviderError: (
        "Give the 24 words themselves (--user-key), and look at the place that keeps the key."
    ),
    errors.ProviderOccupiedError: (
        "If that key was replaced by a rotation, overwrite it (--replace); otherwise choose another place."
    ),
    refusals.RateLimitedError: (
        "Wait as long as the message says, then run it again; what was sent is not sent twice."
    ),
    errors.RotationError: "Run `solekey rotate status`, then `solekey rotate resume`.",
    refusals.RotationRequiredError: (
        "`solekey status` says which rotation is due and why. Run `solekey rotate user-key` or `solekey "
        "rotate data-key`, then this command again. Nothing was lost, and reading goes on."
    ),
    refusals.RotationRefusedError: "Run `solekey rotate status`, then `solekey rotate resume`.",
    refusals.SessionEndedError: "Log in again: `solekey login`.",
    errors.SessionMissingError: "Run `solekey sessions list` and use one of its ids.",
    errors.SolekeyError: "Run it again; if it fails the same way, report it with the error's code.",
    errors.SourceError: (
        "Name a regular file that you may read. Pack a folder first, or pipe it in (tar c FOLDER | … put -)."
    ),
    refusals.StepUpRequiredError: (
        "Run it again at a terminal, which asks for your second factor, or with --code; `solekey "
        "login` proves it as well."
    ),
    refusals.StorageFullError: (
        "Tell the operator that the server's storage is full; nothing was lost. Run it again afterwards."
    ),
    errors.TargetError: (
        "Name a file in a folder where you may write; without -o the content goes to standard output."
    ),
    errors.TransferBusyError: (
        "Wait until the other program is through, or end it, then run the same command again."
    ),
    errors.TransferError: "Run the same command again: what was transferred is kept for the next attempt.",
    errors.UnconfirmedEventError: (
        "Finish the revocation: run `solekey devices revoke DEVICE` again on a trusted device. What "
        "it removed can be brought back with `solekey restore`."
    ),
    errors.UnreachableError: (
        "Check the connection and try again; nothing that was acknowledged is lost. If the server has "
        "moved: `solekey login --server NEW`."
    ),
    errors.VaultError: "Run `solekey list` to see what there is.",
    errors.VersionMissingError: "Run `solekey history` with the item's name: it says what can be read.",
    errors.VersionGoneError: "Run the same command again: it takes the item's present version.",
}
_CODES: Final[Mapping[str, str]] = {
    "too_many_passkeys": "Remove one that you do not use: `solekey factors remove`.",
}
"""Where the advice of a class depends on the server's code."""


def advise(error: SolekeyError) -> str:
    """Say what to do next at the terminal."""
    if error.code in _CODES:
        return _CODES[error.code]
    for kind in type(error).__mro__:
        if kind in _COMMANDS:
            return _COMMANDS[kind]
        if {"ADVICE", "diagnostics"} & vars(kind).keys():
            break  # of its own, for any user
    return error.diagnostics()
