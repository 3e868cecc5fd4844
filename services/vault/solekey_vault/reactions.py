"""What the vault does when others' events arrive: it notes accounts that were closed, for the purge.

It follows ``auth`` to admit requests, ``devices`` to verify statements and for the account's key id, and
``rotation`` to know which key is being rotated to; each is read from the stream when it is needed.
"""

from collections.abc import Mapping

from solekey_eventlog.projector import Reaction
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Body
from solekey_protocol.events.auth import AccountClosed
from solekey_service.kernel import Kernel
from solekey_vault.closed_accounts import note_closed


def derive_reactions(kernel: Kernel) -> Mapping[type[Body], Reaction]:  # noqa: ARG001 - the same signature in every service
    """Derive the reactions of a running service."""

    def note(uow: UnitOfWork, event: Event) -> None:
        note_closed(uow, event.account)

    return {AccountClosed: note}
