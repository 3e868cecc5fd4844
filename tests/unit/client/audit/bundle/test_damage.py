"""A damaged copy of a bundle is told from tampering; a hostile bundle does no harm to who reads it."""

import hashlib
import io
import json
import tarfile
import zlib

import pytest

from solekey.audit import LogError, Pin, Verdict, open_log, verify_log
from solekey.audit.bundle.errors import BundleError
from solekey.audit.bundle.export import export_to_bundle
from solekey.audit.bundle.frames import encode_frame
from solekey.audit.bundle.layout import MAX_PART_BYTES, is_path
from solekey.audit.bundle.parts import SIGNATURE, encode_part
from tests.support.audit.on_bus import put_on_bus
from tests.support.protocol.keyring import ACCOUNT, USER
from tests.support.protocol.story import tell_whole

PINS = {ACCOUNT: Pin(USER.public)}


@pytest.fixture
def bundle(tmp_path):
    export_to_bundle(put_on_bus(tell_whole()), tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def tar(tmp_path):
    export_to_bundle(put_on_bus(tell_whole()), tmp_path / "bundle.tar")
    return tmp_path / "bundle.tar"


def part_of(bundle):
    return next(bundle.glob("records/solekey.vault.v1/*/*.part"))


def code_of(path):
    """The code of why a bundle cannot be read; None where it can."""
    try:
        report = verify_log(open_log(path), PINS)
    except LogError as error:
        return error.code
    assert report.verdict is Verdict.CLEAN
    return None


def crlf(data):
    return data.replace(b"\n", b"\r\n")


def unix(data):
    return data.replace(b"\r\n", b"\n")


DAMAGE = {
    "a file cut off": (lambda data: data[:-3], "bundle_truncated"),
    "a file cut to nothing": (lambda _: b"", "bundle_truncated"),
    "more bytes behind a file": (lambda data: data + b"\n", "bundle_trailing_bytes"),
    "LF to CRLF": (crlf, "log_converted"),
    "CRLF to LF": (unix, "log_converted"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "log_converted"),
    "Latin-1 to UTF-8": (lambda data: data.decode("latin-1").encode(), "log_converted"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_is_no_verdict(bundle, how):
    assert code_of(bundle) is None
    damage, code = DAMAGE[how]
    part = part_of(bundle)
    part.write_bytes(damage(part.read_bytes()))
    assert code_of(bundle) == code


def pretty(data):
    return json.dumps(json.loads(data), indent=2).encode()


MANIFESTS = {
    "cut off": (lambda data: data[:-3], "bundle_truncated"),
    "more bytes": (lambda data: data + b"{}", "bundle_trailing_bytes"),
    "a line end": (lambda data: data + b"\n", "log_converted"),
    "CRLF": (lambda data: crlf(pretty(data)), "log_converted"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "log_converted"),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), "log_converted"),
    "another form": (pretty, "log_converted"),
    "no JSON": (lambda _: b"\x00", "bundle_malformed"),
}


@pytest.mark.parametrize("how", MANIFESTS)
def test_a_damaged_manifest_is_no_verdict(bundle, how):
    damage, code = MANIFESTS[how]
    manifest = bundle / "manifest.json"
    manifest.write_bytes(damage(manifest.read_bytes()))
    assert code_of(bundle) == code


TARS = {
    "cut in a file": (lambda data: data[: len(data) // 2], "bundle_truncated"),
    "cut in its end": (lambda data: data[:-600], "bundle_truncated"),
    "more bytes": (lambda data: data + b"\0", "bundle_trailing_bytes"),
    "LF to CRLF": (crlf, "log_converted"),
    "CRLF to LF": (unix, "log_converted"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "log_converted"),
    "Latin-1 to UTF-8": (lambda data: data.decode("latin-1").encode(), "log_converted"),
}


@pytest.mark.parametrize("how", TARS)
def test_a_damaged_tar_file_is_no_verdict(tar, how):
    assert code_of(tar) is None
    damage, code = TARS[how]
    tar.write_bytes(damage(tar.read_bytes()))
    assert code_of(tar) == code


def test_a_missing_file_is_no_verdict(bundle):
    part_of(bundle).unlink()
    assert code_of(bundle) == "bundle_truncated"


def judge(path):
    report = verify_log(open_log(path), PINS)
    return report, {each.code for each in report.findings}


def test_a_file_that_was_changed_is_tampering(bundle):
    part = part_of(bundle)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    report, codes = judge(bundle)
    assert report.verdict is Verdict.VIOLATIONS
    assert {"file_changed", "offset_missing"} <= codes
    assert any(str(part.relative_to(bundle)) in each.detail for each in report.findings)


def test_a_part_that_was_exchanged_is_tampering(bundle):
    """With a record less, and compressed as well as the exporter does."""
    part = part_of(bundle)
    kept = [r for r in put_on_bus(tell_whole()).records() if r.place.topic == "solekey.vault.v1"]
    forged = encode_part(b"".join(map(encode_frame, kept[:-1])))
    part.write_bytes(forged)
    document = json.loads((bundle / "manifest.json").read_bytes())
    entry = document["files"][str(part.relative_to(bundle))]
    entry |= {"bytes": len(forged)}
    rewrite(bundle, document)
    assert {"file_changed", "offset_missing"} <= judge(bundle)[1]
    entry |= {"sha256": hashlib.sha256(forged).hexdigest()}
    rewrite(bundle, document)
    assert {"file_changed", "offset_missing"} <= judge(bundle)[1]  # it holds another number of bytes


def rewrite(bundle, document):
    encoded = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    (bundle / "manifest.json").write_bytes(encoded)


def test_a_file_that_nobody_stated_is_noted_and_not_read(bundle):
    (bundle / "pins.json").write_text("{}")
    report, codes = judge(bundle)
    assert (report.verdict, codes) == (Verdict.CLEAN, set())
    assert [each.code for each in report.notices if each.check == "BUN-02"] == ["file_unlisted"]


OUTSIDE = [
    "../diary",
    "/etc/passwd",
    "records/../../diary",
    "records/solekey.vault.v1/../../../00000000000000000000.part",
    "records/./0/00000000000000000000.part",
    "records/../0/00000000000000000000.part",
    "records/solekey.vault.v1/00/00000000000000000000.part",
    "records/solekey.vault.v1/0/00000000000000000000.part\n",
    "records\\solekey.vault.v1\\0\\00000000000000000000.part",
    "C:bus.json",
    "bus.json/",
    "pins.json",
    "manifest.json",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_out_of_a_bundle(bundle, tmp_path, name):
    (tmp_path / "diary").write_bytes(b"dear")
    document = json.loads((bundle / "manifest.json").read_bytes())
    document["files"][name] = document["files"]["bus.json"]
    rewrite(bundle, document)
    assert code_of(bundle) == "bundle_malformed"
    assert not is_path(name)
    assert is_path("records/solekey.vault.v1/0/00000000000000000000.part")  # positive control


@pytest.mark.parametrize("name", [*OUTSIDE[:3], "pins.json", "bus.json"])
def test_no_name_leads_out_of_a_tar_file(tar, tmp_path, name):
    """The second copy of ``bus.json`` is refused, too: which one counts?"""
    data = io.BytesIO(tar.read_bytes())
    with tarfile.open(fileobj=data, mode="a", format=tarfile.USTAR_FORMAT) as file:
        file.addfile(tarfile.TarInfo(name), io.BytesIO())
    tar.write_bytes(data.getvalue())
    assert code_of(tar) == "bundle_malformed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle.tar"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, b"x", b"L"]
)
def test_a_tar_file_holds_plain_files(tar, kind):
    data = io.BytesIO(tar.read_bytes())
    header = tarfile.TarInfo("records/solekey.vault.v1/3/00000000000000000000.part")
    header.type, header.linkname = kind, "/etc/passwd"
    with tarfile.open(fileobj=data, mode="a", format=tarfile.USTAR_FORMAT) as file:
        file.addfile(header)
    tar.write_bytes(data.getvalue())
    assert code_of(tar) == "bundle_malformed"


@pytest.mark.parametrize("what", ["file", "folder", "manifest"])
def test_a_link_in_a_bundle_is_refused(bundle, tmp_path, what):
    part = part_of(bundle)
    victim = {"file": part, "folder": part.parent, "manifest": bundle / "manifest.json"}[what]
    elsewhere = tmp_path / "elsewhere"
    victim.rename(elsewhere)
    victim.symlink_to(elsewhere, target_is_directory=what == "folder")
    with pytest.raises(BundleError):
        verify_log(open_log(bundle), PINS)


def replace_part(bundle, raw, content_bytes, records=1):
    """Put a part of our own making into a bundle, with a manifest that states it."""
    part = part_of(bundle)
    part.write_bytes(raw)
    document = json.loads((bundle / "manifest.json").read_bytes())
    document["files"][str(part.relative_to(bundle))] = {
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "content_bytes": content_bytes,
        "records": records,
    }
    rewrite(bundle, document)


def bomb(size):
    return SIGNATURE + zlib.compress(bytes(size), 9)


@pytest.mark.parametrize("stated", [10, 40_000_000, MAX_PART_BYTES], ids=str)
def test_a_decompression_bomb_stays_small(bundle, stated):
    raw = bomb(40_000_000)
    assert len(raw) < 50_000
    replace_part(bundle, raw, stated)
    assert "file_changed" in judge(bundle)[1]


def test_a_part_that_states_too_much_is_refused(bundle):
    replace_part(bundle, bomb(1000), MAX_PART_BYTES + 1)
    assert code_of(bundle) == "bundle_malformed"


BROKEN_PARTS = {
    "no signature": zlib.compress(b"x"),
    "nothing": SIGNATURE,
    "a cut stream": encode_part(b"x" * 1000)[:-6],
    "bytes behind the stream": encode_part(b"") + b"x",
    "a cut frame": encode_part(b"\0" * 19),
    "a length out of bounds": encode_part(b"\0" * 16 + b"\x7f\xff\xff\xff"),
    "a negative length": encode_part(b"\0" * 16 + b"\xff\xff\xff\xfe"),
    "a length of more than there is": encode_part(b"\0" * 16 + b"\x00\x00\x10\x00abc"),
}


@pytest.mark.parametrize("how", BROKEN_PARTS)
def test_a_part_that_is_none_is_named_and_the_rest_is_read(bundle, how):
    content = zlib.decompressobj()
    raw = BROKEN_PARTS[how]
    stated = 1000 if how == "a cut stream" else 0
    if how.startswith("a ") and how != "a cut stream":
        stated = len(content.decompress(raw[len(SIGNATURE) :]))
    replace_part(bundle, raw, stated)
    report, codes = judge(bundle)
    assert {"file_changed", "offset_missing"} <= codes
    assert report.records >= len(tell_whole()) - 8


def test_a_folder_that_is_no_bundle(tmp_path):
    (tmp_path / "diary").write_text("dear")
    assert code_of(tmp_path) == "bundle_malformed"
