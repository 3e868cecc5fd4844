"""Recovery codes: each proves the second factor once, when another one was lost.

Pure. Spec: factors.md §4.

*Wire format* of a code: 50 random bits as 10 characters of RFC 4648 base32 in lower case, with a hyphen in
the middle (``ccccc-ccccc``). What is kept of it is its HMAC under the operator's key: 50 bits could be
found from a bare digest by anyone who has the rows.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from solekey_auth.limits import RECOVERY_CODES, RECOVERY_SALT_BYTES
from solekey_auth.operator_key import OperatorKey, OperatorKeys, Purpose
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_service.refusals import BadRequest

CODE_BYTES: Final = 7
"""Random bytes of one code: its first 50 bits are used."""
_HALF: Final = 5
_CODE = re.compile(rf"[A-Za-z2-7]{{{_HALF}}}-?[A-Za-z2-7]{{{_HALF}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecoverySet:
    """The codes of an account that are not used yet, as they are kept.

    Attributes:
        salt: of this set.
        unused: what `derive_code_digest` gives for each, moved to the operator key of this number.
        key_number: of the key.
    """

    salt: bytes = field(repr=False)
    unused: tuple[Digest, ...] = field(repr=False)
    key_number: int = 0

    @property
    def factor_id(self) -> Digest:
        """The set's id in events: SHA-256 of its salt, which tells nothing of the codes."""
        return compute_digest(self.salt)


NO_CODES: Final = RecoverySet(bytes(RECOVERY_SALT_BYTES), ())
"""What a code is compared with if there is no set: for accounts without one, and for decoys."""


def encode_codes(raw: bytes) -> tuple[str, ...]:
    """Encode random bytes as the codes of a new set, each of 7 bytes."""
    pieces = [raw[at : at + CODE_BYTES] for at in range(0, RECOVERY_CODES * CODE_BYTES, CODE_BYTES)]
    texts = [base64.b32encode(piece).decode().lower()[: 2 * _HALF] for piece in pieces]
    return tuple(f"{text[:_HALF]}-{text[_HALF:]}" for text in texts)


def parse_recovery_code(text: str) -> str:
    """Parse a code, in any case, with or without its hyphen: 10 lower-case characters.

    Raises:
        BadRequest: without repeating the input.
    """
    if not _CODE.fullmatch(text):
        raise BadRequest(f"code: expected {2 * _HALF} characters of a-z 2-7, a hyphen in the middle or none")
    return text.replace("-", "").lower()


def derive_code_digest(operator_key: OperatorKey, account: AccountId, salt: bytes, code: str) -> Digest:
    """Derive what is kept of a new code: HMAC-SHA256 over account, the set's salt and the code as parsed."""
    return Digest(operator_key.derive(Purpose.RECOVERY_CODE, account.raw, salt, code.encode()).hex())


def derive_code_digests(
    keys: OperatorKeys, account: AccountId, codes: RecoverySet, code: str
) -> Sequence[Digest]:
    """Derive each digest that may be kept of a code in a set: made under its operator key, or moved to it."""
    number = codes.key_number if codes.unused else keys.number  # as much work where there is none
    return keys.derive_digests(number, Purpose.RECOVERY_CODE, account.raw, codes.salt, code.encode())


def find_unused(codes: RecoverySet, presented: Sequence[Digest]) -> Digest | None:
    """Find the unused code that was presented, as one of these digests. Always compares with all of them."""
    found = None
    for digest in codes.unused:
        for each in presented:
            if hmac.compare_digest(digest, each):
                found = digest
    return found
