"""What people type, paste and pipe: words, codes, secrets and texts in whatever form they come."""

import base64
import codecs
import marshal
from typing import Final

import click
from hypothesis import strategies as st

from solekey.cli.input.answers import parse_typed_phrase
from solekey.cli.input.factor_prompt import parse_code
from solekey.cli.input.totp_secret import parse_totp_secret
from solekey.crypto import UserKey
from solekey.errors import NotTextError, PhraseError, ShareError
from solekey.files.text import decode_text
from solekey.recovery.shares import parse_share, parse_shares, split_user_key
from solekey_protocol.errors import MalformedError
from solekey_vault.long_lists import parse_rows
from tests.system.fuzz.mutations import mutate_bytes, mutate_text
from tests.system.fuzz.protocol_targets import change_lists
from tests.system.fuzz.target import Target

_SECRETS: Final = st.binary(min_size=20, max_size=20).map(lambda raw: base64.b32encode(raw).decode())
_PHRASES: Final = st.binary(min_size=32, max_size=32).map(lambda secret: UserKey(secret).to_phrase())
_TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\0"), max_size=40)
_SHARES: Final = [
    share.to_words()
    for share in split_user_key(UserKey(bytes(range(32))), threshold=2, shares=3, random=bytes)
]


def _number(phrase: str) -> str:
    return "\n".join(f"{place}. {word.capitalize()}" for place, word in enumerate(phrase.split(), start=1))


def _check_phrase(text: str) -> None:
    key = parse_typed_phrase(text)
    assert parse_typed_phrase(key.to_phrase()) == key


def _check_code(text: str) -> None:
    code = parse_code("--code", text)
    assert (len(code), code.isdigit(), code.isascii()) == (6, True, True)


def _check_secret(text: str) -> None:
    secret = parse_totp_secret(text)
    assert parse_totp_secret(secret) == secret
    assert base64.b32decode(secret + "=" * (-len(secret) % 8))


def _check_text(data: bytes) -> None:
    text = decode_text(data, "a file")
    assert decode_text(text.encode(), "a file") == text.removeprefix("\ufeff")


def _check_shares(text: str) -> None:
    for share in parse_shares(text):
        assert parse_share(share.to_words()).to_words() == share.to_words()


def _check_rows(data: bytes) -> None:
    rows = marshal.loads(parse_rows(data))  # noqa: S302  # what was marshalled a moment ago
    assert all(len(row) == 5 for row in rows)


TARGETS: Final = (
    Target(
        "typed phrase",
        _PHRASES | _PHRASES.map(_number),
        _check_phrase,
        (PhraseError,),
        mutate=mutate_text,
        covers=("cli.input.answers.parse_typed_phrase",),
    ),
    Target(
        "typed code",
        st.integers(0, 999_999).map(lambda code: f"{code:06}"),
        _check_code,
        (click.UsageError,),
        mutate=mutate_text,
        covers=("cli.input.factor_prompt.parse_code",),
    ),
    Target(
        "typed TOTP secret",
        _SECRETS | _SECRETS.map(lambda secret: f"otpauth://totp/Solekey:ada?secret={secret}&issuer=Solekey"),
        _check_secret,
        (click.UsageError,),
        mutate=mutate_text,
        covers=("cli.input.totp_secret.parse_totp_secret",),
    ),
    Target(
        "text of a file",
        _TEXTS.map(str.encode) | _TEXTS.map(lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le")),
        _check_text,
        (NotTextError,),
        mutate=mutate_bytes,
        covers=("files.text.decode_text",),
    ),
    Target(
        "typed shares",
        st.sampled_from(_SHARES) | st.just("\n".join(_SHARES)),
        _check_shares,
        (ShareError,),
        mutate=mutate_text,
        covers=("recovery.shares.parse_shares",),
    ),
    Target(
        "rows of a change list",
        change_lists,
        _check_rows,
        (MalformedError,),
        covers=("solekey_vault.long_lists.parse_rows",),
    ),
)
