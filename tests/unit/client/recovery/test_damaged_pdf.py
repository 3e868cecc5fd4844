"""A damaged kit is refused without a word in any log: pypdf quotes the bytes around a fault."""

import io

import pytest
from pypdf import PdfReader

from solekey.crypto import UserKey
from solekey.errors import KitUnreadableError
from solekey.recovery import Paper, documents, read_kit
from solekey.recovery.kit_page import draw_kit
from tests.support.client.kits import KEY_BYTES


@pytest.fixture
def damaged(kit):
    whole = draw_kit(kit, UserKey(KEY_BYTES), Paper.A4)
    return whole.replace(b"/Type /Page", b"/Type \xfePage").replace(b"stream\n", b"stream\xff>", 1)


def test_nothing_of_it_is_logged(damaged, tmp_path, caplog):
    path = tmp_path / "kit.pdf"
    path.write_bytes(damaged)
    with pytest.raises(KitUnreadableError):
        read_kit(path)
    assert caplog.records == []


def make_nested(depth):
    """Make a PDF of a few KiB whose forms draw each other: twice as much with each level."""
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<<%s>>/Length %d>>stream\n%s\nendstream"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
        b"<</Length 5>>stream\n/X Do\nendstream",
        *(form % (b"/XObject<</X %d 0 R>>" % number, 11, b"/X Do /X Do") for number in range(6, 6 + depth)),
        form % (b"", 3, b"q Q"),
    ]
    body, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = (len(objects) + 1, table, len(objects) + 1, len(body))
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % end
    )


def test_forms_that_double_each_other_are_refused(tmp_path, monkeypatch):
    """A share comes from somebody else; pypdf alone draws 5,000 forms, each again and again."""
    monkeypatch.setattr(documents, "MAX_OPERATORS", 1_000)
    path = tmp_path / "share.pdf"
    path.write_bytes(make_nested(3))
    assert documents.read_text(path) == ""  # control: it is a PDF, and few forms are read
    path.write_bytes(make_nested(30))
    with pytest.raises(KitUnreadableError, match="damaged"):
        documents.read_text(path)


def test_what_forms_draw_counts_as_what_their_page_does(tmp_path, monkeypatch):
    path = tmp_path / "share.pdf"
    path.write_bytes(make_nested(3))
    monkeypatch.setattr(documents, "MAX_CONTENT_BYTES", 5 + 3 * 11 + 3)
    assert documents.read_text(path) == ""
    monkeypatch.setattr(documents, "MAX_CONTENT_BYTES", 5 + 3 * 11 + 2)
    with pytest.raises(KitUnreadableError, match="damaged"):
        documents.read_text(path)


def test_the_library_alone_would_log(damaged, caplog):
    with pytest.raises(Exception):  # noqa: B017 - whichever
        [page.extract_text() for page in PdfReader(io.BytesIO(damaged)).pages]
    assert caplog.records
