"""The client's error tree. Each error has a stable snake_case ``code`` and tells what to do next.

::

    SolekeyError
    ├── SecretError                                 a key or password that cannot be used
    │   ├── WipedSecretError         secret_wiped          used after its `with` block ended
    │   ├── EmptyPasswordError       password_empty
    │   ├── PasswordTextError        password_not_text     no Unicode text
    │   ├── PasswordUntypeableError  password_untypeable   a new one that can be typed nowhere
    │   ├── WeakPasswordError        password_weak         a new one that is too short
    │   ├── PhraseError                                    a recovery phrase that is not one
    │   │   ├── PhraseLengthError    phrase_wrong_length   not 24 words
    │   │   ├── UnknownWordError     phrase_unknown_word   a word that is not in the list
    │   │   └── PhraseChecksumError  phrase_bad_checksum   24 known words that are no phrase
    │   └── WrongUserKeyError        wrong_user_key        a valid user key, but another one
    ├── KdfParametersError           kdf_refused           the server's password parameters are malformed
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
    │   ├── DamagedProfileError      profile_damaged
    │   ├── ProfileExistsError       profile_exists
    │   ├── ForeignAccountError      account_differs       the server has another one under this name
    │   └── NotLoggedInError         not_logged_in
    ├── TransportError                                     no usable answer from the server
    │   ├── InsecureServerError      insecure_server       not https, or a certificate that is not pinned
    │   ├── ClockWrongError          clock_wrong           this machine's, by all appearances
    │   ├── RedirectError            redirect_refused
    │   ├── UnreachableError         server_unreachable
    │   ├── OfflineError             offline               opened without the server
    │   └── BadAnswerError           bad_answer            not what the API says
    ├── EvidenceError                                      a server that does what no honest one does
    │   ├── RollbackError            rollback_detected     shows less than it has shown before
    │   ├── HistoryForkError         fork_detected         shows another history; evidence is on disk
    │   ├── RestorationRefusedError  restoration_refused   ... and is none that a user may accept
    │   ├── KdfSaltError             kdf_salt_changed      another salt for the password, without an event
    │   ├── ForgedEventError         event_forged          a record that breaks the rules of its stream
    │   └── SwappedObjectError       object_swapped        other bytes than a signed commit names
    │       ├── LostObjectError      object_lost           ... or none at all
    │       └── ChangeListError      change_list_unreadable  a commit's list: concerns every item
    ├── AccountError                                   the account's factors and sessions
    │   ├── NoRestorationError       restoration_missing   none that could be accepted
    │   ├── FactorMissingError       factor_missing        no such second factor
    │   └── SessionMissingError      session_missing       no such open session
    ├── VaultError
    │   ├── AccountLockedError       account_locked        needs the user key
    │   ├── ItemMissingError         item_missing
    │   │   └── ItemNameUncertainError item_name_uncertain  ... among those that can be read
    │   ├── NotKeptError             item_not_kept         no server, and not on this device
    │   ├── OfflineForbiddenError    offline_forbidden     nothing may be kept on this device
    │   ├── AmbiguousNameError       item_name_ambiguous   several items have this name
    │   ├── NameTakenError           item_name_taken       another item has the new name
    │   ├── NoConflictError          item_no_conflict      not a conflict copy
    │   ├── SyncTokenError           sync_token_refused    no token of this account's history
    │   ├── ItemChangedError         item_changed          in another version than an edit was based on
    │   ├── VersionMissingError      item_version_missing  never there, or replaced and deleted since
    │   ├── VersionGoneError         item_version_gone     what was being read is replaced and deleted
    │   ├── ContentionError          commit_contention     other devices were always faster
    │   ├── RepairFailedError        repair_failed         the words open nothing that is missing
    │   └── EpochKeyMissingError     epoch_key_missing     no wrap opens the epoch of an item
    ├── DeviceError                  device_refused        a device of this account
    │   ├── UnknownDeviceError       device_unknown        no such device in this account
    │   │   └── DeviceNameUncertainError device_name_uncertain  the name may mean another one
    │   ├── DeviceCodeError          device_code_malformed
    │   ├── DeviceCodeMismatchError  device_code_mismatch  no device that waits has this code
    │   ├── DevicePendingError       device_pending        not approved while it was waited for
    │   ├── ApproverNotTrustedError  approver_not_trusted
    │   ├── DeviceGoneError          device_gone           another device revoked it meanwhile
    │   └── UnconfirmedEventError    revoked_author        a revoked device spoke, and nobody has confirmed it
    ├── TransferError                transfer_failed       a file on its way up or down
    │   ├── SourceError              source_unusable       a folder, not readable, not a file
    │   ├── TargetError              target_unusable       a folder, not writable, not a file
    │   │   └── OutputExistsError    output_exists         a file is where secrets were to be written
    │   ├── DiskFullError            disk_full
    │   └── TransferBusyError        transfer_running      another program transfers the same file
    ├── NotTextError                 text_undecodable      bytes that are no UTF-8 text
    ├── ClosedStreamError            stream_closed         no standard input or output
    ├── RecoveryError                recovery_failed       kits and shares
    │   ├── KitExistsError           kit_exists            a file is there already
    │   ├── KitUnreadableError       kit_unreadable        not a kit, or damaged
    │   ├── KitMismatchError         kit_mismatch          another account's, or words of another key
    │   ├── WordsDifferError         words_differ          re-entered words are not the saved ones
    │   └── ShareError               shares_unusable
    │       ├── ShareCountError      share_count_invalid   threshold and number that cannot be
    │       ├── ShareLengthError     share_wrong_length    not 33 words
    │       ├── ShareWordError       share_unknown_word    a word that is not in the list
    │       ├── ShareChecksumError   share_bad_checksum    33 known words that are no share
    │       ├── ForeignShareError    share_of_another_set
    │       ├── ShareUnsupportedError share_unsupported    groups, or too costly a passphrase
    │       ├── TooFewSharesError    shares_too_few
    │       └── SharesMismatchError  shares_do_not_fit     forged or altered
    ├── ProviderError                provider_failed       a place that keeps a key and does not serve it
    │   ├── SpecError                provider_spec_invalid
    │   ├── ExtraMissingError        provider_not_installed
    │   ├── NobodyToAskError         provider_unattended   no PIN or passphrase, and nobody to ask
    │   ├── ProviderReadOnlyError    provider_read_only    prompt: stores nothing
    │   ├── ProviderEmptyError       provider_empty        no user key of this account
    │   ├── ProviderOccupiedError    provider_occupied     another user key of this account
    │   ├── ForeignUserKeyError      provider_other_account
    │   ├── DeviceKeyMissingError    device_key_missing
    │   ├── KeyFileError             key_file_unusable     not readable, not writable, a symbolic link
    │   │   ├── MalformedKeyFileError key_file_malformed
    │   │   ├── KeyFileKdfError      key_file_kdf_refused  Argon2id below the floor, above the ceiling
    │   │   ├── WeakPassphraseError    passphrase_refused  a new one that is too short
    │   │   ├── WrongPassphraseError wrong_passphrase      or an altered header: they look the same
    │   │   └── TamperedKeyFileError key_file_tampered     right passphrase, altered key
    │   ├── OsKeyringError           keyring_unusable
    │   │   ├── InsecureKeyringError keyring_insecure      keeps secrets in clear, or nothing
    │   │   └── KeyringEntryError    keyring_entry_damaged
    │   └── TokenError               token_failed          PKCS#11
    │       ├── TokenModuleError     token_module_missing
    │       ├── TokenMissingError    token_missing         not there, or removed
    │       ├── TokenAmbiguousError  token_ambiguous       several fit
    │       ├── TokenUnsuitableError token_unsuitable      cannot keep a key as it must be kept
    │       ├── WrongPinError        pin_refused
    │       ├── PinLockedError       pin_locked
    │       └── TamperedTokenObjectError token_object_tampered
    ├── PasskeyError                 passkey_failed        a security key
    │   ├── PasskeyUnavailableError  passkey_unavailable   no package, no key, or a server without a name
    │   ├── PasskeyMissingError      passkey_missing       another key than the account's
    │   ├── PasskeyExistsError       passkey_exists        the key was added before
    │   ├── PasskeyTimeoutError      passkey_timeout       not touched
    │   └── PasskeyPinError          passkey_pin_refused
    ├── RotationError                rotation_refused
    │   ├── NewUserKeyNeededError    new_user_key_needed   an open change goes to another user key
    │   └── ReadBackError            wrap_read_back        what was stored is not what was sent
    ├── LogError                     log_unreadable        an event log to audit; `solekey.audit.sources`
    │   ├── LogConvertedError        log_converted         saved by an editor
    │   ├── LogIncompleteError       log_incomplete        a database copied without its write-ahead log
    │   ├── ArchiveError             archive_damaged       `solekey.audit.archive`: not as it was written
    │   │   └── ArchiveForeignError  archive_foreign       signed by somebody else, or by nobody
    │   ├── ArchiveContinuesError    archive_continues     a log that does not continue what it holds
    │   └── BundleError              bundle_malformed      `solekey.audit.bundle`: no bundle, or a hostile one
    │       ├── BundleTruncatedError bundle_truncated      a copy that ends too early
    │       ├── BundleTrailingError  bundle_trailing_bytes a copy with more bytes behind it
    │       ├── BundleUnfinishedError bundle_unfinished    an export that was interrupted
    │       └── BundleContinuesError bundle_continues      the bundle before it was not given
    └── ServerRefusedError           (the server's code)   its tree: `solekey.errors.refusals`

`account` the profile, factors, devices · `items` items and files · `keys` secrets, and where they are kept
· `recovery` kits and shares · `server` no usable answer, or evidence · `refusals` what the server refuses.
Import each class from here.

Spec: conventions.md §6.
"""

from solekey.errors.account import *  # noqa: F403  # each name is written once, at its class
from solekey.errors.base import *  # noqa: F403  # each name is written once, at its class
from solekey.errors.base import SolekeyError
from solekey.errors.items import *  # noqa: F403  # each name is written once, at its class
from solekey.errors.keys import *  # noqa: F403  # each name is written once, at its class
from solekey.errors.recovery import *  # noqa: F403  # each name is written once, at its class
from solekey.errors.refusals import *  # noqa: F403  # each name is written once, at its class
from solekey.errors.server import *  # noqa: F403  # each name is written once, at its class

__all__ = sorted(  # nothing but the classes, whatever else their modules import
    name for name, kind in globals().items() if isinstance(kind, type) and issubclass(kind, SolekeyError)
)
