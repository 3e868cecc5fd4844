"""A kit on paper: what is on it, how it is written, and what is not taken for one when it is read."""

import io
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from solekey.crypto import UserKey
from solekey.errors import DiskFullError, KitExistsError, KitMismatchError, KitUnreadableError
from solekey.files import whole_file
from solekey.recovery import Paper, RecoveryKit, SavedKit, read_kit, write_kit
from solekey.recovery.kit_page import draw_kit
from solekey.recovery.record import MAX_RECORD_CHARS, encode_kit_record, parse_kit_record
from solekey_protocol.encoding import encode_json
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, KeyId, Timestamp
from solekey_protocol.statements import Head
from tests.support.client.kits import ACCOUNT, KEY_BYTES
from tests.support.spoken_words import repeats

papers = pytest.mark.parametrize("paper", Paper)
LONG_LOG_HEAD = "solekey.example/log\n1234567\n" + "qSd9+/" * 100 + "\n\n— witness Zm9v==\n"


def make_text(kit, phrase):
    return f"{encode_kit_record(kit)}\n{phrase}\n"


@papers
@pytest.mark.parametrize("log_head", [None, LONG_LOG_HEAD], ids=["no log", "long log head"])
@pytest.mark.parametrize("username", ["ada", "άδα@例え.jp", "\\u0041 (x) <b>"])
def test_what_was_written_is_read_back(kit, user_key, tmp_path, paper, log_head, username):
    kit = replace(kit, log_head=log_head, username=username)
    path = write_kit(kit, user_key, tmp_path / "kit.pdf", paper=paper)
    assert read_kit(path) == SavedKit(kit, user_key)


@papers
def test_one_page_holds_it_all(kit, user_key, paper):
    kit = replace(kit, log_head=LONG_LOG_HEAD)
    [page] = PdfReader(io.BytesIO(draw_kit(kit, user_key, paper))).pages
    width, height = paper.value
    assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx((width, height), abs=1)
    spots = []

    def see(text, place, matrix, *_):
        spots.append((text.strip(), place[4] + matrix[4], place[5] + matrix[5]))

    page.extract_text(visitor_text=see)
    drawn = [spot for spot in spots if spot[0]]
    assert len(drawn) > 80
    for text, x, y in drawn:
        assert 30 < x < width - 30, text
        assert 30 < y < height - 30, text


def test_the_page_says_what_a_person_needs(kit, user_key):
    text = PdfReader(io.BytesIO(draw_kit(kit, user_key, Paper.A4))).pages[0].extract_text()
    expected = [kit.account, kit.key_id, kit.server, kit.username, "2026-11-23, 21:36 UTC", "KEEP SECRET"]
    expected += ["If this page is lost", "If somebody else has seen it", "Where the copies are"]
    expected += ["solekey recovery test", "solekey devices trust --kit", "solekey rotate user-key"]
    assert [each for each in expected if each not in text] == []


def test_the_same_kit_gives_the_same_bytes(kit, user_key):
    first = draw_kit(kit, user_key, Paper.A4)
    assert draw_kit(kit, user_key, Paper.A4) == first
    later = replace(kit, created=Timestamp("2026-11-24T21:36:07.123Z"))
    assert draw_kit(later, user_key, Paper.A4) != first
    assert b"D:20261123213607Z" in first


def test_nothing_besides_the_page_holds_the_words(kit, user_key):
    reader = PdfReader(io.BytesIO(draw_kit(kit, user_key, Paper.A4)))
    besides = [str(reader.metadata), str(reader.trailer), str(reader.xmp_metadata), str(reader.root_object)]
    phrase = user_key.to_phrase()
    assert [word for word in phrase.split() if len(word) > 4 and word in " ".join(besides)] == []
    assert reader.attachments == {}
    assert phrase.split()[6] in reader.pages[0].extract_text()  # the search finds what is there


def test_no_font_is_embedded_and_all_are_standard(kit, user_key):
    [page] = PdfReader(io.BytesIO(draw_kit(kit, user_key, Paper.A4))).pages
    fonts = {font.get_object()["/BaseFont"] for font in page["/Resources"]["/Font"].values()}
    assert fonts <= {"/Helvetica", "/Helvetica-Bold", "/Courier", "/Courier-Bold"}


