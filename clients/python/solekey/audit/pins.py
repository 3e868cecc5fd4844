"""What users know of their accounts and the operator cannot change: pins. Spec: audit.md §2."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from solekey.audit.sources import LogError
from solekey.errors import NotTextError
from solekey.files.any_path import AnyPath
from solekey.files.text import decode_text
from solekey_protocol.accepted_restoration import AcceptedRestoration, parse_accepted_restoration
from solekey_protocol.encoding import parse_lenient_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex, compute_digest
from solekey_protocol.pinned_heads import PinnedHeads, parse_heads, parse_pinned_heads
from solekey_protocol.statements import EMPTY_HEAD, Head

MAX_PINS_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pin:
    """What an account's user knows.

    Attributes:
        first_key: the account key that the account was founded with; None if the user did not say.
        heads: the ends of streams that the user's devices have verified.
        shorter: what other devices have verified of these streams: the log must hold all of it.
        signed: what devices have signed of this; each signature is compared with the log.
        restorations: the restorations of the server that the user has accepted, each with its signature.
    """

    first_key: PublicKey | None = None
    heads: Mapping[Stream, Head] = field(default_factory=dict)
    signed: tuple[tuple[PinnedHeads, SignatureHex], ...] = ()
    restorations: tuple[tuple[AcceptedRestoration, SignatureHex], ...] = ()
    shorter: tuple[tuple[Stream, Head], ...] = ()

    def find(self, stream: Stream) -> list[Head]:
        """What was verified of a stream, by one device after the other."""
        longest = [self.heads[stream]] if stream in self.heads else []
        return longest + [head for of, head in self.shorter if of is stream]

    @property
    def vouches(self) -> bool:
        """Whether it names anything that the log must hold: only then is the account vouched for."""
        return self.first_key is not None or any(head.seq for head in self.heads.values())

    def merge(self, other: "Pin") -> "Pin":
        """Join what two files say of one account: no head is lost. Raises ValueError."""
        if None not in (self.first_key, other.first_key) and self.first_key != other.first_key:
            raise ValueError("two pins name different first keys of one account")
        heads, shorter = dict(self.heads), {*self.shorter, *other.shorter}
        for stream, head in other.heads.items():
            known = heads.get(stream, EMPTY_HEAD)
            heads[stream] = max(known, head, key=lambda each: each.seq)
            shorter |= {(stream, each) for each in (known, head) if each.seq and each != heads[stream]}
        return Pin(
            self.first_key or other.first_key,
            heads,
            self.signed + other.signed,
            self.restorations + other.restorations,
            tuple(sorted(shorter, key=lambda each: (each[0], each[1].seq, each[1].digest))),
        )


class Pins(dict[AccountId, Pin]):
    """What users vouch for, by account.

    Attributes:
        files: SHA-256 of each file that was read, by its path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, Digest] = {}


def read_pins(*paths: AnyPath) -> Pins:
    """Read what users have pinned, from the files that ``solekey heads export`` wrote, or from one by hand.

    A file is ``{account: {"first_key"?, "heads"?: {stream: {"seq", "digest"}}}}``, with ``device``,
    ``made_at`` and ``signature`` where a device has signed it, and ``restorations`` where its user has
    accepted any. A first account key alone may stand in the
    place of the object.

    Raises:
        LogError: not a JSON object of this shape, or two files contradict each other.
    """
    pins = Pins()
    for path in map(Path, paths):
        try:
            content = path.read_bytes()
            pins.files[str(path)] = compute_digest(content)
            text = decode_text(content, str(path)).encode()
            document: Any = parse_lenient_json(text, max_bytes=MAX_PINS_BYTES)
            for name, pinned in document.items():
                account = AccountId(name)
                pins[account] = pins.get(account, Pin()).merge(_parse_pin(account, pinned))
        except (OSError, AttributeError, TypeError, ValueError, ProtocolError, NotTextError) as error:
            raise LogError(f"{path}: no file of pins: {error}") from error
    return pins


def _parse_pin(account: AccountId, document: Any) -> Pin:
    if isinstance(document, str):
        return Pin(PublicKey(document))
    if "signature" in document:
        signed = {name: value for name, value in document.items() if name != "restorations"}
        pinned, signature = parse_pinned_heads(account, signed)
        accepted = [parse_accepted_restoration(account, each) for each in document.get("restorations", [])]
        return Pin(pinned.first_key, pinned.heads, ((pinned, signature),), tuple(accepted))
    if unknown := document.keys() - {"first_key", "heads"}:
        raise ValueError(f"unknown member {min(unknown)!r}")
    first_key = document.get("first_key")
    heads = parse_heads(document.get("heads", {}), where=f"{account}.heads")
    pin = Pin(PublicKey(first_key) if first_key is not None else None, heads)
    if not pin.vouches:
        raise ValueError(f"{account}: it names neither a first key nor a head")
    return pin
