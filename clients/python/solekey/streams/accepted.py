"""The restorations that the user has accepted on this device, and what was verified here before each.

::

    restorations/<number>/streams/*     the records as this device had verified them
    restorations/<number>/heads.json    its pins
    restorations/<number>/accepted.json the acceptance, signed with the user key; written last

They are evidence for an auditor, and never deleted. Spec: hostile-server.md §2.3.
"""

from collections.abc import Sequence
from itertools import count
from typing import Final

from solekey.errors import DamagedProfileError
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import PINS_FILE
from solekey_protocol.accepted_restoration import AcceptedRestoration, parse_accepted_restoration
from solekey_protocol.encoding import encode_json, parse_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.ids import AccountId, DeviceId, SignatureHex
from solekey_protocol.limits import MIB
from solekey_protocol.services import V1_STREAMS

_FOLDER: Final = "restorations"
_ACCEPTED: Final = "accepted.json"


def read_accepted(
    folder: PrivateFolder, account: AccountId
) -> Sequence[tuple[AcceptedRestoration, SignatureHex]]:
    """Read what was accepted, the oldest first. Raises DamagedProfileError."""
    found: list[tuple[AcceptedRestoration, SignatureHex]] = []
    for number in count(1):
        name = f"{_FOLDER}/{number}/{_ACCEPTED}"
        document = folder.read(name)
        if document is None:
            return found
        try:
            accepted, signature = parse_accepted_restoration(account, parse_json(document, max_bytes=MIB))
            accepted.verify(signature)
        except ProtocolError as error:
            raise DamagedProfileError(f"{folder.path / name} is damaged: {error}") from error
        found.append((accepted, signature))
    raise AssertionError("count() has no end")  # pragma: no cover


def load_withdrawn(folder: PrivateFolder, account: AccountId) -> frozenset[DeviceId]:
    """Load the devices that were revoked when a restoration was accepted: none is trusted again, whatever
    the server shows. Raises DamagedProfileError.
    """
    return frozenset(device for accepted, _ in read_accepted(folder, account) for device in accepted.revoked)


def keep_accepted(folder: PrivateFolder, accepted: AcceptedRestoration, signature: SignatureHex) -> None:
    """Keep what this device had verified, then the acceptance, durably. An interrupted one begins anew.

    Raises:
        DiskFullError: there is no room; nothing is accepted.
    """
    into = f"{_FOLDER}/{len(read_accepted(folder, accepted.account)) + 1}"
    for name in (PINS_FILE, *(f"streams/{stream}.jsonl" for stream in V1_STREAMS)):
        verified = folder.read(name)
        if verified is not None:
            folder.write(f"{into}/{name}", verified)
    folder.write(f"{into}/{_ACCEPTED}", encode_json(accepted.to_json(signature)))
