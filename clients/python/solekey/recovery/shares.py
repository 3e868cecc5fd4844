"""Shares of a user key: any k of n give it back, fewer say nothing about it. SLIP-39, one group.

The secret that is split is the user key's 32 bytes, with an empty passphrase: a share has 33 words. The
arithmetic is `shamir_mnemonic`, the reference implementation; it is not hardened against an attacker who
measures this machine while it splits or combines (ADR 0018).

Spec: recovery.md §5.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shamir_mnemonic import EncryptedMasterSecret, MnemonicError, recover_ems, split_ems
from shamir_mnemonic import Share as RawShare
from shamir_mnemonic.shamir import ShareGroup
from shamir_mnemonic.wordlist import WORD_INDEX_MAP, WORDLIST

from solekey.crypto import Confidential, RandomSource, UserKey
from solekey.crypto.typed_words import list_typed_words, suggest_words
from solekey.errors import (
    ForeignShareError,
    ShareChecksumError,
    ShareCountError,
    ShareLengthError,
    SharesMismatchError,
    ShareUnsupportedError,
    ShareWordError,
    TooFewSharesError,
)

SHARE_WORDS: Final = 33
SHARE_LIST: Final = frozenset(WORDLIST)
MIN_THRESHOLD: Final = 2
MAX_SHARES: Final = 16
MAX_ITERATION_EXPONENT: Final = 5
"""320,000 rounds of PBKDF2: a share that asks for more is refused, not computed for minutes."""

_ITERATION_EXPONENT: Final = 1
_SET_BITS: Final = 15
_HEADING: Final = re.compile(r"\ufeff?Share \d+ of \d+;", re.ASCII)
_MAX_SHOWN_LETTERS: Final = 40


@dataclass(frozen=True, slots=True, repr=False)
class Share(Confidential):
    """One share. ``set`` is the same for all shares that were made together; ``index`` counts from 1."""

    set: int
    index: int
    threshold: int
    raw: RawShare

    def to_words(self) -> str:
        """The share's 33 words."""
        return str(self.raw.mnemonic())


def split_user_key(user_key: UserKey, *, threshold: int, shares: int, random: RandomSource) -> list[Share]:
    """Split a user key so that any ``threshold`` of the shares give it back; prove it before they are used.

    The polynomial's random bytes come from the operating system, through `shamir_mnemonic`.

    Raises:
        ShareCountError: 2 to 16 shares, with a threshold from 2 to their number.
    """
    if not MIN_THRESHOLD <= threshold <= shares <= MAX_SHARES:
        raise ShareCountError(f"{threshold} of {shares} shares is not possible")
    identifier = int.from_bytes(random(2), "big") >> (16 - _SET_BITS)
    sealed = EncryptedMasterSecret.from_master_secret(
        bytes(user_key.expose()), b"", identifier, True, _ITERATION_EXPONENT
    )
    [raw_shares] = split_ems(1, [(threshold, shares)], sealed)
    made = [_wrap(raw) for raw in raw_shares]
    for start in range(shares):  # every share takes part in at least one proof
        some = [parse_share(made[(start + step) % shares].to_words()) for step in range(threshold)]
        if combine_shares(some) != user_key:
            raise SharesMismatchError("the shares that were just made do not give the key back")
    return made


def parse_share(text: str) -> Share:
    """Parse the 33 words of a share, in any letter case and spacing, numbered or not.

    Raises:
        ShareWordError: a word that is not in the list: which, where, and what may be meant.
        ShareLengthError, ShareChecksumError
        ShareUnsupportedError: of several groups, or with a passphrase that costs too much.
    """
    words = list_typed_words(text)
    for position, word in enumerate(words, start=1):
        if word not in WORD_INDEX_MAP:
            shown = word[:_MAX_SHOWN_LETTERS]
            raise ShareWordError(shown, position, suggest_words(shown, WORDLIST))
    if len(words) != SHARE_WORDS:
        raise ShareLengthError(len(words), SHARE_WORDS)
    try:
        raw = RawShare.from_mnemonic(" ".join(words))
    except MnemonicError as error:  # its message repeats words
        raise ShareChecksumError("the share's checksum is wrong") from error
    if (raw.group_count, raw.group_threshold, raw.group_index) != (1, 1, 0):
        raise ShareUnsupportedError("a share of several groups")
    if raw.iteration_exponent > MAX_ITERATION_EXPONENT:
        raise ShareUnsupportedError(f"an iteration exponent of {raw.iteration_exponent}")
    return _wrap(raw)


def parse_shares(text: str) -> list[Share]:
    """Parse what holds any number of shares: as `solekey recovery split` prints them, or their words alone.

    Raises:
        As `parse_share`.
    """
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        return [parse_share(each["words"]) for each in json.loads(text)["shares"]]
    shares: list[Share] = []
    words: list[str] = []
    for line in text.splitlines():
        if _HEADING.match(line):
            continue
        words += list_typed_words(line)
        if len(words) >= SHARE_WORDS or (words and not line.strip()):
            shares.append(parse_share(" ".join(words)))
            words = []
    return [*shares, parse_share(" ".join(words))] if words else shares


def verify_same_set(share: Share, others: Sequence[Share]) -> Share:
    """Verify that a share was made together with others. Raises ForeignShareError."""
    if others and others[0].raw.group_parameters() != share.raw.group_parameters():
        raise ForeignShareError(f"this share is of set {share.set}, the others are of set {others[0].set}")
    twins = [other for other in others if other.index == share.index and other != share]
    if twins:
        raise ForeignShareError(f"there are two different shares number {share.index}")
    return share


def combine_shares(shares: Sequence[Share], *, passphrase: bytes = b"") -> UserKey:
    """Put shares together again. More than the threshold may be given; all must be of one set.

    Args:
        shares: in any order; the same share twice counts once.
        passphrase: empty for all that Solekey makes.

    Raises:
        ForeignShareError: not all of one set.
        TooFewSharesError: fewer different ones than the threshold.
        SharesMismatchError: they give no secret, or not all the same one.
    """
    distinct: list[Share] = []
    for share in shares:
        if verify_same_set(share, distinct) not in distinct:
            distinct.append(share)
    threshold = distinct[0].threshold if distinct else MIN_THRESHOLD
    if len(distinct) < threshold:
        raise TooFewSharesError(len(distinct), threshold)
    found = [_recover(distinct[start : start + threshold]) for start in range(len(distinct) - threshold + 1)]
    if any(sealed != found[0] for sealed in found):
        raise SharesMismatchError("not all of these shares give the same secret")
    return UserKey(found[0].decrypt(passphrase))


def _recover(shares: Sequence[Share]) -> EncryptedMasterSecret:
    group = ShareGroup()
    for share in shares:
        group.add(share.raw)
    try:
        return recover_ems({0: group})
    except MnemonicError as error:
        raise SharesMismatchError("these shares give no secret") from error


def _wrap(raw: RawShare) -> Share:
    return Share(raw.identifier, raw.index + 1, raw.member_threshold, raw)
