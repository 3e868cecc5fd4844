"""What may be kept on this device, as its user has set it.

*File.* ``offline.json`` in the profile: ``{"version": 1, "allowed", "cache_limit_bytes", "items"}``, items
by id. Without it, wraps alone are kept; one that is damaged allows nothing, for it may have said so.
Spec: offline.md §3.
"""

from dataclasses import dataclass
from typing import Final, Self

from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId
from solekey_protocol.limits import MIB

_FILE: Final = "offline.json"
_FORMAT_VERSION: Final = 1
_MAX_FILE_BYTES: Final = 64 * MIB


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """What may be kept.

    Attributes:
        allowed: whether anything may be kept at all.
        cache_limit_bytes: how much ciphertext of what was read may be kept, beside the items.
        items: the items that are kept, in whatever version is the newest.
    """

    allowed: bool = True
    cache_limit_bytes: int = 0
    items: frozenset[ItemId] = frozenset()

    @classmethod
    def load(cls, folder: PrivateFolder) -> Self:
        """Load the settings of a profile."""
        stored = folder.read(_FILE)
        if stored is None:
            return cls()
        try:
            return cls._parse(parse_json(stored, max_bytes=_MAX_FILE_BYTES))
        except MalformedError:
            return cls(allowed=False)

    def save(self, folder: PrivateFolder) -> None:
        """Save them."""
        items: list[Json] = [str(item) for item in sorted(self.items)]
        document: dict[str, Json] = {
            "version": _FORMAT_VERSION,
            "allowed": self.allowed,
            "cache_limit_bytes": self.cache_limit_bytes,
            "items": items,
        }
        folder.write(_FILE, encode_json(document))

    @classmethod
    def _parse(cls, document: Json) -> Self:
        match document:
            case {
                "version": version,
                "allowed": bool(allowed),
                "cache_limit_bytes": int(limit),
                "items": [*items],
                **rest,
            } if not rest and version == _FORMAT_VERSION and not isinstance(limit, bool) and limit >= 0:
                return cls(allowed, limit, frozenset(ItemId(str(item)) for item in items))
            case _:
                raise MalformedError("expected what may be kept")
