"""Kits and shares as files: written once, for their owner alone; read back from the text of their page.

A PDF is read through its text (pypdf), which survives copying, printing to PDF and re-saving; a text file
with what a phone has read from the codes will do as well. Spec: recovery.md §2.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from solekey.crypto import UserKey
from solekey.crypto.phrase import PHRASE_WORDS, list_words
from solekey.crypto.typed_words import list_typed_words
from solekey.errors import KitExistsError, KitUnreadableError, NotTextError, OutputExistsError, PhraseError
from solekey.files.any_path import AnyPath
from solekey.files.text import decode_text
from solekey.files.whole_file import write_whole
from solekey.recovery.kit import RecoveryKit, SavedKit
from solekey.recovery.paper import Paper
from solekey.recovery.record import (
    SHARE_MARK,
    ShareRecord,
    find_words,
    parse_kit_record,
    parse_share_record,
)
from solekey.recovery.shares import SHARE_LIST, SHARE_WORDS, Share, parse_share, parse_shares

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_PAGES: Final = 4
MAX_CONTENT_BYTES: Final = 256 * 1024
"""What a page draws, decompressed, its forms included; a kit's page has a tenth of it."""
MAX_OPERATORS: Final = 50_000
"""Steps of drawing; a form that is drawn again counts again, for forms that draw forms double each other."""
_PDF_MAGIC: Final = b"%PDF-"


def write_kit(kit: RecoveryKit, user_key: UserKey, path: AnyPath, *, paper: Paper = Paper.A4) -> Path:
    """Write a recovery kit as a PDF of one page, for its owner alone (0600). Never overwrites.

    Raises:
        KitMismatchError: the key is not the kit's.
        KitExistsError: there is a file of that name.
    """
    from solekey.recovery.kit_page import draw_kit

    return write_new(Path(path), draw_kit(kit, kit.verify_words(user_key), paper))


def read_kit(path: AnyPath) -> SavedKit:
    """Read a kit: its PDF, or a text file with its record and (maybe) its words.

    Raises:
        KitUnreadableError: not a kit, damaged, or ambiguous.
        KitMismatchError: its words are those of another key.
    """
    text = read_text(Path(path))
    kit = parse_kit_record(text)
    words = find_words(text, PHRASE_WORDS, list_words()) or _find_line(text, PHRASE_WORDS)
    if words is None:
        return SavedKit(kit, None)
    try:
        return SavedKit(kit, kit.verify_words(UserKey.from_phrase(" ".join(list_typed_words(words)))))
    except PhraseError as error:
        raise KitUnreadableError(f"the words in {path} are damaged: {error}") from error


def write_share(share: Share, record: ShareRecord, path: AnyPath, *, paper: Paper = Paper.A4) -> Path:
    """Write one share as a PDF of one page, for its owner alone (0600). Raises KitExistsError."""
    from solekey.recovery.share_page import draw_share

    return write_new(Path(path), draw_share(share, record, paper))


def read_share(path: AnyPath) -> tuple[Share, ShareRecord | None]:
    """Read a share: its PDF, or a text file with its words, and (maybe) its record.

    Raises:
        KitUnreadableError: not a share, or damaged.
        ShareError: words that are no share.
    """
    text = read_text(Path(path))
    record = parse_share_record(text) if SHARE_MARK in "".join(text.split()) else None
    words = find_words(text, SHARE_WORDS, SHARE_LIST) if record else text
    if words is None:
        words = _find_line(text, SHARE_WORDS)
    share = parse_share(words or "")
    if record and (record.set, record.index, record.threshold) != (share.set, share.index, share.threshold):
        raise KitUnreadableError(f"{path}: the words are not those of the share that it names")
    return share, record


def read_shares(path: AnyPath) -> list[tuple[Share, ShareRecord | None]]:
    """Read the share of a PDF, or all shares of a text file. Raises as `read_share`."""
    text = read_text(Path(path))
    if SHARE_MARK in "".join(text.split()):
        return [read_share(path)]
    if not (shares := parse_shares(text)):
        raise KitUnreadableError(f"{path} holds no share")
    return [(share, None) for share in shares]


def write_new(path: Path, data: bytes) -> Path:
    """Write a whole new private file: it is there completely or not at all, and replaces nothing.

    Raises:
        KitExistsError: there is a file of that name.
    """
    try:
        write_whole(path, data, new=True)
    except OutputExistsError as error:
        raise KitExistsError(str(error)) from error
    return path


def read_text(path: Path) -> str:
    """Read the text of a PDF or of a text file. Raises KitUnreadableError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise KitUnreadableError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    if not data.startswith(_PDF_MAGIC):
        try:
            return decode_text(data, str(path))
        except NotTextError as error:
            raise KitUnreadableError(f"{path} is neither a PDF nor UTF-8 text") from error
    return _extract_text(path, data)


def _extract_text(path: Path, data: bytes) -> str:
    import io

    from pypdf import PdfReader

    try:
        with _without_log():
            pages = PdfReader(io.BytesIO(data)).pages
            number = len(pages)
            text = "\n".join(_extract_page(page) for page in pages[:MAX_PAGES])
    except Exception as error:  # pypdf refuses damaged files in many ways, by classes that change
        raise KitUnreadableError(f"{path} is a damaged PDF: {type(error).__name__}") from error
    if number > MAX_PAGES:
        raise KitUnreadableError(f"{path} has {number} pages, a kit has one")
    return text


def _extract_page(page: Any) -> str:
    """Extract a page's text; one that draws too much is refused before its drawing is looked at."""
    contents = page.get_contents()
    left = MAX_CONTENT_BYTES - (0 if contents is None else len(contents.get_data()))
    forms, seen = _list_forms(page), set[int]()
    while left >= 0 and forms:
        form = forms.pop()
        if id(form) not in seen:
            seen.add(id(form))
            left -= len(form.get_data())
            forms += _list_forms(form)
    if left < 0:
        raise ValueError(f"a page has more than {MAX_CONTENT_BYTES} bytes of content")
    steps = 0

    def count_step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps > MAX_OPERATORS:
            raise ValueError("too many steps")  # pypdf goes on behind a form that cannot be read

    text: str = page.extract_text(visitor_operand_before=count_step)
    if steps > MAX_OPERATORS:
        raise ValueError(f"a page is drawn in more than {MAX_OPERATORS} steps")
    return text


def _list_forms(drawn: Any) -> list[Any]:
    """List the forms that a page, or a form, may draw."""
    from pypdf.generic import DictionaryObject

    resources = drawn.get("/Resources", DictionaryObject()).get_object()
    objects = resources.get("/XObject", DictionaryObject()).get_object().values()
    return [found for each in objects if (found := each.get_object()).get("/Subtype") == "/Form"]


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep pypdf from logging: it quotes the bytes around a fault, and they may be the words."""
    import logging

    log = logging.getLogger("pypdf")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _find_line(text: str, count: int) -> str | None:
    """Find the one line of so many words, as a scanner gives it back."""
    found = [line for line in text.splitlines() if len(list_typed_words(line)) == count]
    return found[0] if len(found) == 1 else None
