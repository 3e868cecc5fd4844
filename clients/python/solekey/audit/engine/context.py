"""What all accounts of one audit are verified with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from solekey.audit.bounds import Bounds
from solekey.audit.bundle.stored_index import StoredIndex
from solekey.audit.pins import Pin
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_protocol.statements import Head

Heads = Mapping[Stream, Head]


@dataclass(frozen=True, slots=True)
class Context:
    """What is known before the log is looked at, and the platform's own records.

    Attributes:
        pins: what users vouch for.
        bounds: what an honest operator keeps; its ``now`` is set.
        seen: where each account's streams ended when this auditor looked last. Up to there no signature is
            verified again, but the log must hold the same bytes.
        system: the auth events of the platform's own account, exact bytes.
        stored: what services have stored, as their operator lists it; None where there is no list.
        rows: the folder that rows of tables are written to; None where no tables are made.
        keeps: whether an archive keeps what comes of each account. What was verified before counts as looked
            at, too: the answer is about all of it.
    """

    pins: Mapping[AccountId, Pin]
    bounds: Bounds
    seen: Mapping[AccountId, Heads] = field(default_factory=dict)
    system: tuple[bytes, ...] = ()
    stored: StoredIndex | None = None
    rows: Path | None = None
    keeps: bool = False