def test_a_kit_is_for_its_owner_alone(kit, user_key, tmp_path):
    old = os.umask(0)
    try:
        path = write_kit(kit, user_key, tmp_path / "kit.pdf")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_exists_is_kept(kit, user_key, tmp_path):
    path = tmp_path / "kit.pdf"
    path.write_text("precious")
    with pytest.raises(KitExistsError):
        write_kit(kit, user_key, path)
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["kit.pdf"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links, like a USB stick"])
def test_a_file_that_appears_meanwhile_is_kept(kit, user_key, tmp_path, monkeypatch, links):
    path, real = tmp_path / "kit.pdf", Path.hardlink_to
    monkeypatch.setattr(whole_file, "_OWN_FILES", Path("/nowhere"))

    def appear(self, target):
        path.write_text("precious")
        if not links:
            raise PermissionError(1, "Operation not permitted")
        real(self, target)

    monkeypatch.setattr(Path, "hardlink_to", appear)
    with pytest.raises(KitExistsError):
        write_kit(kit, user_key, path)
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["kit.pdf"]


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_file_system_without_links_will_do(kit, user_key, tmp_path, monkeypatch, unnamed):
    if not unnamed:
        monkeypatch.setattr(whole_file, "_OWN_FILES", Path("/nowhere"))

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = write_kit(kit, user_key, tmp_path / "kit.pdf")
    assert read_kit(path).kit == kit
    assert [each.name for each in tmp_path.iterdir()] == ["kit.pdf"]


def test_a_full_disk_leaves_nothing(kit, user_key, tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskFullError):
        write_kit(kit, user_key, tmp_path / "kit.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_kit_is_written_with_its_own_words_only(kit, tmp_path):
    with pytest.raises(KitMismatchError):
        write_kit(kit, UserKey(bytes(32)), tmp_path / "kit.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_kit_that_another_program_has_saved_is_read(kit, user_key, tmp_path):
    writer = PdfWriter(clone_from=write_kit(kit, user_key, tmp_path / "kit.pdf"))
    writer.add_metadata({"/Producer": "somebody else"})
    writer.compress_identical_objects()
    for page in writer.pages:
        page.compress_content_streams()
    writer.write(tmp_path / "again.pdf")
    assert read_kit(tmp_path / "again.pdf") == SavedKit(kit, user_key)


def test_what_a_phone_has_read_will_do(kit, user_key, tmp_path):
    path = tmp_path / "scanned.txt"
    path.write_text(make_text(kit, user_key.to_phrase()))
    assert read_kit(path) == SavedKit(kit, user_key)
    path.write_text(encode_kit_record(kit))
    assert read_kit(path) == SavedKit(kit, None)


def test_line_breaks_in_the_record_do_no_harm(kit):
    record = encode_kit_record(replace(kit, log_head=LONG_LOG_HEAD))
    broken = "\n ".join(record[start : start + 61] for start in range(0, len(record), 61))
    assert parse_kit_record(f"Dear me,\n{broken}\nyours") == replace(kit, log_head=LONG_LOG_HEAD)


def test_words_of_another_key_are_refused(kit, tmp_path):
    path = tmp_path / "kit.txt"
    path.write_text(make_text(kit, UserKey(bytes(32)).to_phrase()))
    with pytest.raises(KitMismatchError):
        read_kit(path)


def damage(kit, phrase):
    record = encode_kit_record(kit)
    members = json.loads(record[len("SOLEKEY-KIT-1") :])
    words = phrase.split()

    def say(**changes):
        changed = {name: value for name, value in {**members, **changes}.items() if value != "drop"}
        return "SOLEKEY-KIT-1" + encode_json(changed).decode() + "\n" + phrase

    numbered = " ".join(f"{place} {word}" for place, word in enumerate(words, start=1))
    return {
        "empty": "",
        "the words alone": phrase,
        "two records": f"{record}\n{record}\n{phrase}",
        "another version": record.replace("KIT-1", "KIT-2"),
        "cut": record[:-5],
        "no JSON": record.replace('"account"', "account"),
        "not canonical": record.replace('"log_head":null', '"log_head":null,"log_head":null'),
        "a missing member": say(key_id="drop"),
        "an unknown member": say(more="x"),
        "a bad account": say(account="acc_x"),
        "a bad head": say(heads={"auth": {"seq": 1}}),
        "an empty head": say(heads={"auth": {"seq": 0, "digest": "00" * 32}}),
        "heads that are none": say(heads=[]),
        "an unknown stream": say(heads={"mail": {"seq": 1, "digest": "00" * 32}}),
        "a log head that is none": say(log_head=7),
        "no server": say(server=""),
        "a word twice": f"{record}\n{numbered} 3 zoo",
        "a word missing": f"{record}\n" + numbered.replace(f"7 {words[6]} ", ""),
        "a wrong word": f"{record}\n" + numbered.replace(f"7 {words[6]} ", "7 zoo "),
    }


NAMES = sorted(
    damage(
        RecoveryKit(ACCOUNT, KeyId("0" * 32), "https://x", "x", Timestamp("2026-01-01T00:00:00.000Z"), {}),
        UserKey(KEY_BYTES).to_phrase(),
    )
)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_kit_is_refused(kit, user_key, tmp_path, name):
    path = tmp_path / "kit.txt"
    path.write_text(damage(kit, user_key.to_phrase())[name])
    with pytest.raises(KitUnreadableError) as refusal:
        read_kit(path)
    assert not repeats(user_key.to_phrase(), str(refusal.value))


@pytest.mark.parametrize(
    "data", [b"%PDF-1.4\ngarbage", b"\xff\xfe\x00", b"x" * (1024 * 1024 + 1)], ids=["pdf", "binary", "huge"]
)
def test_a_file_that_is_no_kit_is_refused(tmp_path, data):
    path = tmp_path / "kit.pdf"
    path.write_bytes(data)
    with pytest.raises(KitUnreadableError):
        read_kit(path)


def test_a_book_is_refused(kit, user_key, tmp_path):
    writer = PdfWriter(clone_from=write_kit(kit, user_key, tmp_path / "kit.pdf"))
    for _ in range(4):
        writer.add_blank_page(100, 100)
    writer.write(tmp_path / "book.pdf")
    with pytest.raises(KitUnreadableError, match="pages"):
        read_kit(tmp_path / "book.pdf")


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
def test_a_cut_pdf_is_never_half_a_kit(kit, user_key, tmp_path, cut):
    data = draw_kit(kit, user_key, Paper.A4)
    path = tmp_path / "cut.pdf"
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(KitUnreadableError):
        read_kit(path)


def test_a_record_that_fits_no_code_is_refused(kit, user_key):
    with pytest.raises(ValueError, match="limit"):
        draw_kit(replace(kit, log_head="x" * MAX_RECORD_CHARS), user_key, Paper.A4)


def test_nothing_prints_the_words(kit, user_key):
    shown = f"{SavedKit(kit, user_key)!r} {kit!r}"
    assert "<redacted>" in shown
    assert not repeats(user_key.to_phrase(), shown)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
heads = st.builds(
    Head, st.integers(1, 2**31 - 1), st.binary(min_size=32, max_size=32).map(lambda b: Digest(b.hex()))
)
kits = st.builds(
    RecoveryKit,
    account=st.binary(min_size=16, max_size=16).map(AccountId.from_raw),
    key_id=st.binary(min_size=16, max_size=16).map(lambda raw: KeyId(raw.hex())),
    server=texts,
    username=texts,
    created=st.just(Timestamp("2026-11-23T21:36:07.123Z")),
    heads=st.dictionaries(st.sampled_from(Stream), heads),
    log_head=st.none() | texts,
)


@given(kits)
def test_every_record_is_read_back_and_has_no_white_space(made):
    record = encode_kit_record(made)
    assert parse_kit_record(record) == made
    assert all("!" <= character <= "~" for character in record)


@given(kits, st.data())
def test_an_altered_record_never_passes_for_the_same(made, data):
    record = encode_kit_record(made)
    place = data.draw(st.integers(0, len(record) - 1))
    other = data.draw(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E).filter(lambda c: c != record[place])
    )
    try:
        parsed = parse_kit_record(record[:place] + other + record[place + 1 :])
    except KitUnreadableError:
        return
    assert parsed != made
