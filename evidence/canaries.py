"""Fresh random plaintexts and passwords, in every place where a user has a secret; and their commitments.

Two canaries of a twin run differ in every character that the user chose, also in their lengths, but for the
padded sizes, which are what a server may see.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from solekey.crypto import ItemMetadata
from solekey.crypto.inner_plaintext import TRAILER_BYTES, encode_head
from solekey_protocol.envelope import compute_inner_size
from solekey_protocol.limits import KIB, MIB

T = TypeVar("T")

NOTES: Final = 5
FILES_BYTES: Final = (96 * KIB, 5 * MIB)
SHORT_FILES_BYTES: Final = (96 * KIB, 3 * MIB // 2)
_SPREAD: Final = 12
"""Characters by which the lengths of two twins may differ."""
_MARK_BYTES: Final = 48
_MARKS: Final = 8
"""Places of a file's content that are searched for."""
_NONCE_BYTES: Final = 16


def _word(least: int = 12) -> str:
    """Make a random word, of a random length; at least 60 bits."""
    return secrets.token_hex(least)[: least + secrets.randbelow(_SPREAD)]


@dataclass(frozen=True, slots=True, repr=False)
class ItemCanary:
    """An item's name, type, tags, attributes and content."""

    name: str
    type: str
    tags: tuple[str, ...]
    attributes: Mapping[str, str]
    content: bytes

    @property
    def unpadded_size(self) -> int:
        """The size of its envelope's inside without padding, in bytes."""
        metadata = ItemMetadata(
            self.name, self.type, 10**12, 10**12, self.tags, dict(self.attributes)
        )  # moments of as many digits as today's
        return len(encode_head(metadata)) + len(self.content) + TRAILER_BYTES

    @property
    def padded_size(self) -> int:
        """What a server may see of it."""
        return compute_inner_size(self.unpadded_size)


@dataclass(frozen=True, slots=True, repr=False)
class Canaries:
    """All that one user types or keeps."""

    username: str
    password: str
    new_password: str
    wrong_password: str
    notes: tuple[ItemCanary, ...]
    edited: ItemCanary
    files: tuple[ItemCanary, ...]

    def by_name(self) -> dict[str, bytes]:
        """List every secret by name. The user name is none: the server knows it."""
        listed = {
            "password": self.password.encode(),
            "new password": self.new_password.encode(),
            "wrong password": self.wrong_password.encode(),
        }
        for number, item in enumerate((*self.notes, self.edited, *self.files), start=1):
            listed |= _list_item(f"item {number}", item)
        return listed


def _list_item(place: str, item: ItemCanary) -> dict[str, bytes]:
    texts = {f"name of {place}": item.name, f"type of {place}": item.type}
    texts |= {f"tag {number} of {place}": tag for number, tag in enumerate(item.tags, start=1)}
    texts |= {f"attribute {key} of {place}": text for key, text in item.attributes.items()}
    step = max(len(item.content) // _MARKS, _MARK_BYTES)
    marks = [item.content[at : at + _MARK_BYTES] for at in range(0, len(item.content), step)]
    return {name: text.encode() for name, text in texts.items()} | {
        f"content of {place} at {number}": mark
        for number, mark in enumerate(marks)
        if len(mark) >= _NONCE_BYTES
    }


def make_canaries(files_bytes: Sequence[int] = FILES_BYTES) -> Canaries:
    """Make the canaries of one user, with files of about these sizes."""
    return Canaries(
        username=f"ada-{secrets.token_hex(6)}",
        password=f"Pässwort-{_word()}",
        new_password=f"neues Paßwort ☂ {_word()}",
        wrong_password=f"falsch geraten {_word()}",
        notes=tuple(_make_note() for _ in range(NOTES)),
        edited=_make_note(),
        files=tuple(_make_file(size) for size in files_bytes),
    )


def make_twin(original: Canaries) -> Canaries:
    """Make canaries that differ in everything but the padded sizes of the items, as the story leaves them."""
    fresh = make_canaries()
    first, *both, _, _ = original.notes
    rest = original.notes[3:]
    *pair, edited = _draw(
        lambda: (_make_note(), _make_note(), _make_note()),
        lambda notes: _list_sizes(*notes),
        (*both, original.edited),
    )
    return replace(
        fresh,
        notes=(
            # Its conflict copy is longer by a name and ids: equal without padding, so whatever is added.
            _draw(_make_note, lambda note: note.unpadded_size, first),
            *pair,
            *(_draw(_make_note, lambda note: note.padded_size, note) for note in rest),
        ),
        edited=edited,
        files=tuple(
            _draw(partial(_make_file, len(file.content) - _SPREAD), lambda each: each.padded_size, file)
            for file in original.files
        ),
    )


def _draw(make: Callable[[], T], measure: Callable[[T], object], original: T) -> T:
    """Draw until one measures as the original does."""
    while measure(drawn := make()) != measure(original):
        continue
    return drawn


def _list_sizes(edited_note: ItemCanary, renamed_note: ItemCanary, edited: ItemCanary) -> list[int]:
    """List the padded sizes of two notes, before and after the one is edited and the other renamed."""
    after_edit, after_rename = replace(edited, name=edited_note.name), replace(renamed_note, name=edited.name)
    return [each.padded_size for each in (edited_note, renamed_note, after_edit, after_rename)]


def _make_note() -> ItemCanary:
    content = f"{_word(48)}: der Schlüssel 鍵 liegt unter dem {_word(200)}"
    attributes = {"place": f"Küche {_word()}"}
    return ItemCanary(
        f"Notiz naïve {_word()}", f"text/x-{_word()}", (f"tag-{_word()}",), attributes, content.encode()
    )


def _make_file(size: int) -> ItemCanary:
    content = secrets.token_bytes(size + secrets.randbelow(_SPREAD))
    return ItemCanary(f"film-{_word()}.bin", f"video/x-{_word()}", (f"tag-{_word()}",), {}, content)


def commit(listed: Mapping[str, bytes]) -> tuple[dict[str, str], dict[str, str]]:
    """Commit to secrets: SHA-256(nonce ‖ secret) by name; and the nonces, in hexadecimal."""
    nonces = {name: secrets.token_bytes(_NONCE_BYTES) for name in listed}
    commitments = {name: hashlib.sha256(nonces[name] + secret).hexdigest() for name, secret in listed.items()}
    return commitments, {name: nonce.hex() for name, nonce in nonces.items()}
