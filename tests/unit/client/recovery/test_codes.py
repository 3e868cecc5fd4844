"""The printed page, as a camera sees it: Debian's poppler renders it, zbar reads the codes."""

import subprocess
from dataclasses import replace

import pytest

from solekey.crypto import UserKey
from solekey.recovery import Paper, confirm_words, split_user_key, write_kit
from solekey.recovery.documents import write_share
from solekey.recovery.record import ShareRecord, encode_kit_record, encode_share_record, parse_kit_record

PRINTER_DPI = 200  # a poor printer and a poor camera

pytestmark = pytest.mark.slow


def read_codes(program, path):
    """Print a PDF in black on white and read every QR code on the page."""
    image = path.with_suffix("")
    subprocess.run(
        [program("pdftoppm"), "-r", str(PRINTER_DPI), "-gray", "-png", "-singlefile", path, image], check=True
    )
    read = subprocess.run(
        [program("zbarimg"), "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", f"{image}.png"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(read.stdout.splitlines())


@pytest.mark.parametrize("paper", Paper)
@pytest.mark.parametrize(
    "log_head", [None, "solekey.example/log\n7\n" + "x" * 700], ids=["no log", "long log head"]
)
def test_both_codes_of_a_kit_are_read(kit, user_key, tmp_path, program, paper, log_head):
    kit = replace(kit, log_head=log_head)
    path = write_kit(kit, user_key, tmp_path / "kit.pdf", paper=paper)
    record, phrase = read_codes(program, path)
    assert phrase == user_key.to_phrase()
    assert confirm_words(UserKey(user_key.expose()), phrase) == user_key
    assert record == encode_kit_record(kit)
    assert parse_kit_record(record) == kit


@pytest.mark.parametrize("paper", Paper)
def test_both_codes_of_a_share_are_read(kit, user_key, tmp_path, program, paper):
    share = split_user_key(user_key, threshold=2, shares=3, random=lambda count: b"\xa5" * count)[2]
    record = ShareRecord(kit.account, kit.key_id, kit.created, share.set, share.index, 2, 3)
    path = write_share(share, record, tmp_path / "share.pdf", paper=paper)
    assert read_codes(program, path) == sorted([encode_share_record(record), share.to_words()])


def test_every_line_of_text_is_on_the_paper(kit, user_key, tmp_path, program):
    """Another reader of PDFs than ours finds all words, and nothing is cut off at the edge."""
    path = write_kit(kit, user_key, tmp_path / "kit.pdf", paper=Paper.LETTER)
    read = subprocess.run(
        [program("pdftotext"), "-layout", path, "-"], capture_output=True, text=True, check=True
    ).stdout
    assert [word for word in user_key.to_phrase().split() if word not in read.split()] == []
    assert kit.account in read
    assert parse_kit_record(_cut_record(read)) == kit


def _cut_record(text):
    start = text.index("SOLEKEY-KIT-1")
    return text[start:]
