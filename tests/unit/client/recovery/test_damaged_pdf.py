"""A damaged kit is refused without a word in any log: pypdf quotes the bytes around a fault."""

import io

import pytest
from pypdf import PdfReader

from solekey.crypto import UserKey
from solekey.errors import KitUnreadableError
from solekey.recovery import Paper, read_kit
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


def test_the_library_alone_would_log(damaged, caplog):
    with pytest.raises(Exception):  # noqa: B017 - whichever
        [page.extract_text() for page in PdfReader(io.BytesIO(damaged)).pages]
    assert caplog.records
