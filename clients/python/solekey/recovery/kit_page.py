"""The recovery kit as a page that one prints and puts into a safe. Spec: recovery.md §2."""

from solekey.crypto import UserKey
from solekey.recovery.kit import RecoveryKit
from solekey.recovery.paper import ACCENT, BOLD, MARGIN, MUTED, Paper, Sheet, draw
from solekey.recovery.record import encode_kit_record

_LEAD = (
    "These words are the sole key to everything in this account. <b>Whoever reads this page can read it all; "
    "without the words nobody can</b>, not even the operator of the server. Print this page, put it in a "
    "safe place, and delete the file."
)
_USE = (
    "Check it, now and once a year:<br/><font name=Courier-Bold>solekey recovery test</font>",
    (
        "On a new device, log in and then trust it. With this page as a file:<br/>"
        "<font name=Courier-Bold>solekey login --kit KIT.pdf</font><br/>"
        "<font name=Courier-Bold>solekey devices trust --kit KIT.pdf</font><br/>"
        "From paper, leave out --kit, and enter the words or scan the code beside them."
    ),
    "Logging in asks for your password and a code of your authenticator. They are not on this page.",
)
_LOST = (
    (
        "While you have the words elsewhere, write a new page:<br/>"
        "<font name=Courier-Bold>solekey recovery kit -o KIT.pdf</font>"
    ),
    "When no copy of the words is left, the data is lost. No one can reset this key.",
)
_SEEN = (
    (
        "Change both keys at once, from a device that you trust, then destroy every copy of this page:<br/>"
        "<font name=Courier-Bold>solekey rotate user-key</font> (writes a new kit)<br/>"
        "<font name=Courier-Bold>solekey rotate data-key</font>"
    ),
    "After a lost or stolen device, <font name=Courier-Bold>solekey devices revoke</font> does all of it.",
)
_NOTE = (
    "Account, key, server, and how far the account's history went on that day. A device that is given this "
    "refuses a server that hides or rewrites that history."
)


def draw_kit(kit: RecoveryKit, user_key: UserKey, paper: Paper) -> bytes:
    """Draw a recovery kit; the same kit gives the same bytes."""
    phrase = user_key.to_phrase()

    def draw_page(sheet: Sheet) -> None:
        sheet.title("KEEP SECRET", "Recovery kit", _LEAD)
        made = kit.created[:16].replace("T", ", ") + " UTC"
        sheet.facts(
            [
                ("Account", kit.account),
                ("User name", kit.username),
                ("Server", kit.server),
                ("Key id", kit.key_id),
                ("Made", made),
            ]
        )
        _draw_words(sheet, phrase)
        _draw_instructions(sheet)
        top = sheet.record(encode_kit_record(kit), _NOTE)
        _draw_places(sheet, until=top)

    return draw(paper, "Solekey recovery kit", kit.created.datetime, draw_page)


def _draw_words(sheet: Sheet, phrase: str) -> None:
    height = 152.0
    sheet.y += 14
    sheet.box(sheet.y, height)
    sheet.text(MARGIN + 12, sheet.y + 17, "The words, in this order", font=BOLD, size=9.5, color=ACCENT)
    sheet.words(phrase.split(), columns=4, x=MARGIN + 8, y=sheet.y + 39, width=sheet.inner_width - height - 8)
    size = height - 24
    x = sheet.width - MARGIN - size - 8
    sheet.qr(phrase, x=x, y=sheet.y + 8, size=size)
    sheet.caption(x + size / 2, sheet.y + height - 6, "the same words")
    sheet.y += height


def _draw_instructions(sheet: Sheet) -> None:
    top, gap = sheet.y + 13, 22.0
    width = (sheet.inner_width - gap) / 2
    right = MARGIN + width + gap
    left_end = sheet.section(MARGIN, top, width, "How to use it", _USE)
    right_end = sheet.section(right, top, width, "If this page is lost", _LOST)
    right_end = sheet.section(right, right_end + 5, width, "If somebody else has seen it", _SEEN)
    sheet.y = max(left_end, right_end)


def _draw_places(sheet: Sheet, *, until: float) -> None:
    """Draw lines to write on, as many as the paper has room for."""
    sheet.y += 10
    end = sheet.text(MARGIN, sheet.y + 9, "Where the copies are", font=BOLD, size=9.5, color=ACCENT)
    sheet.text(end + 6, sheet.y + 9, "place, date, who knows of it", size=8, color=MUTED)
    gap = 22.0
    width = (sheet.inner_width - gap) / 2
    y = sheet.y + 32
    while y < until - 10:
        sheet.rule(MARGIN, y, width)
        sheet.rule(MARGIN + width + gap, y, width)
        y += 23
