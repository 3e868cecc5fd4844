"""A fold as bytes: a snapshot saves reading a stream from its first event. Spec: events.md §6.1.

A snapshot is never a source of truth. Whoever keeps one keeps the events, too, and makes it anew from them
when it is damaged, of another version, or does not stand on the event that is stored at its place.

*Wire format.* ``SHA-256(rest) ‖ rest``; ``rest`` is JSON without blanks: ``["<version>", <state>]``. A
dataclass is the array of its fields, a mapping the array of its ``[key, value]`` pairs in its own order (that
of the events), a set an ascending array; ids, enums and times are strings. The types of the fold are the
schema: no value names its type, and there is one encoding of a fold. The version derives from these types (of
an enum, from its name alone) and from ``Fold.VERSION``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, compute_digest
from solekey_protocol.streams.fold import Fold

F = TypeVar("F", bound=Fold)

_CHECKSUM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class _Codec:
    """How values of one type are written and read; ``shape`` says the type."""

    shape: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def encode_snapshot(fold: Fold) -> bytes:
    """Encode a fold; see the module for the wire format."""
    kind = type(fold)
    rest = _dump([derive_fold_version(kind), _find_codec(kind).encode(fold)])
    return hashlib.sha256(rest).digest() + rest


def decode_snapshot(kind: type[F], data: bytes) -> F:
    """Decode the snapshot of a fold of this kind.

    Raises:
        MalformedError: damaged, of another version or kind, or not what ``encode_snapshot`` would write.
    """
    rest = data[_CHECKSUM_BYTES:]
    if hashlib.sha256(rest).digest() != data[:_CHECKSUM_BYTES]:
        raise MalformedError("the snapshot is damaged")
    try:
        document = json.loads(rest)
        if not isinstance(document, list) or document[:1] != [derive_fold_version(kind)]:
            raise MalformedError("the snapshot is of another version")
        (_, state) = document
        fold = cast("F", _find_codec(kind).decode(state))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MalformedError(f"the snapshot does not fit its type: {error}") from error
    if encode_snapshot(fold) != data:
        raise MalformedError("the snapshot is in another spelling")
    return fold


@cache
def derive_fold_version(kind: type[Fold]) -> Digest:
    """Derive what tells snapshots of different releases apart: the types of the fold, and its VERSION."""
    return compute_digest(f"{kind.VERSION} {_find_codec(kind).shape}".encode())


def _dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


@cache
def _find_codec(hint: Any) -> _Codec:
    """Build the codec of a type, once."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _find_codec(arguments[0])
    if origin is UnionType:
        return _build_optional(hint)
    if origin is tuple:
        return _build_tuple(arguments)
    if origin is frozenset:
        return _build_set(_find_codec(arguments[0]))
    if origin is Mapping:
        return _build_mapping(*(_find_codec(argument) for argument in arguments))
    if is_dataclass(hint):
        return _build_dataclass(cast("type", hint))
    if hint in {int, bool}:
        return _Codec(hint.__name__, lambda value: value, lambda value: _require(value, hint))
    if isinstance(hint, type) and issubclass(hint, str) and hint is not str:
        # Of an enum the name alone: a member more, such as the stream of a new service, changes no snapshot.
        pattern = "" if issubclass(hint, StrEnum) else getattr(hint, "PATTERN", "")
        return _Codec(f"{hint.__name__}({pattern})", str, lambda value: hint(_require(value, str)))
    raise TypeError(f"{hint!r} cannot be a part of a fold")


def _build_dataclass(cls: type) -> _Codec:
    hints = get_type_hints(cls, include_extras=True)
    names = [each.name for each in fields(cls)]
    codecs = [_find_codec(hints[name]) for name in names]
    members = list(zip(names, codecs, strict=True))

    def encode(value: Any) -> list[Any]:
        return [codec.encode(getattr(value, name)) for name, codec in members]

    def decode(value: Any) -> Any:
        row = _require(value, list)
        return cls(
            **{name: codec.decode(each) for (name, codec), each in zip(members, row, strict=True)},
        )

    shape = ", ".join(f"{name}: {codec.shape}" for name, codec in members)
    return _Codec(f"{cls.__name__}({shape})", encode, decode)


def _build_optional(hint: Any) -> _Codec:
    (inner,) = (_find_codec(argument) for argument in get_args(hint) if argument is not NoneType)
    return _Codec(
        f"{inner.shape}?",
        lambda value: None if value is None else inner.encode(value),
        lambda value: None if value is None else inner.decode(value),
    )


def _build_tuple(arguments: tuple[Any, ...]) -> _Codec:
    if arguments[1:] == (...,):
        inner = _find_codec(arguments[0])
        return _Codec(
            f"[{inner.shape}]",
            lambda value: [inner.encode(each) for each in value],
            lambda value: tuple(inner.decode(each) for each in _require(value, list)),
        )
    codecs = [_find_codec(argument) for argument in arguments]
    return _Codec(
        f"({', '.join(codec.shape for codec in codecs)})",
        lambda value: [codec.encode(each) for codec, each in zip(codecs, value, strict=True)],
        lambda value: tuple(
            codec.decode(each) for codec, each in zip(codecs, _require(value, list), strict=True)
        ),
    )


def _build_set(inner: _Codec) -> _Codec:
    return _Codec(
        f"{{{inner.shape}}}",
        lambda value: sorted(inner.encode(each) for each in value),
        lambda value: frozenset(inner.decode(each) for each in _require(value, list)),
    )


def _build_mapping(key: _Codec, value: _Codec) -> _Codec:
    return _Codec(
        f"{{{key.shape}: {value.shape}}}",
        lambda members: [[key.encode(name), value.encode(each)] for name, each in members.items()],
        lambda pairs: {key.decode(name): value.decode(each) for name, each in _require(pairs, list)},
    )


def _require(value: Any, kind: type) -> Any:
    """Return a JSON value of exactly this type. Raises MalformedError."""
    if type(value) is not kind:
        raise MalformedError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value
