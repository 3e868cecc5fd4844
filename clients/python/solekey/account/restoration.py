"""Going on with a server that was restored from a backup: shown to the user, accepted with the user key.

Nothing is accepted by default, and nothing by whoever has this profile without the user key. What the device
had verified is kept as evidence; what it holds is sent again when it is next unlocked. Spec:
hostile-server.md §2.3.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from solekey.account.session import Session
from solekey.connection.offline import Offline
from solekey.crypto import UserKey
from solekey.errors import (
    EpochKeyMissingError,
    NoRestorationError,
    OfflineError,
    TamperedWrapError,
    WrongUserKeyError,
)
from solekey.offline.restored_queue import LostItem, find_lost_items, queue_held
from solekey.profile.profile import Profile
from solekey.runtime import Runtime
from solekey.streams.accepted import keep_accepted
from solekey.streams.restoration import Loss, find_losses, find_revoked, set_back, try_out
from solekey.streams.streams import Streams
from solekey.vault.index.index_database import delete_index_file
from solekey.vault.index.item_index import INDEX_FILE
from solekey.vault.keyring import UnlockedUserKey
from solekey.vault.seen import JOURNAL
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.accepted_restoration import AcceptedRestoration
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.ids import Timestamp
from solekey_protocol.streams import DeviceStatus

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restoration:
    """What a user is to accept.

    Attributes:
        losses: what the server says about itself, and what it has lost, by stream.
        items: the items whose newest version is lost; None: this device cannot tell without its server.
        is_trusted: whether the server still knows this device as a trusted one.
    """

    losses: tuple[Loss, ...]
    items: tuple[LostItem, ...] | None
    is_trusted: bool


Agree = Callable[[Restoration], bool]
"""Shows a restoration to the user; whether they accept it."""


def accept_restoration(profile: Profile, runtime: Runtime, user_key: UserKey, agree: Agree) -> bool:
    """Show what a server lost that was restored, and accept it if the user does; the user key is wiped.

    It may be interrupted and done again. What this device holds of what was lost is queued, and sent when the
    account is next unlocked.

    Args:
        profile: of a device that has logged in since, though it was refused.
        runtime: the outside world.
        user_key: the account's user key, as the server has it now.
        agree: shows it to the user, who answers.

    Returns:
        Whether it was accepted.

    Raises:
        NoRestorationError: the server has all that this device has seen.
        RestorationRefusedError: it is no restoration that a user may accept.
        WrongUserKeyError: not the user key that is in force there.
        EvidenceError: what the server shows is not sound.
        DiskFullError: there is no room for the evidence; nothing was changed, or it can be done again.
    """
    with user_key, Session.open(profile, runtime) as session:
        streams, connection = session.streams, session.connection
        losses = tuple(find_losses(connection, streams))
        if not losses:
            raise NoRestorationError("the server has all that this device has seen")
        unlocked_key = UnlockedUserKey(user_key.copy(), profile.account)
        try:
            with try_out(connection, streams, losses) as trial:
                unlocked_key.verify_current(trial)
                own = trial.devices.devices.get(profile.device_key.device_id)
                commit = _find_kept_commit(streams, losses)
                with _unlock_as_it_was(profile, runtime, user_key) as before:
                    items = None if before is None else tuple(find_lost_items(before, commit))
                    is_trusted = own is not None and own.status is DeviceStatus.TRUSTED
                    if not agree(Restoration(losses, items, is_trusted)):
                        return False
                    if before is not None:
                        queue_held(before, session.kept.queue, commit)
                accepted = AcceptedRestoration(
                    profile.account,
                    unlocked_key.signing_key.public_key,
                    profile.device_key.device_id,
                    Timestamp.from_datetime(runtime.now()),
                    {loss.stream: loss.to_stream_loss() for loss in losses},
                    find_revoked(streams.devices),
                )
            keep_accepted(profile.folder, accepted, unlocked_key.signing_key.sign(accepted.signing_bytes()))
        finally:
            unlocked_key.wipe()
        profile.folder.delete(JOURNAL)  # which versions were read, and
        delete_index_file(profile.folder.path / INDEX_FILE)  # which items there are: of another history
        set_back(profile.folder, losses)
        _log.warning("a restoration was accepted: %s", ", ".join(loss.stream for loss in losses))
        return True


def _find_kept_commit(streams: Streams, losses: Sequence[Loss]) -> int:
    """Find the last commit that device and server have in common."""
    records = streams.events(Stream.VAULT)
    kept = next((loss.kept.seq for loss in losses if loss.stream is Stream.VAULT), len(records))
    bodies = (records[seq - 1].body for seq in range(kept, 0, -1))
    return next((body.commit for body in bodies if isinstance(body, ItemsCommitted)), 0)


@contextmanager
def _unlock_as_it_was(
    profile: Profile, runtime: Runtime, user_key: UserKey
) -> Iterator[UnlockedAccount | None]:
    """Unlock what this device had verified, without the server; None: it keeps nothing that opens it."""
    with Session.open(profile, runtime, offline=Offline.ALWAYS) as session, ExitStack() as stack:
        unlocked = None
        try:  # `confirming` leaves the queue as it is
            vault = stack.enter_context(session.unlock(user_key.copy(), confirming=True))
            unlocked = vault.unlocked
        except (OfflineError, WrongUserKeyError, TamperedWrapError, EpochKeyMissingError) as error:
            _log.info("what was lost is not known: %s", error)
        yield unlocked
