"""G: the bundle that an exporter hands over: its signature, its files, its ranges, its order."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from solekey.audit import open_log
from solekey.audit.bundle.export import export_to_bundle
from solekey_protocol.encoding import encode_json
from solekey_protocol.ids import PublicKey, compute_digest
from tamper.classes.bus import BusLog, published
from tamper.tampering import BOUNDS, Exhibit, Family, Outcome, honest, vouch
from tests.support.keys import derive_raw

BUNDLES = Family("G", "the bundle")
_add = BUNDLES.add
_NO_EVENT: Final = "a bundle is at fault, no event"
_EXPORTER, _OTHER = (
    Ed25519PrivateKey.from_private_bytes(derive_raw(f"{who} a") + derive_raw(f"{who} b"))
    for who in ("exporter", "another")
)
_PUBLIC: Final = PublicKey(_EXPORTER.public_key().public_bytes_raw().hex())
Edit = Callable[[Path], None]


def _export(
    folder: Path, name: str, log: BusLog, *, key: Ed25519PrivateKey | None, after: Path | None
) -> Path:
    pem = folder / "key.pem"
    if key is not None:
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    target = folder / name
    export_to_bundle(log, target, after=after, signing_key=pem if key is not None else None)
    return target


def make_bundle(
    *edits: Edit, key: Ed25519PrivateKey | None = _EXPORTER, demand: bool = True, log: BusLog | None = None
) -> Callable[[], Exhibit]:
    """Export the honest bus, edit the bundle, and open it as an auditor who knows the exporter, or not."""

    def make() -> Exhibit:
        folder = TemporaryDirectory(prefix="solekey-tamper-")
        path = _export(Path(folder.name), "bundle", log or published(), key=key, after=None)
        for edit in edits:
            edit(path)
        bounds = replace(BOUNDS, exporter=_PUBLIC if demand else None)
        return Exhibit(lambda: open_log(path), None, vouch(honest()), bounds=bounds, close=folder.cleanup)

    return make


def edit_manifest(change: Callable[[Any], None]) -> Edit:
    """Edit what the manifest states; its form stays canonical. The signature stays what it was."""

    def edit(path: Path) -> None:
        manifest = path / "manifest.json"
        before = manifest.read_bytes()
        document = json.loads(before)
        change(document)
        manifest.write_bytes(encode_json(document))
        assert manifest.read_bytes() != before

    return edit


def _edit_file(name: str, change: Callable[[bytes], bytes], *, stated: bool = False) -> Edit:
    """Edit the first file of a name; ``stated``: the manifest states its new digest and size."""

    def edit(path: Path) -> None:
        file = min(path.glob(name))
        changed = change(file.read_bytes())
        file.write_bytes(changed)
        if stated:
            relative = file.relative_to(path).as_posix()
            entry = {"bytes": len(changed), "sha256": compute_digest(changed), "content_bytes": len(changed)}
            edit_manifest(lambda document: document["files"][relative].update(entry))(path)

    return edit


def _drop_range(document: Any) -> None:
    document["ranges"] = [each for each in document["ranges"] if each["topic"] != "solekey.rotation.v1"]


def _shorten_range(document: Any) -> None:
    longest = max(document["ranges"], key=lambda each: int(each["to"]))
    longest["to"] -= 1


def _forget_part(document: Any) -> None:
    """The manifest states one part less: it lies there, and nobody reads it."""
    document["files"].pop(min(name for name in document["files"] if name.startswith("records/solekey.vault")))


def _hide_topic(raw: bytes) -> bytes:
    document = json.loads(raw)
    document["topics"].pop("solekey.rotation.v1")
    return encode_json(document)


def _forget_sooner(raw: bytes) -> bytes:
    document = json.loads(raw)
    document["topics"]["solekey.vault.v1"]["settings"]["retention.ms"] = "1000"
    return encode_json(document)


def _flip(raw: bytes) -> bytes:
    return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]


def _add_file(path: Path) -> None:
    (path / "readme.txt").write_text("look here")


def _copy_signature(path: Path) -> None:
    """The exporter's signature of another bundle."""
    other = _export(path.parent, "other", replace(published(), kept=()), key=_EXPORTER, after=None)
    (path / "manifest.sig").write_bytes((other / "manifest.sig").read_bytes())


