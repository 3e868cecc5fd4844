"""A share of a user key as a page to hand to somebody. Spec: recovery.md §5."""

from solekey.recovery.paper import ACCENT, BOLD, MARGIN, Paper, Sheet, draw
from solekey.recovery.record import ShareRecord, encode_share_record
from solekey.recovery.shares import Share

_WHAT = (
    (
        "One part of the key to an account. Alone it opens nothing and says nothing about the key. Keep it "
        "where the other shares are not, and give it to nobody but the owner of the account."
    ),
)
_USE = (
    (
        "Bring {threshold} shares of this set together, on a computer that the owner trusts:<br/>"
        "<font name=Courier-Bold>solekey recovery combine</font>"
    ),
    (
        "It asks for the words of one share after the other, and gives the key back as 24 words. Or name the "
        "shares as files:<br/><font name=Courier-Bold>solekey recovery combine SHARE.pdf SHARE.pdf</font>"
    ),
)
_LOST = (
    (
        "As long as {threshold} shares are left, nothing is lost. Make a new set while you can:<br/>"
        "<font name=Courier-Bold>solekey recovery split</font>"
    ),
)
_SEEN = (
    (
        "Whoever has {threshold} shares has the key. If that may be so, change it: "
        "<font name=Courier-Bold>solekey rotate user-key</font>, then split the new one. Old shares "
        "then open nothing."
    ),
)
_NOTE = "Which account, which key, which set of shares. It keeps shares from being mixed up."


def draw_share(share: Share, record: ShareRecord, paper: Paper) -> bytes:
    """Draw one share; the same share gives the same bytes."""

    def draw_page(sheet: Sheet) -> None:
        lead = (
            f"<b>Any {record.threshold} of these {record.shares} shares</b> give the account's user key "
            f"back; fewer give nothing. This is share {record.index}."
        )
        sheet.title("KEEP SECRET", f"Share {record.index} of {record.shares}", lead)
        words = share.to_words().split()
        sheet.facts(
            [
                ("Account", record.account),
                ("Key id", record.key_id),
                ("Set", f"{record.set}   (all shares of it begin with: {' '.join(words[:3])})"),
                ("Made", record.created[:16].replace("T", ", ") + " UTC"),
            ]
        )
        _draw_words(sheet, words)
        _draw_instructions(sheet, record.threshold)
        sheet.record(encode_share_record(record), _NOTE)

    return draw(paper, f"Solekey share {record.index}", record.created.datetime, draw_page)


def _draw_words(sheet: Sheet, words: list[str]) -> None:
    height, size = 258.0, 150.0
    sheet.y += 14
    sheet.box(sheet.y, height)
    sheet.text(MARGIN + 12, sheet.y + 17, "The words, in this order", font=BOLD, size=9.5, color=ACCENT)
    sheet.words(words, columns=3, x=MARGIN + 8, y=sheet.y + 41, width=sheet.inner_width - size - 24)
    x, y = sheet.width - MARGIN - size - 12, sheet.y + (height - size) / 2 - 4
    sheet.qr(" ".join(words), x=x, y=y, size=size)
    sheet.caption(x + size / 2, y + size + 12, "the same words")
    sheet.y += height


def _draw_instructions(sheet: Sheet, threshold: int) -> None:
    top, gap = sheet.y + 13, 22.0
    width = (sheet.inner_width - gap) / 2
    right = MARGIN + width + gap
    use, lost, seen = ([text.format(threshold=threshold) for text in texts] for texts in (_USE, _LOST, _SEEN))
    end = sheet.section(MARGIN, top, width, "What this is", _WHAT)
    sheet.section(MARGIN, end + 5, width, "How to use it", use)
    end = sheet.section(right, top, width, "If this share is lost", lost)
    sheet.section(right, end + 5, width, "If somebody else has seen it", seen)
