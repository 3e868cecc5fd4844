"""What an operator hands to an auditor: a hostile bundle is refused by name."""

import json
from typing import Final

from hypothesis import strategies as st

from solekey.audit.archive.errors import ArchiveError
from solekey.audit.archive.verdict import KeptRange, Point, parse_point
from solekey.audit.bundle.bus_state import encode_bus_state, parse_bus_state
from solekey.audit.bundle.errors import BundleError
from solekey.audit.bundle.layout import name_part, parse_part_name
from solekey.audit.bundle.manifest import FileEntry, Manifest
from solekey.audit.bundle.parts import PartError, decode_part, encode_part
from solekey.audit.sources.errors import LogError
from solekey.audit.sources.log import BusState, Extent, TopicState
from solekey_protocol.encoding import encode_json
from solekey_protocol.ids import Timestamp, compute_digest
from tests.support.audit.auditor import AUDITOR
from tests.system.fuzz.mutations import mutate_json
from tests.system.fuzz.target import Target

_LIMIT: Final = 1_000
_counts = st.integers(0, 2**40)
_topics = st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True).filter(lambda name: name not in {".", ".."})
_parts = st.builds(name_part, _topics, st.integers(0, 99), _counts)
_extents = st.builds(Extent, _counts, _counts)
_entries = st.builds(FileEntry, _counts, st.binary().map(compute_digest), st.integers(0, _LIMIT), _counts)
_manifests = st.builds(
    Manifest,
    st.just(Timestamp("2026-11-28T12:00:00.000Z")),
    st.just("solekey 0.1.0"),
    st.none() | st.binary().map(compute_digest),
    st.dictionaries(st.tuples(_topics, st.integers(0, 99)), _extents, max_size=2),
    st.dictionaries(_parts, _entries, max_size=2),
)
_settings = st.dictionaries(st.sampled_from(["retention.ms", "cleanup.policy"]), st.text(max_size=9))
_offsets = st.dictionaries(st.integers(0, 9), _extents, max_size=2)
_states = st.builds(
    BusState,
    st.sampled_from(["embedded", "kafka"]),
    st.none() | st.text(max_size=9),
    st.dictionaries(_topics, st.builds(TopicState, _offsets, _settings, exported=st.booleans()), max_size=2),
)


def _check_manifest(raw: bytes) -> None:
    manifest = Manifest.parse(raw)
    assert Manifest.parse(manifest.encode()) == manifest


def _check_bus_state(raw: bytes) -> None:
    state = parse_bus_state(json.loads(raw))
    assert parse_bus_state(encode_bus_state(state)) == state


def _check_part_name(raw: bytes) -> None:
    path = raw.decode("latin-1")
    found = parse_part_name(path)
    assert found is None or name_part(*found) == path
    assert found is None or not {"", ".", ".."} & set(path.split("/"))


def _check_part(raw: bytes) -> None:
    assert len(decode_part(raw, _LIMIT)) <= _LIMIT


_NOON = Timestamp("2026-11-28T12:00:00.000Z")
_DIGEST = compute_digest(b"a record")
_POINT = Point(
    AUDITOR.public,
    2,
    _DIGEST,
    _NOON,
    _NOON,
    "clean",
    {"clocks": 60},
    "solekey 0.1.0",
    "catalogue",
    9,
    _DIGEST,
    None,
    (KeptRange("solekey.auth.v1", 0, 0, 8, 9, _DIGEST),),
    {("solekey.auth.v1", 0): 9},
    {"bus": _DIGEST},
)


def _check_point(raw: bytes) -> None:
    assert parse_point(raw, "it", AUDITOR.public).point == _POINT


TARGETS = (
    Target(
        "what an auditor has signed",
        st.just(_POINT.sign(AUDITOR)),
        _check_point,
        (ArchiveError,),
        mutate=mutate_json,
        covers=("audit.archive.verdict.parse_point",),
    ),
    Target(
        "manifest of a bundle",
        _manifests.map(Manifest.encode),
        _check_manifest,
        (BundleError, LogError),
        mutate=mutate_json,
        covers=("audit.bundle.manifest.Manifest.parse",),
    ),
    Target(
        "state of a bus",
        _states.map(lambda state: encode_json(encode_bus_state(state))),
        _check_bus_state,
        (ValueError, TypeError, KeyError, AttributeError),
        mutate=mutate_json,
        covers=("audit.bundle.bus_state.parse_bus_state",),
    ),
    Target(
        "name of a part",
        _parts.map(str.encode),
        _check_part_name,
        (),
        covers=("audit.bundle.layout.parse_part_name",),
    ),
    Target(
        "part of a bundle",
        st.binary(max_size=_LIMIT).map(encode_part),
        _check_part,
        (PartError,),
        covers=("audit.bundle.parts.decode_part",),
    ),
)