def _continued(*, first: bool, gap: bool = False) -> Callable[[], Exhibit]:
    """A bundle and the one that continues it; without the first, or with a hole between them."""

    def make() -> Exhibit:
        folder = TemporaryDirectory(prefix="solekey-tamper-")
        base, whole = Path(folder.name), published()
        half = tuple(
            record for record in whole.kept if record.place is not None and record.place.offset < _HALF
        )
        topics = {
            name: replace(
                state,
                partitions={
                    number: replace(extent, end=min(extent.end, _HALF))
                    for number, extent in state.partitions.items()
                },
            )
            for name, state in whole.bus.topics.items()
        }
        part = replace(whole, kept=half, bus=replace(whole.bus, topics=topics))
        one = _export(base, "one", part, key=_EXPORTER, after=None)
        two = _export(base, "two", whole, key=_EXPORTER, after=one)
        if gap:
            edit_manifest(_begin_later)(two)
        paths = [one, two] if first else [two]
        return Exhibit(lambda: open_log(*paths), None, vouch(honest()), close=folder.cleanup)

    return make


_HALF: Final = 3


def _begin_later(document: Any) -> None:
    longest = max(document["ranges"], key=lambda each: int(each["to"]) - int(each["from"]))
    longest["from"] += 1


_add(
    "no signature, and the exporter's key is known",
    make_bundle(key=None),
    "BUN-01",
    named=False,
    reason=_NO_EVENT,
)
_add("signed by somebody else", make_bundle(key=_OTHER), "BUN-01", named=False, reason=_NO_EVENT)
_add(
    "with the signature of another bundle",
    make_bundle(_copy_signature),
    "BUN-01",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "the manifest is made anew under its old signature",
    make_bundle(edit_manifest(lambda document: document.update(tool="solekey 9"))),
    "BUN-01",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "the signature is made shorter",
    make_bundle(_edit_file("manifest.sig", lambda raw: raw[:-4] + b'0"}')),
    "BUN-01",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "a bit of a part is flipped",
    make_bundle(_edit_file("records/solekey.vault.v1/*/*.part", _flip)),
    "BUN-02",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "a bit of a part is flipped, and stated",
    make_bundle(_edit_file("records/solekey.vault.v1/*/*.part", _flip, stated=True), demand=False),
    "BUN-02",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "the state of the bus is exchanged",
    make_bundle(
        _edit_file("bus.json", lambda raw: raw.replace(b'"cluster":"cluster"', b'"cluster":"clustes"')),
        demand=False,
    ),
    "BUN-02",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "a topic is not shown",
    make_bundle(_edit_file("bus.json", _hide_topic, stated=True), demand=False),
    "BUS-01",
    named=False,
    reason="a topic is at fault, no event",
)
_add(
    "settings that forget",
    make_bundle(_edit_file("bus.json", _forget_sooner, stated=True), demand=False),
    "BUS-02",
    named=False,
    reason="a topic is at fault, no event",
)
_add(
    "a topic was not to be exported",
    make_bundle(edit_manifest(_drop_range), demand=False),
    "BUN-03",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "the last record was not to be exported",
    make_bundle(edit_manifest(_shorten_range), demand=False),
    "BUN-03",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "a part is there, and not stated",
    make_bundle(edit_manifest(_forget_part), demand=False),
    "BUS-03",
    named=False,
    reason="what is missing claims nothing",
)
_add(
    "a file that nobody has stated",
    make_bundle(_add_file),
    "BUN-02",
    outcome=Outcome.NOTICED,
    named=False,
    reason=_NO_EVENT,
)
_add(
    "schemas of the operator's own",
    make_bundle(
        _edit_file("schemas.json", lambda raw: raw.replace(b"false", b"true"), stated=True), demand=False
    ),
    "BUN-04",
    outcome=Outcome.NOTICED,
    named=False,
    reason=_NO_EVENT,
)
_add(
    "a record of the honest bus is left out before the export",
    make_bundle(log=replace(published(), kept=published().kept[1:])),
    "BUS-03",
    named=False,
    reason="what is missing claims nothing",
)
_add("a hole between two bundles", _continued(first=True, gap=True), "BUN-03", named=False, reason=_NO_EVENT)
_add(
    "the second bundle without the first",
    _continued(first=False),
    "bundle_continues",
    outcome=Outcome.UNREADABLE,
)
_add(
    "a part is cut off",
    make_bundle(_edit_file("records/solekey.vault.v1/*/*.part", lambda raw: raw[:-1])),
    "bundle_truncated",
    outcome=Outcome.UNREADABLE,
)
_add(
    "the manifest has a line end",
    make_bundle(_edit_file("manifest.json", lambda raw: raw + b"\n")),
    "log_converted",
    outcome=Outcome.UNREADABLE,
)
